"""The first step: what the open mailbox's index knows, without the database."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import date, datetime, timezone
from functools import cached_property
from itertools import compress
from typing import Any

from wildduck.mailstore.columns import NO_DATE
from wildduck.mailstore.loading import milliseconds
from wildduck.mailstore.search import masks
from wildduck.mailstore.search.decide import Verdict
from wildduck.mailstore.search.keys import Age, Arrived, Changed, Flag, Leaf, Recent, Uids
from wildduck.mailstore.view import View


class Known:
    """
    The messages that a session knows and that are still there, as they were at
    one moment: what happens in the mailbox meanwhile changes nothing here.

    @ivar uids: ascending.
    @ivar seqs: their sequence numbers, in the same order.
    @ivar modseqs: their MODSEQs, likewise.
    @ivar every: the set of all of them.
    """

    def __init__(self, view: View, now: float) -> None:
        """@param now: the time, in seconds since 1970."""
        index = view.index
        self.uids: array[int] = view.uids[:]
        self.seqs: Sequence[int] = range(1, len(self.uids) + 1)
        self._bits: array[int] = index.bits[:]
        self._dates: array[int] = index.dates[:]
        self._zones: array[int] = index.zones[:]
        self.modseqs: array[int] = index.modseqs[:]
        self._now = int(now)
        if index.uids != view.uids:
            there, told = set(index.uids), set(view.uids)
            known = [uid in told for uid in index.uids]
            self._bits = array("Q", compress(index.bits, known))
            self._dates = array("q", compress(index.dates, known))
            self._zones = array("h", compress(index.zones, known))
            self.modseqs = array("Q", compress(index.modseqs, known))
            self.seqs = [seq for seq, uid in enumerate(view.uids, 1) if uid in there]
            self.uids = array("I", (uid for uid in view.uids if uid in there))
        self.every = (1 << len(self.uids)) - 1
        self._table = index.flag_table
        self._recent: set[int] = set(view.recent)

    def place(self, uid: int) -> int:
        """Where a message is in L{uids}, -1 when it is not."""
        place = bisect_left(self.uids, uid)
        return place if place < len(self.uids) and self.uids[place] == uid else -1

    def arrival(self, place: int) -> int:
        """A message's INTERNALDATE in seconds since 1970, as clients are told it."""
        return self._dates[place] // 1000

    def answer(self, leaf: Leaf) -> Verdict | None:
        """C{None} when the index does not know."""
        answer = _ANSWERS.get(type(leaf))
        if answer is None:
            return None
        yes = answer(self, leaf)
        return Verdict(yes, self.every & ~yes)

    def flag(self, leaf: Flag) -> int:
        found = masks.with_bits(self._bits, self._table.bits(leaf.name))
        spilled = self._table.spilled(leaf.name)
        return found | masks.of_uids(self.uids, spilled) if spilled else found

    def recent(self, leaf: Recent) -> int:
        return masks.of_uids(self.uids, self._recent)

    def arrived(self, leaf: Arrived) -> int:
        first = NO_DATE + 1 if leaf.since is None else _midnight(leaf.since)
        end = _END_OF_TIME if leaf.before is None else _midnight(leaf.before)
        return masks.between(self._days, first, end)

    @cached_property
    def _days(self) -> Sequence[int]:
        """
        INTERNALDATEs as the clocks of their zones showed them, in milliseconds as
        if that had been UTC: SEARCH goes by the day that FETCH shows.
        """
        if self._zones.count(0) == len(self._zones):
            return self._dates
        return [date + zone * 60_000 for date, zone in zip(self._dates, self._zones, strict=True)]

    def aged(self, leaf: Age) -> int:
        # A date of 59.9 is in second 59.
        first = NO_DATE + 1 if leaf.most is None else (self._now - leaf.most) * 1000
        end = _END_OF_TIME if leaf.least is None else (self._now - leaf.least + 1) * 1000
        return masks.between(self._dates, first, end)

    def changed(self, leaf: Changed) -> int:
        return masks.between(self.modseqs, leaf.modseq, _NO_MODSEQ)

    def with_uids(self, leaf: Uids) -> int:
        return masks.in_ranges(self.uids, leaf.ranges)


def _midnight(day: date) -> int:
    """The beginning of a day, in milliseconds as if it were in UTC."""
    return milliseconds(datetime(day.year, day.month, day.day, tzinfo=timezone.utc))


#: Later than any date.
_END_OF_TIME = 2**63
#: Higher than any MODSEQ.
_NO_MODSEQ = 2**64

_ANSWERS: dict[type, Callable[[Known, Any], int]] = {
    Flag: Known.flag,
    Recent: Known.recent,
    Arrived: Known.arrived,
    Age: Known.aged,
    Changed: Known.changed,
    Uids: Known.with_uids,
}
