"""A client over an in-memory transport, for dialogues with the server's connections."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from wildduck.network.factory import ConnectionFactory

#: Longest wait for an answer; only a failing test waits so long.
PATIENCE = 20.0


class Lost(Exception):
    """The server has closed the connection."""


class MemoryTransport(StringTransport):
    """Hands what is written to the client at once."""

    def __init__(self, client: MemoryClient, peer: str) -> None:
        super().__init__(IPv4Address("TCP", "192.0.2.1", 143), IPv4Address("TCP", peer, 40000))
        self._client = client
        self.tls_options: Any = None

    def write(self, data: bytes) -> None:
        self._client.arrived(data)

    def loseConnection(self) -> None:
        self._client.closed()

    def abortConnection(self) -> None:
        self._client.closed()

    def startTLS(self, options: Any) -> None:
        self.tls_options = options


class MemoryClient:
    """
    One client.

    @ivar connection: the server's side.
    @ivar data: what the server has sent and nobody has read.
    """

    def __init__(self, factory: ConnectionFactory, peer: str) -> None:
        from twisted.internet import reactor

        self._reactor: Any = reactor
        self._waiting: Deferred[None] | None = None
        self._closed = False
        self.data = b""
        self.transport = MemoryTransport(self, peer)
        connection: Any = factory.buildProtocol(self.transport.getPeer())
        self.connection = connection
        connection.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        if not self._closed:
            self.connection.dataReceived(data)

    def finish_handshake(self) -> None:
        """TLS is on now."""
        assert self.transport.tls_options is not None, "the server did not begin TLS"
        self.connection.handshakeCompleted()

    def arrived(self, data: bytes) -> None:
        self.data += data
        self._wake()

    def closed(self) -> None:
        if not self._closed:
            self._closed = True
            self._reactor.callLater(0, self.connection.connectionLost, Failure(ConnectionDone()))
            self._wake()

    def _wake(self) -> None:
        # Later, as over a network: not while the server is about to write more.
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._reactor.callLater(0, waiting.callback, None)

    async def line(self) -> bytes:
        """The next line, without its CRLF."""
        while b"\r\n" not in self.data:
            await self._more()
        line, _, self.data = self.data.partition(b"\r\n")
        return line

    async def until(self, text: bytes) -> bytes:
        """What comes up to and with a text."""
        while text not in self.data:
            await self._more()
        end = self.data.index(text) + len(text)
        found, self.data = self.data[:end], self.data[end:]
        return found

    async def end(self) -> bytes:
        """What comes until the server closes."""
        try:
            while True:
                await self._more()
        except Lost:
            found, self.data = self.data, b""
            return found

    async def _more(self) -> None:
        if self._closed:
            raise Lost(self.data)
        self._waiting = Deferred()
        await self._waiting.addTimeout(PATIENCE, self._reactor)


class SlowTransport:
    """Makes a client read only when it is told to: what is written waits, and its writer is paused."""

    def __init__(self, client: MemoryClient, room: int) -> None:
        self._arrived = client.arrived
        self._transport = client.transport
        self._room = room
        self.held = b""
        client.transport.write = self.write  # type: ignore[method-assign]

    def write(self, data: bytes) -> None:
        self.held += data
        if len(self.held) > self._room and self._transport.producer is not None:
            self._transport.producer.pauseProducing()

    def read(self) -> int:
        """The client reads everything that waits."""
        data, self.held = self.held, b""
        self._arrived(data)
        if self._transport.producer is not None:
            self._transport.producer.resumeProducing()
        return len(data)
