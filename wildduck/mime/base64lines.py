"""
Base64 bodies that are stored decoded: WildDuck keeps the decoded bytes and
one line length, and encodes again when the body is read (spec/schema.md §3).

Here this is done only when it gives back the same bytes, so the encoded form
is fixed: the base64 text (RFC 4648 §4, padded) in lines of one length that
are separated, not ended, by CRLF.  That makes offsets in the encoded form
computable from offsets in the decoded one.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#: Longest line that WildDuck recognizes.
_LONGEST_LINE = 998
#: Line length of a body that is one shorter line; also that of our own encoding.
LINE_LENGTH = 76


class LineLengthDetector:
    """
    Find the line length with which a body can be stored decoded.

    Feed it the encoded body.  Characters of the alphabet always come back;
    what has padding or anything else is decoded, encoded again and compared.
    """

    def __init__(self) -> None:
        self._first = b""
        self._line_length = 0
        self._rest = b""
        self._characters = b""
        self._ended = False
        self._good = True

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the encoded body."""
        if not self._good:
            return
        if not self._line_length:
            self._first += data
            end = self._first.find(b"\r\n")
            if end < 0:
                self._good = len(self._first) <= _LONGEST_LINE + 1
                return
            if not 0 < end <= _LONGEST_LINE:
                self._good = False
                return
            self._line_length = end
            data, self._first = self._first, b""
        data = self._rest + data
        stride = self._line_length + 2
        whole = len(data) - len(data) % stride
        self._rest = data[whole:]
        if whole:
            self._whole_lines(data[:whole])

    def finish(self) -> int | None:
        """
        The body is complete.

        @return: the line length (characters without CRLF), or C{None} when
            the body must be stored as it is.
        """
        if not self._good:
            return None
        if not self._line_length:
            # One line.  WildDuck ends a full one with a CRLF that was not there.
            self._text(self._first, True)
            return LINE_LENGTH if self._good and 0 < len(self._first) < LINE_LENGTH else None
        # What follows the last CRLF: one to all characters of a line.
        if not 0 < len(self._rest) <= self._line_length:
            return None
        self._text(self._rest, True)
        return self._line_length if self._good else None

    def _whole_lines(self, lines: bytes) -> None:
        length, stride = self._line_length, self._line_length + 2
        count = len(lines) // stride
        if lines[length::stride] != b"\r" * count or lines[length + 1 :: stride] != b"\n" * count:
            self._good = False
            return
        other = lines.translate(None, _ALPHABET)
        if len(other) != 2 * count:
            text = lines.replace(b"\r\n", b"")
            self._good = len(text) == count * length
            if self._good:
                self._text(text, False)
            return
        # Only the characters of the last group, if it is not complete, still matter.
        left = (len(self._characters) + count * length) % 4
        last = self._characters + lines[-(4 // length + 1) * stride :].replace(b"\r\n", b"")
        self._characters = last[len(last) - left :]

    def _text(self, text: bytes, final: bool) -> None:
        """Compare base64 text without line breaks with what decoding and encoding give."""
        text = self._characters + text
        whole = len(text) - len(text) % 4
        self._characters = text[whole:]
        text = text[:whole]
        if (final and self._characters) or (self._ended and text):
            self._good = False
            return
        try:
            same = binascii.b2a_base64(binascii.a2b_base64(text), newline=False) == text
        except binascii.Error:
            same = False
        self._good = same
        # Padding must be the end of it.
        self._ended = text.endswith(b"=")


def detect(blocks: Iterable[bytes]) -> int | None:
    """
    The line length with which a body can be stored decoded.

    @param blocks: the encoded body.
    @return: see L{LineLengthDetector.finish}.
    """
    detector = LineLengthDetector()
    for block in blocks:
        detector.feed(block)
    return detector.finish()


class Decoder:
    """Decode a body that L{detect} accepted, piece by piece."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """
        @return: the decoded bytes that are complete.
        """
        text = self._rest + data.replace(b"\n", b"").replace(b"\r", b"")
        whole = len(text) - len(text) % 4
        self._rest = text[whole:]
        return binascii.a2b_base64(text[:whole])


class Encoder:
    """
    Encode bytes in lines, piece by piece; the output is as long as L{encoded_length} says.

    @param line_length: characters of a line.
    @param first_character: how many characters of the base64 text came
        before; the output then begins with the CRLF that stands before this
        character, if one does.
    """

    def __init__(self, line_length: int, first_character: int = 0) -> None:
        self._line_length = line_length
        self._column = first_character % line_length
        if first_character and not self._column:
            self._column = line_length
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """
        @return: encoded bytes; a line break is given with the character after it.
        """
        data = self._rest + data if self._rest else data
        whole = len(data) - len(data) % 3
        self._rest = data[whole:]
        return self._lines(binascii.b2a_base64(data[:whole], newline=False))

    def finish(self) -> bytes:
        """
        @return: the last, padded characters.
        """
        data, self._rest = self._rest, b""
        return self._lines(binascii.b2a_base64(data, newline=False))

    def _lines(self, text: bytes) -> bytes:
        if not text:
            return b""
        length = self._line_length
        first = length - self._column
        lines = [text[:first]]
        lines += [text[start : start + length] for start in range(first, len(text), length)]
        self._column = len(lines[-1]) + (self._column if len(lines) == 1 else 0)
        return b"\r\n".join(lines)


def encoded_length(length: int, line_length: int) -> int:
    """Bytes of the encoded form of C{length} bytes."""
    characters = (length + 2) // 3 * 4
    return characters + max(0, (characters - 1) // line_length) * 2


def encoded_line_feeds(length: int, line_length: int = LINE_LENGTH) -> int:
    """Line feeds in the encoded form of C{length} bytes."""
    characters = (length + 2) // 3 * 4
    return max(0, (characters - 1) // line_length)


class Range:
    """
    A range of the encoded form, and what of the decoded form it needs.

    @ivar start: first decoded byte to read.
    @ivar end: end of the decoded bytes to read, exclusive; may lie beyond
        the end of the decoded form.
    """

    def __init__(self, start: int, end: int, line_length: int) -> None:
        """
        @param start: first byte of the encoded form.
        @param end: its end, exclusive, at most L{encoded_length}.
        """
        first = _character_at(start, line_length) // 4 * 4
        last = _character_at(max(start, end - 1), line_length)
        self.start = first // 4 * 3
        self.end = (last // 4 + 1) * 3 if end > start else self.start
        self._encoder = Encoder(line_length, first)
        breaks = max(0, first - 1) // line_length
        self._skip = start - (first + 2 * breaks)
        self._left = max(0, end - start)

    def feed(self, data: bytes) -> bytes:
        """
        Take the next of the decoded bytes.

        @return: the bytes of the encoded range that they give.
        """
        return self._cut(self._encoder.feed(data))

    def finish(self) -> bytes:
        """
        All decoded bytes were given.

        @return: the rest of the encoded range.
        """
        return self._cut(self._encoder.finish())

    def _cut(self, encoded: bytes) -> bytes:
        skipped = min(self._skip, len(encoded))
        self._skip -= skipped
        taken = encoded[skipped : skipped + self._left]
        self._left -= len(taken)
        return taken


def _character_at(offset: int, line_length: int) -> int:
    """
    The base64 character at an offset of the encoded form.

    For a line break it is the character after it: the break comes with it.
    """
    line, column = divmod(offset, line_length + 2)
    return line * line_length + min(column, line_length)
