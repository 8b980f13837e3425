"""
What mailing lists say of themselves: List-Id (RFC 2919) and List-Unsubscribe (RFC 2369).

Any text gives an answer; every character is looked at a bounded number of times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wildduck import limits
from wildduck.mime import words
from wildduck.mime.parameters import without_comments

#: Addresses taken from one field.
_MOST = 100
_BLANKS = re.compile(r"\s+")
# A scheme and something after it (RFC 3986 §3), nothing that ends a line.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}:[^\s<>\"]+")
_ID = re.compile(r"[^\s<>]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """
    @ivar name: words for people, or what could not be read as an address.
    @ivar address: a list's id, or a URI; C{""} for none.
    """

    name: str
    address: str


def list_id(value: str) -> Entry | None:
    """
    The C{List-Id} of a message.

    @param value: the field's body; encoded-words are decoded.
    @return: C{None} if it says nothing.
    """
    text = value[: limits.HEADER_BYTES].strip()
    opening = text.rfind("<")
    closing = text.find(">", opening) if opening >= 0 else -1
    if opening >= 0:
        id = _BLANKS.sub("", text[opening + 1 : closing if closing >= 0 else len(text)])
        name = _phrase(text[:opening])
        return Entry(name, id) if id or name else None
    id = without_comments(text).strip()
    if _ID.fullmatch(id):
        return Entry("", id)
    name = _phrase(text)
    return Entry(name, "") if name else None


def _phrase(text: str) -> str:
    """A display name: quotes and their escapes resolved."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    return _BLANKS.sub(" ", words.decode(text)).strip()


def addresses(value: str) -> list[Entry]:
    """
    The URIs of C{List-Unsubscribe} and its like, of whatever scheme.

    What is no URI is kept as a name and spoils no other.  Blanks inside the
    angle brackets are those of folding (RFC 2369 §2).

    @param value: the field's body.
    @return: at most L{_MOST}.
    """
    text = value[: limits.HEADER_BYTES]
    found: list[Entry] = []
    position = 0
    while position < len(text) and len(found) < _MOST:
        opening = text.find("<", position)
        between = text[position : opening if opening >= 0 else len(text)]
        found += (
            _entry(part.strip()) for part in without_comments(between).split(",", _MOST) if part.strip()
        )
        if opening < 0:
            break
        closing = text.find(">", opening)
        end = closing if closing >= 0 else len(text)
        inner = _BLANKS.sub("", text[opening + 1 : end])
        if inner:
            found.append(_entry(inner))
        position = end + 1
    return found[:_MOST]


def _entry(text: str) -> Entry:
    return Entry("", text) if _URI.fullmatch(text) else Entry(_phrase(text), "")
