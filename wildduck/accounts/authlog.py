"""
The log of security events that users can see (spec/schema.md C{authlog}).

Events of the same kind, address and result within six hours are one row that
counts them, as WildDuck keeps it.
"""

from __future__ import annotations

import datetime
import hashlib
from typing import Any

from bson import Binary, ObjectId

from wildduck.database import Database, SharedSettings
from wildduck.database.shared_settings import AUTHLOG_TIME

#: Events of one row happened within this time.
BUCKET = datetime.timedelta(hours=6)

#: Milliseconds that an event is kept for where all servers share no other number: 30 days.
_LIFE = 30 * 86_400_000

#: Members that make two events the same.
_KEY = ("protocol", "ip", "action", "result", "target")

#: Characters of one text of an event.
_TEXT = 1024


class AuthLog:
    """Writes C{authlog}."""

    def __init__(self, users: Database, settings: SharedSettings) -> None:
        self._users = users
        self._settings = settings

    async def write(self, user: ObjectId, event: dict[str, Any], now: datetime.datetime) -> ObjectId | None:
        """
        Add an event, or count it with those that are like it.

        @param event: WildDuck's members; C{action} always, C{result}, C{protocol},
            C{ip}, C{sess} and so on where known; C{None} is left out.
        @param now: in UTC.
        @return: id of its row; C{None} where the site keeps no log.
        @raise DomainError: the database does not take it.
        """
        life = datetime.timedelta(milliseconds=self._settings.value(AUTHLOG_TIME, _LIFE))
        if not life:
            return None
        members = {name: _bounded(value) for name, value in event.items() if value is not None}
        key = Binary(hashlib.md5(_joined(members), usedforsecurity=False).digest())
        row = await self._users.find_one_and_update(
            "authlog",
            {"user": user, "created": {"$gte": now - BUCKET}, "key": key},
            {
                "$setOnInsert": {**members, "_id": ObjectId(), "created": now, "expires": now + life},
                "$inc": {"events": 1},
                "$set": {"last": now},
            },
            upsert=True,
            return_after=True,
            projection={"_id": True},
        )
        return row["_id"] if row else None


def _joined(members: dict[str, Any]) -> bytes:
    return "^".join(str(members.get(name) or "") for name in _KEY).encode("utf-8", "replace")


def _bounded(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    # What has no UTF-8 form, a client's text can hold, and BSON can not.
    return value[:_TEXT].encode("utf-8", "replace").decode("utf-8")
