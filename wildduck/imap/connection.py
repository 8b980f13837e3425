"""An IMAP connection: joins transport, grammar, scheduler and session."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from wildduck import limits
from wildduck.imap.grammar.modes import Modes
from wildduck.imap.grammar.reader import BEFORE_LOGIN, SIGNED_IN, Reader
from wildduck.imap.grammar.responses import Condition
from wildduck.imap.scheduler import Scheduler
from wildduck.imap.session import Session
from wildduck.network.connection import Connection


class ImapConnection(Connection):
    """
    Implements L{wildduck.imap.session.Line}.

    Before sign-in the time-out runs from command to command, for a client that
    sends a byte now and then is not one that signs in, and all of them together
    have a deadline; afterwards it runs from byte to byte.
    """

    factory: Any

    def __init__(self) -> None:
        super().__init__()
        self._reader: Reader | None = None
        self._scheduler: Scheduler | None = None
        self._session: Session | None = None
        self._login_timer: IDelayedCall | None = None
        self._login_by = 0.0

    # --- hooks of Connection --------------------------------------------------------

    def opened(self) -> None:
        self._reader = Reader(self.framer)
        self._session = Session(self, self.factory.services)
        self._scheduler = Scheduler(self._session, self._reader)
        self._expect_login()
        self._session.respond(self._session.greeting())

    def received(self) -> None:
        assert self._scheduler is not None
        self._scheduler.pump()

    def timed_out(self) -> None:
        assert self._session is not None and self._scheduler is not None
        if self._scheduler.waits_for_client:
            self._session.bye("Idle for too long")
        else:
            self.set_timeout(limits.IMAP_IDLE_SECONDS)

    def drain(self) -> None:
        if self._scheduler is not None:
            self._scheduler.drain()
        else:
            self.lose()

    def refuse(self, reason: str) -> None:
        self.send(Condition("BYE", reason).compose())

    def closed(self, reason: Failure) -> None:
        self._stop_login_timer()
        if self._scheduler is not None:
            self._scheduler.stop()
        if self._session is not None:
            self._session.ended()

    # --- Line -------------------------------------------------------------------------

    @property
    def peer_host(self) -> str:
        return self.peer.host

    async def ask(self, prompt: bytes) -> bytes | None:
        assert self._scheduler is not None
        return await self._scheduler.ask(prompt)

    def announce(self) -> None:
        assert self._scheduler is not None
        self._scheduler.announce()

    def signed_in(self) -> None:
        """Larger bounds hold, and the time-out of sessions."""
        assert self._reader is not None
        self._reader.bounds = SIGNED_IN
        self._stop_login_timer()
        self.set_timeout(limits.IMAP_IDLE_SECONDS)

    def signed_out(self) -> None:
        """As when the connection began."""
        assert self._reader is not None
        self._reader.bounds = BEFORE_LOGIN
        self.set_timeout(None)
        self._expect_login()

    def set_modes(self, modes: Modes) -> None:
        """How the commands that follow are read."""
        assert self._reader is not None
        self._reader.modes = modes

    def regulate(self, busy: bool) -> None:
        """
        Read no more from a client that sends commands faster than they are executed.

        Compressed ones are inflated no sooner than they can be executed, for one
        of them may end the compression.
        """
        if busy and (self.compressed or self.framer.buffered > limits.IMAP_READ_AHEAD):
            self.pause()
        else:
            self.resume()

    # --- the time before sign-in --------------------------------------------------------

    def progressed(self) -> None:
        """The client has sent something whole."""
        if self._login_timer is not None:
            left = max(0.0, self._login_by - self.clock.seconds())
            self._login_timer.reset(min(limits.IMAP_LOGIN_SECONDS, left))

    def _expect_login(self) -> None:
        self._login_by = self.clock.seconds() + limits.IMAP_LOGIN_TOTAL_SECONDS
        self._login_timer = self.clock.callLater(limits.IMAP_LOGIN_SECONDS, self._login_overdue)

    def _login_overdue(self) -> None:
        assert self._scheduler is not None
        self._login_timer = None
        self._scheduler.sign_in_overdue()

    def _stop_login_timer(self) -> None:
        timer, self._login_timer = self._login_timer, None
        if timer is not None and timer.active():
            timer.cancel()
