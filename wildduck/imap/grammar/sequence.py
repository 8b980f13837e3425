"""Sequence sets of message numbers or UIDs (RFC 3501 §9 'sequence-set', RFC 5182 C{$})."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from wildduck import limits
from wildduck.errors import ProtocolError
from wildduck.imap.grammar.cursor import MAX_NUMBER, Cursor

#: C{*}: the largest number in use.
STAR = 0

_STARTS = frozenset(b"%d" % digit for digit in range(10)) | {b"*", b"$"}
_SET = re.compile(rb"[0-9*][0-9*:,]*")


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """
    @ivar ranges: (first, last) in the order given, L{STAR} for C{*}; a single
        number is a range of one.  Not sorted, may overlap and run backwards.
    @ivar saved: it is C{$}, the result that a search has saved, and has no ranges.
    """

    ranges: tuple[tuple[int, int], ...]
    saved: bool = False

    def resolve(self, largest: int) -> list[tuple[int, int]]:
        """
        The ranges ascending, merged, with C{*} replaced.

        @param largest: what C{*} stands for.
        """
        bounds = sorted(
            (min(pair), max(pair))
            for pair in (
                (first if first != STAR else largest, last if last != STAR else largest)
                for first, last in self.ranges
            )
        )
        merged: list[tuple[int, int]] = []
        for first, last in bounds:
            if merged and first <= merged[-1][1] + 1:
                if last > merged[-1][1]:
                    merged[-1] = (merged[-1][0], last)
            else:
                merged.append((first, last))
        return merged

    @property
    def has_star(self) -> bool:
        return any(STAR in pair for pair in self.ranges)

    @property
    def count(self) -> int:
        """How many numbers are named, repeated ones as often; there is no C{*}."""
        return sum(abs(last - first) + 1 for first, last in self.ranges)

    @property
    def is_ascending(self) -> bool:
        """Each number is higher than the one before; there is no C{*}."""
        bounds = [bound for pair in self.ranges for bound in pair]
        return all(
            bounds[n] < bounds[n + 1] if n % 2 else bounds[n] <= bounds[n + 1] for n in range(len(bounds) - 1)
        )

    def compose(self) -> bytes:
        if self.saved:
            return b"$"
        return b",".join(_range(first, last) for first, last in self.ranges)


#: What the last search with SAVE has found.
SAVED = SequenceSet((), saved=True)


def _range(first: int, last: int) -> bytes:
    if first == last:
        return _number(first)
    return _number(first) + b":" + _number(last)


def _number(number: int) -> bytes:
    return b"*" if number == STAR else b"%d" % number


def from_numbers(numbers: Iterable[int]) -> SequenceSet:
    """The shortest set that keeps the order of the numbers."""
    given = list(numbers)
    if not given:
        return SequenceSet(())
    # Twice through in C is three times as fast as once in Python.
    firsts = [after for before, after in pairwise(given) if after != before + 1]
    lasts = [before for before, after in pairwise(given) if after != before + 1]
    return SequenceSet(tuple(zip([given[0], *firsts], [*lasts, given[-1]], strict=True)))


def looking_at_set(cursor: Cursor) -> bool:
    """Whether a sequence set begins here."""
    return cursor.line[cursor.position : cursor.position + 1] in _STARTS


def sequence_set(cursor: Cursor) -> SequenceSet:
    """@raise ProtocolError: not a set, zero, a leading zero, over 32 bits, or too many ranges."""
    if cursor.take(b"$"):
        return SAVED
    match = cursor.match(_SET)
    if match is None:
        raise cursor.error("expected a sequence set")
    pieces = match.group().split(b",")
    if len(pieces) > limits.IMAP_SET_RANGES:
        raise ProtocolError("the sequence set has too many ranges")
    # A line has room for more of them than for different ones.
    pairs = {piece: _pair(piece) for piece in dict.fromkeys(pieces)}
    return SequenceSet(tuple(map(pairs.__getitem__, pieces)))


def known_set(cursor: Cursor) -> SequenceSet:
    """
    A set of what a client knows (RFC 7162 §7 'known-uids'), which has no C{*} and is not C{$}.

    @raise ProtocolError: as L{sequence_set}, or there is one.
    """
    numbers = sequence_set(cursor)
    if numbers.saved or numbers.has_star:
        raise cursor.error("only numbers are allowed in this set")
    return numbers


def _pair(piece: bytes) -> tuple[int, int]:
    first, colon, last = piece.partition(b":")
    start = _parse_number(first)
    return start, _parse_number(last) if colon else start


def _parse_number(digits: bytes) -> int:
    if digits == b"*":
        return STAR
    if not digits.isdigit() or len(digits) > 20:
        raise ProtocolError("broken sequence set")
    value = int(digits)
    if not 0 < value <= MAX_NUMBER:
        raise ProtocolError("a number in the sequence set is out of bounds")
    if digits.startswith(b"0"):
        raise ProtocolError("a number in the sequence set begins with zero")
    return value
