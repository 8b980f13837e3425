"""A page of results: C{partial-range} (RFC 9394 §4), of which that of RFC 5267 is a part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from wildduck.imap.grammar.cursor import Cursor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PartialRange:
    """
    Places in a list of results.

    @ivar first: counted from 1, or with C{from_end} from the last result.
    @ivar last: counted likewise; may be the smaller one.
    @ivar from_end: written with minus signs: -1 is the last result.
    """

    first: int
    last: int
    from_end: bool = False

    def select(self, results: Sequence[T]) -> Sequence[T]:
        """What of these is on the page, in their order; nothing where they do not reach so far."""
        low, high = sorted((self.first, self.last))
        if self.from_end:
            return results[max(0, len(results) - high) : max(0, len(results) - low + 1)]
        return results[low - 1 : high]

    def ascending(self) -> PartialRange:
        """
        The same range with the smaller place first, as answers name it (RFC 5267 §5: 500:400 is 400:500).

        One from the end stays as it was asked for: RFC 9394 has no such rule for it.
        """
        if self.from_end or self.first <= self.last:
            return self
        return PartialRange(self.last, self.first)

    def compose(self) -> bytes:
        sign = b"-" if self.from_end else b""
        return b"%b%d:%b%d" % (sign, self.first, sign, self.last)


def partial_range(cursor: Cursor) -> PartialRange:
    """@raise ProtocolError: no such range; zero; one end counted from the other side."""
    from_end = cursor.looking_at(b"-")
    return PartialRange(_place(cursor, from_end), _place_after_colon(cursor, from_end), from_end)


def _place_after_colon(cursor: Cursor, from_end: bool) -> int:
    cursor.expect(b":", "a colon in the range")
    return _place(cursor, from_end)


def _place(cursor: Cursor, from_end: bool) -> int:
    if from_end:
        cursor.expect(b"-", "a minus sign, as before the first place")
    return cursor.nz_number("a place in the results")
