"""
JSON bodies, read a little at a time.

msgspec takes a small body apart at once.  A big one of many small values would
keep the reactor for seconds and fill hundreds of megabytes, and so would one long
string keep it: these are read here in steps, and only so many values of them.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any

import msgspec

from wildduck.errors import BadInput
from wildduck.limits import API_JSON_AT_ONCE, API_JSON_DEPTH, API_JSON_VALUES, KIB

#: Bytes that are looked at between two turns of the reactor; a string is decoded in such pieces.
_PIECE = 64 * KIB
#: Tokens likewise.
_TOKENS = 500

_BLANKS = re.compile(rb"[ \t\r\n]*")
#: A literal or a number; msgspec says whether it is one.
_PLAIN = re.compile(rb"[-+.0-9A-Za-z]{1,400}")
_HEX = rb"[0-9a-fA-F]"
#: What a string consists of (RFC 8259 §7); the two escapes of one character beyond the BMP are not parted.
_CHARACTERS = re.compile(
    rb"(?:[^\"\\\x00-\x1f]+"
    rb"|\\[\"\\/bfnrt]"
    rb"|\\u[dD][89abAB]HH\\u[dD][c-fC-F]HH"
    rb"|\\u(?:[0-9a-cA-Ce-fE-F]HHH|[dD][0-7c-fC-F]HH)"
    rb"|\\u[dD][89abAB]HH(?=[^\\]|\\[^u]|\\u[^dD]|\\u[dD][^c-fC-F]))*".replace(b"H", _HEX)
)

#: A value in steps: nothing is told between them.
Steps = Generator[None, None, Any]


def read(content: bytes) -> Steps:
    """
    A JSON text (RFC 8259); an empty object where there is nothing but blanks.

    @raise BadInput: it is none, or has too many values or levels.
    """
    if len(content) <= API_JSON_AT_ONCE:
        return _decoded(content) if content and not content.isspace() else {}
    value = yield from _Reader(content).text()
    return value


def _decoded(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed() from error


def _malformed() -> BadInput:
    return BadInput("The request body is not valid JSON", {"body": "must be valid JSON"})


def _too_much(text: str) -> BadInput:
    return BadInput(f"The request body {text}", {"body": text})


class _Reader:
    """A big text, from its begin to its end."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._position = 0
        self._values = 0
        self._tokens = 0
        #: Objects and lists that are open, the outermost first.
        self._open: list[Any] = []

    def text(self) -> Steps:
        """The only value of the text."""
        first = yield from self._token()
        if not first:
            return {}
        value = yield from self._value(first)
        while self._open:
            yield from self._member()
        if (yield from self._token()):
            raise _malformed()
        return value

    def _member(self) -> Steps:
        """One more member of the innermost value, or its end."""
        inner = self._open[-1]
        end = b"}" if isinstance(inner, dict) else b"]"
        token = yield from self._token()
        if token == end:
            self._open.pop()
            return
        if inner:
            if token != b",":
                raise _malformed()
            token = yield from self._token()
        if not isinstance(inner, dict):
            inner.append((yield from self._value(token)))
            return
        if token != b'"':
            raise _malformed()
        name = yield from self._string()
        if (yield from self._token()) != b":":
            raise _malformed()
        inner[name] = yield from self._value((yield from self._token()))

    def _value(self, token: bytes) -> Steps:
        """The value that a token begins; an object or a list is empty yet."""
        self._values += 1
        if self._values > API_JSON_VALUES:
            raise _too_much(f"must have at most {API_JSON_VALUES} values")
        if token == b'"':
            return (yield from self._string())
        if token in (b"{", b"["):
            if len(self._open) >= API_JSON_DEPTH:
                raise _too_much(f"must have at most {API_JSON_DEPTH} levels")
            opened: Any = {} if token == b"{" else []
            self._open.append(opened)
            return opened
        found = _PLAIN.match(self._content, self._position - 1)
        if found is None:
            raise _malformed()
        self._position = found.end()
        return _decoded(found.group())

    def _token(self) -> Generator[None, None, bytes]:
        """The next byte that is no blank, C{b""} at the end."""
        self._tokens += 1
        if self._tokens % _TOKENS == 0:
            yield
        while True:
            end = self._position + _PIECE
            blanks = _BLANKS.match(self._content, self._position, end)
            assert blanks is not None
            self._position = blanks.end()
            if self._position < end:
                break
            yield
        self._position += 1
        return self._content[self._position - 1 : self._position]

    def _string(self) -> Generator[None, None, str]:
        """What follows a quotation mark, up to the next that is none of its characters."""
        content, pieces = self._content, []
        while True:
            start = self._position
            found = _CHARACTERS.match(content, start, start + _PIECE)
            assert found is not None
            end = found.end()
            # Not within a character of UTF-8: a byte 10xxxxxx is none's first.
            for _ in range(3):
                if start < end < len(content) and content[end] & 0xC0 == 0x80:
                    end -= 1
            ended = content[end : end + 1] == b'"'
            if end == start and not ended:
                raise _malformed()
            pieces.append(_decoded(b'"%b"' % content[start:end]))
            self._position = end + ended
            if ended:
                return pieces[0] if len(pieces) == 1 else "".join(pieces)
            yield
