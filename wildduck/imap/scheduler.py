"""
In which order commands run, and when untagged responses about the mailbox go out.

Pipelined commands run one after the other.  What a command may do, and what may
be said around it, is in its row of L{wildduck.imap.commands.table}; nothing here
knows any command by name.
"""

from __future__ import annotations

import secrets
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure as TwistedFailure

from wildduck import limits
from wildduck.errors import (
    DomainError,
    MailboxNotFound,
    PrivacyRequired,
    ProtocolError,
    ReadOnlyMailbox,
    ServerBug,
    UidRequired,
)
from wildduck.imap.commands.table import TABLE, Row
from wildduck.imap.grammar.append import Text
from wildduck.imap.grammar.reader import (
    Answer,
    Event,
    Failure,
    MessageWanted,
    Proceed,
    Reader,
)
from wildduck.imap.grammar.responses import Condition, Continuation, in_progress_code
from wildduck.imap.grammar.values import Request
from wildduck.imap.session import Done, Session
from wildduck.imap.state import State
from wildduck.imap.uploads import Upload

#: Ways for a running command to learn that its client is gone.
_GONE = (ConnectionLost, ConnectionDone)
_CLIENT_BUG = b"CLIENTBUG"
_OVERDUE = "No sign-in within the time allowed"


class Scheduler:
    """
    @ivar busy: a command is running.
    """

    _log = Logger()

    def __init__(self, session: Session, reader: Reader) -> None:
        self._session = session
        self._reader = reader
        self._bad = 0
        self._pumping = False
        self._stopped = False
        self._draining = False
        self._overdue = False
        self._news = False
        self._row: Row | None = None
        self._tag: bytes | None = None
        self._quiet_since = 0.0
        self._life_timer: IDelayedCall | None = None
        self._answer: Deferred[bytes | None] | None = None
        self._turn: IDelayedCall | None = None
        self.busy = False

    # --- what the connection calls ---------------------------------------------

    def pump(self) -> None:
        """Begin what can be begun: bytes have come, or a command has ended."""
        if self._pumping or self._turn is not None:
            return
        self._pumping = True
        try:
            for _ in range(limits.IMAP_PIPELINE):
                if not self._may_read():
                    return
                event = self._reader.next_event()
                if event is None:
                    # Nothing is pipelined that would be answered in the same piece.
                    self._session.line.flush()
                    return
                self._begin(event)
            self._turn = self._session.services.clock.callLater(0, self._next_turn)
        except Exception:
            self._log.failure("IMAP session failed", session=self._session.id)
            self._session.line.abort()
        finally:
            self._pumping = False
            self._session.line.regulate(not self.waits_for_client or self._turn is not None)

    @property
    def waits_for_client(self) -> bool:
        """Nothing goes on before the client sends something."""
        return not self.busy or self._answer is not None

    def drain(self) -> None:
        """End the session when the command in hand has ended, at once if there is none."""
        self._draining = True
        if self.waits_for_client:
            self._session.bye("The server is shutting down")

    def sign_in_overdue(self) -> None:
        """The time to sign in is over: a sign-in that is being checked may still succeed."""
        self._overdue = True
        if self.waits_for_client:
            self._session.bye(_OVERDUE)

    def stop(self) -> None:
        """The connection is over."""
        self._stopped = True
        for timer in (self._turn, self._life_timer):
            if timer is not None:
                timer.cancel()
        self._turn = self._life_timer = None
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.errback(ConnectionLost())

    def announce(self) -> None:
        """
        Something may have happened that the client wants to be told of at once
        (RFC 5465 §3): it is, when the running command has ended.
        """
        if self._stopped or self._draining:
            return
        self._news = True
        if not self.busy:
            self._tell_news()

    async def ask(self, prompt: bytes) -> bytes | None:
        """See L{Session.ask}."""
        if self._stopped:
            raise ConnectionLost()
        answer: Deferred[bytes | None] = Deferred()
        self._answer = answer
        self._reader.expect_answer()
        self._session.line.send(b"+ " + prompt + b"\r\n")
        self.pump()
        return await answer

    # --- events -----------------------------------------------------------------

    def _may_read(self) -> bool:
        return not self._stopped and self.waits_for_client

    def _next_turn(self) -> None:
        self._turn = None
        self.pump()

    def _begin(self, event: Event) -> None:
        self._session.line.progressed()
        if isinstance(event, Request):
            self._start(self._run(event))
        elif isinstance(event, MessageWanted):
            self._start(self._take_message(event))
        elif isinstance(event, Proceed):
            self._session.respond(Continuation("OK"))
        elif isinstance(event, Answer):
            answer, self._answer = self._answer, None
            if self._life_timer is not None:
                # It was set for a client that waits for nothing.
                self._life_timer.cancel()
                self._life_timer = None
            if answer is not None:
                self._watch()
                answer.callback(event.line)
        else:
            self._refused(event)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self.busy = True
        self._watch()
        running: Deferred[Any] = Deferred.fromCoroutine(work)
        running.addErrback(self._broken)
        running.addBoth(self._ended)

    def _broken(self, failure: TwistedFailure) -> None:
        """What no guard has caught: an error in the guard itself."""
        self._log.failure("IMAP session failed", failure)
        self._session.line.abort()

    def _ended(self, _: object) -> None:
        self.busy = False
        if self._draining:
            self._session.bye("The server is shutting down")
        elif self._overdue and self._session.state is State.NOT_AUTHENTICATED:
            self._session.bye(_OVERDUE)
        else:
            self._overdue = False
            if self._news:
                self._tell_news()
            else:
                self.pump()

    def _tell_news(self) -> None:
        self._news = False
        self._row = self._tag = None
        self._start(self._announce())

    async def _announce(self) -> None:
        """Between commands; the next one waits meanwhile, for it may use sequence numbers."""
        session = self._session
        try:
            # A client that does not read is told later, all at once.
            await session.line.drained()
            await session.news.announce(may_expunge=False)
        except _GONE:
            return
        except MailboxNotFound:
            self._mailbox_deleted()
        except DomainError as error:
            self._log.info("changes can not be told: {error}", error=error, session=session.id)
        except Exception:
            self._log.failure("NOTIFY can not tell what happened", session=session.id)
        if session.literal_open:
            session.line.abort()

    def _refused(self, failure: Failure) -> None:
        """A command that was not understood, or whose message was refused."""
        self._session.drop_uploads()
        code = None if failure.code is None else failure.code.encode("ascii")
        if failure.fatal:
            self._session.bye(failure.text, code)
            return
        self._session.respond(Condition(failure.status, failure.text, code, failure.tag))
        if code != _CLIENT_BUG:
            self._count(failure.status == "BAD")

    def _count(self, bad: bool) -> None:
        """
        Bad commands one after the other end the session: this is no IMAP client.

        Who gives well-formed commands in the wrong state is one, and is not counted.
        """
        self._bad = self._bad + 1 if bad else 0
        signed_in = self._session.state is not State.NOT_AUTHENTICATED
        if self._bad >= (limits.IMAP_BAD_COMMANDS if signed_in else limits.IMAP_BAD_BEFORE_LOGIN):
            self._session.bye("Too many bad commands, this is an IMAP server")

    # --- signs of life ------------------------------------------------------------

    @property
    def _patience(self) -> float:
        """How long a client may hear nothing of its command."""
        return limits.IMAP_WORKING_SECONDS if self._answer is None else limits.IMAP_STILL_HERE_SECONDS

    def _watch(self) -> None:
        """From now on; one timer serves commands that follow each other, for most take no time."""
        clock = self._session.services.clock
        self._quiet_since = clock.seconds()
        if self._life_timer is None:
            self._life_timer = clock.callLater(self._patience, self._show_life)

    def _show_life(self) -> None:
        """Tell a client that has heard nothing for long that its command is not forgotten."""
        self._life_timer = None
        if not self.busy:
            return  # the next command begins to watch again
        clock = self._session.services.clock
        left = self._quiet_since + self._patience - clock.seconds()
        if left > 0:
            self._life_timer = clock.callLater(left, self._show_life)
            return
        if self._may_show_life():
            self._session.respond(self._sign_of_life())
        self._watch()

    def _sign_of_life(self) -> Condition:
        """RFC 9585 §4: how far the command is, as far as it knows."""
        if self._answer is not None or self._tag is None:
            return Condition("OK", "Still here")
        done, goal = self._session.progress or (None, None)
        return Condition("OK", "Still working", in_progress_code(self._tag, done, goal))

    def _may_show_life(self) -> bool:
        """Not inside a response, nor behind what the client does not read, nor in a SASL exchange."""
        session = self._session
        if session.literal_open or session.line.choked:
            return False
        return self._answer is None or (self._row is not None and self._row.idles)

    # --- commands ---------------------------------------------------------------

    async def _run(self, request: Request) -> None:
        session = self._session
        row = self._row = TABLE[request.command.name]
        self._tag, session.progress = request.tag, None
        try:
            # For who does not read the answers nothing more is done.
            await session.line.drained()
            done = await self._execute(row, request)
        except _GONE:
            return
        except Exception as error:
            done = self._refusal(error, row.name)
        finally:
            session.drop_uploads()
        if session.literal_open:
            # Bytes were announced that will not come; anything else would be taken for them.
            self._log.warn("{command} broke off in a literal", command=row.name, session=session.id)
            session.line.abort()
            return
        done = self._with_highest_modseq(done)
        session.respond(Condition(done.status, done.text, done.code, request.tag))
        if done.then is not None:
            done.then()
        if done.code != _CLIENT_BUG:
            self._count(done.status == "BAD")

    def _with_highest_modseq(self, done: Done) -> Done:
        """C{HIGHESTMODSEQ}, where it is due, in the tagged response if that has room for it."""
        session = self._session
        if not session.news.owes_highest_modseq:
            return done
        if done.status == "OK" and done.code is None:
            return replace(done, code=session.news.highest_modseq_code())
        session.news.say_highest_modseq()
        return done

    async def _execute(self, row: Row, request: Request) -> Done:
        session = self._session
        refusal = self._refused_here(row)
        if refusal is not None:
            return refusal
        if row.reads:
            await self._catch_up(may_expunge=not row.uses_sequence_numbers, hold_flags=row.tells_flags)
        session.tag = request.tag
        try:
            done = await row.handler(session, request.command)
        finally:
            if not session.literal_open:
                await session.news.tell_held()
        if row.names and session.news.watch is not None:
            await self._own_names(request.command)
        # Rather than to say a lower HIGHESTMODSEQ look whether what is between is known now.
        if session.view is not None and (row.reports or session.news.owes_highest_modseq):
            try:
                await session.news.catch_up(may_expunge=row.may_report_expunge, own=row.expunges)
            except MailboxNotFound:
                # The command is done, and its client shall know that.
                return replace(done, then=self._mailbox_deleted)
            except DomainError as error:
                # The command is done; what else has happened is told the next time.
                self._log.info("changes can not be told: {error}", error=error, session=session.id)
        return done

    def _refused_here(self, row: Row) -> Done | None:
        """
        The answer to a command that may not be given in the session's state.

        @raise PrivacyRequired: before it comes signing in, and before that STARTTLS (RFC 9051 §7.1, example).
        @raise UidRequired: it names messages by number.
        @raise ReadOnlyMailbox: it changes something.
        """
        session = self._session
        if session.state not in row.states:
            if session.state is State.NOT_AUTHENTICATED and not session.line.secure:
                raise PrivacyRequired()
            return _wrong_state(row, session.state)
        if row.names_by_number and session.modes.uidonly:
            raise UidRequired("Messages have no sequence numbers here")
        if row.writes and session.read_only:
            raise ReadOnlyMailbox()
        return None

    async def _own_names(self, command: Any) -> None:
        names = [getattr(command, field, None) for field in ("mailbox", "target")]
        try:
            assert self._session.news.watch is not None
            await self._session.news.watch.own(name for name in names if name)
        except DomainError as error:
            self._log.info("names can not be looked at: {error}", error=error, session=self._session.id)

    async def _catch_up(self, *, may_expunge: bool, hold_flags: bool) -> None:
        try:
            await self._session.news.catch_up(may_expunge=may_expunge, hold_flags=hold_flags)
        except MailboxNotFound:
            self._mailbox_deleted()
            raise ConnectionLost() from None

    def _mailbox_deleted(self) -> None:
        self._session.bye("The selected mailbox was deleted")

    async def _take_message(self, wanted: MessageWanted) -> None:
        """Decide on a piece of a message before its bytes come."""
        session = self._session
        row = self._row = TABLE[wanted.start.command.name]
        self._tag, session.progress = wanted.tag, None
        try:
            refusal = self._refused_here(row)
            if refusal is not None:
                done = refusal
            else:
                assert row.message is not None
                upload = await row.message(session, wanted.start)
                if self._stopped:
                    session.drop_uploads()
                elif upload is None:
                    self._reader.proceed()
                else:
                    self._accept(upload, wanted)
                return
        except _GONE:
            session.drop_uploads()
            return
        except Exception as error:
            done = self._refusal(error, row.name)
        code = None if done.code is None else done.code.decode("ascii")
        self._reader.refuse(Failure(wanted.tag, done.text, done.status, code))

    def _accept(self, upload: Upload, wanted: MessageWanted) -> None:
        piece = wanted.start.piece
        if isinstance(piece, Text) and piece.literal.synchronizing:
            self._session.respond(Continuation("OK"))
        self._reader.accept(upload)

    def _refusal(self, error: Exception, command: str) -> Done:
        """How an exception is said; one that nobody foresaw gets a number that the log explains."""
        if isinstance(error, ProtocolError):
            code = error.imap_code
            return Done(str(error), None if code is None else code.encode("ascii"), "BAD")
        if not isinstance(error, DomainError):
            incident = secrets.token_hex(8)
            self._log.failure(
                "IMAP {command} failed, incident {incident}",
                command=command,
                incident=incident,
                session=self._session.id,
            )
            error = ServerBug(incident)
        code = error.imap_code
        return Done(str(error), None if code is None else code.encode("ascii"), "NO")


def _wrong_state(row: Row, state: State) -> Done:
    """BAD: RFC 3501 §3 leaves that or NO to us; RFC 3691, 8437 and 9051 §6.4.2 do not."""
    return Done(f"{row.name} can not be given in the {state.value} state", _CLIENT_BUG, "BAD")
