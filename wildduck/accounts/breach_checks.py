"""
Whether a master password is known from a breach, looked up at sign-in (spec/behaviour.md §6 'HIBP').

As WildDuck's C{softfail}: every two weeks, noted in C{lastPwnedCheck} and
C{passwordPwned}; nobody is kept out by it.
"""

from __future__ import annotations

import datetime
from typing import Any

from bson import ObjectId
from twisted.internet.interfaces import IReactorTime

from wildduck.accounts.aside import Aside
from wildduck.accounts.pwned import PwnedPasswords
from wildduck.database import Database
from wildduck.errors import DomainError

#: spec/schema.md C{users}: rechecked after so long.
PERIOD = datetime.timedelta(days=14)


class BreachChecks:
    """Looks passwords up and notes what is known."""

    def __init__(self, users: Database, pwned: PwnedPasswords, aside: Aside, clock: IReactorTime) -> None:
        self._users = users
        self._pwned = pwned
        self._aside = aside
        self._clock = clock
        #: Accounts whose passwords are being looked up.
        self._asking: set[ObjectId] = set()

    async def known(self, document: dict[str, Any], password: str, *, wait: bool) -> bool:
        """
        Whether the password of an account is known, as far as that can be told.

        @param document: with C{password}, which it has matched, C{lastPwnedCheck} and C{passwordPwned}.
        @param wait: for the service, a second at most; else its word counts at the next sign-in.
        """
        before = bool(document.get("passwordPwned"))
        if not self._pwned.asks or not self._is_due(document.get("lastPwnedCheck")):
            return before
        user = document["_id"]
        if user in self._asking:
            return before
        if not wait:
            self._aside.run(self._look_up(user, password, document["password"]))
            return before
        try:
            found = await self._look_up(user, password, document["password"])
        except DomainError:
            found = None
        return before if found is None else found

    def _is_due(self, last: Any) -> bool:
        if not isinstance(last, datetime.datetime):
            return True
        if last.tzinfo is None:
            last = last.replace(tzinfo=datetime.timezone.utc)
        return bool(self._now() - last >= PERIOD)

    def _now(self) -> datetime.datetime:
        # To the millisecond that BSON keeps.
        milliseconds = int(self._clock.seconds() * 1000)
        return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc)

    async def _look_up(self, user: ObjectId, password: str, stored: str) -> bool | None:
        """@param stored: the hash; what is found out of another that has taken its place is not noted."""
        self._asking.add(user)
        try:
            found = await self._pwned.look_up(password)
            if found is not None:
                noted = {"lastPwnedCheck": self._now(), "passwordPwned": found}
                await self._users.update_one("users", {"_id": user, "password": stored}, {"$set": noted})
            return found
        finally:
            self._asking.discard(user)
