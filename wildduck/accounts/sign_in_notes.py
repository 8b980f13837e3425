"""
What is written of a sign-in behind its answer: the log, the last use, a better hash.

All of it may be lost; none of it fails or delays the sign-in.
"""

from __future__ import annotations

import datetime
from typing import Any

from bson import ObjectId
from twisted.internet.interfaces import IReactorTime

from wildduck.accounts import passwords
from wildduck.accounts.application_passwords import ApplicationPassword, ApplicationPasswords
from wildduck.accounts.aside import Aside
from wildduck.accounts.authlog import AuthLog
from wildduck.accounts.values import Account, SignIn
from wildduck.database import Database
from wildduck.threads import BoundedPool


class SignInNotes:
    """Writes C{authlog}, C{users.lastLogin}, C{asps.used} and outdated hashes anew."""

    def __init__(
        self,
        users: Database,
        authlog: AuthLog,
        application_passwords: ApplicationPasswords,
        pool: BoundedPool,
        aside: Aside,
        clock: IReactorTime,
    ) -> None:
        self._users = users
        self._authlog = authlog
        self._application_passwords = application_passwords
        self._pool = pool
        self._aside = aside
        self._clock = clock

    def succeeded(
        self, account: Account, sign_in: SignIn, source: str, given: ApplicationPassword | None = None
    ) -> None:
        """@param source: C{"master"}, C{"asp"} or C{"temporary"}."""
        event = _event(account, sign_in, "success", source, given)
        self._aside.run(self._succeeded(account.id, sign_in, event, given))

    def refused(
        self,
        account: Account,
        sign_in: SignIn,
        result: str,
        source: str,
        given: ApplicationPassword | None = None,
    ) -> None:
        """@param result: C{"fail"}, C{"disabled"} or C{"suspended"}."""
        event = _event(account, sign_in, result, source, given)
        self._aside.run(self._authlog.write(account.id, event, self._now()))

    async def _succeeded(
        self,
        user: ObjectId,
        sign_in: SignIn,
        event: dict[str, Any],
        given: ApplicationPassword | None,
    ) -> None:
        now = self._now()
        row = await self._authlog.write(user, event, now)
        if given is not None:
            await self._application_passwords.used(given, now, row, sign_in.ip)
            return
        last = {"time": now, "authEvent": row, "ip": sign_in.ip or None}
        await self._users.update_one("users", {"_id": user}, {"$set": {"lastLogin": last}})

    def rehash(self, user: ObjectId, password: str, stored: str) -> None:
        """
        Hash the master password anew, in today's scheme.

        @param stored: the hash that it has matched; another that has taken its place stays.
        """
        self._aside.run(self._rehash(user, password, stored))

    async def _rehash(self, user: ObjectId, password: str, stored: str) -> None:
        hashed = await self._pool.run(passwords.hash_password, password)
        await self._users.update_one(
            "users", {"_id": user, "password": stored}, {"$set": {"password": hashed}}, durable=True
        )

    def _now(self) -> datetime.datetime:
        now = datetime.datetime.fromtimestamp(self._clock.seconds(), datetime.timezone.utc)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _event(
    account: Account, sign_in: SignIn, result: str, source: str, given: ApplicationPassword | None
) -> dict[str, Any]:
    factors = "" if source != "master" else ",".join(account.second_factors)
    event: dict[str, Any] = {
        "action": "authentication",
        "result": result,
        "protocol": sign_in.protocol or sign_in.service.upper(),
        "requiredScope": sign_in.service,
        "sess": sign_in.session or None,
        "ip": sign_in.ip or None,
        "appId": sign_in.app_id or None,
        "require2fa": factors or None,
    }
    # As in WildDuck: what is shut to everybody was not opened by a password.
    if result in ("success", "fail"):
        event["source"] = source
        if given is not None:
            event.update(asp=given.id, aname=given.description)
    return event
