"""
The header fields of a message that are looked at: bounded, however long the
header is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from wildduck import limits
from wildduck.mime import headers

#: What a field costs besides its bytes, in the tree and in parsedHeader.
_FIELD_COST = 32
#: A field that does not fit is cut if at least this much of it can be kept.
_WORTH_KEEPING = 1 * limits.KIB
#: Fields of one header that are looked at, kept or not.
_FIELDS = 100_000
#: A header up to this length is split at once.
_SMALL = 64 * limits.KIB

# The end of a field, when the byte after it is known.
_FIELD_END = re.compile(rb"\n(?=[^ \t])")


class FieldBudget:
    """
    Hands out room for header fields, for all parts of one message together.

    @ivar left: what may still be kept, see L{_FIELD_COST}.
    @ivar lost: something of a field was not kept.
    """

    def __init__(self, left: int = limits.HEADER_BYTES) -> None:
        self.left = left
        self.lost = False

    def keep(self, fields: Iterable[bytes]) -> list[bytes]:
        """
        The fields as far as there is room.

        A field that does not fit is cut to half of what is left, so that there
        is room for later ones.
        """
        kept = []
        for field in fields:
            if _cost(field) > self.left:
                self.lost = True
                if self.left < 2 * _WORTH_KEEPING:
                    continue
                field = _cut(field, self.left // (2 if field.isascii() else 4) - _FIELD_COST)
            self.left -= _cost(field)
            kept.append(field)
        return kept


def _cost(field: bytes) -> int:
    """Its bytes in the tree, where a character above 127 has two."""
    if field.isascii():
        return len(field) + _FIELD_COST
    return len(field.decode("latin-1").encode("utf-8")) + _FIELD_COST


def _cut(field: bytes, length: int) -> bytes:
    """The first bytes of a field, without the piece of an address at the end."""
    cut = field[:length]
    comma = cut.rfind(b",", length // 2)
    return (cut if comma < 0 else cut[:comma]).rstrip()


def read(length: int, blocks: Iterable[bytes], budget: FieldBudget) -> list[bytes]:
    """
    The fields of a header, as L{headers.split_header} gives them, as far as the budget goes.

    @param length: bytes of the header.
    @param blocks: the header, in pieces.
    """
    if length <= _SMALL:
        return budget.keep(headers.split_header(b"".join(blocks)))
    kept: list[bytes] = []
    examined = 0
    rest = b""
    skipping = False
    for block in blocks:
        rest += block
        start = 0
        for match in _FIELD_END.finditer(rest):
            examined += 1
            if examined > _FIELDS or budget.left <= _FIELD_COST:
                budget.lost = True
                return kept
            if not skipping:
                kept += budget.keep((rest[start : match.start()].rstrip(b"\r"),))
            skipping = False
            start = match.end()
        rest = rest[start:]
        if skipping or len(rest) > budget.left:
            if not skipping:
                kept += budget.keep((rest,))
            # The rest of this field is passed over; its last byte may be its end.
            skipping = True
            rest = rest[-1:]
    if not skipping:
        kept += budget.keep(headers.split_header(rest))
    while kept and not kept[-1].strip(b"\r\n"):
        kept.pop()
    return kept
