"""Accounts: made, changed, deleted, and signed in to."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from msgspec import UNSET, UnsetType
from twisted.cred.portal import Portal
from twisted.internet.interfaces import IReactorTime

from wildduck.accounts.addresses import Addresses
from wildduck.accounts.application_passwords import ApplicationPasswords
from wildduck.accounts.aside import Aside
from wildduck.accounts.authlog import AuthLog
from wildduck.accounts.breach_checks import BreachChecks
from wildduck.accounts.creation import Creation
from wildduck.accounts.daily import DailyLimit, DailyMeter
from wildduck.accounts.deletion import Deleted, Deletion, Recoverable, Restored
from wildduck.accounts.directory import Directory
from wildduck.accounts.fields import NewUser, UserChange
from wildduck.accounts.forwarded import ForwardedAddresses
from wildduck.accounts.keys import (
    MOST_CERTIFICATES,
    CertificateInfo,
    KeyInfo,
    certificate_info,
    key_info,
)
from wildduck.accounts.notes import Notes, Origin
from wildduck.accounts.policy import FailureCounter
from wildduck.accounts.pwned import PwnedPasswords
from wildduck.accounts.receiving import Receivers
from wildduck.accounts.sign_in import AccountRealm, PasswordChecker
from wildduck.accounts.sign_in_notes import SignInNotes
from wildduck.accounts.stored import stored_string, stored_tags
from wildduck.accounts.surroundings import Surroundings
from wildduck.accounts.updating import Changed, Updating
from wildduck.accounts.usage import LimitDefaults, Usages
from wildduck.accounts.values import Account, Address, Authentication, SignIn
from wildduck.accounts.verified import Verifier
from wildduck.database import Databases, Redis
from wildduck.errors import BadInput
from wildduck.events import Notifier
from wildduck.interfaces import IAccountMail, IMailAccount
from wildduck.threads import BoundedPool


class Accounts:
    """
    Account management over the C{users} handle.

    @ivar directory: look-ups.
    @ivar receivers: L{Receivers}: who receives mail, and with filters or not.
    @ivar book: the addresses of accounts.
    @ivar forwarded: the addresses that are forwarded.
    @ivar authlog: security events of the accounts.
    @ivar usages: what accounts have used of their limits.
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
        notifier: Notifier | None = None,
        limits: LimitDefaults | None = None,
        email_domain: str = "",
        pwned_passwords_url: str = "",
    ) -> None:
        """
        @param default_quota: bytes for accounts that have none of their own.
        @param failures_per_ip: see L{FailureCounter}.
        @param notifier: of this worker; one that only tells others where there is none.
        @param limits: other limits of accounts that have none of their own.
        @param email_domain: of addresses made from sign-in names; C{""}: this machine's name.
        @param pwned_passwords_url: see L{PwnedPasswords}.
        """
        self._databases = databases
        self._redis = redis
        self._clock = clock
        self._notifier = notifier or Notifier(redis)
        self._pool = password_pool
        self.directory = Directory(databases.users, default_quota, databases.shared_settings)
        self.receivers = Receivers(databases, self.directory)
        self.book = Addresses(databases.users, clock)
        self.forwarded = ForwardedAddresses(databases.users, self.book)
        self.authlog = AuthLog(databases.users, databases.shared_settings)
        self._aside = Aside()
        verifier = Verifier(password_pool, clock)
        application_passwords = ApplicationPasswords(databases.users)
        sign_in_notes = SignInNotes(
            databases.users, self.authlog, application_passwords, password_pool, self._aside, clock
        )
        failures = FailureCounter(redis, failures_per_ip)
        pwned = PwnedPasswords(pwned_passwords_url, clock)
        breaches = BreachChecks(databases.users, pwned, self._aside, clock)
        self._checker = PasswordChecker(
            self.directory, application_passwords, failures, sign_in_notes, verifier, breaches, clock
        )
        self.portal = Portal(AccountRealm(), [self._checker])
        around = Surroundings(
            databases,
            redis,
            mail,
            self._notifier,
            password_pool,
            clock,
            pwned,
            (email_domain or socket.gethostname()).lower(),
        )
        notes = Notes(self.authlog, around.now)
        self._creation = Creation(around, self.book, notes)
        self._updating = Updating(around, failures, notes)
        self._deletion = Deletion(around, self.book, notes)
        self.usages = Usages(databases, redis, limits or LimitDefaults(quota=default_quota))

    def meter(self, limit: DailyLimit, account: Account, default: int) -> DailyMeter:
        """
        What a session asks and tells of the bytes that it moves.

        @param default: bytes of a day for accounts and sites that say nothing; 0: no limit.
        """
        settings = self._databases.shared_settings
        return DailyMeter(self._redis, settings, self._aside, limit, account, default, self._clock)

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

    async def addresses(self, account: Account) -> list[Address]:
        """All addresses of an account."""
        return await self.book.of(account.id)

    # --- making ---------------------------------------------------------------------

    async def create_user(self, wanted: NewUser, origin: Origin) -> ObjectId:
        """
        Make an account with all that can be said of it.

        @raise BadInput: and others, see L{Creation.create}.
        """
        return await self._creation.create(wanted, origin)

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
        wanted = NewUser(
            username=username,
            password=password,
            empty_address=True,
            more_addresses=list(addresses) or ([username] if "@" in username else []),
            quota=quota,
            retention=retention,
            language=language,
            name=name,
        )
        return await self.directory.by_id(await self._creation.create(wanted, Origin(), password_needed=True))

    async def add_address(self, account: Account, address: str, *, main: bool = False) -> Address:
        """
        @param main: make it the account's default address; the first one always is.
        @raise BadInput: no address.
        @raise AddressExists: it is taken.
        """
        return await self.book.add(account.id, address, main=main and "*" not in address)

    # --- changing -------------------------------------------------------------------

    async def update(self, user: ObjectId, change: UserChange, origin: Origin) -> Changed:
        """
        Change an account.

        @raise BadInput: and others, see L{Updating.update}.
        """
        return await self._updating.update(user, change, origin)

    async def reset_password(self, user: ObjectId, valid_after: datetime | None, origin: Origin) -> str:
        """
        Give an account a temporary password, see L{Updating.reset_password}.

        @raise UserNotFound: no such account.
        """
        return await self._updating.reset_password(user, valid_after, origin)

    async def set_password(self, account: Account, password: str) -> None:
        """
        Replace the master password; API tokens and sessions of the account end.

        @raise BadInput: empty or too long.
        @raise UserNotFound: the account is gone.
        """
        if not password:
            text = "password must have at least 1 character"
            raise BadInput(text, {"password": text})
        await self.update(account.id, UserChange(password=password), Origin())

    async def set_limits(
        self,
        account: Account,
        *,
        quota: int | UnsetType = UNSET,
        recipients: int | UnsetType = UNSET,
        forwards: int | UnsetType = UNSET,
    ) -> None:
        """
        Set C{quota} (bytes), C{recipients}, C{forwards} (per day); 0 is the default.

        @raise NoUpdates: none is given.
        @raise BadInput: with every failed field.
        @raise UserNotFound: the account is gone.
        """
        await self.update(
            account.id, UserChange(quota=quota, recipients=recipients, forwards=forwards), Origin()
        )

    async def log_out(self, user: ObjectId, reason: str) -> None:
        """
        End all IMAP and POP3 sessions of an account, on every server.

        @param reason: what their clients are told.
        @raise UserNotFound: no such account.
        """
        await self.directory.by_id(user)
        await self._notifier.log_out(user, reason)

    async def read_keys(self, document: Mapping[str, Any]) -> tuple[KeyInfo | None, list[CertificateInfo]]:
        """
        Whose OpenPGP key, and which certificates, an account has; what can't be read is left out.

        @param document: the user's.
        """
        armored = stored_string(document.get("pubKey"))
        pems = stored_tags(document.get("smimeCerts"))[:MOST_CERTIFICATES]
        key = await self._pool.run(key_info, armored) if armored else None
        read = await self._pool.run(lambda: [certificate_info(pem) for pem in pems]) if pems else []
        return key, [one for one in read if one is not None]

    # --- deleting -------------------------------------------------------------------

    async def delete(
        self, user: ObjectId, delete_after: datetime | None = None, origin: Origin | None = None
    ) -> Deleted:
        """
        Delete an account; its mail goes by a task. Repeatable.

        @param delete_after: until then it can be restored; C{None}: the task begins at once.
        @raise UserNotFound: no such account.
        """
        return await self._deletion.delete(user, delete_after, origin or Origin())

    async def purge(self, user: ObjectId, check: Callable[[], None] | None = None) -> None:
        """Do what the task of a deleted account does, see L{Deletion.purge}."""
        await self._deletion.purge(user, check)

    async def ids(self, query: Mapping[str, Any], limit: int) -> list[ObjectId]:
        """Ids of accounts, ascending."""
        rows = await self._databases.users.find(
            "users", query, projection={"_id": True}, sort=[("_id", 1)], limit=limit
        )
        return [row["_id"] for row in rows]

    async def deleted(self, name: str) -> list[ObjectId]:
        """Deleted accounts that had this sign-in name, the last deleted first."""
        return await self._deletion.named(name)

    async def recoverable(self, user: ObjectId) -> Recoverable:
        """@raise AccountNotFound: no such account is deleted."""
        return await self._deletion.recoverable(user)

    async def restore(self, user: ObjectId, origin: Origin) -> Restored:
        """
        Give a deleted account back.

        @raise AccountNotFound: and others, see L{Deletion.restore}.
        """
        return await self._deletion.restore(user, origin)
