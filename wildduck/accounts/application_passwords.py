"""
Application passwords (spec/schema.md C{asps}, spec/behaviour.md §6 'ASP').

Sixteen letters that the server made up, for one program and some services,
never for the account itself.
"""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from twisted.logger import Logger

from wildduck.accounts import passwords
from wildduck.database import Database

#: The service that no application password opens.
MASTER = "master"

#: Stands for all services.
ANY = "*"

#: Passwords of one account that are tried; 50 are allowed (spec/schema.md §8 C{const:asp:limit}).
MOST_TRIED = 100

Verify = Callable[[str, object], Awaitable[bool]]

_FORM = re.compile(r"[a-z]{16}\Z")
_FIELDS = dict.fromkeys(("password", "scopes", "description", "ttl", "expires"), True)


@dataclass(frozen=True, slots=True)
class ApplicationPassword:
    """
    A row of C{asps}, its hash left out.

    @ivar scopes: C{imap}, C{pop3}, C{smtp} or C{*}.
    @ivar ttl: seconds by which a use lengthens its life; C{None}: it has no end.
    """

    id: ObjectId
    description: str
    scopes: tuple[str, ...]
    ttl: float | None

    def opens(self, service: str) -> bool:
        """Whether it is for this service."""
        return service != MASTER and (ANY in self.scopes or service in self.scopes)


def normal(password: str) -> str | None:
    """The sixteen letters, whatever blanks and capitals they were typed with; C{None}: it is none."""
    letters = re.sub(r"\s+", "", password).lower()
    return letters if _FORM.match(letters) else None


def selector(letters: str) -> str:
    """The bucket in which a password's row lies, so that few hashes are tried."""
    return format(sum(hashlib.sha1(letters.encode(), usedforsecurity=False).digest()) % 32, "x")


class ApplicationPasswords:
    """Look-ups in C{asps}."""

    _log = Logger()

    def __init__(self, users: Database) -> None:
        self._users = users

    async def find(
        self, user: ObjectId, password: str, now: datetime.datetime, verify: Verify
    ) -> ApplicationPassword | None:
        """
        The application password that was given, if it is one that has not expired.

        @param password: as typed; nothing is asked of the database when it can't be one.
        @param verify: tells whether a password belongs to a hash.
        """
        letters = normal(password)
        if letters is None:
            return None
        # Rows of the time before there were selectors have none.
        buckets = {"$in": [selector(letters), None]}
        rows = await self._users.find(
            "asps", {"user": user, "selector": buckets}, projection=_FIELDS, limit=MOST_TRIED
        )
        for row in rows:
            if _has_expired(row.get("expires"), now):
                continue
            stored = row.get("password")
            fault = passwords.fault(stored)
            if fault:
                self._log.warn("application password {id} {fault}", id=str(row["_id"]), fault=fault)
            elif await verify(letters, stored):
                return _parsed(row)
        return None

    async def used(
        self, found: ApplicationPassword, now: datetime.datetime, event: ObjectId | None, ip: str
    ) -> None:
        """
        Note a use; one with a limited life lives on from now.

        @param event: row of C{authlog}.
        """
        values: dict[str, Any] = {"used": now, "authEvent": event, "authIp": ip or None}
        if found.ttl is not None:
            values["expires"] = now + datetime.timedelta(seconds=found.ttl)
        await self._users.update_one("asps", {"_id": found.id}, {"$set": values})


def _has_expired(expires: Any, now: datetime.datetime) -> bool:
    """The database removes it within a minute, or later."""
    if not isinstance(expires, datetime.datetime):
        return False
    if expires.tzinfo is None:
        expires = expires.replace(tzinfo=datetime.timezone.utc)
    return bool(expires <= now)


def _parsed(row: dict[str, Any]) -> ApplicationPassword:
    scopes, ttl = row.get("scopes"), row.get("ttl")
    limited = isinstance(ttl, (int, float)) and not isinstance(ttl, bool) and 0 < ttl < 10**10
    return ApplicationPassword(
        id=row["_id"],
        description=str(row.get("description") or ""),
        scopes=tuple(str(scope) for scope in scopes) if isinstance(scopes, list) else (),
        ttl=ttl if limited else None,
    )
