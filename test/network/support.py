"""A small face to try connections with, and both ways to reach it: in memory and over a socket."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from wildduck.network.connection import Connection
from wildduck.network.factory import ConnectionFactory
from wildduck.tls import ServerTls, ensure_self_signed


class Echo(Connection):
    """
    Greets, answers each line with itself; C{STARTTLS}, C{QUIT}, C{HOLD} (pause), C{DEFLATE} and C{PLAIN}
    do what they say.
    """

    def opened(self) -> None:
        self.events: list[str] = ["opened"]
        self.send(b"hello\r\n")

    def received(self) -> None:
        while self.is_open and not self.paused:
            line = self.framer.line(100_000)
            if line is None:
                return
            self.events.append(line.decode("latin-1"))
            self.answer(line)

    def answer(self, line: bytes) -> None:
        if line == b"STARTTLS":
            self.send(b"go\r\n")
            self.start_tls()
        elif line == b"QUIT":
            self.send(b"bye\r\n")
            self.lose()
        elif line == b"HOLD":
            self.pause()
        elif line == b"DEFLATE":
            self.send(b"from now on\r\n")
            self.start_deflate()
        elif line == b"PLAIN":
            self.send(b"no more\r\n")
            self.end_deflate()
        elif line == b"FAIL":
            raise ValueError("a bug")
        else:
            self.send(line + b"\r\n")

    def timed_out(self) -> None:
        self.send(b"too slow\r\n")
        self.lose()

    def refuse(self, reason: str) -> None:
        self.send(b"refused: " + reason.encode() + b"\r\n")

    def closed(self, reason: Failure) -> None:
        self.reason = reason


class EchoFactory(ConnectionFactory):
    protocol = Echo
    latest: Any

    def buildProtocol(self, addr: Any) -> Any:
        self.latest = super().buildProtocol(addr)
        return self.latest


class MemoryTransport(StringTransport):
    """Keeps what is written, and can play a peer that does not read."""

    aborted = False
    full_above: int | None = None

    def write(self, data: bytes) -> None:
        super().write(data)
        if self.full_above is not None and len(self.value()) > self.full_above and self.producer is not None:
            self.producer.pauseProducing()

    def taken(self) -> bytes:
        """The peer reads everything."""
        data: bytes = self.value()
        self.clear()
        if self.producer is not None:
            self.producer.resumeProducing()
        return data

    def abortConnection(self) -> None:
        self.aborted = True


def connect_in_memory(factory: ConnectionFactory, peer: str = "192.0.2.7", port: int = 4000) -> Any:
    """A connection of the factory over L{MemoryTransport}."""
    transport = MemoryTransport(IPv4Address("TCP", "192.0.2.1", 25), IPv4Address("TCP", peer, port))
    connection: Any = factory.buildProtocol(transport.getPeer())
    connection.makeConnection(transport)
    return connection


def hang_up(connection: Any) -> None:
    """The peer closes."""
    connection.connectionLost(Failure(ConnectionDone()))


class Client(Protocol):
    """Collects what it gets and tells when a condition holds."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._waiting: list[tuple[Callable[[bytes], bool], Deferred[bytes]]] = []
        self.lost: Deferred[None] = Deferred()

    @property
    def data(self) -> bytes:
        """All that was received since L{forget}."""
        return bytes(self._data)

    def forget(self) -> None:
        """Begin to collect anew."""
        self._data.clear()

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        if self._waiting:
            self._check()

    def _check(self) -> None:
        waiting, self._waiting = self._waiting, []
        for condition, done in waiting:
            if condition(self.data):
                done.callback(self.data)
            else:
                self._waiting.append((condition, done))

    def until(self, condition: Callable[[bytes], bool]) -> Deferred[bytes]:
        """Fires with all data when the condition holds for it; fails when the connection ends before."""
        done: Deferred[bytes] = Deferred()
        self._waiting.append((condition, done))
        self._check()
        return done

    def until_has(self, text: bytes) -> Deferred[bytes]:
        return self.until(lambda data: text in data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.callback(None)
        for _, done in self._waiting:
            done.errback(reason)


def server_tls(test: TestCase) -> ServerTls:
    """TLS with a self-signed pair."""
    directory = tempfile.mkdtemp(dir=os.path.dirname(os.path.abspath(test.mktemp())))
    return ServerTls(*ensure_self_signed(directory, "localhost"), "1.2")


async def listen(test: TestCase, factory: ConnectionFactory) -> int:
    """The port of a loopback listener, closed with its connections after the test."""
    from twisted.internet import reactor

    port: Any = reactor.listenTCP(0, factory, interface="127.0.0.1")  # type: ignore[arg-type]

    async def close() -> None:
        await port.stopListening()
        for connection in list(factory.connections):
            connection.abort()
        await factory.drain()

    test.addCleanup(lambda: Deferred.fromCoroutine(close()))
    return int(port.getHost().port)


async def connect(test: TestCase, port: int, *, tls: bool = False) -> Client:
    """A client on a real socket, closed after the test."""
    from twisted.internet import reactor

    endpoint: Any = HostnameEndpoint(reactor, "127.0.0.1", port)
    if tls:
        endpoint = wrapClientTLS(CertificateOptions(verify=False), endpoint)
    client: Client = await connectProtocol(endpoint, Client())

    def close() -> Deferred[None]:
        client.transport.abortConnection()  # type: ignore[union-attr]
        return client.lost

    test.addCleanup(close)
    return client
