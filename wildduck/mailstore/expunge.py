"""EXPUNGE: removing the messages that are marked for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from bson import ObjectId

from wildduck.database import Lock
from wildduck.errors import InUse, Unavailable
from wildduck.limits import BATCH_ROWS
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.flag_table import DELETED
from wildduck.mailstore.removal import REMOVAL_FIELDS, Removal
from wildduck.mailstore.values import Mailbox, Progress, unnoted

#: Life of the lock of a mailbox, and how long another waits for it, in seconds
#: (spec/schema.md §10 C{mbwr:}).  WildDuck's lives two minutes; ours is shorter than
#: the wait, so that nobody is refused for the sake of a server that was killed.
LOCK_SECONDS = 40
LOCK_WAIT_SECONDS = 60


class MailboxLock:
    """WildDuck's lock of a mailbox whose messages are moved or removed, kept alive."""

    def __init__(self, backend: Backend, lock: Lock) -> None:
        self._backend = backend
        self._lock = lock
        self._extended = backend.clock.seconds()

    async def keep(self) -> None:
        """
        Call between batches.

        @raise InUse: it has expired and may be another's.
        """
        now = self._backend.clock.seconds()
        if now - self._extended < LOCK_SECONDS / 4:
            return
        if not await self._lock.extend(LOCK_SECONDS):
            raise InUse()
        self._extended = now

    async def release(self) -> None:
        """Give it back; where Redis does not answer it ends by itself."""
        try:
            await self._lock.release()
        except Unavailable:
            return


@asynccontextmanager
async def locked(
    backend: Backend, mailbox: ObjectId, wait: float | None = None
) -> AsyncIterator[MailboxLock]:
    """
    Hold the lock of a mailbox.

    @param wait: seconds to wait for another holder; L{LOCK_WAIT_SECONDS} if not given.
    @raise InUse: another holds it for longer than that.
    """
    patience = LOCK_WAIT_SECONDS if wait is None else wait
    lock = await backend.locks.acquire(f"mbwr:{mailbox}", LOCK_SECONDS, patience)
    if lock is None:
        raise InUse()
    held = MailboxLock(backend, lock)
    try:
        yield held
    finally:
        await held.release()


async def expunge(
    backend: Backend,
    removal: Removal,
    mailbox: Mailbox,
    uids: Sequence[int],
    session: str | None,
    progress: Progress = unnoted,
) -> list[int]:
    """
    Remove those messages that have C{\\Deleted}.

    @param uids: candidates, ascending.
    @return: UIDs that are gone now, ascending.
    @raise InUse: another session moves or removes messages of this mailbox for too long.
    """
    gone: list[int] = []
    if not uids:
        return gone
    async with locked(backend, mailbox.id) as lock:
        for start in range(0, len(uids), BATCH_ROWS):
            progress(start, len(uids))
            await lock.keep()
            batch = list(uids[start : start + BATCH_ROWS])
            # By the flag, not by its mirror, which WildDuck may have left stale.
            rows = await backend.main.find(
                "messages",
                {"mailbox": mailbox.id, "uid": {"$in": batch}, "flags": DELETED},
                projection=REMOVAL_FIELDS,
                sort=[("uid", 1)],
                limit=len(batch),
            )
            # One that a STORE has undeleted meanwhile stays.
            gone += await removal.remove(mailbox, rows, session, {"flags": DELETED})
    return gone
