"""
What is left of a mailbox when it is deleted: messages that nobody sees any more.

They have expired, and the collector takes them (spec/schema.md §7 'Deleted
mailbox').  A writer that had taken a UID before the mailbox went may still use
it afterwards, for as long as a writer may hold one (store.md §2); its message
came just before the deletion and shares the fate of the others, but too late to
be seen then.  So the deletion is noted before it begins, and what has come
meanwhile is looked for once no writer can come any more.  The note also makes
good what a crash left undone.

One document for each such mailbox in a collection of ours::

    {_id: mailbox, user, time, userDeleted}
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import Any

from bson import ObjectId

from wildduck.limits import MODSEQ_HOLE_SECONDS
from wildduck.mailstore import retention
from wildduck.mailstore.backend import Backend, javascript, milliseconds
from wildduck.mailstore.concurrently import for_each

#: Our collection of these notes.
DELETED_MAILBOXES = "deletedmailboxes"

#: Notes written at a time.
_WORKERS = 8

#: Messages of one step.
_MESSAGES = 1000

#: Notes that one look takes.
_BATCH = 1000


async def note(
    backend: Backend, user: ObjectId, mailboxes: Iterable[ObjectId], *, user_deleted: bool = False
) -> None:
    """
    Note that mailboxes are about to be deleted; repeatable.

    @param user_deleted: the whole account goes, and its messages are not archived.
    """
    fields = {"user": user, "time": backend.now(), "userDeleted": user_deleted}

    async def one(mailbox: ObjectId) -> None:
        await backend.main.update_one(
            DELETED_MAILBOXES, {"_id": mailbox}, {"$set": fields}, upsert=True, idempotent=True
        )

    await for_each(mailboxes, one, _WORKERS)


async def expire(backend: Backend, mailbox: ObjectId) -> None:
    """Let all messages of a mailbox that is no more be collected; repeatable."""
    await _expire(backend, {"mailbox": mailbox})


async def _expire(backend: Backend, these: dict[str, Any]) -> None:
    date = milliseconds(backend.now()) - retention.DELETED_MAILBOX
    await backend.main.update_many(
        "messages", these, {"$set": {"exp": True, "rdate": javascript(date)}}, slow=True
    )


async def expire_of_user(
    backend: Backend, these: dict[str, Any], check: Callable[[], None] | None = None
) -> None:
    """
    Let messages of a deleted account go after their time, unarchived; repeatable.

    Step by step, for there can be more of them than one command gets through.

    @param check: called between steps; what it raises ends this.
    """
    date = milliseconds(backend.now()) + retention.DELETED_USER
    kept = {**these, "userDeleted": {"$ne": True}}
    change = {"$set": {"exp": True, "rdate": javascript(date), "userDeleted": True}}
    async for rows in backend.main.batches("messages", kept, projection={"_id": True}, batch_size=_MESSAGES):
        if check is not None:
            check()
        ids = [row["_id"] for row in rows]
        await backend.main.update_many("messages", {**kept, "_id": {"$in": ids}}, change)


async def mend(backend: Backend) -> int:
    """
    Expire what came into mailboxes while they were deleted.

    @return: mailboxes that need no further look.
    """
    settled = backend.now() - datetime.timedelta(seconds=2 * MODSEQ_HOLE_SECONDS)
    notes = await backend.main.find(DELETED_MAILBOXES, {"time": {"$lt": settled}}, limit=_BATCH)
    for row in notes:
        these = {"mailbox": row["_id"]}
        if row.get("userDeleted"):
            await expire_of_user(backend, these)
        elif await _is_gone(backend, row["_id"]):
            # What had expired before is left as it is: there can be much of it.
            now = milliseconds(backend.now())
            await _expire(backend, {**these, "$or": [{"exp": {"$ne": True}}, {"rdate": {"$gt": now}}]})
        await backend.main.delete_one(DELETED_MAILBOXES, {"_id": row["_id"], "time": row["time"]})
    return len(notes)


async def _is_gone(backend: Backend, mailbox: ObjectId) -> bool:
    """It may be there still: its deletion was noted, and then refused."""
    return await backend.main.find_one("mailboxes", {"_id": mailbox}, projection={"_id": True}) is None
