"""
The task that gives the messages of a mailbox its new retention.

In WildDuck's form: one waiting row for each mailbox, whose C{retentionCounter}
is that of the mailbox's last change.  Any server's task loop takes it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bson import ObjectId

from wildduck.limits import BATCH_ROWS
from wildduck.mailstore.backend import Backend, javascript
from wildduck.mailstore.values import number

#: C{tasks.task}.
MAILBOX_RETENTION = "mailbox-retention"


async def queue(backend: Backend, user: ObjectId, mailbox: ObjectId, counter: int) -> None:
    """
    Have the messages of a mailbox stamped anew; repeatable.

    @param counter: the mailbox's C{retentionCounter} after the change.
    """
    now = backend.now()
    # One that is being worked on may have passed over what comes now.
    waiting = {
        "task": MAILBOX_RETENTION,
        "data.user": user,
        "data.mailbox": mailbox,
        "locked": False,
        "status": "waiting",
    }
    data = {"user": user, "mailbox": mailbox, "retentionCounter": counter}
    updated = await backend.main.update_one(
        "tasks", waiting, {"$set": {"data": data, "updated": now}}, durable=True, idempotent=True
    )
    if updated.matched:
        return
    row = {
        "_id": ObjectId(),
        "task": MAILBOX_RETENTION,
        "locked": False,
        "lockedUntil": now,
        "created": now,
        "updated": now,
        "status": "waiting",
        "data": data,
    }
    await backend.main.insert_one("tasks", row, durable=True)


async def stamp(
    backend: Backend,
    user: ObjectId,
    mailbox: ObjectId,
    counter: int,
    keep: Callable[[], Awaitable[None]] | None = None,
) -> int:
    """
    Give the messages of a mailbox its retention; repeatable.

    Their time counts from when they came into the mailbox, as WildDuck's does,
    and a time that was set for a single message is replaced.

    @param counter: of the task; once the mailbox has another one, a later task
        does the rest.
    @param keep: awaited before each batch of L{BATCH_ROWS}.
    @return: messages that were changed.
    """
    changed = last = 0
    while True:
        if keep is not None:
            await keep()
        found = await backend.main.find_one(
            "mailboxes",
            {"_id": mailbox, "user": user},
            projection={"retention": True, "retentionCounter": True},
        )
        if found is None or number(found.get("retentionCounter")) != counter:
            return changed
        retention = max(0, number(found.get("retention")))
        rows = await backend.main.find(
            "messages",
            {"mailbox": mailbox, "uid": {"$gt": last}},
            projection={"_id": False, "uid": True},
            sort=[("uid", 1)],
            limit=BATCH_ROWS,
        )
        if not rows:
            return changed
        these = {"mailbox": mailbox, "uid": {"$gt": last, "$lte": rows[-1]["uid"]}}
        done = await backend.main.update_many(
            "messages", {**these, **_other_than(retention)}, _stages(retention), durable=True, slow=True
        )
        changed += done.modified
        last = rows[-1]["uid"]


def _other_than(retention: int) -> dict[str, Any]:
    """A filter for messages that do not have this retention."""
    return {"$or": [{"retention": {"$ne": retention}}, {"exp": {"$ne": retention > 0}}]}


def _stages(retention: int) -> list[dict[str, Any]]:
    # Messages of older versions have no time: that of their ids is the same.
    made: dict[str, Any] = {"$toDouble": {"$toLong": {"$toDate": "$_id"}}}
    fields: dict[str, Any] = {
        "retentionTime": {"$cond": [{"$isNumber": "$retentionTime"}, "$retentionTime", made]},
        "retention": javascript(retention),
        "exp": retention > 0,
    }
    rdate: Any = {"$add": ["$retentionTime", retention]} if retention > 0 else "$$REMOVE"
    return [{"$set": fields}, {"$set": {"rdate": rdate}}]
