"""
The sending half of a connection: bounded, and aware of a peer that does not read.

The transport joins the writes of one reactor iteration and tells, through the
push producer interface, when it holds more than it wants.  From then on bytes
wait here, and whoever produces many of them waits in L{Outlet.drained}.
"""

from __future__ import annotations

import fcntl
import struct
import termios
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from wildduck import limits, transports
from wildduck.network.deflate import Deflater

#: Bytes given to the transport at once; it asks for a pause above 64 KiB.
_BLOCK = 64 * limits.KIB


@implementer(IPushProducer)
class Outlet:
    """
    Writes to a transport, as its registered producer.

    @ivar waiting: bytes held back because the transport holds enough.
    @ivar taken_at: when the peer had last taken all that the transport held, after a pause.
    """

    def __init__(self, transport: Any, clock: IReactorTime, stalled: Callable[[], None]) -> None:
        """@param stalled: called when the peer has taken nothing for L{limits.WRITE_STALL_SECONDS}."""
        self._transport = transport
        self._clock = clock
        self._stalled = stalled
        self._queue: deque[bytes] = deque()
        self._paused = False
        #: Something was given to the transport since L{flush}.
        self._written = False
        self._closed = False
        self._waiters: list[Deferred[None]] = []
        self._timer: IDelayedCall | None = None
        self._unsent = 0
        self._deflater: Deflater | None = None
        #: To be compressed together.
        self._gathered: list[bytes] = []
        self._gathered_size = 0
        self._turn: IDelayedCall | None = None
        self.waiting = 0
        self.taken_at = 0.0
        transport.registerProducer(self, True)

    @property
    def busy(self) -> bool:
        """The transport still has to send what it holds."""
        return self._paused

    def send(self, data: bytes) -> None:
        """Write, or keep until the transport takes more; nothing after L{finish} or L{close}."""
        if self._closed or not data:
            return
        if self._paused:
            self._queue.append(data)
            self.waiting += len(data)
        else:
            self._write(data)

    def flush(self) -> None:
        """Let what was sent since the last time leave at once; what is compressed waits for its turn."""
        if self._written and not self._closed:
            self._written = False
            transports.flush(self._transport)

    def deflate(self, on: bool) -> None:
        """Whether what is sent from now on is compressed (RFC 4978)."""
        self._let_go()
        self._flush()
        self._deflater = Deflater() if on else None

    async def drained(self) -> None:
        """
        Wait until less than L{limits.WRITE_BUFFER} bytes are held back.

        @raise ConnectionLost: the connection is over.
        """
        if self._closed:
            raise ConnectionLost()
        if self.waiting < limits.WRITE_BUFFER:
            return
        waiter: Deferred[None] = Deferred()
        self._waiters.append(waiter)
        await waiter

    def restart(self, switch: Callable[[], None]) -> None:
        """Hand everything to the transport, then call what puts another layer (TLS) on it."""
        self._transport.unregisterProducer()
        self._let_go()
        self._flush()
        self._resume()
        switch()
        self._transport.registerProducer(self, True)

    def finish(self) -> None:
        """Hand everything to the transport and take no more: the connection is about to be closed."""
        if not self._closed:
            self._transport.unregisterProducer()
            self._let_go()
            self._flush()
            self._unsent = _unsent(self._transport)
            self.close()

    def close(self) -> None:
        """The connection is over: forget what waits and tell who waits."""
        self._closed = True
        self._queue.clear()
        self._gathered.clear()
        self.waiting = 0
        self._stop_timer()
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.cancel()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.errback(ConnectionLost())

    def progressed(self) -> bool:
        """Whether the peer has taken bytes since the pause began, or since this was last asked."""
        before, self._unsent = self._unsent, _unsent(self._transport)
        return self._unsent < before

    def pauseProducing(self) -> None:
        """The transport holds enough (L{IPushProducer})."""
        if not self._paused and not self._closed:
            self._paused = True
            self._unsent = _unsent(self._transport)
            self._start_timer()

    def resumeProducing(self) -> None:
        """The transport has sent what it held (L{IPushProducer})."""
        if self._paused and not self._closed:
            self.taken_at = self._clock.seconds()
            self._resume()

    def stopProducing(self) -> None:
        """The transport is closed (L{IPushProducer}); C{connectionLost} follows, which calls L{close}."""

    def _resume(self) -> None:
        self._paused = False
        self._stop_timer()
        self._let_go()
        while self._queue and not self._paused:
            self._write(self._next_block())
            self._let_go()
        if self.waiting < limits.WRITE_BUFFER:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                waiter.callback(None)

    def _next_block(self) -> bytes:
        """About L{_BLOCK} bytes from the queue: small pieces joined, a large one as it is."""
        pieces = [self._queue.popleft()]
        size = len(pieces[0])
        while self._queue and size + len(self._queue[0]) <= _BLOCK:
            pieces.append(self._queue.popleft())
            size += len(pieces[-1])
        self.waiting -= size
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _flush(self) -> None:
        while self._queue:
            self._write(self._next_block())
        self._let_go()

    def _write(self, data: bytes) -> None:
        """Give it to the transport; what is compressed goes with what else is said in this turn."""
        if self._deflater is None:
            self._written = True
            self._transport.write(data)
            return
        self._gathered.append(data)
        self._gathered_size += len(data)
        if self._gathered_size >= _BLOCK:
            self._let_go()
        elif self._turn is None:
            self._turn = self._clock.callLater(0, self._next_turn)

    def _next_turn(self) -> None:
        self._turn = None
        self._let_go()

    def _let_go(self) -> None:
        """Compress and write what was gathered."""
        if self._gathered and self._deflater is not None:
            data = b"".join(self._gathered)
            self._gathered.clear()
            self._gathered_size = 0
            self._transport.write(self._deflater.compress(data))

    def _start_timer(self) -> None:
        self._timer = self._clock.callLater(limits.WRITE_STALL_SECONDS, self._stall)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _stall(self) -> None:
        self._timer = None
        if self.progressed():
            self._start_timer()  # slow, but alive
        else:
            self._stalled()


def _unsent(transport: Any) -> int:
    """
    Bytes that the peer has not acknowledged: the transport's and those in the kernel's send queue.

    The transport tells of an empty buffer only; a slow peer takes minutes for
    that and must be told from one that takes nothing.

    @return: 0 where the transport has no socket.
    """
    socket = getattr(transport, "socket", None)
    if socket is None:
        return 0
    held = len(getattr(transport, "dataBuffer", b"")) - getattr(transport, "offset", 0)
    held += getattr(transport, "_tempDataLen", 0)
    try:
        queued = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    except (OSError, ValueError):
        return 0
    return held + int(struct.unpack("i", queued)[0])
