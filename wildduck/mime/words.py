"""
Header text as people read it: encoded-words (RFC 2047) and raw UTF-8
(RFC 6532).
"""

from __future__ import annotations

import re

from wildduck import limits
from wildduck.mime import charsets, transfer

# The look-behind keeps a long run of CR from being scanned from each of them.
_FOLD = re.compile(rb"(?<!\r)\r*\n(?=[ \t])")
# Between two question marks nothing is looked at twice, so this is linear.
_WORD = re.compile(r"=\?([^?\s]{1,75})\?([QqBb])\?([^?]*)\?=")
_ASCII = re.compile(r"([\x00-\x7f]+)")


def unfold(raw: bytes) -> bytes:
    """
    Remove the line breaks of folding (RFC 5322 §2.2.3); blanks stay.

    A lone CR or LF, which may not stand in a header, becomes a blank.
    """
    if b"\n" not in raw and b"\r" not in raw:
        return raw
    return _FOLD.sub(b"", raw).replace(b"\r", b" ").replace(b"\n", b" ")


def decode(value: bytes | str) -> str:
    """
    Decode all encoded-words of an unstructured value.

    Blanks between two encoded-words vanish (RFC 2047 §6.2).  A character
    split over adjacent words of one charset is put together.  Broken words
    stay as they are; at most L{limits.HEADER_BYTES} are looked at.

    @param value: bytes of a field body, folded or not; or text already.
    """
    value = value[: limits.HEADER_BYTES]
    text = charsets.sniff(unfold(value)) if isinstance(value, bytes) else value
    if "=?" not in text:
        return text
    decoded: list[str] = []
    run = _Run()
    position = 0
    for match in _WORD.finditer(text):
        between = text[position : match.start()]
        if not run.empty and between.strip(" \t\r\n"):
            decoded.append(run.finish())
        if run.empty or between.strip(" \t\r\n"):
            decoded.append(between)
        run.add(decoded, *match.groups())
        position = match.end()
    decoded.append(run.finish())
    decoded.append(text[position:])
    return "".join(decoded)


class _Run:
    """Adjacent encoded-words of one charset, whose bytes belong together."""

    def __init__(self) -> None:
        self._charset = ""
        self._parts: list[bytes] = []
        self._base64 = b""
        self.empty = True

    def add(self, decoded: list[str], charset: str, encoding: str, text: str) -> None:
        name = charset.partition("*")[0].lower()
        if not self.empty and name != self._charset:
            decoded.append(self.finish())
        self.empty = False
        self._charset = name
        if not text.isascii():
            self._add_raw(decoded, encoding, text)
            return
        data = text.encode("ascii")
        if encoding in "Qq":
            self._flush_base64()
            self._parts.append(transfer.q_word(data))
            return
        # Some senders cut base64 anywhere, not after whole groups.
        if self._base64.endswith(b"=") or len(self._base64) % 4 == 0:
            self._flush_base64()
            self._base64 = data
        else:
            self._base64 += data

    def _add_raw(self, decoded: list[str], encoding: str, text: str) -> None:
        """A word with raw 8-bit characters in it: these are characters already."""
        for piece in _ASCII.split(text):
            if piece.isascii() and piece:
                self.add(decoded, self._charset, encoding, piece)
            elif piece:
                decoded += (self.finish(), piece)
                self.empty = False

    def _flush_base64(self) -> None:
        if self._base64:
            self._parts.append(transfer.base64(self._base64))
            self._base64 = b""

    def finish(self) -> str:
        self._flush_base64()
        text = charsets.decode(b"".join(self._parts), self._charset) if not self.empty else ""
        self._parts = []
        self.empty = True
        return text
