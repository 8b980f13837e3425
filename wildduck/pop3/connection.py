"""
A POP3 connection: commands in, responses out, in order.

Commands are followed one after the other.  While one is at work the client is
not listened to, so that pipelined commands wait their turn (RFC 2449 §6.6) and a
client that is faster than the store fills its own buffers, not ours.
"""

from __future__ import annotations

import secrets
from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from wildduck import limits
from wildduck.errors import DomainError, ProtocolError, ServerBug
from wildduck.network.connection import Connection
from wildduck.network.framer import LineTooLong
from wildduck.pop3 import grammar, replies
from wildduck.pop3.commands import TABLE, Row
from wildduck.pop3.grammar import BadCommand, Command
from wildduck.pop3.session import Session, State


class Pop3Connection(Connection):
    """
    Implements L{wildduck.pop3.session.Line}.

    Before sign-in the time-out runs from command to command, for a client that
    sends a byte now and then is not one that signs in, and ends in any case after
    a while; afterwards from byte to byte, in either direction.  When it is over
    nothing is said (RFC 1939 §3).
    """

    factory: Any

    def __init__(self) -> None:
        super().__init__()
        self._session: Session | None = None
        self._working = False
        self._farewell = b""  # said when the command at work has been answered
        self._bad_commands = 0
        self._answer: Deferred[bytes | None] | None = None  # a command waits for a line
        self._turn: IDelayedCall | None = None
        self._login_timer: IDelayedCall | None = None
        self._login_by = 0.0

    # --- hooks of Connection -----------------------------------------------------------

    def opened(self) -> None:
        self._session = Session(self, self.factory.services)
        self._login_by = self.clock.seconds() + limits.POP3_LOGIN_TOTAL_SECONDS
        self._login_timer = self.clock.callLater(limits.POP3_LOGIN_SECONDS, self._login_overdue)
        # Without a "<": a timestamp in the greeting would announce APOP.
        self.send(replies.ok(f"{self.factory.services.settings.hostname} POP3 server ready"))

    def refuse(self, reason: str) -> None:
        self.send(replies.error(reason, "SYS/TEMP"))

    def drain(self) -> None:
        self._end_with(replies.SHUTTING_DOWN)

    def closed(self, reason: Failure) -> None:
        self._stop_login_timer()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.errback(ConnectionLost())
        if self._session is not None:
            self._session.ended()

    def received(self) -> None:
        for _ in range(limits.POP3_PIPELINE):
            if not self.is_open or self.paused or not self._take_line():
                return
        if self.is_open and not self.paused:
            self.pause()
            self._turn = self.clock.callLater(0, self._next_turn)

    def _next_turn(self) -> None:
        self._turn = None
        self.resume()

    # --- Line ----------------------------------------------------------------------------

    @property
    def peer_host(self) -> str:
        return self.peer.host

    async def ask(self) -> bytes | None:
        """
        Ask for a further line of the command at work, by an empty challenge (RFC 5034 §4).

        @return: the line without CRLF, C{None} when it is too long or broken.
        @raise twisted.internet.error.ConnectionLost: the client went away.
        """
        if not self.is_open:
            raise ConnectionLost()
        self._answer = Deferred()
        answer = self._answer
        self.send(b"+ \r\n")
        self.resume()
        return await answer

    def signed_in(self) -> None:
        """The time-out of sessions holds."""
        self._stop_login_timer()
        self.set_timeout(limits.POP3_IDLE_SECONDS)

    def signed_out(self, reason: str) -> None:
        """
        Somebody else has ended the session, which does not enter the UPDATE state.

        A client that has asked for nothing takes what is said for the answer to its next command.
        """
        self._end_with(replies.error(reason))

    # --- the time before sign-in -----------------------------------------------------------

    def _progressed(self) -> None:
        """The client has sent something whole that makes sense."""
        if self._login_timer is not None:
            left = max(0.0, self._login_by - self.clock.seconds())
            self._login_timer.reset(min(limits.POP3_LOGIN_SECONDS, left))

    def _login_overdue(self) -> None:
        self._login_timer = None
        if self._working and self._answer is None:
            self._login_timer = self.clock.callLater(limits.POP3_LOGIN_SECONDS, self._login_overdue)
        else:
            self.lose()

    def _stop_login_timer(self) -> None:
        timer, self._login_timer = self._login_timer, None
        if timer is not None:
            timer.cancel()

    # --- lines -------------------------------------------------------------------------------

    def _take_line(self) -> bool:
        """@return: C{False} when no whole line is there."""
        line: bytes | None
        try:
            line = self.framer.line(limits.POP3_LINE)
        except LineTooLong:
            refusal = replies.LINE_TOO_LONG
            line = b""
        else:
            if line is None:
                return False
            refusal = replies.BARE_LF if self.framer.bare_lf else b""
        if self._answer is not None:
            answer, self._answer = self._answer, None
            self.pause()
            answer.callback(None if refusal else line)
        elif refusal:
            self._bad(refusal)
        else:
            self._command(line)
        return True

    def _command(self, line: bytes) -> None:
        assert self._session is not None
        try:
            command = grammar.parse(line)
        except BadCommand as error:
            self._bad(replies.error(str(error)))
            return
        row = TABLE[type(command)]
        if self._session.state not in row.states:
            self.send(replies.error(f"{row.name} can not be given in the {self._session.state.value} state"))
            return
        self._progressed()
        self._work(self._run(self._session, row, command))

    # --- work --------------------------------------------------------------------------------

    async def _run(self, session: Session, row: Row, command: Command) -> None:
        """Follow a command and answer it, whatever becomes of it."""
        bad = False
        try:
            response = await row.handler(session, command)
        except (ConnectionLost, ConnectionDone):
            return
        except Exception as error:
            bad = isinstance(error, ProtocolError)
            response = self._refusal(error, row.name)
            if session.in_response:
                # What was begun can't be ended; anything else would be taken for a part of it.
                self.abort()
                return
        if bad:
            self._bad(response or b"")
            return
        self._bad_commands = 0
        if response is not None:
            self.send(response)
        if session.state is State.UPDATE:
            self.lose()

    def _refusal(self, error: Exception, command: str) -> bytes:
        """How an exception is said; one that nobody foresaw gets a number that the log explains."""
        if isinstance(error, ProtocolError):
            return replies.error(str(error))
        if not isinstance(error, DomainError):
            incident = secrets.token_hex(8)
            self.log.failure(
                "POP3 {command} failed, incident {incident}",
                command=command,
                incident=incident,
                session=self.session,
            )
            error = ServerBug(incident)
        return replies.from_error(error)

    def _work(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        self.pause()
        self._working = True
        working = Deferred.fromCoroutine(work)
        working.addErrback(self._broken)
        working.addBoth(self._worked)

    def _broken(self, failure: Failure) -> None:
        """What no guard has caught: an error in the guard itself."""
        self.log.failure("POP3 session failed", failure, session=self.session)
        self.abort()

    def _worked(self, _: object) -> None:
        self._working = False
        if self._farewell:
            self._goodbye(self._farewell)
        else:
            self.resume()

    # --- responses ---------------------------------------------------------------------------

    def _bad(self, response: bytes) -> None:
        """Answer what was no good; too much of it, one after the other, is no POP3 client."""
        assert self._session is not None
        self._bad_commands += 1
        before = self._session.state is State.AUTHORIZATION
        if self._bad_commands >= (limits.POP3_BAD_BEFORE_LOGIN if before else limits.POP3_BAD_COMMANDS):
            response = replies.TOO_MANY_BAD
            self._goodbye(response)
        else:
            self.send(response)

    def _end_with(self, farewell: bytes) -> None:
        """Say so and end, when the command at work has ended."""
        self._farewell = farewell
        if not self._working or self._answer is not None:
            self._goodbye(farewell)

    def _goodbye(self, response: bytes) -> None:
        self.send(response)
        self.lose()
