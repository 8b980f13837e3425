"""A transport that shows what is written, and when."""

from __future__ import annotations

from twisted.internet.abstract import FileDescriptor
from twisted.internet.testing import MemoryReactorClock


class Descriptor(FileDescriptor):
    """
    A transport that writes when the reactor has its turn, which never comes.

    @ivar pieces: what was written, by call of the system.
    """

    connected = True

    def __init__(self) -> None:
        super().__init__(MemoryReactorClock())
        self.pieces: list[bytes] = []

    def writeSomeData(self, data: bytes) -> int:
        self.pieces.append(bytes(data))
        return len(data)
