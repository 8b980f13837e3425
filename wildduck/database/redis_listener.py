"""The subscribing connection to Redis: made on first use, and made again with all its channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from wildduck import limits
from wildduck.database.redis_address import RedisAddress
from wildduck.database.redis_connection import ConnectionFactory, ListeningConnection
from wildduck.errors import Unavailable


class _Channel:
    """
    @ivar subscriptions: (what is called with a payload, what when it is confirmed).
    @ivar confirmed: the server has confirmed it on the present connection.
    @ivar waiting: fire when it is confirmed.
    """

    def __init__(self) -> None:
        self.subscriptions: list[tuple[Callable[[bytes], None], Callable[[], None] | None]] = []
        self.confirmed = False
        self.waiting: list[Deferred[None]] = []


class Listener:
    """A channel once heard stays subscribed until L{close}: there are few, and their names are fixed."""

    log = Logger()

    def __init__(self, address: RedisAddress, reactor: Any, endpoint: Any) -> None:
        self._reactor = reactor
        self._endpoint = endpoint
        self._factory = ConnectionFactory(ListeningConnection, self, address)
        self._started = False
        self._connection: Any = None
        self._channels: dict[str, _Channel] = {}

    def subscribe(
        self, name: str, callback: Callable[[bytes], None], on_confirmed: Callable[[], None] | None
    ) -> Callable[[], None]:
        """See L{wildduck.database.Redis.subscribe}."""
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = _Channel()
            self._ask(name, channel)
        entry = (callback, on_confirmed)
        channel.subscriptions.append(entry)
        if not self._started:
            self._started = True
            self._factory.startConnecting(self._endpoint)

        def end() -> None:
            if entry in channel.subscriptions:
                channel.subscriptions.remove(entry)

        return end

    async def subscribed(self, name: str) -> None:
        """See L{wildduck.database.Redis.subscribed}."""
        channel = self._channels[name]
        if channel.confirmed:
            return
        confirmed: Deferred[None] = Deferred()
        channel.waiting.append(confirmed)
        timer = self._reactor.callLater(limits.REDIS_SECONDS, confirmed.cancel)
        try:
            await confirmed
        except Exception:
            raise Unavailable() from None
        finally:
            if timer.active():
                timer.cancel()
            if confirmed in channel.waiting:
                channel.waiting.remove(confirmed)

    def ping(self) -> None:
        """Ask for a sign of life; without one the connection is cut."""
        if self._connection is not None:
            self._connection.execute_command("PING").addErrback(lambda _: None)

    def close(self) -> Deferred[Any]:
        """End all subscriptions."""
        if not self._started:
            return succeed(None)
        if self._connection is not None:
            self._connection.transport.abortConnection()
        return self._factory.disconnect()  # type: ignore[no-any-return]

    # --- what the connection tells ---------------------------------------------------

    def connected(self, connection: Any) -> None:
        """A connection is open: subscribe to everything."""
        self._connection = connection
        for name, channel in self._channels.items():
            self._ask(name, channel)

    def disconnected(self, connection: Any) -> None:
        """From now on messages are missed."""
        if connection is self._connection:
            self._connection = None
            for channel in self._channels.values():
                channel.confirmed = False

    def refused(self) -> None:
        """The connection for commands, which is made first, tells the operator."""

    def _ask(self, name: str, channel: _Channel) -> None:
        connection = self._connection
        if connection is None:
            return
        asked = connection.execute_command("SUBSCRIBE", name)
        asked.addCallbacks(
            lambda _: self._confirmed(connection, channel), lambda _: self._unconfirmed(connection)
        )

    def _unconfirmed(self, connection: Any) -> None:
        """Refused or not answered: a connection that hears nothing is of no use, try another."""
        connection.transport.abortConnection()

    def _confirmed(self, connection: Any, channel: _Channel) -> None:
        if connection is not self._connection:
            return
        channel.confirmed = True
        for _, on_confirmed in list(channel.subscriptions):
            if on_confirmed is not None:
                self._call(on_confirmed)
        waiting, channel.waiting = channel.waiting, []
        for confirmed in waiting:
            confirmed.callback(None)

    def heard(self, name: str, payload: bytes) -> None:
        """A message arrived."""
        channel = self._channels.get(name)
        if channel is not None:
            for callback, _ in list(channel.subscriptions):
                self._call(callback, payload)

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        """One listener's failure is not another's."""
        try:
            function(*arguments)
        except Exception:
            self.log.failure("a listener of Redis failed")
