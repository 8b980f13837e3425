"""
The task that gives the messages of a mailbox its new retention.

In WildDuck's form: one waiting row for each mailbox, whose C{retentionCounter}
is that of the mailbox's last change.  Any server's task loop takes it.
"""

from __future__ import annotations

from bson import ObjectId

from wildduck.mailstore.backend import Backend

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
