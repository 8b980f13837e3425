"""A listener's side of L{wildduck.network.connection.Connection}: its settings and its open connections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Factory

from wildduck import limits
from wildduck.network.address import Networks
from wildduck.network.registry import Registry


class ConnectionFactory(Factory):
    """
    Base of the faces' factories.

    The factory is listened with on a plain TCP (or UNIX) endpoint always: TLS,
    also that from the first byte, is put on by the connection, for a PROXY
    header comes before it.

    @cvar protocol: the face's subclass of C{Connection}, made without arguments
        by C{buildProtocol}, which sets its C{factory}.
    @ivar clock: all timers of the connections.
    @ivar tls_options: for C{transport.startTLS}, e.g. C{ssl.CertificateOptions};
        C{None}: no TLS here.
    @ivar implicit_tls: TLS from the first byte (RFC 8314 §3).
    @ivar proxies: peers that must send a PROXY header; from others none is understood.
    @ivar loopback_is_secure: peers on this machine, judged after PROXY, count as secure.
    @ivar connections: all that are open.
    @ivar draining: no new work is begun.
    """

    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        *,
        tls_options: Any = None,
        implicit_tls: bool = False,
        proxies: Sequence[str] = (),
        loopback_is_secure: bool = True,
        registry: Registry | None = None,
    ) -> None:
        """
        @param proxies: addresses and networks.
        @param registry: shared by the factories of a worker; C{None}: an own one.
        """
        if implicit_tls and tls_options is None:
            raise ValueError("implicit TLS needs tls_options")
        self.clock = clock
        self.tls_options = tls_options
        self.implicit_tls = implicit_tls
        self.proxies = Networks(proxies)
        self.loopback_is_secure = loopback_is_secure
        self.registry = registry or Registry()
        self.connections: set[Any] = set()
        self.draining = False
        self._drained: list[Deferred[None]] = []

    def drain(self) -> Deferred[None]:
        """
        Let each connection end: those with work in hand after it, others at once.

        Stop listening first.  What has not ended after L{limits.DRAIN_SECONDS} is
        cut off.

        @return: fires when no connection is left; any number of calls is fine.
        """
        done: Deferred[None] = Deferred()
        self._drained.append(done)
        if not self.draining:
            self.draining = True
            self._cut = self.clock.callLater(limits.DRAIN_SECONDS, self._abort_all)
            for connection in list(self.connections):
                connection.drain()
        self._check_drained()
        return done

    def forget(self, connection: Any) -> None:
        """A connection is over (called by it)."""
        self.connections.discard(connection)
        self._check_drained()

    def _abort_all(self) -> None:
        for connection in list(self.connections):
            connection.abort()

    def _check_drained(self) -> None:
        if self.connections or not self._drained:
            return
        if self._cut.active():
            self._cut.cancel()
        waiting, self._drained = self._drained, []
        for done in waiting:
            done.callback(None)
