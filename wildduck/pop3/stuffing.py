"""
A message as the lines of a multi-line response (RFC 1939 §3), block by block.

Lines end in CRLF, and what begins with a dot gets a second one.  A message may
hold bare line feeds too, and many clients read up to the line feed: to them
C{LF . CRLF} within a message would be the end of the response, and what
follows the answers to their next commands, written by whoever wrote the
message.  So a dot after a bare line feed is doubled as well.  Such a client then
gets every message exactly; one that knows only CRLF as a line end finds one
more dot there, in a message that no sender should have made (RFC 5322 §2.3).
A bare CR ends no line for anybody.
"""

from __future__ import annotations

_LF = b"\n"
_CRLF = b"\r\n"


class DotStuffer:
    """Doubles dots at the beginning of lines, whatever the blocks."""

    def __init__(self) -> None:
        self._tail = b""  # the last two bytes so far

    def feed(self, block: bytes) -> bytes:
        """The next bytes as they are sent."""
        if not block:
            return block
        at_start = not self._tail or self._tail.endswith(_LF)
        stuffed = block.replace(b"\n.", b"\n..")
        if at_start and block.startswith(b"."):
            stuffed = b"." + stuffed
        self._tail = (self._tail + block[-2:])[-2:]
        return stuffed

    def finish(self) -> bytes:
        """The end mark; a last line without CRLF gets one before it."""
        return b".\r\n" if self._tail in (b"", _CRLF) else b"\r\n.\r\n"


class TopCutter:
    """
    Cuts a message off after some lines of its body.

    @ivar done: nothing more is wanted.
    """

    def __init__(self, header: int, lines: int) -> None:
        """
        @param header: bytes of the header, its empty line included.
        @param lines: lines of the body, whether they end in CRLF or LF.
        """
        self._header = header
        self._lines = lines
        self.done = not header and not lines

    def feed(self, block: bytes) -> bytes:
        """What of the next bytes is wanted."""
        place = min(self._header, len(block))
        self._header -= place
        breaks = block.count(_LF, place)
        if breaks < self._lines:
            self._lines -= breaks
            return block
        while self._lines:
            place = block.index(_LF, place) + 1
            self._lines -= 1
        self.done = not self._header
        return block[:place]
