"""
Accounts: made, changed, deleted, and signed in to.

Writes are ordered so that a crash leaves nothing that looks like a working
account: a new one is disabled until all its parts are there, a deleted one
loses its user document and addresses before its mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from bson import Int64, ObjectId
from twisted.cred.portal import Portal
from twisted.internet.interfaces import IReactorTime

from wildduck.accounts import normalise, passwords
from wildduck.accounts.addresses import Addresses
from wildduck.accounts.application_passwords import ApplicationPasswords
from wildduck.accounts.aside import Aside
from wildduck.accounts.authlog import AuthLog
from wildduck.accounts.directory import Directory
from wildduck.accounts.forwarded import ForwardedAddresses
from wildduck.accounts.policy import FailureCounter
from wildduck.accounts.sign_in import AccountRealm, PasswordChecker
from wildduck.accounts.sign_in_notes import SignInNotes
from wildduck.accounts.site_settings import SiteSettings
from wildduck.accounts.values import Account, Address, Authentication, Recipient, SignIn
from wildduck.database import Databases, Redis
from wildduck.errors import BadInput, DuplicateKey, UserExists
from wildduck.interfaces import IAccountMail, IMailAccount
from wildduck.threads import BoundedPool

#: Bytes; a quota beyond it is a typing error (spec/differences.md G: 2**53 bound).
MOST_QUOTA = 2**53 - 1

#: Collections whose rows go with their user (spec/schema.md §7 'Deleted user'),
#: by the handle that holds them.
_USER_ROWS = (("users", "asps"), ("main", "filters"), ("main", "autoreplies"), ("main", "addressregister"))


class Accounts:
    """
    Account management over the C{users} handle.

    @ivar directory: look-ups.
    @ivar book: the addresses of accounts.
    @ivar forwarded: the addresses that are forwarded.
    @ivar site_settings: what is set for all servers in the database.
    @ivar authlog: security events of the accounts.
    @ivar portal: L{twisted.cred} portal that gives L{IMailAccount} for L{SignIn}.
    """

    def __init__(
        self,
        databases: Databases,
        redis: Redis,
        mail: IAccountMail,
        password_pool: BoundedPool,
        clock: IReactorTime,
        *,
        default_quota: int,
        failures_per_ip: int = 0,
    ) -> None:
        """
        @param default_quota: bytes for accounts that have none of their own.
        @param failures_per_ip: see L{FailureCounter}.
        """
        self._databases = databases
        self._redis = redis
        self._mail = mail
        self._pool = password_pool
        self._clock = clock
        self.directory = Directory(databases.users, default_quota)
        self.book = Addresses(databases.users, clock)
        self.forwarded = ForwardedAddresses(databases.users, self.book)
        self.site_settings = SiteSettings(databases.main, clock)
        self.authlog = AuthLog(databases.users, self.site_settings)
        self._aside = Aside()
        application_passwords = ApplicationPasswords(databases.users, password_pool)
        notes = SignInNotes(
            databases.users, self.authlog, application_passwords, password_pool, self._aside, clock
        )
        failures = FailureCounter(redis, failures_per_ip)
        self._checker = PasswordChecker(
            self.directory, application_passwords, failures, notes, password_pool, clock
        )
        self.portal = Portal(AccountRealm(), [self._checker])

    async def settle(self) -> None:
        """Wait for what sign-ins have left to be written, at shutdown."""
        await self._aside.settle()

    async def authenticate(self, credentials: SignIn) -> Authentication:
        """
        Check a name and password, and tell how they were right.

        @raise AuthenticationFailed: and its siblings, see L{PasswordChecker.check}.
        """
        return await self._checker.check(credentials)

    async def sign_in(self, credentials: SignIn) -> Account:
        """
        @raise AuthenticationFailed: and its siblings, see L{PasswordChecker.check}.
        """
        _interface, account, _logout = await self.portal.login(credentials, None, IMailAccount)
        assert isinstance(account, Account)
        return account

    async def get(self, name: str) -> Account:
        """@raise UserNotFound: nobody has this sign-in name or address."""
        return await self.directory.by_name(name)

    async def recipient(self, address: str) -> Recipient:
        """@raise AddressNotFound: nobody receives mail for the address."""
        return await self.directory.recipient(address)

    async def addresses(self, account: Account) -> list[Address]:
        """All addresses of an account."""
        return await self.book.of(account.id)

    async def has_filters(self, account: Account) -> bool:
        """Whether the account has filters in force for incoming mail."""
        query = {"user": account.id, "disabled": {"$ne": True}}
        found = await self._databases.main.find_one("filters", query, projection={"_id": True})
        return found is not None

    async def create(
        self,
        username: str,
        password: str,
        *,
        addresses: Sequence[str] = (),
        quota: int = 0,
        retention: int = 0,
        language: str = "",
        name: str = "",
    ) -> Account:
        """
        Make an account with its mailboxes; the first address is its main one.

        A username that is an address receives mail at once when no address is
        given (spec/api.md §19).

        @param quota: bytes, 0 for the default.
        @param retention: milliseconds, 0 for ever.
        @raise BadInput: with every failed field.
        @raise UserExists: the name is taken.
        @raise AddressExists: an address is taken; nothing is left of the account.
        """
        fields: dict[str, str] = {}
        stored_name = _checked(fields, "username", normalise.username, username)
        wanted = list(addresses) or ([username] if "@" in username else [])
        stored_addresses = [_checked(fields, "address", normalise.new_address, one) for one in wanted]
        _check_password(password, fields)
        _check_number("quota", quota, fields)
        _check_number("retention", retention, fields)
        if fields:
            raise BadInput(" ".join(fields.values()), fields)
        hashed = await self._pool.run(passwords.hash_password, password)
        document = _new_user(stored_name, hashed, self._now())
        document.update(
            quota=_stored(quota), retention=_stored(retention), language=language or None, name=name
        )
        try:
            await self._databases.users.insert_one("users", document)
        except DuplicateKey as error:
            raise UserExists() from error
        try:
            for index, address in enumerate(stored_addresses):
                await self.book.add(document["_id"], address, main=index == 0 and "*" not in address)
            await self._mail.create_defaults(document["_id"], language, retention)
            await self._databases.users.update_one(
                "users",
                {"_id": document["_id"]},
                {"$set": {"activated": True, "disabled": False}},
                durable=True,
            )
        except Exception:
            await self._mail.delete_user_data(document["_id"])
            await self._remove_rows(document["_id"])
            raise
        return await self.directory.by_id(document["_id"])

    async def add_address(self, account: Account, address: str, *, main: bool = False) -> Address:
        """
        @param main: make it the account's default address; the first one always is.
        @raise BadInput: no address.
        @raise AddressExists: it is taken.
        """
        return await self.book.add(account.id, address, main=main and "*" not in address)

    async def set_password(self, account: Account, password: str) -> None:
        """
        Replace the master password; WildDuck's API tokens of the account end.

        @raise BadInput: empty or too long.
        """
        fields: dict[str, str] = {}
        _check_password(password, fields)
        if fields:
            raise BadInput(fields["password"], fields)
        hashed = await self._pool.run(passwords.hash_password, password)
        change: dict[str, Any] = {
            "$set": {"password": hashed, "passwordChange": self._now(), "tempPassword": False},
            "$inc": {"authVersion": 1},
        }
        await self._databases.users.update_one("users", {"_id": account.id}, change, durable=True)

    async def set_limits(self, account: Account, **limits: int) -> None:
        """
        Set C{quota} (bytes), C{recipients}, C{forwards} (per day); 0 is the default.

        @raise BadInput: with every failed field.
        """
        fields: dict[str, str] = {}
        for key, value in limits.items():
            _check_number(key, value, fields)
        if fields:
            raise BadInput(" ".join(fields.values()), fields)
        change = {"$set": {key: _stored(value) for key, value in limits.items()}}
        await self._databases.users.update_one("users", {"_id": account.id}, change, durable=True)
        await self._redis.execute("DEL", f"cached:{account.id}")

    async def delete(self, account: Account) -> None:
        """
        Delete an account at once (spec/schema.md §7 'Deleted user').

        The account is disabled first, so that no mail comes in any more, and its
        document goes last: after a crash the call is repeated by name.
        """
        disable = {"$set": {"disabled": True}}
        await self._databases.users.update_one("users", {"_id": account.id}, disable, durable=True)
        await self._mail.delete_user_data(account.id)
        await self._remove_rows(account.id)

    async def _remove_rows(self, user: ObjectId) -> None:
        for handle, collection in _USER_ROWS:
            await getattr(self._databases, handle).delete_many(collection, {"user": user})
        await self._databases.users.delete_many("addresses", {"user": user}, durable=True)
        await self._databases.users.delete_one("users", {"_id": user}, durable=True)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.seconds(), timezone.utc)


#: Numbers of a user document whose 0 means the system's default.
_ZERO_FIELDS = (
    "storageUsed",
    "quota",
    "recipients",
    "forwards",
    "filters",
    "imapMaxUpload",
    "imapMaxDownload",
    "pop3MaxDownload",
    "pop3MaxMessages",
    "imapMaxConnections",
    "receivedMax",
    "retention",
)
_FALSE_FIELDS = (
    "pendingSeedChanged",
    "autoreply",
    "uploadSentMessages",
    "encryptMessages",
    "encryptForwarded",
    "require2faEnabled",
    "activated",
    "suspended",
)


def _new_user(name: str, hashed: str, now: datetime) -> dict[str, Any]:
    """A user document as WildDuck 1.50 makes it, disabled until it is complete."""
    zeros = dict.fromkeys(_ZERO_FIELDS, 0)
    empties = dict.fromkeys(
        ("seed", "pendingSeed", "pubKey", "metaData", "internalData", "address", "name"), ""
    )
    no = dict.fromkeys(_FALSE_FIELDS, False)
    return {
        "_id": ObjectId(),
        "username": name,
        "unameview": normalise.name_view(name),
        "password": hashed,
        "language": None,
        "enabled2fa": [],
        "webauthn": {"credentials": []},
        "authVersion": 1,
        "targets": [],
        "smimeCerts": [],
        "smimeCipher": "AES-CBC",
        "smimeKeyTransport": "PKCS#1 v1.5",
        "spamLevel": 50,
        "disabledScopes": [],
        "featureFlags": {},
        "disabled": True,
        "created": now,
        **zeros,
        **empties,
        **no,
    }


def _checked(fields: dict[str, str], key: str, parse: Any, value: Any) -> str:
    try:
        return parse(value)  # type: ignore[no-any-return]
    except BadInput as error:
        fields[key] = str(error)
        return ""


def _check_password(password: str, fields: dict[str, str]) -> None:
    if not passwords.is_possible(password):
        fields["password"] = (
            f"password must have 1 to {passwords.PASSWORD_LENGTH} characters, none of them NUL"
        )


def _check_number(key: str, value: int, fields: dict[str, str]) -> None:
    if not 0 <= value <= MOST_QUOTA:
        fields[key] = f"{key} must be a number from 0 to {MOST_QUOTA}"


def _stored(number: int) -> int | Int64:
    """Small numbers as int32, as WildDuck's driver writes them."""
    return number if number < 2**31 else Int64(number)
