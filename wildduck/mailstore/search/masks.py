"""
Sets of messages as the bits of one integer: bit n stands for the n-th message.

Everything here works on a whole set at once, in C: a mailbox of 100,000 messages
is an integer of 12 KB.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import compress
from operator import gt, le
from typing import TypeVar

_T = TypeVar("_T")

#: The digits of a binary number as truth values, and back.
_TRUTH = bytes(1 if byte == ord("1") else 0 for byte in range(256))
_DIGITS = bytes(ord("1") if byte else ord("0") for byte in range(256))


def of_truths(truths: bytes | bytearray) -> int:
    """
    @param truths: a byte for each message, not 0 for those in the set.
    """
    return int(truths[::-1].translate(_DIGITS), 2) if truths else 0


def pick(mask: int, items: Iterable[_T], count: int) -> Iterator[_T]:
    """
    The items of the messages in a set.

    @param items: of all messages, in order.
    @param count: number of messages.
    """
    digits = format(mask, f"0{count}b").encode("ascii")[::-1] if count else b""
    return compress(items, digits.translate(_TRUTH))


def with_bits(column: array[int], bits: int) -> int:
    """
    Those that have any of some bits.

    @param column: C{array('Q')}, a word for each message.
    """
    raw = column.tobytes()
    found = 0
    for byte in range(8):
        wanted = bits >> 8 * byte & 0xFF
        if wanted:
            place = byte if sys.byteorder == "little" else 7 - byte
            table = bytes(1 if value & wanted else 0 for value in range(256))
            found |= of_truths(raw[place::8].translate(table))
    return found


def between(column: Sequence[int], first: int, end: int) -> int:
    """
    Those whose number is C{first} or more and less than C{end}.

    @param column: of all messages.
    """
    return of_truths(bytes(map(partial(le, first), column))) & of_truths(bytes(map(partial(gt, end), column)))


def in_ranges(uids: Sequence[int], ranges: Iterable[tuple[int, int]]) -> int:
    """
    Those whose UIDs lie in ranges.

    @param uids: of all messages, ascending.
    @param ranges: (first, last), inclusive.
    """
    truths = bytearray(len(uids))
    for first, last in ranges:
        start, end = bisect_left(uids, first), bisect_left(uids, last + 1)
        if start < end:
            truths[start:end] = b"\1" * (end - start)
    return of_truths(truths)


def of_uids(uids: Sequence[int], wanted: Iterable[int]) -> int:
    """Those with these UIDs; one that no message has is passed over."""
    return in_ranges(uids, ((uid, uid) for uid in wanted))
