"""Tests of the incremental reader: chunking, bounds, refused literals, garbage."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.imap.grammar import strategies
from test.imap.grammar.feeding import bytewise, events, whole
from test.support.chance import by_chance
from wildduck.imap.grammar.append import Append
from wildduck.imap.grammar.reader import BEFORE_LOGIN, Answer, Bounds, Failure, MessageWanted, Proceed, Reader
from wildduck.imap.grammar.selection import Select
from wildduck.imap.grammar.session import Noop
from wildduck.imap.grammar.sign_in import Login
from wildduck.imap.grammar.values import Request

#: Small enough to be met by hand-written input.
SMALL = Bounds(line=40, literal=10, literals_sum=15, literals_count=3, skipped=200)
NOOP = Request(b"b", Noop())
TOO_BIG = Failure(b"a", "the command's literals are too big", code="TOOBIG")
TOO_LONG = Failure(b"a", "the command line is too long")


class BoundTests(SynchronousTestCase):
    def both(self, data: bytes, bounds: Bounds = SMALL, refuse: Failure | None = None) -> list[object]:
        found = whole(data, bounds, refuse)
        self.assertEqual(bytewise(data, bounds, refuse), found)
        return found

    def test_refused_synchronizing(self) -> None:
        """A literal over the bound gets no continuation, and the command ends with its line."""
        self.assertEqual(self.both(b"a SELECT {11}\r\nb NOOP\r\n"), [TOO_BIG, NOOP])

    def test_refused_non_synchronizing(self) -> None:
        """One that comes all the same is skipped with the rest of the command, further literals included."""
        data = b"a SELECT {11+}\r\nx NOOP\r\nxyz {3+}\r\n\r\nx NOOP {2}\r\nb NOOP\r\n"
        self.assertEqual(self.both(data), [TOO_BIG, NOOP])

    def test_sum(self) -> None:
        """All literals of a command together are bounded."""
        data = b"a LOGIN {8+}\r\n12345678 {8+}\r\nx NOOP\r\n\r\nb NOOP\r\n"
        self.assertEqual(self.both(data), [TOO_BIG, NOOP])

    def test_count(self) -> None:
        """So is their number, whatever their size."""
        data = b"a ID ({0+}\r\n {0+}\r\n {0+}\r\n {0+}\r\n NIL)\r\nb NOOP\r\n"
        self.assertEqual(self.both(data), [TOO_BIG, NOOP])

    def test_before_login(self) -> None:
        """Before sign-in a command's literals have 4 KiB in all."""
        self.assertEqual(self.both(b"a LOGIN {4097}\r\nb NOOP\r\n", BEFORE_LOGIN), [TOO_BIG, NOOP])
        self.assertEqual(self.both(b"a LOGIN {400000000}\r\nb NOOP\r\n", BEFORE_LOGIN), [TOO_BIG, NOOP])

    def test_too_much_to_skip(self) -> None:
        """A refused literal beyond the bound of skipping ends the connection, whatever follows."""
        for line in (b"a SELECT {201+}", b"a SELECT {9999999999999999999999+}", b"a FOO {201+}"):
            found = self.both(line + b"\r\nb NOOP\r\n")
            self.assertEqual(found, [Failure(b"a", "too much to skip", code="TOOBIG", fatal=True)])

    def test_skipping_adds_up(self) -> None:
        """Many skipped literals of one command count together."""
        found = self.both(b"a FOO {90+}\r\n" + b"x" * 90 + b"{90+}\r\n" + b"x" * 90 + b"{90+}\r\nb NOOP\r\n")
        self.assertEqual(found, [Failure(b"a", "too much to skip", code="TOOBIG", fatal=True)])

    def test_long_line(self) -> None:
        """A line over the bound is read over and refused with its tag."""
        self.assertEqual(self.both(b"a SELECT " + b"x" * 100 + b"\r\nb NOOP\r\n"), [TOO_LONG, NOOP])
        self.assertEqual(
            self.both(b"a SELECT " + b"x" * 31 + b"\r\nb NOOP\r\n")[0], Request(b"a", Select("x" * 31))
        )
        self.assertEqual(self.both(b"a SELECT " + b"x" * 32 + b"\r\nb NOOP\r\n"), [TOO_LONG, NOOP])

    def test_long_line_without_tag(self) -> None:
        """Where the line's beginning is no tag and space the refusal has none."""
        for start in (b"x" * 100, b"*" * 100):
            found = self.both(start + b"\r\nb NOOP\r\n")
            self.assertEqual(found, [Failure(None, "the command line is too long"), NOOP])

    def test_long_line_with_literal(self) -> None:
        """The literal that a refused line announces at its end is not taken for commands."""
        data = b"a SELECT " + b"x" * 60 + b" {8+}\r\nx NOOP\r\n\r\nb NOOP\r\n"
        self.assertEqual(self.both(data), [TOO_LONG, NOOP])

    def test_lines_add_up(self) -> None:
        """The lines of one command have one bound together."""
        data = b"a LOGIN " + b"{0+}\r\n" + b" " * 40 + b"\r\nb NOOP\r\n"
        self.assertEqual(self.both(data), [TOO_LONG, NOOP])

    def test_endless_line(self) -> None:
        """A line without end is read over up to the bound of skipping and never kept."""
        reader = Reader(bounds=SMALL)
        found = []
        for _ in range(30):
            reader.feed(b"x" * 10)
            found.append(reader.next_event())
            self.assertLess(reader._framer.buffered, 60)
        fatal = Failure(None, "too much to skip", code="TOOBIG", fatal=True)
        self.assertEqual([event for event in found if event is not None], [fatal])

    def test_error_then_literal(self) -> None:
        """A mistake is found before the literal behind it is accepted, and none stays expected."""
        found = self.both(b"a APPEND INBOX (\\Foo) {5}\r\nb NOOP\r\n")
        self.assertEqual(found, [Failure(b"a", "this system flag can not be set at column 21"), NOOP])
        found = self.both(b"a APPEND INBOX (\\Foo) {8+}\r\nx NOOP\r\n\r\nb NOOP\r\n")
        self.assertEqual(found, [Failure(b"a", "this system flag can not be set at column 21"), NOOP])

    def test_error_after_literal(self) -> None:
        """A mistake behind a literal leaves the next line a command."""
        found = self.both(b"a SELECT {1+}\r\nxy\r\nb NOOP\r\n")
        self.assertEqual(found, [Failure(b"a", "unexpected characters after the command at column 1"), NOOP])


class MessageTests(SynchronousTestCase):
    refusal = Failure(b"a", "no", "NO", "TOOBIG")

    def test_refused_synchronizing(self) -> None:
        """A refused message that waits for its continuation ends the command at once."""
        for feed in (whole, bytewise):
            found = feed(b"a APPEND INBOX {9}\r\nb NOOP\r\n", refuse=self.refusal)
            self.assertIsInstance(found[0], MessageWanted)
            self.assertEqual(found[1:], [self.refusal, NOOP])

    def test_refused_non_synchronizing(self) -> None:
        """A refused message that comes is skipped, with the rest of its command, and then answered."""
        for feed in (whole, bytewise):
            found = feed(b"a APPEND INBOX {9+}\r\nx NOOP\r\n1 {1+}\r\n2\r\nb NOOP\r\n", refuse=self.refusal)
            self.assertIsInstance(found[0], MessageWanted)
            self.assertEqual(found[1:], [self.refusal, NOOP])

    def test_refused_too_big(self) -> None:
        """One that is too big to skip ends the connection."""
        found = whole(b"a APPEND INBOX {201+}\r\nxxx", SMALL, self.refusal)
        self.assertEqual(found[1:], [Failure(b"a", "too much to skip", code="TOOBIG", fatal=True)])

    def test_decision_pending(self) -> None:
        """Nothing is read on until the session has decided on the message."""
        reader = Reader(bounds=SMALL)
        reader.feed(b"a APPEND INBOX {3+}\r\nabc\r\nb NOOP\r\n")
        self.assertIsInstance(reader.next_event(), MessageWanted)
        self.assertIsNone(reader.next_event())
        self.assertIsNone(reader.next_event())

    def test_message_is_not_bounded(self) -> None:
        """A message is not counted to the literals of its command, and may hold NUL."""
        content = b"\x00\r\n" * 100
        for feed in (whole, bytewise):
            found = feed(b"a APPEND INBOX {300+}\r\n" + content + b"\r\nb NOOP\r\n", SMALL)
            self.assertEqual(found[1], content)
            self.assertIsInstance(found[2].command, Append)
            self.assertEqual(found[3], NOOP)

    def test_text_behind_message(self) -> None:
        """What follows a message other than the end of the command refuses it as a whole."""
        for feed in (whole, bytewise):
            found = feed(b"a APPEND INBOX {3+}\r\nabcd\r\nb NOOP\r\n")
            self.assertEqual(found[1], b"abc")
            self.assertEqual(found[2:], [Failure(b"a", "expected a space at column 1"), NOOP])


class AnswerTests(SynchronousTestCase):
    def test_answer(self) -> None:
        """A line that a running command asked for is handed over as it is, and commands follow."""
        for size in (1, 3, 1000):
            reader = Reader(bounds=SMALL)
            reader.expect_answer()
            data = b"c\xff {3+}\r\nb NOOP\r\n"
            found = []
            for index in range(0, len(data), size):
                reader.feed(data[index : index + size])
                while (event := reader.next_event()) is not None:
                    found.append(event)
            self.assertEqual(found, [Answer(b"c\xff {3+}"), NOOP])

    def test_refused_answer(self) -> None:
        """A line that is too long, or ends in LF alone, is read over."""
        for line in (b"x" * 100 + b" {3+}\r\n", b"x\n"):
            for size in (1, 1000):
                reader = Reader(bounds=SMALL)
                reader.expect_answer()
                data = line + b"b NOOP\r\n"
                found = []
                for index in range(0, len(data), size):
                    reader.feed(data[index : index + size])
                    while (event := reader.next_event()) is not None:
                        found.append(event)
                self.assertEqual(found, [Answer(None), NOOP])


class AnyBytesTests(SynchronousTestCase):
    """Whatever is fed gives events, never an exception, and the chunks do not matter."""

    @by_chance(100)
    @given(st.lists(strategies.requests.map(Request.compose) | st.binary(max_size=30), max_size=4), st.data())
    def test_mutated(self, pieces: list[bytes], data: st.DataObject) -> None:
        """Requests with bytes put in, taken out and exchanged are read the same in any chunks."""
        stream = bytearray(b"".join(pieces))
        for _ in range(data.draw(st.integers(0, 4))):
            if stream:
                at = data.draw(st.integers(0, len(stream) - 1))
                stream[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        for bounds in (SMALL, BEFORE_LOGIN):
            found = whole(bytes(stream), bounds)
            self.assertEqual(bytewise(bytes(stream), bounds), found)
            cut = data.draw(st.integers(0, len(stream)))
            self.assertEqual(events([bytes(stream[:cut]), bytes(stream[cut:])], bounds), found)

    TOKENS = [
        b"a",
        b" ",
        b"\r\n",
        b"\n",
        b"\r",
        b"(",
        b")",
        b"{3}",
        b"{3+}",
        b"{0+}",
        b"~{2+}",
        b"{99999+}",
        b'"',
        b"\\",
        b"NOOP",
        b"LOGIN",
        b"APPEND INBOX",
        b"FETCH",
        b"1:*",
        b"BODY[",
        b"]",
        b"HEADER.FIELDS",
        b"<0.1>",
        b"\x00",
        b"\xff",
        b"UID",
        b"STORE",
        b"+FLAGS",
        b"\\Seen",
        b"ID",
        b"x" * 30,
    ]

    @by_chance(170)
    @given(st.lists(st.sampled_from(TOKENS), max_size=25).map(b"".join))
    def test_tokens(self, stream: bytes) -> None:
        """So are the grammar's own tokens in any order."""
        self.assertEqual(bytewise(stream, SMALL), whole(stream, SMALL))

    def test_many_commands(self) -> None:
        """A hundred thousand pipelined commands in one segment are all given."""
        self.assertEqual(len(whole(b"b NOOP\r\n" * 100_000)), 100_000)

    def test_linear(self) -> None:
        """The work for one long command byte by byte is a constant number of steps per byte."""
        looked = 0

        class Counting(Reader):
            def _line(self) -> bytes | None:
                nonlocal looked
                looked += 1
                return super()._line()

        reader = Counting()
        data = b"a LOGIN {2000+}\r\n" + b"x" * 2000 + b" {2000+}\r\n" + b"y" * 2000 + b"\r\n"
        for index in range(len(data)):
            reader.feed(data[index : index + 1])
            event = reader.next_event()
        self.assertEqual(event, Request(b"a", Login("x" * 2000, "y" * 2000)))
        self.assertLess(looked, 50)

    def test_proceed(self) -> None:
        """A client that waits for each continuation is asked to go on once for each literal."""
        reader = Reader()
        reader.feed(b"a LOGIN {4}\r\n")
        self.assertEqual(reader.next_event(), Proceed())
        self.assertIsNone(reader.next_event())
        reader.feed(b"fred {2}\r\n")
        self.assertEqual(reader.next_event(), Proceed())
        reader.feed(b"ab\r\n")
        self.assertEqual(reader.next_event(), Request(b"a", Login("fred", "ab")))
