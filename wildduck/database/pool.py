"""
A few connections to one MongoDB, and the bounded queue in front of them.

Small pools for work of one kind: what is behind a slow command on a
connection waits for it (anchors/stack.md P9).  While there is no connection
an operation waits a short time and then fails, so nothing waits for ever and
memory stays flat (P10).
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from txmongo.connection import ConnectionPool

from wildduck import limits
from wildduck.database.address import Address
from wildduck.database.group import Line
from wildduck.database.secure import ManyHosts
from wildduck.database.wire import Answer, Request, Wire
from wildduck.errors import Overloaded, Unavailable


class _Queued:
    """
    A command that waits for room or for a connection.

    @ivar deferred: what the submitter waits for.
    """

    __slots__ = ("deadline", "deferred", "request", "sent", "timer")

    def __init__(self, pool: Pool, request: Request, deadline: float, seconds: float) -> None:
        self.request = request
        self.deadline = deadline
        self.sent: Deferred[Answer] | None = None
        self.deferred: Deferred[Answer] = Deferred(lambda _: self._cancelled(pool))
        self.timer: IDelayedCall = pool.clock.callLater(seconds, pool.expired, self)

    def _cancelled(self, pool: Pool) -> None:
        if self.sent is not None:
            self.sent.cancel()
        else:
            pool.forget(self)

    def send(self, wire: Wire) -> None:
        self.timer.cancel()
        self.sent = wire.send(self.request, self.deadline)
        self.sent.addCallbacks(self.deferred.callback, self.deferred.errback)

    def fail(self) -> None:
        """It was never sent, so it can not have been carried out."""
        if self.timer.active():
            self.timer.cancel()
        self.deferred.errback(Failure(Unavailable()))


class Pool:
    """
    @ivar address: where the connections lead.
    @ivar clock: the reactor.
    @ivar siblings: all pools of the same deployment, this one included.
    """

    log = Logger()

    def __init__(self, address: Address, size: int, depth: int, clock: Any) -> None:
        """
        @param size: connections.
        @param depth: commands on their way on each.
        """
        self.address = address
        self.clock = clock
        self._size = size
        self._depth = depth
        self.siblings: tuple[Pool, ...] = (self,)
        self._live: list[Wire] = []
        self._open: set[Wire] = set()
        self._watched: set[Any] = set()
        self._queue: deque[_Queued] = deque()
        self._down_since = 0.0
        self._refused = False
        self._closing = False
        self._ready: Deferred[None] | None = None
        self._closed: Deferred[None] | None = None
        self._txmongo: Any = None
        self._tls = ManyHosts(address.secure) if address.secure else None

    @property
    def label(self) -> str:
        """C{host:port,…}, for the log."""
        return self.address.label

    @property
    def let_in(self) -> bool:
        """Whether no connection was refused our name and password."""
        return not self._refused

    # --- life --------------------------------------------------------------------

    def start(self) -> None:
        """Connect, and keep connecting until L{close}."""
        self._down_since = self.clock.seconds()
        self._txmongo = ConnectionPool(
            self.address.for_txmongo(),
            pool_size=self._size,
            ssl_context_factory=self._tls,
            ping_interval=limits.MONGO_PING_SECONDS,
            ping_timeout=limits.MONGO_PING_SECONDS,
            # To txmongo this is also the time a connection and its hello may take...
            retry_delay=limits.MONGO_PING_SECONDS,
            # ...while the pause between attempts is the smaller of the two.
            max_delay=limits.RECONNECT_PAUSE_SECONDS,
        )
        for factory in self._txmongo.getprotocols():
            factory.noisy = False
            factory.protocol = partial(Wire, self)
            self._watch(factory)

    def ready(self) -> Deferred[None]:
        """@return: fires when there is a connection, or when none was let in."""
        self._ready = Deferred()
        if self._live or self._refused:
            self._ready.callback(None)
        return self._ready

    def close(self) -> Deferred[None]:
        """
        Fail what waits and close the connections.

        @return: fires when they are closed.
        """
        self._closing = True
        while self._queue:
            self._queue.popleft().fail()
        if self._txmongo is None:
            return succeed(None)
        self._closed = Deferred()
        self._txmongo.disconnect()
        self.clock.callLater(0, self._abort)
        self._fire_closed()
        return self._closed

    def _abort(self) -> None:
        """A connection that has something to say to a silent server would be open for ever."""
        for wire in list(self._open):
            wire.transport.abortConnection()

    def _fire_closed(self) -> None:
        if self._closed is not None and not self._open and not self._closed.called:
            self._closed.callback(None)

    def any_connection(self) -> Wire | None:
        """A usable connection, to look at what its server said of itself."""
        return self._live[0] if self._live else None

    # --- what connections tell ------------------------------------------------------

    def connection_made(self, wire: Wire) -> None:
        """The transport is there; hello and sign-in follow."""
        self._open.add(wire)
        if self._tls is not None:
            peer = wire.transport.getPeer()
            self._tls.names.setdefault((peer.host, peer.port), wire.factory.connector.host)

    def unusable(self, wire: Wire) -> None:
        """Send nothing more on this connection."""
        if wire in self._live:
            self._live.remove(wire)
            if not self._live and not self._closing:
                self._down_since = self.clock.seconds()
                self.log.info("no connection to MongoDB {address}", address=self.label)

    def stepped_down(self, wire: Wire) -> None:
        """Its server is no longer the primary: every connection there is of no use, in other pools too."""
        for pool in self.siblings:
            for other in list(pool._live):
                if other.process == wire.process:
                    other.retire()
        wire.retire()

    def connection_lost(self, wire: Wire) -> None:
        """The transport is gone; its factory connects again."""
        self._open.discard(wire)
        if self._closing:
            self._fire_closed()
        else:
            self._watch(wire.factory)

    def refused(self, wire: Wire) -> None:
        """The server does not accept our name and password; they may be changed there."""
        if not self._refused:
            self.log.error("MongoDB {address} refuses the name or password", address=self.label)
        self._refused = True
        wire.factory.maxDelay = limits.REFUSED_PAUSE_SECONDS
        self._fire_ready()

    def _watch(self, factory: Any) -> None:
        # A connection that is lost before its hello was answered never was usable: the wait
        # for its factory still stands, and a second one would list the next connection twice.
        if factory not in self._watched:
            self._watched.add(factory)
            factory.notifyReady().addCallbacks(self._usable, lambda _: self._watched.discard(factory))

    def _usable(self, factory: Any) -> None:
        self._watched.discard(factory)
        wire = factory.instance
        if wire.refused or self._closing:
            return
        if not self._live:
            self.log.info("connected to MongoDB {address}", address=self.label)
        self._refused = False
        factory.maxDelay = limits.RECONNECT_PAUSE_SECONDS
        self._live.append(wire)
        self._fire_ready()
        self.freed()

    def _fire_ready(self) -> None:
        if self._ready is not None and not self._ready.called:
            self._ready.callback(None)

    # --- commands ----------------------------------------------------------------

    def submit(
        self, request: Request, deadline: float, patient: bool = False, line: Line | None = None
    ) -> Deferred[Answer]:
        """
        Send a command, now or when there is room.

        @param deadline: in seconds of the reactor's clock.
        @param patient: wait for a connection until the deadline, not only a
            short time: for a command whose first try may have been carried out.
        @param line: send it behind those that went this way before.
        @return: fails with L{Unavailable}, or L{Overloaded} when the queue is full.
        """
        wire = line.wire(self) if line is not None else None
        if wire is None and not self._queue:
            wire = self._with_room()
        if wire is not None:
            if line is not None:
                line.begin(wire)
            return wire.send(request, deadline)
        return self._enqueue(request, deadline, patient)

    def _with_room(self) -> Wire | None:
        """The least loaded connection that takes another command."""
        best = None
        for wire in self._live:
            if wire.has_room(self._depth) and (best is None or wire.load < best.load):
                best = wire
        return best

    def _enqueue(self, request: Request, deadline: float, patient: bool) -> Deferred[Answer]:
        if len(self._queue) >= limits.DATABASE_QUEUE:
            return fail(Overloaded())
        until = deadline
        if not self._live and not patient:
            until = min(deadline, self._down_since + limits.RECONNECT_SECONDS)
        now = self.clock.seconds()
        if self._closing or until <= now:
            return fail(Unavailable())
        queued = _Queued(self, request, deadline, until - now)
        self._queue.append(queued)
        return queued.deferred

    def forget(self, queued: _Queued) -> None:
        """Nobody waits for it any more."""
        queued.timer.cancel()
        self._queue.remove(queued)

    def expired(self, queued: _Queued) -> None:
        """It has waited for as long as it may."""
        self._queue.remove(queued)
        queued.fail()

    def freed(self) -> None:
        """There may be room for what waits."""
        while self._queue:
            wire = self._with_room()
            if wire is None:
                return
            self._queue.popleft().send(wire)
