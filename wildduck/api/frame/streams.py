"""Answers that are sent piece by piece, no faster than they are read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer, IReactorTime
from zope.interface import implementer

from wildduck import limits


@dataclass(frozen=True)
class Stream:
    """
    A body that is no JSON.

    @ivar content_type: media type.
    @ivar blocks: the body in pieces of moderate size; closed when the client
        hangs up.  What it raises before the first piece is answered as an error;
        after it the connection is cut, so that the client can tell.
    @ivar length: bytes, C{None} for not known before.
    @ivar headers: more headers, ASCII.
    """

    content_type: str
    blocks: AsyncIterator[bytes]
    length: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class HungUp(Exception):
    """The client is gone, or reads nothing for too long."""


class WrongLength(Exception):
    """A body had more or fewer bytes than its head said."""


@implementer(IPushProducer)
class Writer:
    """
    Writes to a request with back-pressure.

    @ivar gone: the client hung up.
    @ivar written: bytes so far.
    """

    def __init__(self, request: Any, clock: IReactorTime) -> None:
        self._request = request
        self._clock = clock
        self._waiter: Deferred[None] | None = None
        self._paused = False
        self._registered = False
        self.written = 0
        self.gone = bool(self._request._disconnected)
        if not self.gone:
            self._request.notifyFinish().addErrback(self._hung_up)
            self._registered = True
            self._request.registerProducer(self, True)

    async def write(self, data: bytes) -> None:
        """
        Returns when more may be written.

        @raise HungUp: the client is gone, or reads nothing for
            C{limits.WRITE_STALL_SECONDS} (then it is cut off).
        """
        self.written += len(data)
        if not self.gone:
            self._request.write(data)
        if self._paused and not self.gone:
            waiter: Deferred[None] = Deferred()
            self._waiter = waiter
            timer = self._clock.callLater(limits.WRITE_STALL_SECONDS, self._stalled)
            await waiter
            if timer.active():
                timer.cancel()
        if self.gone:
            raise HungUp()

    def close(self) -> None:
        """No more will be written."""
        registered, self._registered = self._registered, False
        if registered:
            self._request.unregisterProducer()

    def cut(self) -> None:
        """End the connection, so that what was sent does not look whole."""
        if not self.gone:
            self.gone = True
            transport = self._request.transport
            self.close()
            transport.abortConnection()
            self._wake()

    def pauseProducing(self) -> None:
        """The transport has enough."""
        self._paused = True

    def resumeProducing(self) -> None:
        """The transport takes more."""
        self._paused = False
        self._wake()

    def stopProducing(self) -> None:
        """The connection is lost."""
        self._hung_up(None)

    def _hung_up(self, _reason: Any) -> None:
        self.gone = True
        self.close()
        self._wake()

    def _stalled(self) -> None:
        self.cut()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.callback(None)
