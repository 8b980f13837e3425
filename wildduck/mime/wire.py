"""
Values as IMAP sends them (RFC 3501 §4, §9): nstring, quoted, literal, lists.

Also what becomes of a NUL, which no IMAP string may hold: it is sent as 0x80.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

#: A longer string goes as a literal: quoted ones count to the line length
#: that clients accept.
_QUOTED_MAX = 1024

# RFC 3501 §9 TEXT-CHAR without the two quoted-specials; other control
# characters are allowed there, but literals are kinder to readers of lines.
_PLAIN = re.compile(rb"[ !#-\[\]-~]*")
_QUOTABLE = re.compile(rb"[ -~]*")
_SPECIAL = re.compile(rb'(["\\])')

NIL = b"NIL"


def string(data: bytes) -> bytes:
    """
    A string (RFC 3501 §4.3), quoted where it can be, else a literal.

    CR, LF and 8-bit bytes never stand in quotes, a NUL is sent as 0x80.
    """
    if len(data) <= _QUOTED_MAX:
        if _PLAIN.fullmatch(data):
            return b'"%s"' % data
        if _QUOTABLE.fullmatch(data):
            return b'"%s"' % _SPECIAL.sub(rb"\\\1", data)
    return b"{%d}\r\n%s" % (len(data), data.replace(b"\0", b"\x80"))


def nstring(data: bytes | None) -> bytes:
    """A string, or NIL for C{None}."""
    return NIL if data is None else string(data)


def parenthesized(items: Iterable[bytes]) -> bytes:
    """A parenthesized list of values that are encoded already (RFC 3501 §4.4)."""
    return b"(%s)" % b" ".join(items)


def strings(values: Iterable[bytes]) -> bytes:
    """A list of strings, NIL for an empty one, as body parameters are."""
    encoded = [string(value) for value in values]
    return parenthesized(encoded) if encoded else NIL
