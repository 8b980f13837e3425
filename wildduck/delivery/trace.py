"""
Trace information: the fields that delivery puts before a message, and what the
topmost Received field tells (spec/behaviour.md §3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from wildduck.limits import KIB
from wildduck.mime import headers
from wildduck.mime.message import Message

#: The topmost Received field is looked for in so many bytes of the header.
_HEADER_BYTES = 64 * KIB
#: Characters kept of a value from a Received field.
_VALUE_LENGTH = 255

_DOT_STRING = re.compile(r"[^\s\"(),:;<>@\[\\\]]+\Z")
_KEYWORDS = ("from", "with", "id")


@dataclass(frozen=True, slots=True)
class Received:
    """
    A Received field's clauses (RFC 5321 §4.4); C{""} for one that is not there.

    @ivar origin: C{from}.
    @ivar protocol: C{with}.
    @ivar queue_id: C{id}.
    """

    origin: str = ""
    protocol: str = ""
    queue_id: str = ""


def added_lines(address: str, sender: str) -> bytes:
    """
    The header lines put before the message, in WildDuck's order.

    WildDuck lower-cases the sender in Return-Path; it stays as it is here, for
    the local part of a foreign address may be case-sensitive (RFC 5321 §2.4),
    and those made by SRS, BATV or VERP are.

    @param address: recipient, normalised.
    @param sender: reverse-path as written, C{""} for the null sender.
    """
    return f"Delivered-To: {_quoted(address)}\r\nReturn-Path: <{sender}>\r\n".encode()


def _quoted(address: str) -> str:
    """An address whose local part is quoted where it must be (RFC 5322 §3.4.1)."""
    local, at, domain = address.rpartition("@")
    if not at or _DOT_STRING.match(local):
        return address
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"@{domain}'


def topmost_received(message: Message) -> Received:
    """
    What the server before us wrote.

    As in WildDuck the second field counts where the first has no C{id}: some
    put a field of a content filter above that of the mail server.
    """
    end = min(message.root.body_start, message.root.header_start + _HEADER_BYTES)
    raw = message.read(message.root.header_start, end)
    fields = headers.all_of(headers.split_header(raw), b"received")[:2]
    parsed = [parse_received(field) for field in fields]
    if not parsed:
        return Received()
    return parsed[0] if parsed[0].queue_id or len(parsed) == 1 else parsed[1]


def parse_received(field: bytes) -> Received:
    """Take a Received field's body apart; never raises."""
    words = "".join(_without_comments(field.decode("utf-8", "replace"))).partition(";")[0].split()
    found: dict[str, str] = {}
    keyword = ""
    for word in words:
        if keyword:
            found.setdefault(keyword, word[:_VALUE_LENGTH])
            keyword = ""
        elif word.lower() in _KEYWORDS:
            keyword = word.lower()
    return Received(found.get("from", ""), found.get("with", ""), found.get("id", ""))


def _without_comments(text: str) -> Iterable[str]:
    """The text outside of parentheses, which may be nested; quoted pairs count as ordinary characters."""
    depth = 0
    for piece in re.split(r"([()])", text):
        if piece == "(":
            depth += 1
            yield " "
        elif piece == ")":
            depth = max(0, depth - 1)
        elif not depth:
            yield piece
