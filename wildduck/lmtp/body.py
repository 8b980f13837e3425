"""
Message bytes out of the two commands that carry them.

Only C{CRLF.CRLF} ends DATA.  A bare LF or CR is content wherever it stands, so
that no other server's idea of a line end can hide a second message in the
first (SMTP smuggling).
"""

from __future__ import annotations

_END = b"\r\n.\r\n"


class DotUnstuffer:
    """
    The content of a DATA command (RFC 5321 §4.5.2), whatever the segments.

    Works on whole blocks; what can't be decided at the end of a block, at most
    four bytes, waits for the next one.
    """

    def __init__(self) -> None:
        # As if the content followed a line: the line end is taken off again.
        self._undecided = b"\r\n"
        self._drop = 2

    def feed(self, data: bytes) -> tuple[bytes, int | None]:
        """
        @return: content bytes, and C{None} while the content goes on, else how
            many bytes of C{data} follow its end.
        """
        data = self._undecided + data
        end = data.find(_END)
        if end < 0:
            keep = _undecided_length(data)
            content, self._undecided = data[: len(data) - keep], data[len(data) - keep :]
            after = None
        else:
            content, after = data[: end + 2], len(data) - end - len(_END)
        content = content.replace(b"\r\n.", b"\r\n")
        if self._drop and content:
            content, self._drop = content[self._drop :], 0
        return content, after


def _undecided_length(data: bytes) -> int:
    """Length of the longest end of the data that the end mark could begin with."""
    for length in range(len(_END) - 1, 0, -1):
        if data.endswith(_END[:length]):
            return length
    return 0


class ChunkReader:
    """
    The octets of one BDAT chunk.

    @ivar left: octets still to come.
    """

    def __init__(self, size: int) -> None:
        self.left = size

    def feed(self, data: bytes) -> tuple[bytes, int | None]:
        """As L{DotUnstuffer.feed}; content is never changed."""
        content = data[: self.left]
        self.left -= len(content)
        return content, None if self.left else len(data) - len(content)
