"""
The collector: what has expired goes (spec/schema.md §7 'GC').

Expired messages to C{archived} or away, archived ones away at the end of their
time, then attachments that nobody has referred to for a day.  One worker of all
servers at a time, WildDuck's included, by the lock C{gc_expired}.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from bson import ObjectId
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from wildduck.errors import DomainError, InUse, MailboxNotFound
from wildduck.mailstore import deleted_mailboxes
from wildduck.mailstore.attachments import FILES, Attachments
from wildduck.mailstore.backend import Backend, milliseconds
from wildduck.mailstore.concurrently import for_each
from wildduck.mailstore.expunge import locked
from wildduck.mailstore.mailboxes import Mailboxes
from wildduck.mailstore.removal import REMOVAL_FIELDS, Removal
from wildduck.mailstore.text_index import sweeping
from wildduck.mailstore.values import Mailbox, number

#: Life of the lock, in seconds.
LOCK_SECONDS = 18 * 60

#: A run ends after this share of the time between two.
SHARE = 0.8

#: Attachments without users stay for a day: a message may be on its way.
ORPHAN_AGE = datetime.timedelta(days=1)

#: Rows of one batch.
BATCH = 500

#: Orphan attachments of one run, and how many are removed at a time.
ORPHANS = 1000
WORKERS = 4

#: Seconds between two looks at what was deleted, where another server collects.
_MENDING = 15 * 60.0

_EXPIRY_INDEX = "retention_time"


@dataclass(slots=True)
class Collected:
    """
    What one run did.

    @ivar expired: messages removed from mailboxes.
    @ivar purged: messages removed from the archive.
    @ivar orphans: attachments removed.
    @ivar complete: nothing was left for want of time.
    """

    expired: int = 0
    purged: int = 0
    orphans: int = 0
    complete: bool = True


class Collector(Service):
    """
    Runs every C{storage.collector_minutes}; 0 means that another server does.

    Then it only looks after what was deleted here.
    """

    name = "collector"
    _log = Logger()

    def __init__(
        self, backend: Backend, mailboxes: Mailboxes, attachments: Attachments, removal: Removal
    ) -> None:
        self._backend = backend
        self._mailboxes = mailboxes
        self._attachments = attachments
        self._removal = removal
        self._interval = backend.settings.storage.collector_minutes * 60.0
        self._loop: LoopingCall | None = None
        self._finished: Deferred[Any] | None = None
        self._until = 0.0

    def startService(self) -> None:
        super().startService()
        self._loop = LoopingCall(lambda: Deferred.fromCoroutine(self._run()))
        self._loop.clock = self._backend.clock
        self._finished = self._loop.start(self._interval or _MENDING, now=False)

    def stopService(self) -> Deferred[Any] | None:
        """@return: fires when a run that is under way has come to its next batch."""
        super().stopService()
        self._until = 0.0
        if self._loop is not None and self._loop.running:
            self._loop.stop()
        return self._finished

    async def _run(self) -> None:
        try:
            if not self._interval:
                await self.mend()
                return
            collected = await self.run_once()
        except DomainError as error:
            self._log.warn("collecting stopped: {kind}", kind=type(error).__name__)
            return
        except Exception:
            self._log.failure("collecting failed")
            return
        if collected is not None:
            self._log.info("collected {collected}", collected=collected)

    async def run_once(self) -> Collected | None:
        """
        Collect now.

        @return: C{None} when another worker is at it.
        """
        await self.mend()
        lock = await self._backend.locks.acquire("gc_expired", LOCK_SECONDS)
        if lock is None:
            return None
        allowed = min(self._interval or _MENDING, LOCK_SECONDS) * SHARE
        self._until = self._backend.clock.seconds() + allowed
        collected = Collected()
        try:
            await self._expire(collected)
            await self._purge(collected)
            await self._remove_orphans(collected)
        finally:
            await lock.release()
        return collected

    async def mend(self) -> None:
        """
        Look after mailboxes that were deleted (L{deleted_mailboxes}), and words of messages
        that are gone (L{sweeping}).

        Not WildDuck's business, so not under its lock, and also where its servers collect.
        """
        await deleted_mailboxes.mend(self._backend)
        await sweeping.sweep(self._backend)

    def _time_left(self, collected: Collected) -> bool:
        if self._backend.clock.seconds() < self._until:
            return True
        collected.complete = False
        return False

    # --- expired messages -----------------------------------------------------------

    async def _expire(self, collected: Collected) -> None:
        busy: list[ObjectId] = []
        while self._time_left(collected):
            rows = await self._expired("messages", {"mailbox": {"$nin": busy}})
            if not rows:
                return
            rows.sort(key=lambda row: (row["mailbox"], number(row.get("uid"))))
            for mailbox, of_mailbox in groupby(rows, key=itemgetter("mailbox")):
                removed = await self._expire_in(mailbox, list(of_mailbox))
                if removed:
                    collected.expired += removed
                else:
                    busy.append(mailbox)

    async def _expired(self, collection: str, more: dict[str, Any]) -> list[dict[str, Any]]:
        now = milliseconds(self._backend.now())
        batches = self._backend.main.batches(
            collection,
            {"exp": True, "rdate": {"$lte": now}, **more},
            projection=REMOVAL_FIELDS,
            limit=BATCH,
            batch_size=BATCH,
            hint=_EXPIRY_INDEX,
        )
        return [row async for batch in batches for row in batch]

    async def _expire_in(self, id: ObjectId, rows: list[dict[str, Any]]) -> int:
        """@return: messages removed; 0 when the mailbox is in use."""
        try:
            mailbox: Mailbox | None = await self._mailboxes.get_by_id(rows[0]["user"], id)
        except MailboxNotFound:
            mailbox = None
        try:
            async with locked(self._backend, id, wait=0):
                return len(await self._removal.remove(mailbox, rows, None))
        except InUse:
            return 0

    # --- archived messages ------------------------------------------------------------

    async def _purge(self, collected: Collected) -> None:
        while self._time_left(collected):
            rows = await self._expired("archived", {})
            if not rows:
                return
            purged = sum(await for_each(rows, self._purge_one, WORKERS))
            collected.purged += purged

    async def _purge_one(self, row: dict[str, Any]) -> int:
        main = self._backend.main
        # Only if it still is the copy that has expired, not one that EXPUNGE just made.
        due = {"_id": row["_id"], "user": row["user"], "rdate": {"$lte": milliseconds(self._backend.now())}}
        if not await main.delete_one("archived", due, durable=True):
            return 0
        if await main.find_one("messages", {"_id": row["_id"]}, projection={"_id": True}) is None:
            await self._removal.release_attachments([row])
        # Else a crash left this copy, and the message has the references.
        return 1

    # --- attachments --------------------------------------------------------------------

    async def _remove_orphans(self, collected: Collected) -> None:
        if not self._time_left(collected):
            return
        unchanged_since = self._backend.now() - ORPHAN_AGE
        batches = self._backend.databases.gridfs.batches(
            FILES,
            {"metadata.c": 0, "metadata.m": 0, "metadata.cu": {"$lte": unchanged_since}},
            projection={"_id": True},
            limit=ORPHANS,
            batch_size=ORPHANS,
        )
        digests = [bytes(row["_id"]) async for batch in batches for row in batch]

        async def one(digest: bytes) -> int:
            if not self._time_left(collected):
                return 0
            return int(await self._attachments.remove_orphan(digest, unchanged_since))

        collected.orphans += sum(await for_each(digests, one, WORKERS))
        if len(digests) == ORPHANS:
            collected.complete = False
