"""
One client connection of a mail face, with what IMAP, POP3 and LMTP share.

A face subclasses L{Connection} and implements the hooks C{opened}, C{received},
C{input_ended}, C{timed_out}, C{drain}, C{refuse} and C{closed}; it reads from C{self.framer}
and writes with C{send} and C{drained}.  Everything else (PROXY, TLS,
back-pressure in both directions, time-outs, limits) happens here.
"""

from __future__ import annotations

import base64
import os
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IHalfCloseableProtocol,
    IHandshakeListener,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from wildduck import limits
from wildduck.errors import ProtocolError
from wildduck.network.address import NetworkAddress
from wildduck.network.deflate import Inflater
from wildduck.network.framer import Framer
from wildduck.network.outlet import Outlet
from wildduck.network.proxy import ProxyHeader

#: Inflated pieces that are delivered in one turn of the reactor: some milliseconds.
_PIECES = 8


@implementer(IHandshakeListener, IHalfCloseableProtocol)
class Connection(Protocol):
    """
    Order of events: (PROXY header), (TLS handshake), L{opened}, then L{received}
    whenever bytes were added to the framer, and L{closed} once at the end (also
    when L{opened} never came).

    @ivar factory: the L{wildduck.network.factory.ConnectionFactory}.
    @ivar clock: the factory's.
    @ivar framer: received bytes that are not yet consumed.
    @ivar session: id of this connection for logs and greetings, 16 characters a-z2-7.
    @ivar peer: the client's address, after PROXY.
    @ivar local: the address it connected to, after PROXY.
    @ivar tls_active: TLS is on, or its handshake has begun: nothing is read or
        sent in plain text any more.
    @ivar paused: L{received} is not called, see L{pause}.
    @ivar is_open: between L{opened} and L{lose}, L{abort} or L{closed}.
    """

    log = Logger()
    factory: Any
    transport: Any

    def __init__(self) -> None:
        self.framer = Framer()
        self.session = base64.b32encode(os.urandom(10)).decode("ascii").lower()
        self.peer = self.local = NetworkAddress("")
        self.tls_active = False
        self.paused = False
        self.is_open = False
        self._ended = False  # lose() or abort() was called, or the connection is lost
        self._peer_known = True
        self._handshake_done = False
        self._delivering = False
        self._reading_stopped = False
        self._input_ended = False
        self._choked = False  # the client does not read what we send
        self._proxy: ProxyHeader | None = None
        self._entered = self._claimed = False
        self._outlet: Outlet | None = None
        self._inflater: Inflater | None = None
        self._turn: IDelayedCall | None = None
        self._step_timer: IDelayedCall | None = None
        self._idle_timer: IDelayedCall | None = None
        self._idle_seconds: float | None = None
        self._active_at = 0.0

    # --- what the face implements ----------------------------------------------

    def opened(self) -> None:
        """The client may be greeted.  TLS from the first byte is established."""

    def received(self) -> None:
        """
        C{self.framer} has new bytes.

        Consume until the framer has no whole line more, or C{self.paused} is
        set, or not C{self.is_open}.  Never called again while it runs, nor while
        paused, nor while the client leaves L{limits.WRITE_BUFFER} bytes of
        answers unread; afterwards it is called when bytes are left.
        """

    def input_ended(self) -> None:
        """
        The client has closed its sending side (as C{nc} does), or all of it, and
        all that it sent has been L{received}: what it still waits for may be
        sent, then L{lose}.  Over TLS this does not come, but L{closed}.
        """
        self.lose()

    def timed_out(self) -> None:
        """The client was silent for the time of L{set_timeout}: say so and L{lose}."""
        self.lose()

    def drain(self) -> None:
        """The server shuts down: end when the work in hand is done, at once if there is none."""
        self.lose()

    def refuse(self, reason: str) -> None:
        """
        The client is not served (too many connections, or shutting down): one
        line may be sent, then the connection is closed.  Not called when TLS
        would have to come first.
        """

    def closed(self, reason: Failure) -> None:
        """The connection is lost, whoever ended it; also while paused.  Sending is without effect by now."""

    # --- what the face uses ------------------------------------------------------

    @property
    def clock(self) -> Any:
        """The factory's clock (L{twisted.internet.interfaces.IReactorTime})."""
        return self.factory.clock

    @property
    def secure(self) -> bool:
        """Passwords may be sent: TLS, or a client on this machine where the settings trust it."""
        if self._handshake_done:
            return True
        return bool(self.factory.loopback_is_secure and self._peer_known and self.peer.is_local)

    @property
    def can_start_tls(self) -> bool:
        """STARTTLS can be offered."""
        return self.factory.tls_options is not None and not self.tls_active

    def send(self, data: bytes) -> None:
        """
        Send bytes; small pieces of one reactor iteration leave together.

        Never blocks and never raises; after the end it does nothing.  Who sends
        more than a few lines awaits L{drained} between the pieces.
        """
        if self._outlet is not None:
            self._outlet.send(data)

    def flush(self) -> None:
        """What was sent need not wait for the end of the reactor's iteration: nothing goes with it."""
        if self._outlet is not None:
            self._outlet.flush()

    async def drained(self) -> None:
        """
        Return when less than L{limits.WRITE_BUFFER} bytes are unsent, mostly at once.

        A peer that takes nothing for L{limits.WRITE_STALL_SECONDS} is cut off.

        @raise twisted.internet.error.ConnectionLost: the connection is over, or
            ends while waiting.
        """
        assert self._outlet is not None, "not connected"
        await self._outlet.drained()

    @property
    def unsent(self) -> int:
        """Bytes held back because the peer reads too slowly; 0 while it keeps up."""
        return 0 if self._outlet is None else self._outlet.waiting

    @property
    def choked(self) -> bool:
        """The client reads so slowly that what is sent now would have to wait."""
        return self._outlet is not None and self._outlet.busy

    def pause(self) -> None:
        """
        Take nothing more from the client until L{resume}.

        What has come already stays in the framer; so does what still comes, up to
        L{limits.READ_AHEAD}, and only then the transport is paused (which costs
        system calls that a client waiting for its answer makes needless, and
        would hide from us that it has gone).  The idle time-out does not run
        meanwhile.
        """
        self.paused = True

    def resume(self) -> None:
        """
        Read again, and call L{received} when bytes are left over (at once, unless called from it).

        No-op when not paused or after the end.
        """
        if not self.paused or self._ended:
            return
        self.paused = False
        self._active_at = self.clock.seconds()
        self._go_on()

    def set_timeout(self, seconds: float | None) -> None:
        """
        Call L{timed_out} when nothing was received or taken by the client for
        this long.  Replaces the former time-out; C{None}: none.
        """
        self._idle_seconds = seconds
        self._active_at = self.clock.seconds()
        _cancel(self._idle_timer)
        self._idle_timer = None
        if seconds is not None and not self._ended:
            self._idle_timer = self.clock.callLater(seconds, self._idle_check)

    def start_tls(self) -> None:
        """
        Begin TLS, after the plain-text reply that announces it was sent.

        Everything received in plain text and not yet consumed is thrown away
        (RFC 3207 §4.2, RFC 3501 §6.2.1; response and command injection), also what
        came in the same segment.  A handshake that takes longer than
        L{limits.TLS_HANDSHAKE_SECONDS} ends the connection.
        """
        assert self.can_start_tls and self._outlet is not None, "TLS is not available here"
        self.framer.clear()
        self.tls_active = True
        self._set_step_timer(limits.TLS_HANDSHAKE_SECONDS)
        self._outlet.restart(lambda: self.transport.startTLS(self.factory.tls_options))

    @property
    def compressed(self) -> bool:
        """L{start_deflate} was called, and L{end_deflate} was not."""
        return self._inflater is not None

    def start_deflate(self) -> None:
        """
        Compress what is sent from now on and inflate what comes (RFC 4978 §3).

        What has come already and was not consumed counts as compressed: the
        client was to wait.  While L{pause}d nothing is inflated.
        """
        assert self._outlet is not None and self._inflater is None, "compressed already"
        self._outlet.deflate(True)
        self._inflater = Inflater()
        self._inflater.feed(self.framer.take(self.framer.buffered))
        self._inflate_later()

    def end_deflate(self) -> None:
        """Send and read plain bytes again (RFC 8437 §4.1); no-op where nothing is compressed."""
        inflater, self._inflater = self._inflater, None
        if inflater is not None and self._outlet is not None:
            self._outlet.deflate(False)
            self.framer.feed(inflater.end())

    def lose(self) -> None:
        """
        Close after everything was sent; nothing is received any more.

        What the client still sends is read and dropped for a while, so that it
        gets our last line and not a connection reset.
        """
        if self._ended or self._outlet is None:
            return
        self._end()
        self._outlet.finish()
        self.transport.resumeProducing()  # to see the client's close
        close_writing = getattr(self.transport, "loseWriteConnection", None)  # TCP and UNIX sockets have it
        if close_writing is not None and not self.tls_active and not self._input_ended:
            close_writing()
        else:
            self.transport.loseConnection()  # TLS: tells the client, and waits for its answer
        self._step_timer = self.clock.callLater(self._close_seconds(), self._close_overdue)

    def abort(self) -> None:
        """Close at once; what is unsent is lost."""
        self._end()
        if self._outlet is not None:
            self._outlet.close()
        if self.transport is not None:
            self.transport.abortConnection()

    # --- what Twisted calls --------------------------------------------------------

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
            self.transport.setTcpKeepAlive(True)
        self.factory.connections.add(self)
        self.peer = NetworkAddress.from_twisted(self.transport.getPeer())
        self.local = NetworkAddress.from_twisted(self.transport.getHost())
        self._outlet = Outlet(self.transport, self.clock, self._stalled)
        self._entered = self.factory.registry.enter()
        if not self._entered:
            self._refused("Too many connections")
        elif self.factory.draining:
            self._refused("The server is shutting down")
        elif self.peer in self.factory.proxies:
            self._proxy = ProxyHeader()
            self._set_step_timer(limits.PROXY_SECONDS)
        else:
            self._peer_is_known()

    def dataReceived(self, data: bytes) -> None:
        if self._ended:
            return
        self._active_at = self.clock.seconds()
        if self._proxy is not None:
            self._proxy_received(data)
            return
        if self._inflater is not None:
            self._inflater.feed(data)
            if self._turn is None:
                self._inflate()
            return
        self.framer.feed(data)
        self._deliver()
        if self._waits and self.framer.buffered >= limits.READ_AHEAD:
            self._stop_reading()

    def handshakeCompleted(self) -> None:
        if self._ended:
            return
        self._handshake_done = True
        self._set_step_timer(None)
        if not self.is_open:
            self._open()

    def readConnectionLost(self) -> None:
        """The client sends no more (L{IHalfCloseableProtocol})."""
        self._input_ended = True
        if self._ended:
            self.transport.loseConnection()  # ours was closed before: now all is
        elif not self.is_open:
            self.abort()
        else:
            self._check_input()

    def writeConnectionLost(self) -> None:
        """Our sending side is closed, after L{lose} (L{IHalfCloseableProtocol})."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._end()
        if self._outlet is not None:
            self._outlet.close()
        if self._entered:
            self.factory.registry.leave()
        if self._claimed:
            self.factory.registry.release(self.peer)
        self._entered = self._claimed = False
        try:
            self.closed(reason)
        finally:
            self.factory.forget(self)

    # --- steps -----------------------------------------------------------------------

    def _proxy_received(self, data: bytes) -> None:
        assert self._proxy is not None
        try:
            result = self._proxy.feed(data)
        except ProtocolError as error:
            self.log.warn("bad PROXY header from {peer}: {error}", peer=self.peer, error=error)
            self.abort()
            return
        if result is None:
            return
        self._proxy = None
        self._set_step_timer(None)
        if result.source is None or result.destination is None:
            self._peer_known = False  # whoever it is, not known to be local
        else:
            self.peer, self.local = result.source, result.destination
        self._peer_is_known()
        if result.rest and not self._ended:
            # With TLS the rest belongs to the layer that now lies below us.
            (self.transport.protocol if self.tls_active else self).dataReceived(result.rest)

    def _peer_is_known(self) -> None:
        self._claimed = self.factory.registry.claim(self.peer)
        if not self._claimed:
            self._refused("Too many connections from your address")
        elif self.factory.implicit_tls:
            self.start_tls()
        else:
            self._open()

    def _open(self) -> None:
        self.is_open = True
        self.opened()

    def _refused(self, reason: str) -> None:
        self.log.info("connection from {peer} refused: {reason}", peer=self.peer, reason=reason)
        if self.factory.implicit_tls:
            self.abort()
        else:
            self.refuse(reason)
            self.lose()

    @property
    def _waits(self) -> bool:
        """Nothing is taken from the client now."""
        return self.paused or self._choked

    def _stop_reading(self) -> None:
        if not self._reading_stopped:
            self._reading_stopped = True
            self.transport.pauseProducing()

    def _inflate(self) -> None:
        """
        Deliver what comes compressed, some pieces in a turn.

        Nothing more is read meanwhile, so that no more than one read waits here.
        """
        self._turn = None
        for _ in range(_PIECES):
            if self._inflater is None or self._ended or self._waits:
                break
            try:
                data = self._inflater.take(limits.INFLATED_PIECE)
            except ProtocolError as error:
                self.log.info("{peer} is cut off: {error}", peer=self.peer, error=error, session=self.session)
                self.abort()
                return
            if not data:
                break
            self.framer.feed(data)
            self._deliver()
        self._inflate_later()

    def _inflate_later(self) -> None:
        """Go on inflating in another turn, when nothing stands in the way, or read more."""
        if self._ended or self._inflater is None:
            return
        if not self._inflater.waiting:
            self._start_reading()
            self._check_input()
            return
        self._stop_reading()
        if not self._waits and self._turn is None:
            self._turn = self.clock.callLater(0, self._inflate)

    def _start_reading(self) -> None:
        if self._reading_stopped:
            self._reading_stopped = False
            self.transport.resumeProducing()

    def _deliver(self) -> None:
        """Call L{received}, never from within it, unless a handler or the client must be waited for."""
        if self._delivering or self.paused or self._choked or not self.is_open:
            return
        if self.unsent >= limits.WRITE_BUFFER:
            # Who does not read the answers gets no more of them made.
            self._choked = True
            Deferred.fromCoroutine(self.drained()).addCallbacks(self._unchoke, lambda _: None)
            return
        self._delivering = True
        try:
            self.received()
        except Exception:
            self.log.failure("{protocol} failed", protocol=type(self).__name__)
            self.abort()
        finally:
            self._delivering = False
        self._check_input()

    def _check_input(self) -> None:
        """Tell the end of the input when nothing keeps us from having seen all of it."""
        if not self._input_ended or not self.is_open or self._delivering or self._waits:
            return
        if self._inflater is None or not self._inflater.waiting:
            self.input_ended()

    def _unchoke(self, _: None) -> None:
        self._choked = False
        self._go_on()

    def _go_on(self) -> None:
        """Read and deliver again, if nothing else stands in the way."""
        if self._ended or self._waits:
            return
        if self._inflater is not None:
            if self.framer.buffered:
                self._deliver()
            self._inflate_later()
            return
        self._start_reading()
        if self.framer.buffered:
            self._deliver()
        else:
            self._check_input()

    def _end(self) -> None:
        self._ended = True
        self.is_open = False
        self._proxy = None
        self.framer.clear()
        self._inflater = None
        for timer in (self._step_timer, self._idle_timer, self._turn):
            _cancel(timer)
        self._step_timer = self._idle_timer = self._turn = None

    # --- timers ------------------------------------------------------------------------

    def _set_step_timer(self, seconds: float | None) -> None:
        """Deadline of the PROXY header or the TLS handshake."""
        _cancel(self._step_timer)
        self._step_timer = None
        if seconds is not None:
            self._step_timer = self.clock.callLater(seconds, self._step_overdue)

    def _step_overdue(self) -> None:
        self._step_timer = None
        self.abort()

    def _close_seconds(self) -> float:
        """A server that shuts down has less time than clients like to take."""
        return limits.DRAIN_CLOSE_SECONDS if self.factory.draining else limits.CLOSE_SECONDS

    def _close_overdue(self) -> None:
        self._step_timer = None
        if self._outlet is not None and self._outlet.progressed():
            self._step_timer = self.clock.callLater(self._close_seconds(), self._close_overdue)
        else:
            self.abort()

    def _stalled(self) -> None:
        self.log.info("{peer} takes nothing any more, cut off", peer=self.peer, session=self.session)
        self.abort()

    def _idle_check(self) -> None:
        """Looks at the time of the last activity, which is cheaper than moving a timer with each byte."""
        self._idle_timer = None
        if self._idle_seconds is None or self._ended:
            return
        now = self.clock.seconds()
        if self.paused or (self._outlet is not None and self._outlet.busy):
            self._active_at = now
        elif self._outlet is not None:
            self._active_at = max(self._active_at, self._outlet.taken_at)
        left = self._active_at + self._idle_seconds - now
        if left > 0:
            self._idle_timer = self.clock.callLater(left, self._idle_check)
        else:
            self.timed_out()


def _cancel(timer: IDelayedCall | None) -> None:
    if timer is not None and timer.active():
        timer.cancel()
