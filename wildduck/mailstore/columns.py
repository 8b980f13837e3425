"""The messages of a mailbox as arrays: UID, MODSEQ, flag bits, INTERNALDATE, its zone; 30 bytes a message."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from wildduck.limits import MAX_UID
from wildduck.mailstore.flag_table import SEEN, FlagTable, new_bits

#: Memory of one message in L{Columns}.
ROW_BYTES = 4 + 8 + 8 + 8 + 2

#: In place of an INTERNALDATE that is none; earlier than any.
NO_DATE = -(2**63)


class Row(NamedTuple):
    """
    A message as it was read.

    @ivar date: its INTERNALDATE in milliseconds since 1970, or L{NO_DATE}; it never changes.
    @ivar zone: the zone that it was given in, in minutes east of UTC (L{wildduck.mailstore.zones}).
    """

    uid: int
    modseq: int
    flags: Iterable[str]
    date: int = NO_DATE
    zone: int = 0


class Columns:
    """
    Rows ascending by UID.

    @ivar uids: C{array('I')}.
    @ivar modseqs: C{array('Q')}, in the same order.
    @ivar bits: C{array('Q')}, likewise; what they mean is in C{table}.
    @ivar dates: C{array('q')}, likewise; see L{Row.date}.
    @ivar zones: C{array('h')}, likewise; see L{Row.zone}.
    @ivar unseen: number of messages without C{\\Seen}.
    """

    def __init__(self, table: FlagTable) -> None:
        self.table = table
        self.uids: array[int] = array("I")
        self.modseqs: array[int] = array("Q")
        self.bits = new_bits()
        self.dates: array[int] = array("q")
        self.zones: array[int] = array("h")
        self.unseen = 0
        self._seen = table.learn(SEEN)

    def position(self, uid: int) -> int:
        """Where a UID is; -1 when it is not there."""
        place = bisect_left(self.uids, uid)
        return place if place < len(self.uids) and self.uids[place] == uid else -1

    def flags(self, place: int) -> tuple[str, ...]:
        """The flags of the message at a position."""
        return self.table.unpack(self.uids[place], self.bits[place])

    def with_flag(self, flag: str, present: bool = True) -> Iterator[int]:
        """UIDs of the messages that have a flag, or have it not, ascending."""
        bit = self.table.learn(flag)
        for uid, bits in zip(self.uids, self.bits, strict=True):
            has = bool(bits & bit) if bit else flag in self.table.unpack(uid, bits)
            if has == present:
                yield uid

    def append(self, row: Row) -> bool:
        """
        Add a message behind all others.

        @return: C{False} for one that can not be shown: its UID is none, or not higher.
        """
        if not 0 < row.uid <= MAX_UID or (self.uids and row.uid <= self.uids[-1]):
            return False
        bits = self.table.pack(row.uid, row.flags)
        self.extend([(row.uid, row.modseq, bits, row.date, row.zone)])
        return True

    def extend(self, rows: Sequence[tuple[int, int, int, int, int]]) -> None:
        """
        Add messages behind all others.

        @param rows: UID (ascending, higher than those that are there), MODSEQ, what
            L{FlagTable.pack} gave for the flags, INTERNALDATE and zone as of L{Row}.
        """
        if not rows:
            return
        uids, modseqs, bits, dates, zones = zip(*rows, strict=True)
        self.uids.extend(uids)
        self.modseqs.extend(modseqs)
        self.bits.extend(bits)
        self.dates.extend(dates)
        self.zones.extend(zones)
        self.unseen += sum(not one & self._seen for one in bits)

    def insert(self, row: Row) -> None:
        """Add a message where its UID belongs, if that is not there yet."""
        if not self.uids or row.uid > self.uids[-1]:
            self.append(row)
            return
        place = bisect_left(self.uids, row.uid)
        if self.uids[place] == row.uid or row.uid <= 0:
            return
        bits = self.table.pack(row.uid, row.flags)
        self.uids.insert(place, row.uid)
        self.modseqs.insert(place, row.modseq)
        self.bits.insert(place, bits)
        self.dates.insert(place, row.date)
        self.zones.insert(place, row.zone)
        self.unseen += not bits & self._seen

    def pop(self) -> Row:
        """Take the last message away."""
        place = len(self.uids) - 1
        flags = self.flags(place)
        self.unseen -= not self.bits[place] & self._seen
        uid, modseq, _ = self.uids.pop(), self.modseqs.pop(), self.bits.pop()
        self.table.forget(uid)
        return Row(uid, modseq, flags, self.dates.pop(), self.zones.pop())

    def change(self, row: Row) -> bool:
        """
        Take over MODSEQ and flags (not the date) of a message, unless what is known is newer.

        The same MODSEQ can come with other flags: a STORE with a lower one that
        was still on its way leaves it as it is (store.md §3).

        @return: whether its flags are others now.
        """
        place = self.position(row.uid)
        if place < 0 or row.modseq < self.modseqs[place]:
            return False
        before, flags_before = self.bits[place], self.flags(place)
        bits = self.table.pack(row.uid, row.flags)
        self.modseqs[place], self.bits[place] = row.modseq, bits
        self.unseen += bool(before & self._seen) - bool(bits & self._seen)
        return flags_before != self.flags(place)

    def remove(self, gone: Iterable[int]) -> list[int]:
        """
        Take messages away.

        @return: those that were there, ascending.
        """
        places = sorted(place for place in map(self.position, set(gone)) if place >= 0)
        removed = [self.uids[place] for place in places]
        self.unseen -= sum(not self.bits[place] & self._seen for place in places)
        for column in (self.uids, self.modseqs, self.bits, self.dates, self.zones):
            cut(column, places)
        for uid in removed:
            self.table.forget(uid)
        return removed


def cut(column: array[int], places: list[int]) -> None:
    """Delete the members at these positions, ascending, without moving any of them twice."""
    if not places:
        return
    kept: array[int] = array(column.typecode)
    start = 0
    for place in places:
        if place > start:
            kept.extend(column[start:place])
        start = place + 1
    kept.extend(column[start:])
    column[:] = kept
