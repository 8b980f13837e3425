"""HEADER.FIELDS and HEADER.FIELDS.NOT: some fields of a header, byte for byte (RFC 3501 §6.4.5)."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: A field with its folded lines and its line end; an empty line is one by itself.
_FIELD = re.compile(rb"[^\n]*\n(?:[ \t][^\n]*\n)*(?:[ \t][^\n]*\Z)?|[^\n]+\Z")


def select(header: bytes, names: Iterable[bytes], without: bool) -> bytes:
    """
    The fields of these names, in their order, and the empty line that ends the header.

    @param header: with that empty line, if the message has it.
    @param names: in any case.
    @param without: the fields that have none of these names instead.
    """
    wanted = {name.lower() for name in names}
    chosen = []
    for match in _FIELD.finditer(header):
        field = match.group()
        is_end = not field.strip(b"\r\n")
        if is_end or (_name(field) in wanted) is not without:
            chosen.append(field)
    return b"".join(chosen)


def _name(field: bytes) -> bytes:
    return field.partition(b":")[0].rstrip(b" \t").lower()
