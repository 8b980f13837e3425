"""Removing messages without C{\\Deleted}: the API's DELETE, and tasks that clear a mailbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from wildduck.errors import DuplicateKey, Unavailable
from wildduck.mailstore import counters
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.expunge import locked
from wildduck.mailstore.removal import REMOVAL_FIELDS, Removal
from wildduck.mailstore.selection import Selection, rows
from wildduck.mailstore.values import Mailbox


@dataclass(frozen=True, slots=True)
class Cleared:
    """
    @ivar deleted: messages that are gone.
    @ivar errors: messages that are there still: what should have come into the archive did not.
    """

    deleted: int
    errors: int


async def clear(
    backend: Backend,
    removal: Removal,
    mailbox: Mailbox,
    selection: Selection,
    *,
    archive: bool,
    session: str | None,
) -> Cleared:
    """
    Remove messages, batch by batch under WildDuck's lock of the mailbox.

    What comes meanwhile stays.

    @param archive: keep them in C{archived}; drafts never are.
    @raise InUse: another session moves or removes messages for too long.
    @raise Unavailable: some may be gone.
    """
    deleted = errors = 0
    async with locked(backend, mailbox.id) as lock:
        async for batch in rows(backend, mailbox, selection, REMOVAL_FIELDS):
            await lock.keep()
            gone = await removal.remove(mailbox, batch, session, archive=archive)
            deleted += len(gone)
            errors += len(batch) - len(gone)
    if selection == Selection():
        # Nothing is left to be counted; what was counted wrongly is gone with it.
        await counters.forget(backend.redis, mailbox.id)
    return Cleared(deleted, errors)


@dataclass(frozen=True, slots=True)
class Scheduled:
    """
    @ivar task: C{_id} of the row in C{tasks}.
    @ivar existing: the mailbox was to be cleared already.
    """

    task: ObjectId
    existing: bool


async def schedule(backend: Backend, mailbox: Mailbox, *, archive: bool) -> Scheduled:
    """
    Let the task loop of any server, WildDuck's too, clear a mailbox (spec/schema.md C{tasks}).

    There is at most one such row for each mailbox; when this returns it is there to stay.

    @param archive: see L{clear}; a row that is there already keeps what it says.
    """
    which = {"task": "clear-folder", "data.user": mailbox.user, "data.mailbox": mailbox.id}
    now = backend.now()
    new: dict[str, Any] = {
        "_id": ObjectId(),
        "task": "clear-folder",
        "locked": False,
        "lockedUntil": now,
        "created": now,
        "updated": now,
        "status": "waiting",
        "data": {"user": mailbox.user, "mailbox": mailbox.id, "skipArchive": not archive},
    }
    for _ in range(2):
        found = await backend.main.find_one("tasks", which, projection={"_id": True})
        if found is not None:
            return Scheduled(found["_id"], existing=True)
        try:
            await backend.main.insert_one("tasks", new, durable=True)
        except DuplicateKey:
            # Somebody else did in this moment.
            continue
        return Scheduled(new["_id"], existing=False)
    # It came and was done with in between.
    raise Unavailable()
