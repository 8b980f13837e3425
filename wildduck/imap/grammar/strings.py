"""
Strings: atoms, quoted strings, literals, NIL, both ways (RFC 3501 §4).

Where a literal may stand the readers here are generators: they yield a
L{LiteralStart}, are sent its bytes, and find their cursor in the line that
follows it.  The reader (L{wildduck.imap.grammar.reader}) decides whether the
literal is accepted at all.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from wildduck.errors import ProtocolError
from wildduck.imap.grammar.cursor import ASTRING_ATOM, MAX_NUMBER64, Cursor

T = TypeVar("T")

#: A marker at the end of a line: C{~}, size, C{+} (RFC 3501, 7888, 3516).
_MARKER = re.compile(rb"(~?)\{([^{}\x00-\x20]*)\}")
_SIZE = re.compile(rb"([0-9]+)(\+?)")
#: Same at the end of a line whose beginning was not understood.
_TRAILING_MARKER = re.compile(rb"\{([0-9]{1,30})\+\}\Z")
#: Digits of a literal's size that are looked at; more are surely too big.
_MAX_SIZE_DIGITS = 20

#: Written without quotes: plain words only, though an astring allows more.
_PLAIN = re.compile(rb"[A-Za-z0-9_./\-]+\Z")
#: Can not stand in a quoted string.
_UNQUOTABLE = re.compile(rb"[\x00\r\n\x80-\xff]")
#: Nor where UTF-8 may (RFC 9051 §9 C{QUOTED-CHAR}, RFC 6855 §3).
_UNQUOTABLE_UNICODE = re.compile(rb"[\x00\r\n]")
_TO_ESCAPE = re.compile(rb'(["\\])')
#: Longer strings are sent as literals: some clients' line buffers are short.
_QUOTED_MOST = 1000


@dataclass(frozen=True, slots=True)
class LiteralStart:
    """
    A literal was announced.

    @ivar size: bytes that follow the line.
    @ivar synchronizing: the client waits for C{+} (no C{+} in the braces).
    @ivar binary: C{literal8} (RFC 3516): NUL is allowed.
    """

    size: int
    synchronizing: bool = True
    binary: bool = False

    def compose(self) -> bytes:
        return b"%b{%d%b}\r\n" % (
            b"~" if self.binary else b"",
            self.size,
            b"" if self.synchronizing else b"+",
        )


#: A reader that may meet literals.
Reading: TypeAlias = Generator[Any, bytes, T]


def literal_start(cursor: Cursor) -> LiteralStart:
    """
    The marker here, which must end the line.

    @raise ProtocolError: no size, a negative or an impossible one, or more text
        behind it.
    """
    match = cursor.match(_MARKER)
    if match is None:
        raise cursor.error("broken literal")
    size = _SIZE.fullmatch(match.group(2))
    if size is None or len(size.group(1)) > _MAX_SIZE_DIGITS or int(size.group(1)) > MAX_NUMBER64:
        raise cursor.error("invalid literal size")
    if not cursor.at_end:
        raise cursor.error("a literal's size must end the line")
    return LiteralStart(int(size.group(1)), not size.group(2), bool(match.group(1)))


def trailing_literal(line: bytes) -> int | None:
    """
    The size of the non-synchronizing literal that a line which is skipped
    announces at its end, or C{None}.

    Its bytes are on their way whatever is answered (RFC 7888 §4).  A
    synchronizing one is not: its client waits and gets the tagged refusal.
    """
    match = _TRAILING_MARKER.search(line, max(0, len(line) - 40))
    return int(match.group(1)) if match is not None else None


def string(cursor: Cursor, what: str = "a string") -> Reading[bytes]:
    """C{string} = quoted / literal."""
    if cursor.looking_at(b'"'):
        return cursor.quoted()
    if cursor.looking_at(b"{"):
        data = yield literal_start(cursor)
        return no_nul(data, what)
    raise cursor.error(f"expected {what}")


def astring(cursor: Cursor, what: str = "a string") -> Reading[bytes]:
    """C{astring} = 1*ASTRING-CHAR / string."""
    match = cursor.match(ASTRING_ATOM)
    if match is not None:
        return match.group()
    return (yield from string(cursor, what))


def nstring(cursor: Cursor, what: str = "a string or NIL") -> Reading[bytes | None]:
    """C{nstring} = string / nil."""
    if cursor.line[cursor.position : cursor.position + 3].upper() == b"NIL":
        cursor.position += 3
        return None
    return (yield from string(cursor, what))


def no_nul(data: bytes, what: str) -> bytes:
    """@raise ProtocolError: NUL in an ordinary literal (RFC 3501 §9 note 3)."""
    if b"\x00" in data:
        raise ProtocolError(f"NUL in {what}")
    return data


def text(data: bytes, what: str) -> str:
    """
    UTF-8 bytes as text.

    @raise ProtocolError: they are not UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ProtocolError(f"{what} is not UTF-8") from None


# --- writing --------------------------------------------------------------------


def compose_literal(data: bytes, synchronizing: bool = True) -> bytes:
    """
    A literal, as C{literal8} when NUL is in it.

    @param synchronizing: C{False} writes C{{n+}}, as a client does that does
        not wait.
    """
    return LiteralStart(len(data), synchronizing, b"\x00" in data).compose() + data


def compose_string(data: bytes, synchronizing: bool = True, *, unicode: bool = False) -> bytes:
    """
    A quoted string where the bytes allow it, else a literal: never a stray CR, LF or NUL.

    @param unicode: the data is UTF-8, and the reader takes it in quoted strings.
    """
    unquotable = _UNQUOTABLE_UNICODE if unicode else _UNQUOTABLE
    if len(data) > _QUOTED_MOST or unquotable.search(data):
        return compose_literal(data, synchronizing)
    return b'"' + _TO_ESCAPE.sub(rb"\\\1", data) + b'"'


def compose_astring(data: bytes, synchronizing: bool = True, *, unicode: bool = False) -> bytes:
    """
    A plain word as it is, anything else as a string; C{NIL} is quoted so that nobody mistakes it.

    @param unicode: as of L{compose_string}.
    """
    if _PLAIN.match(data) and data.upper() != b"NIL":
        return data
    return compose_string(data, synchronizing, unicode=unicode)


def compose_nstring(data: bytes | None) -> bytes:
    return b"NIL" if data is None else compose_string(data)
