"""
Connections to Redis on txredisapi: the conversation that opens one, and where a Sentinel's master is.

txredisapi gives up for ever when the server does not answer the opening
conversation; here a failure only ends the connection, and the next attempt is
made.
"""

from __future__ import annotations

from typing import Any, Protocol

import txredisapi
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from zope.interface import implementer

from wildduck import limits
from wildduck.database.redis_address import RedisAddress
from wildduck.errors import ConfigurationError, Unavailable

_log = Logger()


class Owner(Protocol):
    """Whom connections report to."""

    def connected(self, connection: Any) -> None: ...
    def disconnected(self, connection: Any) -> None: ...
    def refused(self) -> None: ...


class Opening:
    """
    The opening conversation: sign in, select the database, be sure of the master.

    Mixed into txredisapi's protocols, before them.
    """

    owner: Owner
    address: RedisAddress

    def connectionMade(self) -> None:
        Deferred.fromCoroutine(self._open()).addErrback(self._failed)

    async def _open(self) -> None:
        address = self.address
        if address.password:
            user = (address.username,) if address.username else ()
            try:
                await self.execute_command("AUTH", *user, address.password)  # type: ignore[attr-defined]
            except txredisapi.ResponseError:
                self.owner.refused()
                raise
        if address.db:
            await self.execute_command("SELECT", address.db)  # type: ignore[attr-defined]
        if address.service:
            role = await self.execute_command("ROLE")  # type: ignore[attr-defined]
            if role[0] != b"master":
                raise Unavailable()
        # What the server refuses to those who are not let in.
        try:
            await self.execute_command("PING")  # type: ignore[attr-defined]
        except txredisapi.ResponseError as error:
            if str(error).startswith("NOAUTH"):
                self.owner.refused()
            raise
        super().connectionMade()  # type: ignore[misc]
        self.owner.connected(self)

    def _failed(self, failure: Any) -> None:
        _log.info(
            "connection to Redis {address} failed: {kind}",
            address=self.address.label,
            kind=failure.type.__name__,
        )
        self.transport.loseConnection()  # type: ignore[attr-defined]

    def connectionLost(self, reason: Any) -> None:
        self.owner.disconnected(self)
        super().connectionLost(reason)  # type: ignore[misc]


class CommandConnection(Opening, txredisapi.RedisProtocol):
    """Carries commands, pipelined."""


class ListeningConnection(Opening, txredisapi.SubscriberProtocol):
    """Carries subscriptions; L{owner} has a C{heard(channel, payload)}."""

    def messageReceived(self, pattern: Any, channel: bytes, message: bytes) -> None:
        self.owner.heard(channel.decode("utf-8", "replace"), message)  # type: ignore[attr-defined]


class ConnectionFactory(txredisapi.RedisFactory):
    """
    One connection, made again whenever it is lost.

    Times in seconds, as txredisapi's names have them.
    """

    initialDelay = 0.1
    maxDelay = 1.0

    def __init__(self, protocol: type, owner: Owner, address: RedisAddress) -> None:
        super().__init__(None, None, 1, isLazy=True, charset=None, convertNumbers=False)
        self._kind = protocol
        self._owner = owner
        self._address = address

    def buildProtocol(self, addr: Any) -> Any:
        connection = self._kind(charset=None, convertNumbers=False, replyTimeout=limits.REDIS_SECONDS)
        connection.factory = self
        connection.owner = self._owner
        connection.address = self._address
        connection.whenConnected().addCallback(self._connectionReady)
        return connection


def require_hiredis() -> None:
    """
    @raise ConfigurationError: the parser in C is missing (ten times slower, anchors/performance.md §3.5).
    """
    if txredisapi.hiredis is None:
        raise ConfigurationError("the Python package hiredis is required")


def endpoint(reactor: Any, address: RedisAddress) -> Any:
    """@return: L{IStreamClientEndpoint} of the Redis to work with."""
    if address.path:
        return UNIXClientEndpoint(reactor, address.path, timeout=limits.REDIS_SECONDS)
    if address.service:
        return _SentinelEndpoint(reactor, address)
    return _host_endpoint(reactor, address, *address.hosts[0])


def _host_endpoint(reactor: Any, address: RedisAddress, host: str, port: int) -> Any:
    plain = HostnameEndpoint(reactor, host, port, timeout=limits.REDIS_SECONDS)
    return wrapClientTLS(address.secure.creator(host), plain) if address.secure else plain


class _SentinelFactory(Factory):
    """One question to a sentinel."""

    noisy = False

    def buildProtocol(self, addr: Any) -> Any:
        return txredisapi.RedisProtocol(charset=None, convertNumbers=False, replyTimeout=limits.REDIS_SECONDS)


@implementer(IStreamClientEndpoint)
class _SentinelEndpoint:
    """Asks the sentinels for the master before every attempt; the one that answered is asked first."""

    def __init__(self, reactor: Any, address: RedisAddress) -> None:
        self._reactor = reactor
        self._address = address
        self._hosts = list(address.hosts)

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: Any) -> Any:
        for sentinel in list(self._hosts):
            try:
                master = await self._ask(*sentinel)
            except Exception as error:
                _log.info(
                    "sentinel {host} does not answer: {kind}", host=sentinel[0], kind=type(error).__name__
                )
                continue
            if master is None:
                continue
            self._hosts.remove(sentinel)
            self._hosts.insert(0, sentinel)
            return await _host_endpoint(self._reactor, self._address, *master).connect(factory)
        raise Unavailable()

    async def _ask(self, host: str, port: int) -> tuple[str, int] | None:
        """One sentinel's answer; C{None} when it does not know the service."""
        factory = _SentinelFactory()
        connection = await _host_endpoint(self._reactor, self._address, host, port).connect(factory)
        try:
            if self._address.sentinel_password:
                await connection.execute_command("AUTH", self._address.sentinel_password)
            reply = await connection.execute_command(
                "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._address.service
            )
        finally:
            connection.transport.loseConnection()
        return (reply[0].decode("ascii"), int(reply[1])) if reply else None
