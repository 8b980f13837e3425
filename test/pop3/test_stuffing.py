"""Doubled dots and cut messages, whatever the blocks."""

from __future__ import annotations

import re

from hypothesis import example, given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.pop3.server import unstuffed
from test.support.chance import by_chance
from wildduck.pop3.stuffing import DotStuffer, TopCutter

#: Contents of lines, dots and line ends of every kind.
contents = st.lists(st.sampled_from([b"\r\n", b"\n", b"\r", b".", b"..", b"a", b"\0", b"+OK x"])).map(
    b"".join
)


def blocks_of(content: bytes, sizes: list[int]) -> list[bytes]:
    """The content in blocks of these sizes, the rest as the last one."""
    blocks = []
    for size in sizes:
        blocks.append(content[:size])
        content = content[size:]
    return [*blocks, content]


def sent(content: bytes, sizes: list[int]) -> bytes:
    stuffer = DotStuffer()
    return b"".join(map(stuffer.feed, blocks_of(content, sizes))) + stuffer.finish()


def read_by_line_feed(data: bytes) -> tuple[bytes, bytes]:
    """What a client like poplib takes for the message, and what it takes for the next response."""
    message = b""
    while True:
        line, found, data = data.partition(b"\n")
        assert found, "no end"
        if line.rstrip(b"\r") == b".":
            return message, data
        message += (line[1:] if line.startswith(b".") else line) + b"\n"


def complete(content: bytes) -> bytes:
    """With the CRLF that a last line may lack."""
    return content if not content or content.endswith(b"\r\n") else content + b"\r\n"


class DotStufferTests(SynchronousTestCase):
    def test_examples(self) -> None:
        """Dots at the beginning of lines are doubled, and no others; the last line is ended."""
        for content, expected in [
            (b"", b".\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b"a\r\n", b"a\r\n.\r\n"),
            (b".\r\n", b"..\r\n.\r\n"),
            (b"a\r\n.b\r\n..\r\n", b"a\r\n..b\r\n...\r\n.\r\n"),
            (b"a.b\r.c\r\n", b"a.b\r.c\r\n.\r\n"),
            (b"a\n.\r\n+OK 1 octets\r\n", b"a\n..\r\n+OK 1 octets\r\n.\r\n"),
            (b"a\n", b"a\n\r\n.\r\n"),
            (b"a\r", b"a\r\r\n.\r\n"),
            (b"\n", b"\n\r\n.\r\n"),
        ]:
            self.assertEqual(sent(content, []), expected, content)

    @by_chance(50)
    @given(contents, st.lists(st.integers(0, 3), max_size=20))
    @example(b"\r\n.\r\n.", [1, 1, 1, 1, 1])
    @example(b"a\r\n", [2, 0])
    def test_blocks(self, content: bytes, sizes: list[int]) -> None:
        """Where a block ends makes no difference."""
        self.assertEqual(sent(content, sizes), sent(content, []))

    @by_chance(50)
    @given(contents)
    def test_strict_client(self, content: bytes) -> None:
        """A client that knows CRLF only sees one end, and beside dots after a bare LF the exact message."""
        data = sent(content, [])
        self.assertEqual((b"\r\n" + data).index(b"\r\n.\r\n"), len(data) - 3)
        expected = re.sub(rb"(?<!\r)\n\.", b"\n..", complete(content))
        self.assertEqual(unstuffed(data[:-3]), expected)

    @by_chance(50)
    @given(contents)
    def test_lenient_client(self, content: bytes) -> None:
        """A client that reads up to LF gets the exact message, and nothing in it is taken for its end."""
        message, rest = read_by_line_feed(sent(content, []) + b"+OK next\r\n")
        self.assertEqual(message, complete(content))
        self.assertEqual(rest, b"+OK next\r\n")


class TopCutterTests(SynchronousTestCase):
    def _cut(self, content: bytes, header: int, lines: int, sizes: list[int]) -> bytes:
        cutter = TopCutter(header, lines)
        found = b""
        for block in blocks_of(content, sizes):
            if cutter.done:
                break
            found += cutter.feed(block)
        return found

    @by_chance(50)
    @given(contents, contents, st.integers(0, 5), st.lists(st.integers(0, 3), max_size=20))
    def test_lines(self, header: bytes, body: bytes, lines: int, sizes: list[int]) -> None:
        """The whole header and as many lines of the body as are asked, or as there are."""
        expected = header + b"".join(re.findall(rb"[^\n]*\n|[^\n]+\Z", body)[:lines])
        self.assertEqual(self._cut(header + body, len(header), lines, sizes), expected)

    def test_done(self) -> None:
        """No more than needed is asked for."""
        cutter = TopCutter(3, 1)
        self.assertEqual((cutter.feed(b"h\r\n"), cutter.done), (b"h\r\n", False))
        self.assertEqual((cutter.feed(b"a\r\nb\r\n"), cutter.done), (b"a\r\n", True))
        cutter = TopCutter(3, 0)
        self.assertEqual((cutter.feed(b"h\r\nb"), cutter.done), (b"h\r\n", True))
        self.assertTrue(TopCutter(0, 0).done)
