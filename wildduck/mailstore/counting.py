"""
How many messages mailboxes have, without counting them each time.

A count stays right until a writer takes a number of the mailbox: every arrival,
removal and change of a flag takes one first.  So a count is kept with the
counters that the mailbox had, and believed while they are the same; but only if
nobody had taken a number for longer than a writer may hold one (store.md §2)
when it was made, for else something may have come after it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from wildduck.limits import COUNTED_MAILBOXES, MODSEQ_HOLE_SECONDS
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.values import number

#: WildDuck's STORE of very many messages takes one number before and can work for long.
_FOREIGN_SECONDS = 120.0

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
    """

    numbers: tuple[int, int]
    since: float
    counts: Counts | None = None


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

        @param documents: C{_id}, C{modifyIndex}, C{uidNext} of mailboxes as they are now, and
            C{settled}: L{SETTLED}.
        @param sizes: also sum the lengths, which looks at every message where they are not known.
        """
        now = self._backend.steady()
        found: dict[ObjectId, Counts] = {}
        missing: list[_Known] = []
        ids: list[ObjectId] = []
        for document in documents:
            known = self._of(document, now)
            counts = known.counts
            if counts is None or (sizes and counts.size is None):
                missing.append(known)
                ids.append(document["_id"])
            else:
                found[document["_id"]] = counts
        if ids:
            counted = await self._count(ids, sizes)
            for id, known in zip(ids, missing, strict=True):
                found[id] = counted[id]
                if now - known.since > _FOREIGN_SECONDS:
                    known.counts = counted[id]
        return found

    def _of(self, document: Mapping[str, Any], now: float) -> _Known:
        id = document["_id"]
        numbers = (number(document.get("modifyIndex")), number(document.get("uidNext")))
        known = self._known.get(id)
        if known is None or known.numbers != numbers:
            known = self._known[id] = _Known(numbers, now)
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
