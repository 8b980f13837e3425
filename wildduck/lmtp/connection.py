"""
An LMTP connection: commands and message bytes in, replies out, in order.

Commands are followed one after the other.  While one waits for a database the
client is not listened to, so that pipelined commands wait their turn and a
client that is faster than the store fills its own buffers, not ours.
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from wildduck import limits
from wildduck.delivery import Destination, Envelope
from wildduck.errors import DomainError, OverQuota, ServerBug
from wildduck.lmtp import grammar, replies
from wildduck.lmtp.body import ChunkReader, DotUnstuffer
from wildduck.lmtp.grammar import BadCommand, Bdat, Command, Lhlo, Mail, Rcpt
from wildduck.lmtp.replies import Reply
from wildduck.lmtp.session import Session, State, Transaction
from wildduck.mime.message import Intake, Message
from wildduck.network.connection import Connection
from wildduck.network.framer import LineTooLong

_EXTENSIONS = ("PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8", "CHUNKING", "BINARYMIME")


class LmtpConnection(Connection):
    """
    One client, a mail server that delivers to us.

    @ivar factory: the L{wildduck.lmtp.factory.LmtpFactory}.
    """

    def __init__(self) -> None:
        super().__init__()
        self._session = Session()
        self._reader: DotUnstuffer | ChunkReader | None = None  # message bytes come
        self._when_read: Callable[[], None] = lambda: None
        self._working = False
        self._draining = False
        self._bad_commands = 0
        self._turn: IDelayedCall | None = None

    # --- Connection's hooks ----------------------------------------------------------

    def opened(self) -> None:
        self.set_timeout(limits.LMTP_IDLE_SECONDS)
        self._say(replies.reply(220, "", f"{self.factory.hostname} LMTP ready"))

    def refuse(self, reason: str) -> None:
        self._say(replies.reply(421, "4.3.2", reason))

    def timed_out(self) -> None:
        self._goodbye(replies.IDLE)

    def drain(self) -> None:
        self._draining = True
        if not self._working and self._reader is None:
            self._goodbye(replies.SHUTTING_DOWN)

    def closed(self, reason: Failure) -> None:
        # A message that was complete is delivered all the same.
        self._session.end_transaction()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    def received(self) -> None:
        for _ in range(limits.LMTP_PIPELINE):
            if not self.is_open or self.paused:
                return
            if self._reader is not None:
                if not self._read_message(self._reader):
                    return
                continue
            try:
                line = self.framer.line(limits.LMTP_LINE)
            except LineTooLong:
                self._bad(replies.LINE_TOO_LONG)
                continue
            if line is None:
                return
            self._line(line)
        if self.is_open and not self.paused:
            self.pause()
            self._turn = self.clock.callLater(0, self._next_turn)

    def _next_turn(self) -> None:
        self._turn = None
        self.resume()

    # --- commands ----------------------------------------------------------------------

    def _line(self, line: bytes) -> None:
        if self.framer.bare_lf:
            self._bad(replies.BARE_LF)
            return
        try:
            command = grammar.parse(line)
        except BadCommand as error:
            reply = replies.reply(error.code, error.enhanced, str(error))
            if error.fatal:
                self._goodbye(reply)
            else:
                self._bad(reply)
            return
        refusal = self._session.refusal(command)
        if isinstance(command, Bdat):
            self._bdat(command, refusal)
        elif refusal is not None:
            self._refuse(refusal)
        else:
            _HANDLERS[type(command)](self, command)

    def _lhlo(self, command: Lhlo) -> None:
        self._session.greeted(command.name)
        size = f"SIZE {self.factory.settings.limits.max_message_size}"
        tls = ("STARTTLS",) if self.can_start_tls else ()
        self._say(Reply(250, "", (self.factory.hostname, *_EXTENSIONS, size, *tls)))

    def _mail(self, command: Mail) -> None:
        if command.size > self.factory.settings.limits.max_message_size:
            self._say(replies.TOO_BIG)
            return
        self._session.begin(command)
        self._say(replies.SENDER_OK)

    def _rcpt(self, command: Rcpt) -> None:
        self._work(self._find_recipient(command))

    def _data(self, command: Command) -> None:
        self._begin_message()
        self._say(replies.START_DATA)
        self._read(DotUnstuffer(), self._complete)

    def _bdat(self, command: Bdat, refusal: Reply | None) -> None:
        """The chunk is read in any case; a reply comes after it (RFC 3030 §2)."""
        if refusal is None:
            self._begin_message()
            self._session.chunk_begun()
            done: Callable[[], None] = self._complete if command.last else partial(self._chunk_done, command)
        elif command.last and self._session.state is State.MAIL:
            done = self._session.end_transaction  # one reply for each recipient: none (RFC 2033 §4.3)
        else:
            done = partial(self._refuse, refusal)
        self._read(ChunkReader(command.size), done)

    def _chunk_done(self, command: Bdat) -> None:
        transaction = self._session.transaction
        failure = transaction.failure if transaction is not None else None
        self._say(failure or replies.reply(250, "2.0.0", f"{command.size} octets received"))

    def _rset(self, command: Command) -> None:
        self._session.end_transaction()
        self._say(replies.FLUSHED)

    def _start_tls(self, command: Command) -> None:
        if not self.can_start_tls:
            self._bad(replies.TLS_ACTIVE if self.tls_active else replies.NO_TLS)
            return
        self._session.restart()
        self._say(replies.START_TLS)
        self.start_tls()

    def _quit(self, command: Command) -> None:
        self._goodbye(replies.reply(221, "2.0.0", f"{self.factory.hostname} closing connection"))

    # --- message bytes ------------------------------------------------------------------

    def _begin_message(self) -> None:
        transaction = self._session.transaction
        assert transaction is not None
        if transaction.intake is None and transaction.failure is None:
            settings = self.factory.settings
            transaction.intake = Intake(settings.spool, settings.limits.max_message_size)

    def _read(self, reader: DotUnstuffer | ChunkReader, when_read: Callable[[], None]) -> None:
        self._reader, self._when_read = reader, when_read

    def _read_message(self, reader: DotUnstuffer | ChunkReader) -> bool:
        """Take what has come; whether that was all of the message or chunk."""
        # A small chunk must not cost a copy of all that is buffered behind it.
        most = reader.left if isinstance(reader, ChunkReader) else self.framer.buffered
        content, after = reader.feed(self.framer.take(most))
        if content:
            self._keep(content)
        if after is None:
            return False
        self.framer.untake(after)
        self._reader = None
        self._when_read()
        if self._draining and not self._working:
            self._goodbye(replies.SHUTTING_DOWN)
        return True

    def _keep(self, content: bytes) -> None:
        transaction = self._session.transaction
        if transaction is None or transaction.intake is None:
            return
        try:
            transaction.intake.write(content)
        except DomainError as error:
            transaction.failure = replies.from_error(error)
            transaction.abort()

    def _complete(self) -> None:
        """The last byte has come."""
        self._work(self._deliver_message(self._session.take_transaction()))

    # --- work -----------------------------------------------------------------------------

    async def _find_recipient(self, command: Rcpt) -> None:
        transaction = self._session.transaction
        assert transaction is not None
        address = command.recipient.address
        found: list[Destination] = []

        async def find() -> Reply:
            found.append(await self.factory.delivery.recipient(address, transaction.mail.size))
            return replies.reply(250, "2.1.5", f"<{address}> OK")

        reply = await self._guarded(address, find())
        if found and self._session.transaction is transaction:
            self._session.accepted(found[0])
        self._say(reply)

    async def _deliver_message(self, transaction: Transaction) -> None:
        """One reply for each accepted recipient, each as soon as it is known (RFC 2033 §5)."""
        envelope = self._envelope(transaction.mail)
        message, failure = None, transaction.failure
        if transaction.intake is not None:
            try:
                message = transaction.intake.finish()
            except DomainError as error:
                failure = replies.from_error(error)
        answers: dict[Any, Reply] = {}
        try:
            for destination in transaction.destinations:
                # An address that was given twice gets one copy, and two replies.
                key = (destination.account.id, destination.address)
                if key not in answers:
                    answers[key] = failure or await self._deliver_to(destination, message, envelope)
                self._say(answers[key])
        finally:
            if message is not None:
                message.close()
        if any(answer.code == 250 for answer in answers.values()):
            self._bad_commands = 0  # it is a mail server after all

    async def _deliver_to(
        self, destination: Destination, message: Message | None, envelope: Envelope
    ) -> Reply:
        async def deliver() -> Reply:
            delivered = await self.factory.delivery.deliver(destination, message, envelope)
            about = f"<{destination.address}> Message stored as {delivered.message_id}"
            return replies.reply(250, "2.0.0", about)

        return await self._guarded(destination.address, deliver())

    def _envelope(self, mail: Mail) -> Envelope:
        transmission = f"{'UTF8' if mail.smtputf8 else ''}LMTP{'S' if self.tls_active else ''}"
        now = int(self.clock.seconds() * 1000)
        arrived = datetime.datetime.fromtimestamp(now // 1000, datetime.timezone.utc)
        return Envelope(
            sender=mail.sender.text,
            peer=self.peer.host,
            client=self._session.client,
            transmission=transmission,
            arrived=arrived.replace(microsecond=now % 1000 * 1000),
            session=self.session,
        )

    async def _guarded(self, about: str, work: Awaitable[Reply]) -> Reply:
        """The reply that the work gives, or says why it failed; never raises."""
        try:
            return await work
        except OverQuota as error:
            code = 452 if self.factory.settings.lmtp.over_quota.startswith("4") else 552
            enhanced = self.factory.settings.lmtp.over_quota
            return replies.reply(code, enhanced, f"<{about}> {error}")
        except DomainError as error:
            return replies.from_error(error, about)
        except Exception:
            incident = secrets.token_hex(6)
            self.log.failure("LMTP failed, reference {incident}", incident=incident, session=self.session)
            return replies.from_error(ServerBug(incident), about)

    def _work(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        self.pause()
        self._working = True
        working = Deferred.fromCoroutine(work)
        working.addErrback(self._broken)
        working.addBoth(self._worked)

    def _worked(self, _: object) -> None:
        self._working = False
        if self._draining:
            self._goodbye(replies.SHUTTING_DOWN)
        else:
            self.resume()

    def _broken(self, failure: Failure) -> None:
        """An error that L{_guarded} did not catch: replies may be missing, the client must start anew."""
        self.log.failure("LMTP failed", failure, session=self.session)
        self.abort()

    # --- replies ----------------------------------------------------------------------------

    def _say(self, reply: Reply) -> None:
        self.send(bytes(reply))

    def _refuse(self, reply: Reply) -> None:
        """
        Answer a command that the state does not allow.

        Such a command is not bad: a client that pipelines sends DATA before it
        knows that all recipients were refused.  Without LHLO nobody pipelines.
        """
        if self._session.state is State.START:
            self._bad(reply)
        else:
            self._say(reply)

    def _bad(self, reply: Reply) -> None:
        """Answer what was no good; too much of it ends the connection."""
        self._bad_commands += 1
        self._say(reply)
        if self._bad_commands >= limits.LMTP_BAD_COMMANDS:
            self._goodbye(replies.TOO_MANY_ERRORS)

    def _goodbye(self, reply: Reply) -> None:
        self._say(reply)
        self.lose()


_Handler = Callable[[LmtpConnection, Any], None]

#: What follows each command; BDAT's chunk must be read even when it is refused.
_HANDLERS: dict[type[Command], _Handler] = {
    grammar.Lhlo: LmtpConnection._lhlo,
    grammar.Mail: LmtpConnection._mail,
    grammar.Rcpt: LmtpConnection._rcpt,
    grammar.Data: LmtpConnection._data,
    grammar.Rset: LmtpConnection._rset,
    grammar.Noop: lambda connection, _: connection._say(replies.OK),
    grammar.Vrfy: lambda connection, _: connection._say(replies.CANNOT_VERIFY),
    grammar.Help: lambda connection, _: connection._say(replies.HELP),
    grammar.StartTls: LmtpConnection._start_tls,
    grammar.Quit: LmtpConnection._quit,
}
