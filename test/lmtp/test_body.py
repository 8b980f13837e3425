"""Tests for L{wildduck.lmtp.body}."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.support.chance import by_chance
from wildduck.lmtp.body import ChunkReader, DotUnstuffer

#: What is sent after DATA, and the content that it is.
CASES = {
    b".\r\n": b"",
    b"\r\n.\r\n": b"\r\n",
    b"a\r\n.\r\n": b"a\r\n",
    b"a\r\n..\r\n.\r\n": b"a\r\n.\r\n",
    b"..\r\n.\r\n": b".\r\n",
    b"..a\r\n...b\r\n.\r\n": b".a\r\n..b\r\n",
    # A dot that was not doubled is taken off too (RFC 5321 §4.5.2).
    b".a\r\nb\r\n.\r\n": b"a\r\nb\r\n",
    b"a\r\n.b\r\n.\r\n": b"a\r\nb\r\n",
    # Smuggling: none of these ends a message, and no byte of them is lost.
    b"a\n.\nb\r\n.\r\n": b"a\n.\nb\r\n",
    b"a\n.\r\nb\r\n.\r\n": b"a\n.\r\nb\r\n",
    b"a\r\n.\nb\r\n.\r\n": b"a\r\n\nb\r\n",
    b"a\r.\rb\r\n.\r\n": b"a\r.\rb\r\n",
    b"a\r.\r\nb\r\n.\r\n": b"a\r.\r\nb\r\n",
    b"a\r\n.\rb\r\n.\r\n": b"a\r\n\rb\r\n",
    b"a\n..\nb\r\n.\r\n": b"a\n..\nb\r\n",
    b"a\r\r\n.\r\n": b"a\r\r\n",
    b"a\r\n\r.\r\nb\r\n.\r\n": b"a\r\n\r.\r\nb\r\n",
    b"a\r\n.\r\r\nb\r\n.\r\n": b"a\r\n\r\r\nb\r\n",
    b"a\0.\0\r\n.\0\r\n.\r\n": b"a\0.\0\r\n\0\r\n",
    b"\n.\n.\r\n": None,
    b"\r.\r": None,
    b".\n": None,
    b".\r": None,
}


def unstuff(pieces: list[bytes]) -> tuple[bytes, bytes | None]:
    """The content, and what follows it; C{None} when it has not ended."""
    reader = DotUnstuffer()
    content = []
    for index, piece in enumerate(pieces):
        got, after = reader.feed(piece)
        content.append(got)
        if after is not None:
            rest = piece[len(piece) - after :] + b"".join(pieces[index + 1 :])
            return b"".join(content), rest
    return b"".join(content), None


def stuff(content: bytes) -> bytes:
    """What a client sends for a content that ends in CRLF or is empty."""
    lines = content.split(b"\r\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines) + b".\r\n"


PIECES = st.sampled_from([b"\r\n", b".", b"..", b"\r", b"\n", b"a", b"\0", b"\r\n.\r\n", b"bc"])


class DotUnstufferTests(SynchronousTestCase):
    """L{DotUnstuffer}."""

    def test_cases(self) -> None:
        """Each case whole, in single bytes, and followed by a command."""
        for sent, expected in CASES.items():
            for pieces in ([sent], [bytes([byte]) for byte in sent], [sent + b"QUIT\r\n"]):
                content, rest = unstuff(pieces)
                if expected is None:
                    self.assertIsNone(unstuff([sent])[1], sent)
                    continue
                self.assertEqual((sent, content), (sent, expected))
                self.assertIn(rest, (b"", b"QUIT\r\n"))

    def test_two_cuts(self) -> None:
        """No pair of segment borders changes the outcome."""
        sent = b"..\r\n.\n.\r\nx\r\n..\r\n\r\n.\r\nNOOP\r\n"
        whole = unstuff([sent])
        self.assertEqual(whole, (b".\r\n\n.\r\nx\r\n.\r\n\r\n", b"NOOP\r\n"))
        for first in range(len(sent) + 1):
            for second in range(first, len(sent) + 1):
                self.assertEqual(unstuff([sent[:first], sent[first:second], sent[second:]]), whole)

    @by_chance(50)
    @given(st.lists(PIECES, max_size=30).map(b"".join))
    def test_round_trip(self, text: bytes) -> None:
        """What a client stuffs by RFC 5321 §4.5.2 comes out as it was."""
        content = text + b"\r\n" if text and not text.endswith(b"\r\n") else text
        self.assertEqual(unstuff([stuff(content) + b"MAIL"]), (content, b"MAIL"))

    @by_chance(50)
    @given(st.lists(PIECES, max_size=30), st.data())
    def test_segments_do_not_matter(self, pieces: list[bytes], data: st.DataObject) -> None:
        """However the bytes are cut, content and end are the same."""
        sent = b"".join(pieces)
        cuts = data.draw(st.lists(st.integers(0, len(sent)), max_size=8).map(sorted))
        segments = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
        content, rest = unstuff(segments)
        if rest is None:
            # What is held back at the end of the data depends on nothing but the end.
            self.assertEqual(unstuff([sent]), (content, None))
        else:
            self.assertEqual(unstuff([sent]), (content, rest))

    def test_holds_back_little(self) -> None:
        """Content is passed on as it comes, but for the start of a possible end."""
        reader = DotUnstuffer()
        for segment in (b"x" * 100_000, b"y\r\n.", b".z\r\n"):
            content, _ = reader.feed(segment)
            self.assertGreaterEqual(len(content) + 4, len(segment))


class ChunkReaderTests(SynchronousTestCase):
    """L{ChunkReader}."""

    def test_counts(self) -> None:
        """Exactly the announced octets belong to the chunk, whatever they are."""
        reader = ChunkReader(7)
        self.assertEqual(reader.feed(b"\r\n."), (b"\r\n.", None))
        self.assertEqual(reader.left, 4)
        self.assertEqual(reader.feed(b"\r\n\0\xffQUIT"), (b"\r\n\0\xff", 4))

    def test_empty(self) -> None:
        """A chunk of no octets ends before anything is read."""
        self.assertEqual(ChunkReader(0).feed(b""), (b"", 0))
        self.assertEqual(ChunkReader(0).feed(b"RSET\r\n"), (b"", 6))
