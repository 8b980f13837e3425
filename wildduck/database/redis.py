"""Redis: commands with a deadline, scripts by their digest, and subscriptions that come back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import txredisapi
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from wildduck import limits
from wildduck.database import redis_address
from wildduck.database.redis_connection import CommandConnection, ConnectionFactory, endpoint, require_hiredis
from wildduck.database.redis_listener import Listener
from wildduck.database.scripts import SCRIPTS
from wildduck.errors import ConfigurationError, Overloaded, Unavailable

#: The server is a replica now, or about to be something else: connect anew.
_MOVED = ("READONLY", "MASTERDOWN", "LOADING", "NOAUTH")


class Redis:
    """
    One Redis.  Nothing is sent twice.

    Every method raises L{Unavailable}: at once while there is no
    connection, after C{limits.REDIS_SECONDS} without an answer (and then the
    connection is cut), or when the server refuses the command.

    @ivar clock: the reactor.
    """

    log = Logger()

    def __init__(self, address: redis_address.RedisAddress, reactor: Any) -> None:
        self.clock = reactor
        self._address = address
        self._endpoint = endpoint(reactor, address)
        self._factory = ConnectionFactory(CommandConnection, self, address)
        self._connection: Any = None
        self._was_refused = False
        self._closing = False
        self._ready: Deferred[None] = Deferred()
        self._waiting = 0
        self._on_connected: list[Callable[[], None]] = []
        self._digests: dict[str, str] = {}
        self._listener = Listener(address, reactor, self._endpoint)
        self._pinging = LoopingCall(self._ping)
        self._pinging.clock = reactor

    # --- life --------------------------------------------------------------------

    @classmethod
    async def connect(cls, uri: str, reactor: Any) -> Redis:
        """
        Connect, and keep connecting until L{close}.

        @param uri: see L{wildduck.database.redis_address}.
        @raise ConfigurationError: with one line: malformed URI, unreachable, no entry.
        """
        require_hiredis()
        redis = cls(redis_address.parse(uri), reactor)
        try:
            await redis._start()
        except BaseException:
            await redis.close()
            raise
        return redis

    async def _start(self) -> None:
        self._factory.startConnecting(self._endpoint)
        timer = self.clock.callLater(limits.START_SECONDS, self._ready.cancel)
        try:
            await self._ready
        except Exception:
            raise ConfigurationError(f"Redis at {self._address.label} can not be reached") from None
        finally:
            if timer.active():
                timer.cancel()
        if self._connection is None:
            raise ConfigurationError(f"Redis at {self._address.label} refuses the name or password")
        self._pinging.start(limits.REDIS_PING_SECONDS, now=False)

    async def close(self) -> None:
        """Close the connections; what waits for an answer fails."""
        self._closing = True
        if self._pinging.running:
            self._pinging.stop()
        connection = self._connection
        if connection is not None:
            connection.transport.abortConnection()
        await gatherResults([self._factory.disconnect(), self._listener.close()], consumeErrors=True)

    @property
    def available(self) -> bool:
        """Whether there is a connection at the moment."""
        return self._connection is not None

    def connected(self, connection: Any) -> None:
        """The opening conversation of a new connection is done."""
        self._connection = connection
        self._was_refused = False
        self.log.info("connected to Redis {address}", address=self._address.label)
        self._fire_ready()
        for callback in self._on_connected:
            callback()

    def disconnected(self, connection: Any) -> None:
        """A connection, opened or not, is gone."""
        if connection is self._connection:
            self._connection = None
            if not self._closing:
                self.log.info("no connection to Redis {address}", address=self._address.label)

    def refused(self) -> None:
        """The server does not accept our name and password."""
        if not self._was_refused:
            self.log.error("Redis {address} refuses the name or password", address=self._address.label)
        self._was_refused = True
        self._fire_ready()

    def _fire_ready(self) -> None:
        if not self._ready.called:
            self._ready.callback(None)

    def _ping(self) -> None:
        """A server that does not answer this loses the connection (its reply has a deadline)."""
        if self._connection is not None:
            self._connection.execute_command("PING").addErrback(lambda _: None)
        self._listener.ping()

    def when_connected(self, callback: Callable[[], None]) -> None:
        """Call this whenever the connection for commands is there again; it must not raise."""
        self._on_connected.append(callback)

    # --- commands ------------------------------------------------------------------

    async def execute(self, *args: bytes | str | int | float) -> Any:
        """
        Run a command.

        @return: C{bytes}, C{int}, C{None} or a list of these.
        """
        try:
            return await self._send(args)
        except txredisapi.ResponseError as error:
            raise self._refusal(error) from None

    async def _send(self, args: Sequence[bytes | str | int | float]) -> Any:
        """@raise txredisapi.ResponseError: the server refused."""
        connection = self._connection
        if connection is None:
            raise Unavailable()
        if self._waiting >= limits.REDIS_QUEUE:
            raise Overloaded()
        self._waiting += 1
        try:
            return await connection.execute_command(*args)
        except txredisapi.ResponseError:
            raise
        except txredisapi.RedisError:
            raise Unavailable() from None
        finally:
            self._waiting -= 1

    def _refusal(self, error: Exception) -> Unavailable:
        """The first word of a refusal is its kind; the rest may show keys and values."""
        kind = (str(error).split(None, 1) or [""])[0][:32]
        self.log.warn("Redis {address} refused a command: {kind}", address=self._address.label, kind=kind)
        if kind in _MOVED and self._connection is not None:
            self._connection.transport.loseConnection()
        return Unavailable()

    async def script(
        self,
        script: str,
        keys: Sequence[bytes | str] = (),
        args: Sequence[bytes | str | int | float] = (),
    ) -> Any:
        """
        Run a Lua script, by its SHA-1 where the server has it already.

        @param script: name of one in L{wildduck.database.scripts.SCRIPTS}, or the source itself.
        """
        source = SCRIPTS.get(script, script)
        digest = self._digests.get(source)
        if digest is None:
            # Not for security: it is what EVALSHA goes by.
            digest = hashlib.sha1(source.encode("utf-8"), usedforsecurity=False).hexdigest()
            self._digests[source] = digest
        try:
            return await self._send(("EVALSHA", digest, len(keys), *keys, *args))
        except txredisapi.ResponseError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise self._refusal(error) from None
        return await self.execute("EVAL", source, len(keys), *keys, *args)

    async def publish(self, channel: str, payload: bytes) -> None:
        """Send a message to all subscribers of a channel, on all databases of the server."""
        await self.execute("PUBLISH", channel, payload)

    # --- subscriptions -------------------------------------------------------------

    def subscribe(
        self,
        channel: str,
        callback: Callable[[bytes], None],
        on_confirmed: Callable[[], None] | None = None,
    ) -> Callable[[], None]:
        """
        Hear a channel from now on, over every loss of the connection.

        What is published while there is no connection is not heard.  Whenever the
        server has confirmed the channel, the first time too, C{on_confirmed} is
        called, and the caller must look for itself.

        @param callback: called with each payload; its exceptions are logged.
        @return: call it to end this subscription.
        """
        return self._listener.subscribe(channel, callback, on_confirmed)

    async def subscribed(self, channel: str) -> None:
        """
        Wait until the server has confirmed a channel that was given to L{subscribe}.

        @raise Unavailable: not within C{limits.REDIS_SECONDS}.
        """
        await self._listener.subscribed(channel)
