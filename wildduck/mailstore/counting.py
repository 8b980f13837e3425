"""
How many messages mailboxes have, without counting them each time.

A count stays right until a writer takes a number of the mailbox: every arrival,
removal and change of a flag takes one first.  So a count is kept with the
counters that the mailbox had, and believed while they are the same:

  - for ever, if nobody had taken a number for longer than a writer may hold one
    (store.md §2) when it was made;
  - else for half as long as the counters had been seen to stay the same: what has
    taken a number uses it within milliseconds.

Where counting is much work and the counters move all the time, the counters that
all writers keep in Redis (L{wildduck.mailstore.counters}) are asked in between.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from wildduck.limits import COUNTED_MAILBOXES, MODSEQ_HOLE_SECONDS
from wildduck.mailstore import counters
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.values import number

#: WildDuck's STORE of very many messages takes one number before and can work for long.
_FOREIGN_SECONDS = 120.0

#: Counters that were seen for a shorter time tell nothing.
_LEAST_SECONDS = 0.2

#: While one request counts anew, others go on with the last count for so long.
_MEANWHILE_SECONDS = 2.0

#: Messages whose counting is much work, and how long it may be spared.
_MANY = 1000
_SPARED_SECONDS = 300.0

#: To be read of a mailbox document beside the fields of L{Mailbox
#: <wildduck.mailstore.values.Mailbox>}: whether our last allocation is the last
#: of all, and has been decided.
SETTLED: dict[str, Any] = {
    "$and": [
        {"$eq": ["$native.index", "$modifyIndex"]},
        {"$eq": ["$native.next", "$uidNext"]},
        {"$gt": [{"$subtract": ["$$NOW", "$native.time"]}, int(MODSEQ_HOLE_SECONDS * 1000)]},
    ]
}

#: What L{Counting.counts} needs of a mailbox document.
COUNTED_FIELDS: dict[str, Any] = {"modifyIndex": True, "uidNext": True, "settled": SETTLED}


@dataclass(frozen=True, slots=True)
class Counts:
    """
    Messages of a mailbox.

    @ivar size: bytes, as WildDuck counts them; C{None} when not asked for.
    """

    total: int
    unseen: int
    size: int | None = None


@dataclass(slots=True)
class _Known:
    """
    What is known of a mailbox while its counters are these.

    @ivar since: when they were first seen, in seconds of the backend's steady clock.
    @ivar counts: of them, to be believed until C{until}.
    @ivar many: messages when they were last counted, and C{counted} when that was.
    """

    numbers: tuple[int, int]
    since: float
    counts: Counts | None = None
    until: float = 0.0
    many: int = 0
    counted: float = float("-inf")


class Counting:
    """The counts that one worker knows."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._known: OrderedDict[ObjectId, _Known] = OrderedDict()

    async def counts(
        self, documents: Sequence[Mapping[str, Any]], *, sizes: bool = False
    ) -> dict[ObjectId, Counts]:
        """
        Count the messages of mailboxes.

        @param documents: mailboxes as they are now, with L{COUNTED_FIELDS} and C{_id}.
        @param sizes: also sum the lengths, which looks at every message where they are not known.
        """
        now = self._backend.steady()
        found: dict[ObjectId, Counts] = {}
        missing: dict[ObjectId, _Known] = {}
        shared: list[ObjectId] = []
        for document in documents:
            id, known = document["_id"], self._of(document, now)
            counts = known.counts
            if counts is not None and now < known.until and not (sizes and counts.size is None):
                found[id] = counts
            elif known.many > _MANY and not sizes and self._is_busy(known, now):
                shared.append(id)
            else:
                if counts is not None:
                    known.until = max(known.until, now + _MEANWHILE_SECONDS)
                missing[id] = known
        if shared:
            cached = await counters.counts(self._backend.redis, self._backend.main, shared)
            found.update((id, Counts(one.total, one.unseen)) for id, one in cached.items())
        if missing:
            counted = await self._count(list(missing), sizes)
            for id, known in missing.items():
                self._keep(id, known, counted[id], now)
            found.update(counted)
        return found

    def _is_busy(self, known: _Known, now: float) -> bool:
        return now - known.since < MODSEQ_HOLE_SECONDS and now - known.counted < _SPARED_SECONDS

    def _keep(self, id: ObjectId, known: _Known, counts: Counts, now: float) -> None:
        """@param now: when the counting began."""
        known.many, known.counted = counts.total, now
        quiet = now - known.since
        if quiet < _LEAST_SECONDS:
            return
        known.counts = counts
        known.until = float("inf") if quiet > _FOREIGN_SECONDS else now + quiet / 2
        if counts.total > _MANY and quiet > MODSEQ_HOLE_SECONDS:
            for name, number in (("total", counts.total), ("unseen", counts.unseen)):
                self._backend.background(counters.correct(self._backend.redis, f"{name}:{id}", number))

    def _of(self, document: Mapping[str, Any], now: float) -> _Known:
        id = document["_id"]
        numbers = (number(document.get("modifyIndex")), number(document.get("uidNext")))
        known = self._known.get(id)
        if known is None or known.numbers != numbers:
            before, known = known, _Known(numbers, now)
            if before is not None:
                known.many, known.counted = before.many, before.counted
            self._known[id] = known
            while len(self._known) > COUNTED_MAILBOXES:
                self._known.popitem(last=False)
        self._known.move_to_end(id)
        if document.get("settled") is True:
            known.since = float("-inf")
        return known

    async def _count(self, mailboxes: list[ObjectId], sizes: bool) -> dict[ObjectId, Counts]:
        these = {"mailbox": {"$in": mailboxes}}
        total, unseen, size = await gather(
            self._sums(these, 1),
            self._sums({**these, "unseen": True}, 1),
            self._sums(these, "$size") if sizes else _nothing(),
        )
        return {
            id: Counts(total.get(id, 0), unseen.get(id, 0), size.get(id, 0) if sizes else None)
            for id in mailboxes
        }

    async def _sums(self, filter: dict[str, Any], what: int | str) -> dict[ObjectId, int]:
        """By mailbox."""
        pipeline = [{"$match": filter}, {"$group": {"_id": "$mailbox", "sum": {"$sum": what}}}]
        sums: dict[ObjectId, int] = {}
        async for batch in self._backend.main.aggregate("messages", pipeline):
            sums.update((row["_id"], number(row["sum"])) for row in batch)
        return sums


async def _nothing() -> dict[ObjectId, int]:
    return {}
