"""
A TCP relay that misbehaves on request, to stand between us and a database.

It listens on a port of its own and forwards to a server.  It can hold bytes
back for a while, swallow everything in silence, end connections, and end the
one connection that carries a certain request after the server has answered it
and before the answer is passed on.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol


class Relay:
    """
    One forwarded port.

    @ivar port: where it listens, valid after L{start}.
    @ivar delay: seconds by which bytes are late, in each direction.
    @ivar cuts: connections that L{cut_after} ended.
    """

    def __init__(self, reactor: Any, port: int, host: str = "127.0.0.1") -> None:
        """
        @param port: of the server.
        """
        self.reactor = reactor
        self.target = TCP4ClientEndpoint(reactor, host, port, timeout=5)
        self.port = 0
        self.delay = 0.0
        self.silent = False
        self.cuts = 0
        self.trap: bytes | None = None
        self.trapped: Deferred[None] | None = None
        self.pairs: set[Incoming] = set()
        self._listening: Any = None
        self._ended: list[Deferred[None]] = []

    def start(self) -> None:
        """Listen: on a free port at first, on the same one after L{refuse}."""
        factory = _RelayFactory(self)
        self._listening = self.reactor.listenTCP(self.port, factory, interface="127.0.0.1")
        self.port = self._listening.getHost().port

    async def stop(self) -> None:
        """Close everything."""
        await self.refuse()
        self.cut()
        if self.pairs:
            ended: Deferred[None] = Deferred()
            self._ended.append(ended)
            await ended

    async def refuse(self) -> None:
        """Accept no more connections; those that are open stay."""
        if self._listening is not None:
            listening, self._listening = self._listening, None
            await listening.stopListening()

    def cut(self) -> None:
        """End all connections at once."""
        for pair in list(self.pairs):
            pair.cut()

    def black_hole(self) -> None:
        """Connections stay open and new ones are accepted, but not a byte gets through until L{restore}."""
        self.silent = True

    def restore(self) -> None:
        """Forward again, also what was held back."""
        self.silent = False
        for pair in list(self.pairs):
            pair.flush()

    def cut_after(self, request: bytes) -> Deferred[None]:
        """
        Let the next request that contains these bytes through, and end its
        connection when the answer comes, instead of passing it on.

        @return: fires when that has happened.
        """
        self.trap = request
        self.trapped = Deferred()
        return self.trapped

    def ended(self, pair: Incoming) -> None:
        """Both sides of a connection are closed."""
        self.pairs.discard(pair)
        if not self.pairs:
            ended, self._ended = self._ended, []
            for deferred in ended:
                deferred.callback(None)


class _RelayFactory(Factory):
    noisy = False

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def buildProtocol(self, addr: Any) -> Protocol:
        return Incoming(self._relay)


class Incoming(Protocol):
    """The client's side of a connection."""

    transport: Any

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.server: Outgoing | None = None
        self.doomed = False
        self._to_server: list[bytes] = []
        self._to_client: list[bytes] = []

    def connectionMade(self) -> None:
        self.relay.pairs.add(self)
        factory = _OutgoingFactory(self)
        self.relay.target.connect(factory).addErrback(lambda _: self.cut())

    def dataReceived(self, data: bytes) -> None:
        trap = self.relay.trap
        if trap is not None and trap in data:
            self.relay.trap = None
            self.doomed = True
        self._pass(self._to_server, data)

    def server_connected(self, server: Outgoing) -> None:
        """What came before can go now."""
        if self.transport is None or self.transport.disconnected:
            server.transport.abortConnection()
            return
        self.server = server
        self.flush()

    def server_data(self, data: bytes) -> None:
        """From the server."""
        if self.doomed:
            self.relay.cuts += 1
            self.cut()
            trapped, self.relay.trapped = self.relay.trapped, None
            if trapped is not None:
                trapped.callback(None)
        else:
            self._pass(self._to_client, data)

    def _pass(self, direction: list[bytes], data: bytes) -> None:
        direction.append(data)
        if self.relay.delay:
            self.relay.reactor.callLater(self.relay.delay, self.flush)
        else:
            self.flush()

    def flush(self) -> None:
        """Forward what is held, unless everything is to be silent."""
        if self.relay.silent or self.server is None:
            return
        if self._to_server:
            self.server.transport.write(b"".join(self._to_server))
            self._to_server.clear()
        if self._to_client:
            self.transport.write(b"".join(self._to_client))
            self._to_client.clear()

    def cut(self) -> None:
        """End both sides."""
        self.transport.abortConnection()
        if self.server is not None:
            self.server.transport.abortConnection()

    def connectionLost(self, reason: Any = None) -> None:
        if self.server is not None:
            self.server.transport.abortConnection()
        self.relay.ended(self)


class _OutgoingFactory(Factory):
    noisy = False

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming

    def buildProtocol(self, addr: Any) -> Protocol:
        return Outgoing(self._incoming)


class Outgoing(Protocol):
    """The server's side of a connection."""

    transport: Any

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming

    def connectionMade(self) -> None:
        self._incoming.server_connected(self)

    def dataReceived(self, data: bytes) -> None:
        self._incoming.server_data(data)

    def connectionLost(self, reason: Any = None) -> None:
        self._incoming.transport.abortConnection()
