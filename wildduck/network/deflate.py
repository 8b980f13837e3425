"""
DEFLATE under a mail protocol (RFC 4978, RFC 1951): raw streams, a flush after whatever is sent together.

What comes is inflated piece by piece, as its reader takes it: a few compressed
bytes can stand for a thousand times as many, and memory is bounded only if these
are never all made at once.
"""

from __future__ import annotations

import zlib

from wildduck.errors import ProtocolError

#: No zlib header, the largest window.
_RAW = -15
#: Quick; responses shrink to a third and better (RFC 4978 §4).
_LEVEL = 3
#: What a sync flush ends with: an empty stored block.
_FLUSHED = b"\x00\x00\xff\xff"


class Deflater:
    """The sending direction."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)

    def compress(self, data: bytes) -> bytes:
        """What makes the peer see all of C{data}."""
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)


class Inflater:
    """
    The receiving direction.

    Input is taken flush by flush: a peer that ends its compression behind some
    command (RFC 8437 §4.1) sends plain text from there on, which must not be
    inflated ahead of that command.
    """

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_RAW)
        self._input = bytearray()
        #: Of the flush that is being inflated.
        self._slice = b""
        #: The last piece was as long as it might be: zlib may hold more of it.
        self._full = False

    @property
    def waiting(self) -> bool:
        """Whether L{take} may give something."""
        return bool(self._slice or self._input) or self._full or self._stream.eof

    def feed(self, data: bytes) -> None:
        """Append compressed bytes; the caller bounds how many."""
        self._input += data

    def take(self, most: int) -> bytes:
        """
        The next piece, within one flush.

        @param most: bytes that it may have.
        @return: C{b""} when more input is needed.
        @raise ProtocolError: the input is not DEFLATE, or its stream has ended.
        """
        while self.waiting:
            if not (self._slice or self._full):
                self._slice = self._next_flush()
            try:
                data = self._stream.decompress(self._slice, most)
            except zlib.error:
                raise ProtocolError("not a DEFLATE stream") from None
            self._slice = self._stream.unconsumed_tail
            self._full = len(data) == most
            if data:
                return data
            if self._stream.eof:
                raise ProtocolError("the DEFLATE stream has ended")
        return b""

    def end(self) -> bytes:
        """
        Inflate no more.

        @return: what has come and was not inflated: plain bytes.
        """
        left = self._stream.unused_data + self._slice + bytes(self._input)
        self._input.clear()
        self._slice = b""
        self._full = False
        self._stream = zlib.decompressobj(_RAW)
        return left

    def _next_flush(self) -> bytes:
        end = self._input.find(_FLUSHED)
        end = len(self._input) if end < 0 else end + len(_FLUSHED)
        piece = bytes(self._input[:end])
        del self._input[:end]
        return piece
