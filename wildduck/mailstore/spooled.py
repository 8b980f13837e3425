"""Bytes that are gathered before they are used: in memory while they are few, else in a file."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator

from wildduck.errors import SpoolFull, Unavailable
from wildduck.limits import KIB, SPOOL_BYTES

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_BLOCK = 256 * KIB


class Spooled:
    """
    Written once, then read any number of times, by one thread at a time.

    The file has no name, so nothing is left behind however the process ends.
    """

    def __init__(self, directory: str) -> None:
        """@param directory: where the file is made."""
        self._file = tempfile.SpooledTemporaryFile(SPOOL_BYTES, dir=directory)  # noqa: SIM115

    def write(self, data: bytes) -> None:
        """
        @raise Unavailable: the file can not be written; L{SpoolFull} when the disk is full.
        """
        try:
            self._file.write(data)
        except OSError as error:
            if error.errno in _FULL:
                raise SpoolFull() from error
            raise Unavailable("An attachment can not be spooled") from error

    def blocks(self) -> Iterator[bytes]:
        """All of it, from the begin; a L{Source <wildduck.mime.compose.values.Source>}."""
        self._file.seek(0)
        while True:
            block = self._file.read(_BLOCK)
            if not block:
                return
            yield block

    def close(self) -> None:
        """Drop it; may be called again."""
        self._file.close()
