"""Accounts with everything that can be said of them, made on real databases."""

from __future__ import annotations

import datetime
from typing import Any

from twisted.internet.defer import Deferred, DeferredList

from test.accounts.key_samples import FINE
from test.accounts.test_accounts import AccountsCase
from wildduck import errors
from wildduck.accounts import passwords
from wildduck.accounts.fields import NewUser
from wildduck.accounts.notes import Origin

ORIGIN = Origin("192.0.2.1", "a session")

#: Everything that is stored as it is given.
PLAIN: dict[str, Any] = {
    "name": "A Näme",
    "language": "et",
    "retention": 86_400_000,
    "spamLevel": 12,
    "quota": 5_000_000_000,
    "recipients": 1,
    "forwards": 2,
    "filters": 3,
    "imapMaxUpload": 4,
    "imapMaxDownload": 5,
    "pop3MaxDownload": 6,
    "pop3MaxMessages": 7,
    "imapMaxConnections": 8,
    "receivedMax": 9,
    "require2faEnabled": True,
    "uploadSentMessages": True,
    "encryptMessages": True,
    "encryptForwarded": True,
    "smimeCipher": "AES-GCM",
    "smimeKeyTransport": "OAEP",
    "featureFlags": {"indexing": True},
}


def wanted(**fields: Any) -> NewUser:
    """As the API makes it: names are those of the document."""
    import msgspec

    return msgspec.convert({"username": "user", "password": "secret", **fields}, NewUser)


class CreationCase(AccountsCase):
    async def create(self, **fields: Any) -> dict[str, Any]:
        user = await self.accounts.create_user(wanted(**fields), ORIGIN)
        row = self.raw.users.find_one({"_id": user})
        assert row
        return dict(row)

    async def fails(self, **fields: Any) -> set[str]:
        with self.assertRaises(errors.BadInput) as caught:
            await self.create(**fields)
        self.assertEqual(self.raw.users.count_documents({}), 0)
        return set(caught.exception.fields)


class FieldTests(CreationCase):
    async def test_document(self) -> None:
        """What nobody said anything of is as WildDuck 1.50 leaves it."""
        row = await self.create(address="a@example.com")
        created = row.pop("created")
        self.assertLess(abs(datetime.datetime.utcnow() - created), datetime.timedelta(minutes=1))
        self.assertTrue(passwords.verify_password("secret", row.pop("password")))
        zeros = ("quota", "recipients", "forwards", "filters", "imapMaxUpload", "imapMaxDownload",
                 "pop3MaxDownload", "pop3MaxMessages", "imapMaxConnections", "receivedMax",
                 "storageUsed", "retention")  # fmt: skip
        self.assertEqual(
            row,
            {
                "_id": row["_id"],
                "username": "user",
                "unameview": "user",
                "name": None,
                "enabled2fa": [],
                "seed": "",
                "pendingSeed": "",
                "pendingSeedChanged": False,
                "webauthn": {"credentials": []},
                "authVersion": 1,
                "address": "a@example.com",
                "language": None,
                **dict.fromkeys(zeros, 0),
                "targets": [],
                "autoreply": False,
                "uploadSentMessages": False,
                "pubKey": "",
                "smimeCerts": [],
                "smimeCipher": "AES-CBC",
                "smimeKeyTransport": "PKCS#1 v1.5",
                "encryptMessages": False,
                "encryptForwarded": False,
                "spamLevel": 50,
                "disabledScopes": [],
                "lastLogin": {"time": False, "authEvent": False, "ip": False},
                "require2faEnabled": False,
                "metaData": "",
                "internalData": "",
                "activated": True,
                "disabled": False,
                "suspended": False,
                "featureFlags": {},
            },
        )

    async def test_plain(self) -> None:
        """What is stored as it is given; the mailboxes are told language and retention."""
        row = await self.create(**PLAIN)
        self.assertEqual({name: row[name] for name in PLAIN}, PLAIN)
        self.assertEqual(self.mail.made, [(row["_id"], "et", 86_400_000)])
        self.assertEqual(await self.redis.execute("SMEMBERS", "feature:indexing"), [str(row["_id"]).encode()])

    async def test_formed(self) -> None:
        """What WildDuck keeps in another form than it is given in."""
        row = await self.create(
            targets=["A@Example.com", "smtp://mx.example:25", "https://example.com/in?x=1"],
            mtaRelay="smtps://user:pass@relay.example:465",
            tags=["b", " A ", "B"],
            fromWhitelist=["*@Example.com", "x@example.com", "x@example.com", "boss*"],
            disabledScopes=["smtp", "imap"],
            metaData={"ö": [1, {"$gt": ""}]},
            internalData={"a.b": 1},
            pubKey=FINE,
        )
        self.assertEqual(
            [(target["type"], target["value"]) for target in row["targets"]],
            [
                ("mail", "A@Example.com"),
                ("relay", "smtp://mx.example:25"),
                ("http", "https://example.com/in?x=1"),
            ],
        )
        self.assertEqual(
            (row["mtaRelay"]["type"], row["mtaRelay"]["value"]),
            ("relay", "smtps://user:pass@relay.example:465"),
        )
        self.assertEqual((row["tags"], row["tagsview"]), (["A", "b"], ["a", "b"]))
        self.assertEqual(row["fromWhitelist"], ["*@example.com", "x@example.com", "boss*"])
        self.assertEqual(row["disabledScopes"], ["imap", "smtp"])
        self.assertEqual((row["metaData"], row["internalData"]), ('{"ö":[1,{"$gt":""}]}', '{"a.b":1}'))
        self.assertEqual(row["pubKey"], FINE)

    async def test_left_out(self) -> None:
        """What is empty is not there at all, as with WildDuck."""
        row = await self.create(tags=[], fromWhitelist=[], mtaRelay="", language="")
        self.assertEqual({"tags", "tagsview", "fromWhitelist", "mtaRelay"} & set(row), set())

    async def test_every_bad_field(self) -> None:
        """All failed fields are named at once, items of lists by their place."""
        failed = await self.fails(
            username="a b",
            password="\0",
            address="nowhere",
            name="x" * 257,
            language="x" * 21,
            retention=-1,
            quota=2**53,
            spamLevel=101,
            targets=["a@example.com", "ftp://x.example", ""],
            mtaRelay="https://x.example",
            tags=["x" * 129],
            fromWhitelist=["a*b", "*"],
            disabledScopes=["master"],
            pubKey="-----BEGIN PGP PUBLIC KEY BLOCK-----\nno",
            smimeCipher="ROT13",
            smimeKeyTransport="x",
            featureFlags={"flying": True},
            metaData={"x": "y" * 1024 * 1024},
            mailboxes={"sent": "a//b", "archive": "x"},
        )
        self.assertEqual(
            failed,
            {"username", "password", "address", "name", "language", "retention", "quota", "spamLevel",
             "targets,1", "targets,2", "mtaRelay", "tags,0", "fromWhitelist,0", "fromWhitelist,1",
             "disabledScopes,0", "pubKey", "smimeCipher", "smimeKeyTransport", "featureFlags,flying",
             "metaData", "mailboxes,sent", "mailboxes,archive"},
        )  # fmt: skip

    async def test_keys_exclude_each_other(self) -> None:
        self.assertEqual(
            await self.fails(pubKey=FINE, smimeCerts=["x"]) - {"smimeCerts,0"}, {"pubKey", "smimeCerts"}
        )


class PasswordTests(CreationCase):
    async def test_none(self) -> None:
        """An account without password exists, and nothing opens it."""
        self.assertEqual((await self.create(password=""))["password"], "")
        for password in ("", "x"):
            await self.refused(errors.AuthenticationFailed, "user", password)

    async def test_hash(self) -> None:
        """A hash that was made elsewhere is stored as it is; one that opens for nobody is refused."""
        hashed = "$1$salt$qJH7.N4xYta3aEG/dfqo/0"
        row = await self.create(password=hashed, hashedPassword=True)
        self.assertEqual(row["password"], hashed)
        await self.sign_in("user", "password")

    async def test_bad_hash(self) -> None:
        for hashed in ("secret", "$9$x$y", "$pbkdf2-sha256$i=99999999$c2FsdA$aGFzaA"):
            self.assertEqual(await self.fails(password=hashed, hashedPassword=True), {"password"})

    async def test_to_be_changed(self) -> None:
        """A password that has to be changed is a temporary one."""
        row = await self.create(requirePasswordChange=True)
        self.assertEqual(row["password"], "")
        self.assertEqual(set(row["tempPassword"]), {"validAfter", "password", "created"})
        self.assertTrue(
            (await self.accounts.authenticate(self.credentials("secret"))).require_password_change
        )
        await self.refused(errors.AuthenticationFailed, "user", "secret", "imap")

    def credentials(self, password: str) -> Any:
        from wildduck.accounts import SignIn

        return SignIn("user", password, "master", "127.0.0.1")


class AddressTests(CreationCase):
    async def address(self, **fields: Any) -> str:
        row = await self.create(**fields)
        self.assertEqual(
            [address["address"] for address in self.raw.addresses.find({"user": row["_id"]})],
            [row["address"]] if row["address"] else [],
        )
        return str(row["address"])

    async def test_given(self) -> None:
        """The label goes, the dots stay; its domain is among the known ones."""
        self.assertEqual(await self.address(address="A.b+label@Example.com"), "a.b@example.com")
        self.assertEqual([row["domain"] for row in self.raw.domaincache.find()], ["example.com"])

    async def test_from_name(self) -> None:
        """A name that is an address is the address; any other is given the site's domain."""
        self.assertEqual(await self.address(username="a.b@example.com"), "a.b@example.com")
        domain = self.accounts._creation._around.email_domain
        self.assertEqual(await self.address(username="first.last"), f"first.last@{domain}")
        self.assertEqual(await self.address(username="odd@x=y"), f"odd@{domain}")

    async def test_none(self) -> None:
        self.assertEqual(await self.address(emptyAddress=True, address="a@example.com"), "")

    async def test_wildcard(self) -> None:
        self.assertEqual(await self.fails(address="*@example.com"), {"address"})

    async def test_tags(self) -> None:
        """The address has the account's tags only where that was asked for."""
        await self.create(address="a@example.com", tags=["T"])
        await self.create(username="two", address="b@example.com", tags=["T"], addTagsToAddress=True)
        rows = {row["address"]: row.get("tagsview") for row in self.raw.addresses.find()}
        self.assertEqual(rows, {"a@example.com": None, "b@example.com": ["t"]})


class MailboxTests(CreationCase):
    async def test_names(self) -> None:
        """Special-use mailboxes have the names that were asked for."""
        await self.create(mailboxes={"sent": "/Mine/Out/", "junk": "Bad", "trash": ""})
        self.assertEqual(self.mail.names, {"\\Sent": "Mine/Out", "\\Junk": "Bad"})

    async def test_duplicates(self) -> None:
        """No two have one name, those included that the language names."""
        for names, field in (
            ({"sent": "x", "trash": "x"}, "mailboxes,trash"),
            ({"sent": "Inbox"}, "mailboxes,sent"),
            ({"sent": "Trash"}, "mailboxes,sent"),
        ):
            self.assertEqual(await self.fails(mailboxes=names), {field})


class WholeOrAbsentTests(CreationCase):
    async def test_one_name_at_once(self) -> None:
        """Of many that make one account at the same time one does."""
        running = [
            Deferred.fromCoroutine(
                self.accounts.create_user(wanted(username=name, emptyAddress=True), ORIGIN)
            )
            for name in ("a.b", "ab", "A.B", "ab.", "a-b")
        ]
        results = await DeferredList(running, consumeErrors=True)
        failed = [result.type for done, result in results if not done]
        self.assertEqual(sorted(error.__name__ for error in failed), ["BadInput", "UserExists", "UserExists"])
        self.assertEqual(sorted(row["unameview"] for row in self.raw.users.find()), ["a-b", "ab"])

    async def test_one_address_at_once(self) -> None:
        """Of many that want one address one gets it; nothing is left of the others."""
        running = [
            Deferred.fromCoroutine(
                self.accounts.create_user(wanted(username=f"user{n}", address="a@example.com"), ORIGIN)
            )
            for n in range(5)
        ]
        results = await DeferredList(running, consumeErrors=True)
        self.assertEqual([result.type for done, result in results if not done], [errors.AddressExists] * 4)
        self.assertEqual((self.raw.users.count_documents({}), self.raw.addresses.count_documents({})), (1, 1))
        self.assertEqual(len(self.mail.deleted), 4)

    async def test_left_over(self) -> None:
        """What a crash left of an account is in nobody's way, once it is old enough."""
        row = await self.create(address="a@example.com")
        half = {"activated": False, "disabled": True, "password": ""}
        for age, free in ((datetime.timedelta(minutes=1), False), (datetime.timedelta(hours=1), True)):
            created = datetime.datetime.utcnow() - age
            self.raw.users.update_one({"_id": row["_id"]}, {"$set": {**half, "created": created}})
            if not free:
                with self.assertRaises(errors.UserExists):
                    await self.create(address="a@example.com")
        new = await self.create(address="a@example.com")
        self.assertNotEqual(new["_id"], row["_id"])
        self.assertEqual((self.raw.users.count_documents({}), self.raw.addresses.count_documents({})), (1, 1))

    async def test_without_redis(self) -> None:
        """Redis is not needed to make an account."""
        self.accounts._creation._around.redis._closing = True
        await self.redis.close()
        await self.create(featureFlags={"indexing": True})

    async def test_noted(self) -> None:
        """The account's log tells of it, with where it came from."""
        row = await self.create(targets=["a@example.com"])
        events = {event["action"]: event for event in self.raw.authlog.find({"user": row["_id"]})}
        self.assertEqual(set(events), {"account created", "user forward added"})
        created = events["account created"]
        self.assertEqual(
            (created["result"], created["ip"], created["sess"]), ("success", "192.0.2.1", "a session")
        )
        self.assertEqual(events["user forward added"]["target"], "a@example.com")


class TypeTests(CreationCase):
    def test_types(self) -> None:
        """Only text is text: no operator gets as far as a query."""
        import msgspec

        for fields in (
            {"username": {"$gt": ""}},
            {"password": {"$ne": None}},
            {"tags": {"$in": ["x"]}},
            {"targets": [{"$where": "1"}]},
            {"$where": "1"},
            {"a.b": 1},
            {"mailboxes": {"sent": {"$gt": ""}}},
        ):
            self.assertRaises(msgspec.ValidationError, wanted, **fields)

    def test_password_is_not_shown(self) -> None:
        self.assertNotIn("secret", repr(wanted()))
