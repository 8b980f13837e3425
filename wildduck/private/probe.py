"""Whether a redis-server answers, asked with one C{PING}."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

#: For connection and answer together.
PROBE_SECONDS = 2


class _Ping(Protocol):
    """Sends C{PING}, takes the first bytes of the answer."""

    def __init__(self) -> None:
        self.answer: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        """Ask."""
        assert self.transport is not None
        self.transport.write(b"PING\r\n")

    def dataReceived(self, data: bytes) -> None:
        """The answer is one short line; its first bytes say all."""
        self._done(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """No answer came."""
        self._done(b"")

    def _done(self, data: bytes) -> None:
        if not self.answer.called:
            self.answer.callback(data)


class _PingFactory(Factory):
    """Makes one L{_Ping}, and no log lines."""

    noisy = False
    protocol = _Ping


async def redis_answers(reactor: Any, host: str, port: int) -> bool:
    """Whether a redis-server listens there and has loaded its data."""
    endpoint = TCP4ClientEndpoint(reactor, host, port, timeout=PROBE_SECONDS)
    try:
        protocol: Any = await endpoint.connect(_PingFactory())
    except ConnectError:
        return False
    deadline = reactor.callLater(PROBE_SECONDS, protocol.transport.abortConnection)
    answer: bytes = await protocol.answer
    if deadline.active():
        deadline.cancel()
    protocol.transport.loseConnection()
    return answer.startswith(b"+PONG")
