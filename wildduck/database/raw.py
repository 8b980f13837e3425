"""
Batches left as mongod sent them, for who reads many small documents.

To make a dictionary of each, with its dates as C{datetime}s, takes five times
as long as to take the values from where they lie.
"""

from __future__ import annotations

import struct
from typing import Any

from wildduck.database.codec import decode
from wildduck.errors import DatabaseFailure

_LENGTH = struct.Struct("<i")
#: An array without members.
_EMPTY = b"\x05\0\0\0\0"

#: Bytes of a value, by BSON type: those that are always as long...
_FIXED = {0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8}
#: ...and those that begin with a length, with what has to be added to it.
_MEASURED = {0x02: 4, 0x03: 0, 0x04: 0, 0x05: 5}


def decode_around_batch(reply: bytes) -> dict[str, Any]:
    """
    As L{decode}, but a cursor's C{firstBatch} or C{nextBatch} is C{bytes}.

    @return: the batch is the BSON of an array of documents, C{b""} where it has none.
    @raise DatabaseFailure: not BSON.
    """
    try:
        cursor = _member(reply, 0, b"cursor")
        if cursor is None:
            return decode(reply)
        for name in ("firstBatch", "nextBatch"):
            batch = _member(reply, cursor, name.encode())
            if batch is not None:
                return _decode_without(reply, cursor, name, batch)
    except (ValueError, IndexError, KeyError, struct.error):
        raise DatabaseFailure(None, "Stored document can not be read (ValueError)") from None
    return decode(reply)


def _member(data: bytes, document: int, name: bytes) -> int | None:
    """Where the value of a document's member begins, C{None} when it has none of this name."""
    place = document + _LENGTH.size
    end = document + _LENGTH.unpack_from(data, document)[0] - 1
    while place < end:
        value = data.index(0, place + 1) + 1
        if data[place + 1 : value - 1] == name:
            return value
        place = value + _size(data, data[place], value)
    return None


def _size(data: bytes, kind: int, value: int) -> int:
    if kind in _FIXED:
        return _FIXED[kind]
    length: int = _LENGTH.unpack_from(data, value)[0]
    if length < 0:
        raise ValueError(length)
    return length + _MEASURED[kind]


def _decode_without(reply: bytes, cursor: int, name: str, start: int) -> dict[str, Any]:
    length = _LENGTH.unpack_from(reply, start)[0]
    batch = reply[start : start + length]
    if len(batch) != length or length < len(_EMPTY):
        raise ValueError(length)
    rest = bytearray(reply[:start] + _EMPTY + reply[start + length :])
    for document in (0, cursor):
        shorter = _LENGTH.unpack_from(reply, document)[0] - length + len(_EMPTY)
        _LENGTH.pack_into(rest, document, shorter)
    decoded = decode(rest)
    decoded["cursor"][name] = batch if length > len(_EMPTY) else b""
    return decoded
