"""
The incremental reader: bytes in, events out.

C{feed} takes chunks of any size; C{next_event} gives the next event or C{None}
when more bytes are needed.  It is pulled, not pushed, because what may follow
depends on what came of the command before: the bounds, and whether a line is
a command at all or the answer to a SASL challenge.

A command is read line by line, where a literal ends a line.  Its parser is
suspended at each literal and goes on behind it, so every byte is looked at a
bounded number of times, and a malformed command is refused at the first
literal that follows its error, before its C{+}.  A refused non-synchronizing
literal is on its way all the same (RFC 7888 §4): it is skipped unstored, with
the rest of its command.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from wildduck import limits
from wildduck.errors import ProtocolError
from wildduck.imap.grammar.append import PieceStart, Text
from wildduck.imap.grammar.cursor import TAG, Cursor
from wildduck.imap.grammar.modes import PLAIN
from wildduck.imap.grammar.requests import parser_for
from wildduck.imap.grammar.strings import LiteralStart, trailing_literal
from wildduck.imap.grammar.values import Command, Request
from wildduck.network.framer import Framer

#: Most bytes of a message handed to a sink at once.
_PIECE = 64 * limits.KIB
#: Bytes of a skipped line's end that are kept: a literal may be announced there.
_TAIL = 64
#: The framer's own bound is not used, for it would drop the line's two ends too.
_UNBOUNDED = 2**62


@dataclass(frozen=True, slots=True)
class Bounds:
    """
    What one command may hold, in bytes but for C{literals_count}.

    @ivar line: all its lines together, without literals.
    @ivar literal: one literal that is no message.
    @ivar literals_sum: all of them.
    @ivar skipped: refused bytes that are read over; beyond it BYE.
    """

    line: int
    literal: int
    literals_sum: int
    literals_count: int
    skipped: int


BEFORE_LOGIN = Bounds(
    limits.IMAP_LINE_BEFORE_LOGIN,
    limits.IMAP_LITERAL_BEFORE_LOGIN,
    limits.IMAP_LITERAL_BEFORE_LOGIN,
    limits.IMAP_LITERALS_COUNT,
    limits.IMAP_SKIPPED_BEFORE_LOGIN,
)
SIGNED_IN = Bounds(
    limits.IMAP_LINE,
    limits.IMAP_LITERAL,
    limits.IMAP_LITERALS_SUM,
    limits.IMAP_LITERALS_COUNT,
    limits.IMAP_SKIPPED_LITERAL,
)


class Sink(Protocol):
    """Takes a message's bytes; never raises, for the reader's place would be lost."""

    def write(self, data: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Proceed:
    """A synchronizing literal was accepted: the client waits for C{+}."""


@dataclass(frozen=True, slots=True)
class MessageWanted:
    """
    A piece of a message comes: call L{Reader.accept}, for a URL L{Reader.proceed},
    or L{Reader.refuse}.

    @ivar tag: of the command it belongs to.
    """

    tag: bytes
    start: PieceStart


@dataclass(frozen=True, slots=True)
class Answer:
    """
    The line that L{Reader.expect_answer} asked for.

    @ivar line: without its CRLF, or C{None} when it was too long.
    """

    line: bytes | None


@dataclass(frozen=True, slots=True)
class Failure:
    """
    A command that will not be executed; all of it has been read.

    @ivar tag: C{None} when none was read.
    @ivar text: what was wrong, safe to show.
    @ivar status: C{"BAD"}, or C{"NO"} for a refusal that is not the client's mistake.
    @ivar code: response code without brackets, or C{None}.
    @ivar fatal: what follows can't be told from commands: say BYE and close.
    """

    tag: bytes | None
    text: str
    status: str = "BAD"
    code: str | None = None
    fatal: bool = False


Event: TypeAlias = Request | Failure | Proceed | MessageWanted | Answer


class Reader:
    """
    @ivar bounds: for the commands that follow; the session sets it.
    @ivar modes: likewise.
    """

    def __init__(self, framer: Framer | None = None, bounds: Bounds = BEFORE_LOGIN) -> None:
        """@param framer: the connection's receive buffer; C{None}: an own one."""
        self.bounds = bounds
        self.modes = PLAIN
        self._framer = Framer() if framer is None else framer
        self._cursor = Cursor(b"")
        self._reset()

    def _reset(self) -> None:
        """Between commands: whatever went wrong, no literal is expected any more."""
        self._step: Callable[[], Event | None] = self._read_command
        self._tag: bytes | None = None
        self._parser: Generator[Any, bytes, Command] | None = None
        self._literal = LiteralStart(0)
        self._content = b""
        self._sink: Sink | None = None
        self._left = 0
        self._line_used = 0
        self._literals = 0
        self._literals_sum = 0
        self._skipped = 0
        self._failure: Event | None = None
        self._tail = b""

    # --- what the session calls ----------------------------------------------

    def feed(self, data: bytes) -> None:
        """For a reader with its own framer."""
        self._framer.feed(data)

    def next_event(self) -> Event | None:
        """The next event, or C{None} when more bytes or a decision are needed."""
        while True:
            step = self._step
            event = step()
            if event is not None or self._step is step:
                return event

    def expect_answer(self) -> None:
        """The next line belongs to the command that is running; to be called between commands."""
        self._step = self._read_answer

    def proceed(self) -> None:
        """Go on behind a URL."""
        self._step = lambda: self._advance(b"")

    def accept(self, sink: Sink) -> None:
        """Let the announced message's bytes go to C{sink}."""
        self._sink = sink
        self._left = self._literal.size
        self._step = self._read_message

    def refuse(self, failure: Failure) -> None:
        """Answer C{failure} to the announced piece; where it comes nevertheless it is skipped first."""
        coming = trailing_literal(self._cursor.line)
        self._step = lambda: self._fail(failure, coming)

    # --- commands ------------------------------------------------------------

    def _read_command(self) -> Event | None:
        line = self._line()
        if line is None:
            return None
        cursor = self._cursor = Cursor(line, modes=self.modes)
        tag = cursor.match(TAG)
        if tag is None:
            return self._bad("missing tag")
        if cursor.rest[:1] not in (b"", b" "):
            # Its beginning could be the tag of another command.
            return self._bad("broken tag")
        self._tag = tag.group()
        try:
            cursor.space()
            parsed = parser_for(cursor)(cursor)
        except ProtocolError as error:
            return self._bad(str(error))
        if not isinstance(parsed, Generator):
            return self._finish(parsed)
        self._parser = parsed
        return self._advance(None)

    def _advance(self, literal: bytes | None) -> Event | None:
        """Let the parser go on, up to the next literal."""
        assert self._parser is not None and self._tag is not None
        try:
            wanted = next(self._parser) if literal is None else self._parser.send(literal)
        except StopIteration as done:
            return self._finish(done.value)
        except ProtocolError as error:
            return self._bad(str(error))
        if isinstance(wanted, PieceStart):
            if isinstance(wanted.piece, Text):
                self._literal = wanted.piece.literal
            self._step = self._await_decision
            return MessageWanted(self._tag, wanted)
        return self._begin_literal(wanted)

    def _finish(self, command: Command) -> Event | None:
        try:
            self._cursor.end()
        except ProtocolError as error:
            return self._bad(str(error))
        assert self._tag is not None
        request = Request(self._tag, command)
        self._reset()
        return request

    def _await_decision(self) -> None:
        return None

    # --- literals ------------------------------------------------------------

    def _begin_literal(self, literal: LiteralStart) -> Event | None:
        self._literals += 1
        self._literals_sum += literal.size
        if (
            literal.size > self.bounds.literal
            or self._literals_sum > self.bounds.literals_sum
            or self._literals > self.bounds.literals_count
        ):
            return self._bad("the command's literals are too big", "TOOBIG")
        self._literal = literal
        self._step = self._read_literal
        return Proceed() if literal.synchronizing else None

    def _read_literal(self) -> None:
        if self._framer.buffered >= self._literal.size:
            self._content = self._framer.take(self._literal.size)
            self._step = self._read_rest

    def _read_message(self) -> None:
        assert self._sink is not None
        while self._left:
            data = self._framer.take(min(self._left, _PIECE))
            if not data:
                return
            self._left -= len(data)
            self._sink.write(data)
        self._sink = None
        self._step = self._read_rest

    def _read_rest(self) -> Event | None:
        """The line behind a literal."""
        line = self._line()
        if line is None:
            return None
        content, self._content = self._content, b""
        self._cursor.renew(line)
        return self._advance(content)

    # --- lines ---------------------------------------------------------------

    def _line(self) -> bytes | None:
        """
        The next line of this command.

        @return: C{None} when it is not there yet, or when it is refused: then the
            next step is another one.
        """
        line = self._framer.line(_UNBOUNDED)
        left = self.bounds.line - self._line_used
        if line is None:
            if self._framer.buffered > left + 1:  # its last byte may be the CR
                head = self._framer.take(_PIECE)
                self._skip_rest_of_line(head, left)
            return None
        if len(line) > left:
            size = len(line) + (1 if self._framer.bare_lf else 2)
            self._refuse_line(line, left, "the command line is too long", size)
            return None
        if self._framer.bare_lf:
            self._refuse_line(line, left, "the line does not end in CRLF", 0)
            return None
        self._line_used += len(line)
        return line

    def _read_answer(self) -> Event | None:
        line = self._line()
        if line is None:
            return None
        self._reset()
        return Answer(line)

    # --- what is refused -------------------------------------------------------

    def _bad(self, text: str, code: str | None = None) -> Event | None:
        """Refuse the command whose current line is in the cursor."""
        return self._fail(Failure(self._tag, text, code=code), trailing_literal(self._cursor.line))

    def _fail(self, failure: Event, coming: int | None) -> Event | None:
        """
        @param failure: what is answered when all of the command has been read.
        @param coming: size of the literal that comes nevertheless, C{None} when
            the command ends here.
        """
        if self._parser is not None:
            self._parser.close()
        if coming is None:
            self._reset()
            return failure
        self._failure = failure
        self._left = coming
        self._step = self._skip_literal
        return self._count_skipped(coming)

    def _count_skipped(self, size: int) -> Event | None:
        """Give the connection up when too much was skipped for one command."""
        self._skipped += size
        if self._skipped <= self.bounds.skipped:
            return None
        self._step = self._stay_closed
        return Failure(self._tag, "too much to skip", code="TOOBIG", fatal=True)

    def _stay_closed(self) -> None:
        self._framer.clear()

    def _skip_literal(self) -> None:
        while self._left:
            data = self._framer.take(min(self._left, _PIECE))
            if not data:
                return
            self._left -= len(data)
        self._tail = b""
        self._step = self._skip_line

    def _refuse_line(self, line: bytes, head: int, text: str, size: int) -> None:
        """Take the next step to the answer to a refused line that is there in full."""
        failure = self._line_failure(line[: head + 1], text)
        coming = None if isinstance(failure, Answer) else trailing_literal(line)
        self._step = lambda: self._count_skipped(size) or self._fail(failure, coming)

    def _line_failure(self, head: bytes, text: str) -> Event:
        """
        What answers a line that is refused as a whole.

        @param head: the part of it that was allowed, where a tag may stand.
        """
        if self._step == self._read_answer:
            return Answer(None)
        if self._tag is None:
            tag = TAG.match(head)
            self._tag = tag.group() if tag is not None and head[tag.end() : tag.end() + 1] == b" " else None
        return Failure(self._tag, text)

    def _skip_rest_of_line(self, data: bytes, head: int) -> None:
        """Take the next step of skipping a line that is too long already."""
        self._failure = self._line_failure(data[: head + 1], "the command line is too long")
        self._tail = b""
        self._framer.untake(len(data))
        self._step = self._skip_line

    def _skip_line(self) -> Event | None:
        """Read over a line, then over the literal that it announces, or give the failure."""
        while True:
            data = self._framer.take(_PIECE)
            if not data:
                return None
            end = data.find(b"\n")
            if end >= 0:
                self._framer.untake(len(data) - end - 1)
                data = data[: end + 1]
            self._tail = (self._tail + data)[-_TAIL:]
            given_up = self._count_skipped(len(data))
            if given_up is not None:
                return given_up
            if end >= 0:
                break
        failure = self._failure
        assert failure is not None
        line = self._tail[:-1].removesuffix(b"\r")
        return self._fail(failure, None if isinstance(failure, Answer) else trailing_literal(line))
