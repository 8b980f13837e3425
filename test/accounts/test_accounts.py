"""Accounts on real databases: made, found, signed in to, deleted."""

from __future__ import annotations

from typing import Any

from bson import ObjectId
from twisted.trial.unittest import TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from test.support.databases import blocking_database
from test.support.parts import connected, pool
from test.support.passwords import cheap_passwords
from wildduck import errors
from wildduck.accounts import Account, Accounts, SignIn
from wildduck.accounts.policy import FailureCounter
from wildduck.database import Redis
from wildduck.interfaces import IAccountMail, IMailAccount


@implementer(IAccountMail)
class MailRecord:
    """Stands for the mail store: notes what it is asked, and can fail."""

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.deleted: list[Any] = []
        self.names: Any = None
        self.fault: Exception | None = None

    async def create_defaults(
        self, user: object, language: str = "", retention: int = 0, names: Any = None
    ) -> None:
        if self.fault:
            raise self.fault
        self.made.append((user, language, retention))
        self.names = names

    async def delete_user_data(self, user: object, check: Any = None) -> None:
        self.deleted.append(user)


class AccountsCase(TestCase):
    """A connected L{Accounts}."""

    async def setUp(self) -> None:  # type: ignore[override]
        cheap_passwords(self)
        self.settings, self.databases, self.redis = await connected(self)
        self.mail = MailRecord()
        from twisted.internet import reactor

        self.reactor = reactor
        self.accounts = Accounts(
            self.databases, self.redis, self.mail, pool(self), reactor, default_quota=1000
        )
        self.raw = blocking_database(self.settings)

    async def sign_in(self, name: str, password: str, service: str = "imap") -> Account:
        return await self.accounts.sign_in(SignIn(name, password, service, "127.0.0.1"))

    async def refused(self, error: type[Exception], name: str, password: str, service: str = "imap") -> None:
        with self.assertRaises(error):
            await self.sign_in(name, password, service)


class CreateTests(AccountsCase):
    async def test_create(self) -> None:
        """A new account has its mailboxes, its addresses in order, and WildDuck's fields."""
        account = await self.accounts.create(
            "Test.User", "secret", addresses=["A.b@example.com", "*@example.net"]
        )
        verifyObject(IMailAccount, account)
        verifyObject(IAccountMail, self.mail)
        self.assertEqual(
            (account.username, account.address, account.quota), ("test.user", "a.b@example.com", 1000)
        )
        self.assertEqual(self.mail.made, [(account.id, "", 0)])
        row = self.raw.users.find_one()
        self.assertEqual((row["unameview"], row["activated"], row["disabled"]), ("testuser", True, False))
        self.assertEqual({a.address: a.main for a in await self.accounts.addresses(account)},
                         {"a.b@example.com": True, "*@example.net": False})  # fmt: skip

    async def test_name_taken(self) -> None:
        """Two names that differ in dots and case alone are one."""
        await self.accounts.create("testuser", "secret")
        with self.assertRaises(errors.UserExists):
            await self.accounts.create("Test.User", "secret")

    async def test_address_taken(self) -> None:
        """An account whose address is taken leaves nothing behind."""
        await self.accounts.create("one", "secret", addresses=["a@example.com"])
        with self.assertRaises(errors.AddressExists):
            await self.accounts.create("two", "secret", addresses=["b@example.com", "a@example.com"])
        self.assertEqual(self.raw.users.count_documents({}), 1)
        self.assertEqual(self.raw.addresses.count_documents({}), 1)

    async def test_interrupted(self) -> None:
        """An account whose mailboxes could not be made is taken back."""
        self.mail.fault = errors.Unavailable()
        with self.assertRaises(errors.Unavailable):
            await self.accounts.create("one", "secret", addresses=["a@example.com"])
        self.assertEqual(self.raw.users.count_documents({}) + self.raw.addresses.count_documents({}), 0)
        self.assertEqual(len(self.mail.deleted), 1)

    async def test_every_bad_field(self) -> None:
        """All failed fields are named at once."""
        with self.assertRaises(errors.BadInput) as caught:
            await self.accounts.create("a b", "", addresses=["nowhere"], quota=-1)
        self.assertEqual(set(caught.exception.fields), {"username", "password", "address", "quota"})

    async def test_address_as_name(self) -> None:
        """A name that is an address receives mail at once."""
        account = await self.accounts.create("user@example.com", "secret")
        self.assertEqual(
            (await self.accounts.receivers.find("u.ser+x@Example.com")).recipient.account.id, account.id
        )


class RecipientTests(AccountsCase):
    async def test_order(self) -> None:
        """Exact, then domain alias, then the longest wildcard, the name at any domain last."""
        made = {}
        for name, address in (
            ("exact", "first.last@example.com"),
            ("prefix", "fir*@example.com"),
            ("suffix", "*-list@example.com"),
            ("all", "*@example.com"),
            ("anywhere", "postmaster@*"),
            ("unicode", "jõgi@bücher.example"),
        ):
            made[(await self.accounts.create(name, "secret", addresses=[address])).id] = name
        self.raw.domainaliases.insert_one({"alias": "alias.example", "domain": "example.com"})
        for address, name in (
            ("FirstLast+label@EXAMPLE.com", "exact"),
            ("first.last@alias.example", "exact"),
            ("first@example.com", "prefix"),
            ("firm-list@example.com", "suffix"),
            ("first@alias.example", "prefix"),
            ("someone@alias.example", "all"),
            ("post.master@other.example", "anywhere"),
            ("postmaster@example.com", "all"),
            ("JÕGI@xn--bcher-kva.example", "unicode"),
        ):
            recipient = (await self.accounts.receivers.find(address)).recipient
            self.assertEqual((made[recipient.account.id], recipient.address), (name, address))

    async def test_nobody(self) -> None:
        """Unknown and odd addresses are nobody's; wildcards are no text to be matched."""
        await self.accounts.create("one", "secret", addresses=["a@example.com"])
        for address in (
            "b@example.com",
            "a",
            "",
            "@",
            "a@",
            "@example.com",
            "*@example.com",
            "a@*",
            "a@exa\x00mple",
        ):
            with self.assertRaises(errors.AddressNotFound):
                await self.accounts.receivers.find(address)

    async def test_forwarded(self) -> None:
        """A forwarded address is known, but this server can't deliver to it; nobody signs in by it."""
        self.raw.addresses.insert_one(
            {"address": "f@example.com", "addrview": "f@example.com", "targets": []}
        )
        with self.assertRaises(errors.DeliveryNotPossible):
            await self.accounts.receivers.find("f@example.com")
        await self.refused(errors.AuthenticationFailed, "f@example.com", "secret")


class SignInTests(AccountsCase):
    async def test_by_name_and_address(self) -> None:
        """The name in any spelling and every address open the account; wildcards do not."""
        account = await self.accounts.create(
            "test.user", "pässword", addresses=["a@example.com", "*@example.net"]
        )
        for name in ("testuser", "TEST.USER", "a@example.com", "A+x@Example.com"):
            self.assertEqual((await self.sign_in(name, "pässword")).id, account.id)
        for name in ("x@example.net", "nobody", "a", ""):
            await self.refused(errors.AuthenticationFailed, name, "pässword")

    async def test_wrong(self) -> None:
        """A wrong, empty or endless password opens nothing."""
        await self.accounts.create("one", "secret")
        for password in ("Secret", "", "x" * 10_000, "secret\x00"):
            await self.refused(errors.AuthenticationFailed, "one", password)

    async def test_states(self) -> None:
        """Disabled, suspended and two-factor accounts stay closed, and only to the right password say why."""
        await self.accounts.create("one", "secret")
        for change, service, error in (
            ({"disabled": True}, "imap", errors.AccountDisabled),
            ({"suspended": True}, "master", errors.AccountDisabled),
            ({"disabledScopes": ["imap"]}, "imap", errors.AuthorizationFailed),
            ({"enabled2fa": ["totp"]}, "imap", errors.AuthenticationFailed),
            ({"enabled2fa": True}, "pop3", errors.AuthenticationFailed),
        ):
            clean = {"disabled": False, "suspended": False, "disabledScopes": [], "enabled2fa": []}
            self.raw.users.update_one({}, {"$set": {**clean, **change}})
            await self.refused(error, "one", "secret", service)
            await self.refused(errors.AuthenticationFailed, "one", "wrong", service)
        self.assertEqual((await self.sign_in("one", "secret", "master")).username, "one")

    async def test_guessing(self) -> None:
        """After twelve failures even the right password is refused; a success clears the count."""
        account = await self.accounts.create("one", "secret")
        for _ in range(11):
            await self.refused(errors.AuthenticationFailed, "one", "wrong")
        await self.sign_in("one", "secret")
        for _ in range(12):
            await self.refused(errors.AuthenticationFailed, "one", "wrong")
        await self.refused(errors.RateLimited, "one", "secret")
        ttl = await self.redis.execute("TTL", f"auth_user:{account.id}")
        self.assertTrue(0 < ttl <= 120)

    async def test_guessing_at_once(self) -> None:
        """A right guess is refused when others have failed too often while it was looked at."""
        account = await self.accounts.create("one", "secret")
        threads = pool(self)
        failures = FailureCounter(self.redis)

        class BusyPool:
            async def run(self, function: Any, *arguments: Any) -> Any:
                result = await threads.run(function, *arguments)
                for _ in range(12):
                    await failures.failed(str(account.id))
                return result

        busy: Any = BusyPool()
        accounts = Accounts(self.databases, self.redis, self.mail, busy, self.reactor, default_quota=1)
        with self.assertRaises(errors.RateLimited):
            await accounts.sign_in(SignIn("one", "secret"))

    async def test_without_redis(self) -> None:
        """People can sign in while Redis is away."""
        await self.accounts.create("one", "secret")
        other = await Redis.connect(self.settings.redis.uri, self.reactor)
        accounts = Accounts(self.databases, other, self.mail, pool(self), self.reactor, default_quota=1)
        await other.close()
        self.assertEqual((await accounts.sign_in(SignIn("one", "secret"))).username, "one")

    async def test_odd_documents(self) -> None:
        """A document of an older WildDuck that lacks fields, or holds odd ones, does not raise."""
        self.raw.users.insert_one(
            {
                "_id": ObjectId(),
                "unameview": "old",
                "password": None,
                "quota": float("nan"),
                "targets": 5,
                "spamLevel": "high",
            }
        )
        account = await self.accounts.get("old")
        self.assertEqual((account.quota, account.storage_used, account.second_factors), (1000, 0, ()))
        self.assertEqual((account.targets, account.spam_level), ((5,), 50))
        await self.refused(errors.AuthenticationFailed, "old", "secret")


class ChangeTests(AccountsCase):
    async def test_password(self) -> None:
        """A new password opens the account, the old one no longer, and issued tokens end."""
        account = await self.accounts.create("one", "old")
        await self.accounts.set_password(account, "new")
        await self.refused(errors.AuthenticationFailed, "one", "old")
        await self.sign_in("one", "new")
        self.assertEqual(self.raw.users.find_one()["authVersion"], 2)

    async def test_main_address(self) -> None:
        """The first address becomes the main one, later ones when they are said to be."""
        await self.accounts.create("one", "secret")
        for address, main, expected in (
            ("a@example.com", False, "a@example.com"),
            ("b@example.com", False, "a@example.com"),
            ("c@example.com", True, "c@example.com"),
        ):
            await self.accounts.add_address(await self.accounts.get("one"), address, main=main)
            self.assertEqual((await self.accounts.get("one")).address, expected)
