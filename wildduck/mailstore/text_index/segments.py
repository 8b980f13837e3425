"""The collection of segments, and those that a worker has at hand."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from typing import Any, TypeAlias

from bson import ObjectId
from twisted.logger import Logger

from wildduck.limits import TEXT_INDEX_CACHE
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.text_index.segment import Segment
from wildduck.mailstore.text_index.words import TABLES, VERSION

#: Our collection (store.md §9).
SEGMENTS = "textsegments"

#: What reading a document raises that is not of the form it should have.
MALFORMED = (LookupError, TypeError, ValueError)

#: Documents of one batch: mongod sends at most 16 MiB at a time.
_BATCH = 8
#: Seconds for which a segment is kept at hand; after a while it has words of messages that are gone.
_KEPT = 600.0
#: Mailboxes that one statement names.
_MAILBOXES = 1000

#: Names of tables that are read and kept together.
Names: TypeAlias = "tuple[str, ...]"


class Segments:
    """Reads and writes segments; one for each worker."""

    _log = Logger()

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._kept = _Kept()

    def at_hand(self, mailbox: ObjectId, names: Names) -> list[Segment]:
        """
        Those of a mailbox's segments that need not be read, with some tables.

        Two may speak of the same message, and say the same; so it is with L{others}.
        """
        return self._kept.of((mailbox, names), self._backend.steady())

    async def others(
        self, mailbox: ObjectId, names: Names, known: Iterable[Segment], first: int
    ) -> AsyncIterator[Segment]:
        """
        The rest of a mailbox's segments; they are at hand afterwards, if there is room.

        @param names: of the tables.
        @param known: what L{at_hand} gave.
        @param first: a UID; segments that speak only of lower ones are left out.
        """
        now = self._backend.steady()
        query = {
            "mailbox": mailbox,
            "v": VERSION,
            "_id": {"$nin": [segment.id for segment in known]},
            "last": {"$gte": first},
        }
        fields = dict.fromkeys(("uids", "unread", *names), True)
        async for batch in self._backend.main.batches(SEGMENTS, query, projection=fields, batch_size=_BATCH):
            for row in batch:
                loaded = self._segment(row, names)
                if loaded is not None:
                    self._kept.keep((mailbox, names), loaded, now)
                    yield loaded

    def _segment(self, row: dict[str, Any], names: Names = TABLES) -> Segment | None:
        try:
            return Segment.of_document(row, names)
        except MALFORMED as error:
            self._log.error("segment {id} can not be read: {kind}", id=row["_id"], kind=type(error).__name__)
            return None

    async def listed(self, mailbox: ObjectId, *fields: str, after: int | None = None) -> list[dict[str, Any]]:
        """
        Some fields of all segments of a mailbox.

        @param after: only of those that speak of a message with a greater UID.
        """
        query: dict[str, Any] = {"mailbox": mailbox, "v": VERSION}
        if after is not None:
            query["last"] = {"$gt": after}
        batches = self._backend.main.batches(
            SEGMENTS, query, projection=dict.fromkeys(fields, True), batch_size=100
        )
        return [row async for batch in batches for row in batch]

    async def read(self, ids: Iterable[ObjectId]) -> list[Segment]:
        """Those of these that are there."""
        rows = await self._backend.main.find(SEGMENTS, {"_id": {"$in": list(ids)}, "v": VERSION}, slow=True)
        found = (self._segment(row) for row in rows)
        return [segment for segment in found if segment is not None]

    async def write(self, mailbox: ObjectId, segment: Segment, checked: Any) -> None:
        """
        Write a new one.

        When this is answered, the messages that it was made of are on the disk
        too: none of them is lost in a crash and its UID given to another.

        @param checked: when all of its messages were known to be there.
        """
        document = {"_id": ObjectId(), "mailbox": mailbox, "v": VERSION, "checked": checked}
        await self._backend.main.insert_one(SEGMENTS, {**document, **segment.document()}, durable=True)

    async def remove(self, ids: Iterable[ObjectId]) -> None:
        await self._backend.main.delete_many(SEGMENTS, {"_id": {"$in": list(ids)}})


async def forget(backend: Backend, mailboxes: Iterable[ObjectId]) -> None:
    """Mailboxes are no more: neither are the words of their messages."""
    ids = list(mailboxes)
    for start in range(0, len(ids), _MAILBOXES):
        await backend.main.delete_many(
            SEGMENTS, {"mailbox": {"$in": ids[start : start + _MAILBOXES]}}, slow=True
        )


class _Kept:
    """Segments of the mailboxes that were searched last, as many as there is room for."""

    def __init__(self) -> None:
        #: By mailbox and tables; of each segment the time when it was read, too.
        self._mailboxes: OrderedDict[tuple[ObjectId, Names], dict[ObjectId, tuple[float, Segment]]] = (
            OrderedDict()
        )
        self.size = 0

    def of(self, mailbox: tuple[ObjectId, Names], now: float) -> list[Segment]:
        if mailbox in self._mailboxes:
            self._drop_old(mailbox, now)
        # The others' while it lasts: nobody may ever ask for them again.
        while self._mailboxes and self._drop_old(next(iter(self._mailboxes)), now):
            pass
        if mailbox not in self._mailboxes:
            return []
        self._mailboxes.move_to_end(mailbox)
        return [segment for _, segment in self._mailboxes[mailbox].values()]

    def keep(self, mailbox: tuple[ObjectId, Names], segment: Segment, now: float) -> None:
        """Others go for it, but none of the same mailbox."""
        assert segment.id is not None
        of_mailbox = self._mailboxes.setdefault(mailbox, {})
        self._mailboxes.move_to_end(mailbox)
        uids = set(segment.uids)
        for id, (_, other) in list(of_mailbox.items()):
            # What was merged into it, or what another search has read meanwhile.
            if id == segment.id or (uids.issuperset(other.uids) and not other.unread):
                self._drop(mailbox, id)
        while self.size + segment.size > TEXT_INDEX_CACHE:
            oldest = next(iter(self._mailboxes))
            if oldest == mailbox:
                return
            for id in list(self._mailboxes[oldest]):
                self._drop(oldest, id)
            del self._mailboxes[oldest]
        of_mailbox[segment.id] = (now, segment)
        self.size += segment.size

    def _drop_old(self, mailbox: tuple[ObjectId, Names], now: float) -> bool:
        """@return: whether none is left."""
        of_mailbox = self._mailboxes[mailbox]
        for id in [id for id, (since, _) in of_mailbox.items() if now - since > _KEPT]:
            self._drop(mailbox, id)
        if of_mailbox:
            return False
        del self._mailboxes[mailbox]
        return True

    def _drop(self, mailbox: tuple[ObjectId, Names], id: ObjectId) -> None:
        _, segment = self._mailboxes[mailbox].pop(id)
        self.size -= segment.size
