"""Writing segments in the background."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from typing import Any

from bson import ObjectId
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import deferLater
from twisted.logger import Logger

from wildduck.database.locks import Lock
from wildduck.errors import DomainError
from wildduck.limits import BATCH_ROWS, TEXT_INDEX_NOTED, TEXT_INDEX_RUN, TEXT_INDEX_WORTH
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.content import CONTENT_FIELDS, Content
from wildduck.mailstore.search import texts
from wildduck.mailstore.search.reading import Turn
from wildduck.mailstore.search.whole import UNREADABLE
from wildduck.mailstore.text_index import building, words
from wildduck.mailstore.text_index.segment import numbers
from wildduck.mailstore.text_index.segments import Segments
from wildduck.mailstore.values import number
from wildduck.mime.effort import reading_addresses_takes_long

#: Seconds between two looks whether something is to be done, and after how many of
#: them it is done though mail keeps coming.
_LOOK = 1.0
_PATIENCE = 5
#: Life of the lock of a mailbox, in seconds.
_LOCK = 60.0
#: Documents of one batch.
_BATCH = 50
#: A message may become visible after others of a greater UID: so many are looked at again.
_LATE = 1000
#: Fewer new messages are left for the next time.
_LEAST = TEXT_INDEX_WORTH // 2
_PROJECTION = dict.fromkeys(("uid", *texts.PARTS, "mimeTree.header"), True)


class Indexer:
    """
    Counts what comes into mailboxes and writes segments when there is enough of it.

    One mailbox at a time, when no mail comes or after some seconds, and only half of the time.
    """

    _log = Logger()

    def __init__(self, backend: Backend, segments: Segments) -> None:
        self._backend = backend
        self._segments = segments
        #: Messages that have come into mailboxes since they were looked at.
        self._come: OrderedDict[ObjectId, int] = OrderedDict()
        #: Mailboxes to be looked at, and whether at all of their messages.
        self._due: dict[ObjectId, bool] = {}
        self._news = 0
        self._looks = 0
        self._call: IDelayedCall | None = None
        self._running: Deferred[None] | None = None
        self._stopped = False

    def note(self, mailbox: ObjectId, count: int) -> None:
        """So many messages have come into a mailbox."""
        self._news += count
        come = self._come.pop(mailbox, 0) + count
        if come >= TEXT_INDEX_WORTH:
            self._add(mailbox, False)
            return
        self._come[mailbox] = come
        if len(self._come) > TEXT_INDEX_NOTED:
            self._come.popitem(last=False)

    def lacks(self, mailbox: ObjectId) -> None:
        """A search found many messages of a mailbox of which no segment speaks."""
        self._add(mailbox, True)

    def _add(self, mailbox: ObjectId, thoroughly: bool) -> None:
        if mailbox in self._due or len(self._due) < TEXT_INDEX_NOTED:
            self._due[mailbox] = self._due.get(mailbox, False) or thoroughly
        self._look_later()

    def _look_later(self) -> None:
        if self._call is None and self._running is None and not self._stopped:
            self._call = self._backend.clock.callLater(_LOOK, self._look)

    def _look(self) -> None:
        self._call = None
        self._looks += 1
        news, self._news = self._news, 0
        if news and self._looks < _PATIENCE:
            self._look_later()
            return
        self._looks = 0
        self._running = Deferred.fromCoroutine(self._run())
        self._running.addErrback(self._failed)
        self._running.addCallback(self._done)

    def _failed(self, failure: Any) -> None:
        self._log.failure("indexing failed", failure)

    def _done(self, _: object) -> None:
        self._running = None
        if self._due:
            self._look_later()

    async def stop(self) -> None:
        """Begin nothing more, and wait for what is under way; at shutdown."""
        self._stopped = True
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self._running is not None:
            # Not the one itself: what waits for it goes on with its own result.
            ended: Deferred[None] = Deferred()
            self._running.addCallback(ended.callback)
            await ended

    async def _run(self) -> None:
        while self._due and not self._stopped:
            mailbox, thoroughly = next(iter(self._due.items()))
            del self._due[mailbox]
            try:
                if await self.index(mailbox, thoroughly=thoroughly):
                    self._due[mailbox] = True
            except DomainError as error:
                self._log.warn(
                    "indexing mailbox {id} stopped: {kind}", id=str(mailbox), kind=type(error).__name__
                )

    async def index(self, mailbox: ObjectId, *, thoroughly: bool) -> bool:
        """
        Write segments for what has none in a mailbox, and merge small ones.

        @param thoroughly: look at all messages, not at the latest only.
        @return: whether there is more to be done.
        """
        lock = await self._backend.locks.acquire(f"textindex:{mailbox}", _LOCK, namespace="native")
        if lock is None:
            # Another worker is at it.
            return False
        try:
            uids = await self._lacking(mailbox, thoroughly)
            some = uids[:TEXT_INDEX_RUN]
            if len(some) >= _LEAST:
                await self._write(mailbox, some, lock)
            while not self._stopped and await self._merge(mailbox):
                await self._hold(lock)
            return len(uids) > len(some)
        finally:
            await lock.release()

    async def _lacking(self, mailbox: ObjectId, thoroughly: bool) -> list[int]:
        """UIDs of messages of which no segment speaks, ascending."""
        last = (row["last"] for row in await self._segments.listed(mailbox, "last"))
        after = 0 if thoroughly else max(0, max(last, default=0) - _LATE)
        spoken_of: set[int] = set()
        for row in await self._segments.listed(mailbox, "uids", "unread", after=after):
            spoken_of.update(numbers("I", row["uids"]), numbers("I", row["unread"]))
            await self._backend.breathe()
        found: list[int] = []
        batches = self._backend.main.batches(
            "messages",
            {"mailbox": mailbox, "uid": {"$gt": after}},
            projection={"_id": False, "uid": True},
            sort=[("uid", 1)],
            batch_size=BATCH_ROWS,
        )
        async for batch in batches:
            found.extend(uid for row in batch if (uid := number(row.get("uid"))) not in spoken_of)
            await self._backend.breathe()
            if len(found) > TEXT_INDEX_RUN:
                break
        return found

    async def _write(self, mailbox: ObjectId, uids: list[int], lock: Lock) -> None:
        checked = self._backend.now()
        builder = building.Builder()
        async for batch in self._documents(mailbox, uids):
            began = self._backend.steady()
            turn = Turn(self._backend.clock, self._backend.breathe)
            for row in batch:
                await self._add_to(builder, row)
                await turn.pause()
            if builder.is_full:
                await self._segments.write(mailbox, await self._segment(builder), checked)
                builder = building.Builder()
                checked = self._backend.now()
                await self._hold(lock)
            if self._stopped:
                return
            # Others have as much of the time.
            await deferLater(self._backend.clock, max(0.0, self._backend.steady() - began))
        if len(builder) >= _LEAST:
            await self._segments.write(mailbox, await self._segment(builder), checked)

    async def _segment(self, builder: building.Builder) -> Any:
        return await self._backend.mime_pool.run(builder.segment)

    async def _documents(self, mailbox: ObjectId, uids: list[int]) -> AsyncIterator[list[dict[str, Any]]]:
        # What a failover takes back must not be indexed: its UID is another's then.
        for start in range(0, len(uids), BATCH_ROWS):
            batches = self._backend.main.batches(
                "messages",
                {"mailbox": mailbox, "uid": {"$in": uids[start : start + BATCH_ROWS]}},
                projection=_PROJECTION,
                sort=[("uid", 1)],
                batch_size=_BATCH,
                majority=True,
            )
            async for batch in batches:
                yield batch

    async def _add_to(self, builder: building.Builder, row: Mapping[str, Any]) -> None:
        uid = number(row.get("uid"))
        try:
            found = await self._words(row)
        except UNREADABLE:
            found = None
        if found is None or not found.are_few:
            builder.add_unread(uid)
        else:
            builder.add(uid, found)

    async def _words(self, row: Mapping[str, Any]) -> words.Words | None:
        tree = row.get("mimeTree")
        pool = self._backend.mime_pool
        if not isinstance(tree, dict):
            found = None
        elif texts.takes_long_to_look(row, tree) or reading_addresses_takes_long(tree.get("header")):
            found = await pool.run(words.of_tree, tree)
        else:
            found = words.of_tree(tree)
        return found if found is not None else await self._words_of_whole(row["_id"])

    async def _words_of_whole(self, id: ObjectId) -> words.Words | None:
        document = await self._backend.main.find_one("messages", {"_id": id}, projection=CONTENT_FIELDS)
        if document is None:
            return None
        content = await Content.of(self._backend.gridfs, document, self._backend.mime_pool, exact=True)
        return await words.of_content(content, self._backend.mime_pool)

    async def _merge(self, mailbox: ObjectId) -> bool:
        """
        Make one segment of several.

        A crash in between leaves words twice, which says nothing else and is merged another time.

        @return: whether there were any.
        """
        rows = await self._segments.listed(mailbox, "messages", "size", "checked")
        chosen = [
            rows[place] for place in building.to_merge([(row["messages"], row["size"]) for row in rows])
        ]
        if not chosen:
            return False
        segments = await self._segments.read(row["_id"] for row in chosen)
        if len(segments) < 2:
            return False
        merged = await self._backend.mime_pool.run(building.merged, segments)
        await self._segments.write(mailbox, merged, min(row["checked"] for row in chosen))
        await self._segments.remove(segment.id for segment in segments if segment.id is not None)
        return True

    async def _hold(self, lock: Lock) -> None:
        """Two at a time would only do the same twice."""
        await lock.extend(_LOCK)
