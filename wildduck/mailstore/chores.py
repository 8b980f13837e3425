"""Steps of what is done in the background to the messages of a mailbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wildduck.mailstore.backend import Backend, javascript
from wildduck.mailstore.values import Mailbox, number

#: Messages of one step.
_STEP = 1000


class Chores:
    """For the task loop; every step may be repeated."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def highest_uid(self, mailbox: Mailbox) -> int:
        """Of the messages that are there; 0 for none."""
        rows = await self._backend.main.find(
            "messages", {"mailbox": mailbox.id}, projection={"uid": True}, sort=[("uid", -1)], limit=1
        )
        return number(rows[0].get("uid")) if rows else 0

    async def uids_after(self, mailbox: Mailbox, after: int, last: int, limit: int) -> list[int]:
        """
        UIDs of messages, ascending.

        @param after: exclusive.
        @param last: inclusive.
        @param limit: at most so many.
        """
        rows = await self._backend.main.find(
            "messages",
            {"mailbox": mailbox.id, "uid": {"$gt": after, "$lte": last}},
            projection={"_id": False, "uid": True},
            sort=[("uid", 1)],
            limit=limit,
        )
        return [number(row["uid"]) for row in rows]

    async def stamp_retention(self, mailbox: Mailbox, check: Callable[[], None]) -> None:
        """
        Let the messages of a mailbox expire as its retention says now.

        Counted from when they came into it.  As in WildDuck a date that a
        message was given by itself (C{expires}) does not outlive this.

        @param check: called between steps; what it raises ends this.
        """
        last = 0
        while True:
            uids = await self.uids_after(mailbox, last, 2**32, _STEP)
            if not uids:
                return
            check()
            these = {"mailbox": mailbox.id, "uid": {"$gt": last, "$lte": uids[-1]}}
            await self._backend.main.update_many(
                "messages", {**these, **_stamped_otherwise(mailbox.retention)}, _stamp(mailbox.retention)
            )
            last = uids[-1]


def _stamped_otherwise(retention: int) -> dict[str, Any]:
    return {"$or": [{"retention": {"$ne": javascript(retention)}}, {"exp": {"$ne": retention > 0}}]}


def _stamp(retention: int) -> list[dict[str, Any]]:
    """As L{wildduck.mailstore.retention.stamp}, of each message's own time."""
    made = {"$toDouble": {"$toLong": {"$toDate": "$_id"}}}
    whole = {"$subtract": [made, {"$mod": [made, 1000.0]}]}
    base = {"$cond": [{"$isNumber": "$retentionTime"}, "$retentionTime", whole]}
    fields: dict[str, Any] = {
        "retentionTime": base,
        "retention": javascript(retention),
        "exp": retention > 0,
        "rdate": {"$add": [base, javascript(retention)]} if retention > 0 else "$$REMOVE",
    }
    return [{"$set": fields}]
