"""A strict reader of one IMAP value (RFC 3501 §9), for what the server is going to send."""

from __future__ import annotations

import re
from typing import Any

_QUOTED = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f]|\\["\\])*)"')
_LITERAL = re.compile(rb"\{(0|[1-9][0-9]*)\}\r\n")
_ATOM = re.compile(rb"[0-9]+|NIL")


def parse(data: bytes) -> Any:
    """
    Read exactly one value.

    @return: nested lists of bytes, numbers and C{None}.
    @raise AssertionError: it is not one balanced value, or holds a byte that
        may not be there.
    """
    stack: list[list[Any]] = [[]]
    position = 0
    while position < len(data):
        if data[position : position + 1] == b"(":
            stack.append([])
            position += 1
        elif data[position : position + 1] == b")":
            assert len(stack) > 1, "closed but not opened"
            inner = stack.pop()
            stack[-1].append(inner)
            position += 1
        elif data[position : position + 1] == b" ":
            assert len(stack) > 1 and stack[-1] and data[position + 1 : position + 2] not in (b" ", b")", b"")
            position += 1
        else:
            value, position = _string(data, position)
            stack[-1].append(value)
    assert len(stack) == 1, "opened but not closed"
    assert len(stack[0]) == 1, "not one value"
    return stack[0][0]


def _string(data: bytes, position: int) -> tuple[bytes | int | None, int]:
    match = _QUOTED.match(data, position)
    if match is not None:
        return re.sub(rb"\\(.)", rb"\1", match.group(1)), match.end()
    match = _LITERAL.match(data, position)
    if match is not None:
        end = match.end() + int(match.group(1))
        assert end <= len(data), "literal too long"
        value = data[match.end() : end]
        assert b"\0" not in value, "NUL in a literal"
        return value, end
    match = _ATOM.match(data, position)
    assert match is not None, data[position : position + 40]
    return (None if match.group() == b"NIL" else int(match.group())), match.end()
