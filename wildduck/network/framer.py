"""
Lines and counted blocks out of a byte stream.

All work is linear in the bytes fed, whatever their segments: the place up to
which no line end was found is remembered, and consumed bytes are removed in
large steps.
"""

from __future__ import annotations

from wildduck.errors import ProtocolError
from wildduck.limits import KIB

#: Consumed bytes are kept at the front of the buffer up to this many, or up to
#: half of the buffer.
_SLACK = 64 * KIB


class LineTooLong(ProtocolError):
    """A line is longer than the bound given; it is skipped to its end."""


class Framer:
    """
    A receive buffer.

    The owner calls L{feed} with what arrives, and then L{line} or L{take} until
    they give nothing more.

    @ivar bare_lf: whether the line last returned by L{line} ended in LF without
        CR.
    """

    __slots__ = ("_buffer", "_start", "_searched", "_skipping", "bare_lf")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._start = 0
        self._searched = 0  # no LF between _start and here; never before _start
        self._skipping = False
        self.bare_lf = False

    @property
    def buffered(self) -> int:
        """Bytes fed and not yet consumed."""
        return len(self._buffer) - self._start

    def feed(self, data: bytes) -> None:
        """Append bytes from the peer."""
        if self._start and (self._start == len(self._buffer) or self._start > _SLACK):
            if self._start * 2 >= len(self._buffer):
                del self._buffer[: self._start]
                self._searched -= self._start
                self._start = 0
        self._buffer += data

    def line(self, limit: int) -> bytes | None:
        """
        The next line, without its CRLF or LF.

        A CR elsewhere than before the LF is content.

        @param limit: bytes that the line may have, its line end included.  May
            differ from call to call.
        @return: C{None} when no whole line is there yet.
        @raise LineTooLong: once for each line over C{limit}, as soon as that is
            known.  The rest of that line is dropped as it comes, without being
            kept; meanwhile this returns C{None}, and then the line after it.
        """
        buffer, start = self._buffer, self._start
        end = buffer.find(b"\n", self._searched)
        if self._skipping:
            self._drop_to(len(buffer) if end < 0 else end + 1)
            if end < 0:
                return None
            self._skipping = False
            return self.line(limit)
        if end < 0:
            self._searched = len(buffer)
            if self._searched - start >= limit:
                self._skipping = True
                self._drop_to(len(buffer))
                raise LineTooLong("Line too long")
            return None
        if end + 1 - start > limit:
            self._drop_to(end + 1)
            raise LineTooLong("Line too long")
        self._start = self._searched = end + 1
        if end > start and buffer[end - 1] == 13:
            self.bare_lf = False
            end -= 1
        else:
            self.bare_lf = True
        return bytes(buffer[start:end])

    def take(self, count: int) -> bytes:
        """
        Up to C{count} bytes as they came, fewer (also none) when fewer are there.

        For a block of known length wait until L{buffered} reaches it, or take
        what there is and count down.
        """
        if self._start == 0 and count >= len(self._buffer):
            data = bytes(self._buffer)
        else:
            data = bytes(memoryview(self._buffer)[self._start : self._start + count])
        self._start += len(data)
        self._searched = self._start
        return data

    def untake(self, count: int) -> None:
        """Give back the last C{count} bytes of what L{take} returned, before the next L{feed}."""
        self._start -= count
        self._searched = self._start

    def clear(self) -> None:
        """Forget everything that is buffered, and a line that is being skipped."""
        self._buffer.clear()
        self._start = self._searched = 0
        self._skipping = False

    def _drop_to(self, position: int) -> None:
        del self._buffer[:position]
        self._start = self._searched = 0
