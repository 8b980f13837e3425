"""
All messages of a mailbox into L{Columns}, from the bytes in which they come.

A row of nearly every message has the same four members in the same order, the
one in which this server and WildDuck write a document, and in their midst the
zone of its date if it has one.  Its values are taken from where they lie; any
other row is decoded, at ten times the cost.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from wildduck.database import decode
from wildduck.errors import DatabaseFailure
from wildduck.limits import MAX_UID
from wildduck.mailstore.columns import NO_DATE, Columns, Row
from wildduck.mailstore.flag_table import FlagTable, texts
from wildduck.mailstore.values import number
from wildduck.mailstore.zones import FIELD, MOST, zone_of

#: What is read of a message.
ROW = {"_id": False, "uid": True, "modseq": True, "flags": True, "idate": True, FIELD: True}

#: Of a row, up to the members of its flags: length, INTERNALDATE, length of the flags.
_HEAD = struct.Struct("<i7sq7si")
_IDATE, _FLAGS = b"\x09idate\0", b"\x04flags\0"
#: Of a row, from behind its flags: UID, MODSEQ, the end.
_TAIL = struct.Struct("<5si8siB")
_UID, _MODSEQ = b"\x10uid\0", b"\x10modseq\0"
_LENGTH = struct.Struct("<i")
#: Of a row, between its flags and its UID: the zone of its date, in a document of its own.
_ZONED = b"\x03native\0\x0f\0\0\0\x10zone\0"
_ZONE_SIZE = len(_ZONED) + _LENGTH.size + 1

#: Combinations of flags whose bits are kept at hand.
_COMBINATIONS = 1000

_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=timezone.utc), timedelta(milliseconds=1)

#: UID, MODSEQ, flags (C{bytes}: the BSON of an array), INTERNALDATE, its zone.
_Plain = tuple[int, int, bytes | tuple[str, ...], int, int]


class Loading:
    """
    @ivar columns: what has come so far.
    """

    def __init__(self, table: FlagTable) -> None:
        self.columns = Columns(table)
        self._known: dict[bytes | tuple[str, ...], int] = {}
        self._last = 0

    def take(self, batch: bytes) -> None:
        """
        @param batch: of L{wildduck.database.Database.raw_batches}; further on than those before.
        @raise DatabaseFailure: not BSON.
        """
        known, last = self._known, self._last
        taken: list[tuple[int, int, int, int, int]] = []
        for uid, modseq, flags, date, zone in rows(batch):
            if last < uid <= MAX_UID:
                last = uid
                bits = known.get(flags)
                if bits is None:
                    bits = self._pack(uid, flags)
                taken.append((uid, modseq if modseq > 0 else 1, bits, date, zone))
        self._last = last
        self.columns.extend(taken)

    def _pack(self, uid: int, flags: bytes | tuple[str, ...]) -> int:
        names = texts(list(decode(flags).values())) if isinstance(flags, bytes) else flags
        table = self.columns.table
        bits = table.pack(uid, names)
        # What has no bit is kept by UID.
        if not table.has_spilled(uid):
            if len(self._known) >= _COMBINATIONS:
                self._known.clear()
            self._known[flags] = bits
        return bits


def rows(batch: bytes) -> Iterator[_Plain]:
    """
    @param batch: the BSON of an array of documents.
    @return: of each in order.
    @raise DatabaseFailure: not BSON.
    """
    try:
        yield from _rows(batch)
    except (struct.error, IndexError):
        raise DatabaseFailure(None, "Stored documents can not be read") from None


def _rows(batch: bytes) -> Iterator[_Plain]:
    head, tail, head_size, tail_size = _HEAD.unpack_from, _TAIL.unpack_from, _HEAD.size, _TAIL.size
    zoned_tail_size = tail_size + _ZONE_SIZE
    place, end = _LENGTH.size, len(batch) - 1
    # Each document is a member of the array: its type, its number in decimals, a zero.
    index, longer, before = 0, 10, 3
    while place < end:
        if index == longer:
            longer *= 10
            before += 1
        index += 1
        place += before
        if place + head_size + tail_size <= end:
            length, idate, date, flags, size = head(batch, place)
            members = place + head_size - 4
            after, end_of_row, zone = members + size, place + length, 0
            if idate == _IDATE and flags == _FLAGS:
                behind = after
                if after + zoned_tail_size == end_of_row and batch.startswith(_ZONED, after):
                    (zone,) = _LENGTH.unpack_from(batch, after + len(_ZONED))
                    behind += _ZONE_SIZE if -MOST <= zone <= MOST else 0
                if behind + tail_size == end_of_row:
                    uid_name, uid, modseq_name, modseq, _ = tail(batch, behind)
                    if uid_name == _UID and modseq_name == _MODSEQ:
                        yield uid, modseq, batch[members:after], date, zone
                        place = end_of_row
                        continue
        stop = place + _LENGTH.unpack_from(batch, place)[0]
        if not place < stop <= end:
            raise IndexError(stop)
        row = row_of(decode(batch[place:stop]))
        yield row.uid, row.modseq, texts(row.flags), row.date, row.zone
        place = stop


def row_of(document: dict[str, Any]) -> Row:
    """A row that was decoded, whatever is stored in it."""
    date = document.get("idate")
    return Row(
        number(document.get("uid")),
        # At least 1, as clients may be told (RFC 7162 §7 'permsg-modsequence').
        max(1, number(document.get("modseq"))),
        document.get("flags") or (),
        milliseconds(date) if isinstance(date, datetime) else NO_DATE,
        zone_of(document) if isinstance(date, datetime) else 0,
    )


def milliseconds(moment: datetime) -> int:
    """Since 1970, as L{Row.date <wildduck.mailstore.columns.Row>}."""
    return (moment - _EPOCH) // _MILLISECOND
