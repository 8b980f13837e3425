"""What every part of account management works with, put together once per worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from twisted.internet.interfaces import IReactorTime

from wildduck.accounts.pwned import PwnedPasswords
from wildduck.database import Database, Databases, Redis
from wildduck.events import Notifier
from wildduck.interfaces import IAccountMail
from wildduck.threads import BoundedPool

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    The surroundings of accounts.

    @ivar mail: makes and removes what the mail store has of an account.
    @ivar pool: threads that hash passwords.
    @ivar email_domain: of addresses that are made from sign-in names.
    """

    databases: Databases
    redis: Redis
    mail: IAccountMail
    notifier: Notifier
    pool: BoundedPool
    clock: IReactorTime
    pwned: PwnedPasswords
    email_domain: str

    @property
    def users(self) -> Database:
        """The handle of accounts."""
        return self.databases.users

    def now(self) -> datetime:
        """The time, in UTC, to the millisecond that BSON keeps."""
        return _EPOCH + timedelta(milliseconds=int(self.clock.seconds() * 1000))
