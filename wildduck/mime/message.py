"""
A message on its way in: scanned as it arrives, kept in memory or in a file.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from typing import IO

from wildduck import errors, limits
from wildduck.mime.part import Part
from wildduck.mime.scanner import Scanner

#: Bytes gathered before they are written to the spool file.
_WRITTEN_AT_ONCE = 256 * limits.KIB
#: How a disk, a quota of it or a limit of this process says that it is full.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Spool:
    """
    Where the bytes of messages are kept that come one after the other.

    As long as they are few they stay in memory, else in one file that has no
    name and is readable by this user only, so that nothing is left behind
    however the process ends.

    @ivar room: bytes of further messages that may stay in memory.
    @ivar length: bytes in the file.
    """

    def __init__(self, directory: str, in_memory: int = limits.SPOOL_BYTES) -> None:
        """@param directory: where the file is made."""
        self.room = in_memory
        self.length = 0
        self._directory = directory
        self._file: IO[bytes] | None = None
        self._users = 1

    def write(self, data: bytes) -> None:
        """
        @raise errors.Unavailable: the file can not be written;
            L{errors.SpoolFull} when the disk is full.
        """
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115
            left = memoryview(data)
            while left:
                written = self._file.write(left)
                self.length += written
                left = left[written:]
        except OSError as error:
            if error.errno in _FULL:
                raise errors.SpoolFull() from error
            raise errors.Unavailable("The message can not be spooled") from error

    def read(self, start: int, end: int) -> bytes:
        """Bytes of the file."""
        pieces = []
        while start < end:
            piece = b"" if self._file is None else os.pread(self._file.fileno(), end - start, start)
            if not piece:
                raise errors.Unavailable("The spool file is shorter than what was written")
            pieces.append(piece)
            start += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def hold(self) -> Spool:
        """Another one needs what is in it."""
        self._users += 1
        return self

    def release(self) -> None:
        """Who made it, or held it, needs it no more; the last one closes it."""
        self._users -= 1
        if self._users == 0 and self._file is not None:
            self._file.close()


class _Content:
    """
    Bytes that several messages share, freed with the last of them.

    @ivar line_lengths: what L{wildduck.mime.tree} found out about base64
        bodies, by their offset; kept here to be found once for all recipients.
    @ivar digests: of bodies of inner messages, likewise.
    """

    def __init__(self, data: bytes, length: int, spool: Spool | None = None, start: int = 0) -> None:
        """
        @param data: all of them, where they are in memory.
        @param spool: where they are in its file, from C{start} on; held already.
        """
        self._data = data
        self._spool = spool
        self._start = start
        self.length = length
        self.users = 1
        self.line_lengths: dict[int, int | None] = {}
        self.digests: dict[int, bytes] = {}

    def read(self, start: int, end: int) -> bytes:
        if self.users <= 0:
            raise ValueError("read of a closed message")
        start, end = max(0, start), min(end, self.length)
        if self._spool is None:
            return self._data[start:end]
        return self._spool.read(self._start + start, self._start + end)

    def release(self) -> None:
        self.users -= 1
        if self.users == 0:
            self._data = b""
            if self._spool is not None:
                self._spool.release()


class Message:
    """
    A complete, scanned message: its exact bytes are C{prefix} and the content.

    @ivar root: the scanned structure; its offsets are of the content, without
        the prefix.
    @ivar prefix: complete header lines put before the content, each with CRLF.
    @ivar length: bytes of prefix and content.
    """

    def __init__(self, root: Part, content: _Content, prefix: bytes = b"") -> None:
        self.root = root
        self.prefix = prefix
        self.length = len(prefix) + content.length
        self._content = content
        self._closed = False

    @property
    def line_lengths(self) -> dict[int, int | None]:
        """Base64 line lengths found so far, by body offset; shared with all copies."""
        return self._content.line_lengths

    @property
    def digests(self) -> dict[int, bytes]:
        """SHA-256 of inner messages' bodies found so far, by offset; shared with all copies."""
        return self._content.digests

    def with_prefix(self, prefix: bytes) -> Message:
        """
        The same content with header lines before it and before those it has already.

        @param prefix: complete header lines, each with CRLF; may be empty.
        @return: to be closed on its own.
        """
        if self._closed:
            raise ValueError("copy of a closed message")
        self._content.users += 1
        return Message(self.root, self._content, prefix + self.prefix)

    def read(self, start: int, end: int) -> bytes:
        """Bytes of the content (without the prefix), by offsets as in L{Part}."""
        if self._closed:
            raise ValueError("read of a closed message")
        return self._content.read(start, end)

    def blocks(self, start: int, end: int, size: int = 256 * limits.KIB) -> Iterator[bytes]:
        """The same bytes in blocks of C{size}, the last one shorter."""
        for position in range(start, end, size):
            yield self.read(position, min(position + size, end))

    def close(self) -> None:
        """Free the content when no copy needs it any more; may be called again."""
        if not self._closed:
            self._closed = True
            self._content.release()


class Intake:
    """
    Takes the bytes of one message as they come, scans and keeps them.

    @ivar length: bytes taken so far.
    """

    def __init__(
        self,
        directory: str,
        max_size: int,
        spool_at: int = limits.SPOOL_BYTES,
        *,
        spool: Spool | None = None,
    ) -> None:
        """
        @param directory: where a spool file is made.
        @param max_size: bytes that the message may have.
        @param spool_at: bytes that are held in memory.
        @param spool: to be used instead of an own one; by one intake at a time.
        """
        self.length = 0
        self._max_size = max_size
        self._spool = Spool(directory, spool_at) if spool is None else spool.hold()
        self._scanner = Scanner()
        self._gathered: list[bytes] = []
        self._gathered_size = 0
        #: Where its bytes begin in the file, C{None} while they are in memory.
        self._start: int | None = None
        self._over = False

    def write(self, data: bytes) -> None:
        """
        Take the next bytes.

        @raise errors.MessageTooBig: the message has more than C{max_size}
            bytes; what was held is dropped, and further bytes are refused.
        @raise errors.Unavailable: the spool file can not be written;
            L{errors.SpoolFull} when the disk is full.
        """
        if self._over:
            raise errors.MessageTooBig()
        if self.length + len(data) > self._max_size:
            self.abort()
            raise errors.MessageTooBig()
        self.length += len(data)
        self._scanner.feed(data)
        self._gathered.append(data)
        self._gathered_size += len(data)
        if self._start is None:
            if self.length > self._spool.room:
                self._start = self._spool.length
                self._write_out()
        elif self._gathered_size >= _WRITTEN_AT_ONCE:
            self._write_out()

    def finish(self) -> Message:
        """
        The message is complete.

        @return: the message, to be closed by the caller; the intake is used up.
        @raise errors.Unavailable: the spool file can not be written.
        """
        if self._over:
            raise ValueError("the intake is used up")
        if self._start is not None:
            self._write_out()
        root = self._scanner.close()
        if self._start is None:
            self._spool.room -= self.length
            content = _Content(b"".join(self._gathered), self.length)
        else:
            content = _Content(b"", self.length, self._spool.hold(), self._start)
        self.abort()
        return Message(root, content)

    def abort(self) -> None:
        """Drop what is held; may be called again, also after L{finish}."""
        self._gathered = []
        self._gathered_size = 0
        if not self._over:
            self._over = True
            self._spool.release()

    def _write_out(self) -> None:
        try:
            self._spool.write(b"".join(self._gathered))
        except errors.Unavailable:
            self.abort()
            raise
        self._gathered = []
        self._gathered_size = 0


def scan(data: bytes) -> Message:
    """A message whose bytes are at hand, kept in memory."""
    scanner = Scanner()
    scanner.feed(data)
    return Message(scanner.close(), _Content(data, len(data)))
