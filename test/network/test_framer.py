"""Tests for L{wildduck.network.framer}."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial.unittest import TestCase

from test.support.chance import by_chance
from wildduck.limits import KIB, MIB
from wildduck.network.framer import Framer, LineTooLong

LIMIT = 12


def read_lines(framer: Framer, limit: int = LIMIT) -> list[tuple[bytes, bool] | str]:
    """All lines that are there, with whether they ended in LF alone; C{"long"} for one over the limit."""
    found: list[tuple[bytes, bool] | str] = []
    while True:
        try:
            line = framer.line(limit)
        except LineTooLong:
            found.append("long")
            continue
        if line is None:
            return found
        found.append((line, framer.bare_lf))


def expected_lines(data: bytes, limit: int = LIMIT) -> list[tuple[bytes, bool] | str]:
    """What the lines of C{data} are, by splitting it whole."""
    *lines, rest = data.split(b"\n")
    found: list[tuple[bytes, bool] | str] = []
    for line in lines:
        if len(line) + 1 > limit:
            found.append("long")
        else:
            found.append((line[:-1], False) if line.endswith(b"\r") else (line, True))
    return [*found, "long"] if len(rest) >= limit else found


class LineTests(TestCase):
    """L{Framer.line}."""

    def test_line_ends(self) -> None:
        """A line ends in CRLF or LF, which are not part of it; a CR elsewhere is content."""
        framer = Framer()
        framer.feed(b"a\r\nb\nc\rd\r\n\r\n\ne\r\r\nrest")
        self.assertEqual(
            read_lines(framer),
            [(b"a", False), (b"b", True), (b"c\rd", False), (b"", False), (b"", True), (b"e\r", False)],
        )
        self.assertEqual(framer.buffered, 4)

    def test_line_end_is_split(self) -> None:
        """CR and LF may come in two segments."""
        framer = Framer()
        framer.feed(b"abc\r")
        self.assertIsNone(framer.line(LIMIT))
        framer.feed(b"\n")
        self.assertEqual(framer.line(LIMIT), b"abc")

    def test_limit_counts_the_line_end(self) -> None:
        """A line of exactly the limit passes, one byte more does not, and the next line is intact."""
        framer = Framer()
        framer.feed(b"x" * (LIMIT - 2) + b"\r\n" + b"y" * (LIMIT - 1) + b"\r\n" + b"next\r\n")
        self.assertEqual(read_lines(framer), [(b"x" * (LIMIT - 2), False), "long", (b"next", False)])

    def test_limit_may_change(self) -> None:
        """What waits in the buffer is judged by the limit of the call."""
        framer = Framer()
        framer.feed(b"x" * 20)
        self.assertIsNone(framer.line(100))
        self.assertRaises(LineTooLong, framer.line, 10)

    def test_gigabyte_without_line_end_is_not_kept(self) -> None:
        """An endless line raises once, keeps no byte, and what follows it is read."""
        framer = Framer()
        segment = bytes(MIB)
        raised = 0
        for _ in range(1024):
            framer.feed(segment)
            try:
                self.assertIsNone(framer.line(64 * KIB))
            except LineTooLong:
                raised += 1
            self.assertEqual(framer.buffered, 0)
        framer.feed(b"end\nNOOP\r\n")
        self.assertEqual((raised, framer.line(64 * KIB), framer.line(64 * KIB)), (1, b"NOOP", None))

    def test_pipelined_lines_in_one_segment(self) -> None:
        """A hundred thousand lines of one segment come out one by one."""
        framer = Framer()
        framer.feed(b"a1 NOOP\r\n" * 100_000)
        self.assertEqual(read_lines(framer), [(b"a1 NOOP", False)] * 100_000)
        self.assertEqual(framer.buffered, 0)

    def test_search_does_not_begin_anew(self) -> None:
        """Each byte of a line that arrives in single bytes is searched once."""
        framer = Framer()

        class CountingBuffer(bytearray):
            searched = 0

            def find(self, what: bytes, start: int = 0) -> int:  # type: ignore[override]
                CountingBuffer.searched += len(self) - start
                return super().find(what, start)

        framer._buffer = CountingBuffer()
        for _ in range(50_000):
            framer.feed(b"x")
            self.assertIsNone(framer.line(64 * KIB))
        self.assertEqual(CountingBuffer.searched, 50_000)

    def test_clear_ends_skipping(self) -> None:
        """After L{Framer.clear} nothing of a skipped line is remembered."""
        framer = Framer()
        framer.feed(b"x" * 50)
        self.assertRaises(LineTooLong, framer.line, LIMIT)
        framer.clear()
        framer.feed(b"new\r\n")
        self.assertEqual(framer.line(LIMIT), b"new")

    @by_chance(50)
    @given(
        st.lists(st.sampled_from([b"a", b"bcdefgh", b"\r", b"\n", b"\r\n", b"x" * 11, b"\0"]), max_size=40),
        st.data(),
    )
    def test_segments_do_not_matter(self, pieces: list[bytes], data: st.DataObject) -> None:
        """However the bytes are cut, the same lines come out."""
        stream = b"".join(pieces)
        cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=10).map(sorted))
        framer = Framer()
        found = []
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            framer.feed(stream[start:end])
            found += read_lines(framer)
        self.assertEqual(found, expected_lines(stream))


class TakeTests(TestCase):
    """L{Framer.take} and L{Framer.untake}."""

    def test_take_between_lines(self) -> None:
        """A counted block is given as it is, and the line after it is a line."""
        framer = Framer()
        framer.feed(b"A {5}\r\na\r\nb\nrest\r\n")
        self.assertEqual(framer.line(LIMIT), b"A {5}")
        self.assertEqual(framer.take(5), b"a\r\nb\n")
        self.assertEqual(framer.line(LIMIT), b"rest")

    def test_take_gives_what_is_there(self) -> None:
        """Fewer bytes than asked for, also none, when fewer are there."""
        framer = Framer()
        self.assertEqual(framer.take(5), b"")
        framer.feed(b"abc")
        self.assertEqual((framer.take(5), framer.take(5)), (b"abc", b""))

    def test_untake(self) -> None:
        """What was taken too much is read again as lines."""
        framer = Framer()
        framer.feed(b"body\r\n.\r\nQUIT\r\n")
        taken = framer.take(framer.buffered)
        framer.untake(len(taken) - 9)
        self.assertEqual(framer.line(LIMIT), b"QUIT")

    def test_large_block_in_small_segments(self) -> None:
        """Consumed bytes do not stay in the buffer."""
        framer = Framer()
        for _ in range(1000):
            framer.feed(b"x" * 1000)
            self.assertEqual(len(framer.take(990)), 990)
        self.assertLess(len(framer._buffer), 200_000)
        self.assertEqual(framer.buffered, 10_000)

    @by_chance(50)
    @given(st.lists(st.tuples(st.binary(max_size=300), st.integers(0, 300), st.integers(0, 300))))
    def test_take_and_untake_lose_nothing(self, steps: list[tuple[bytes, int, int]]) -> None:
        """Any mixture gives the stream as it was fed."""
        framer = Framer()
        fed, taken = b"", b""
        for data, count, back in steps:
            framer.feed(data)
            fed += data
            piece = framer.take(count)
            back = min(back, len(piece))
            framer.untake(back)
            taken += piece[: len(piece) - back]
        self.assertEqual(taken + framer.take(framer.buffered), fed)
