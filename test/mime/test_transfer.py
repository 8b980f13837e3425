"""Tests for forgiving transfer decoding."""

from __future__ import annotations

import base64

from hypothesis import given, strategies as st
from twisted.trial import unittest

from test.support.chance import by_chance
from wildduck.mime import transfer


class DecodingTests(unittest.TestCase):
    """Right input is decoded, wrong input gives what it holds."""

    def test_base64(self) -> None:
        """Padding may be missing, other characters are skipped."""
        for encoded, decoded in (
            (b"aGVsbG8=", b"hello"),
            (b"aGVsbG8", b"hello"),
            (b"aGVs\r\nbG8=\r\n", b"hello"),
            (b"aG*Vs bG8", b"hello"),
            (b"a", b""),
            (b"", b""),
            (b"-_-_", b"\xfb\xff\xbf"),
        ):
            self.assertEqual(transfer.base64(encoded), decoded)

    def test_quoted_printable(self) -> None:
        """Soft breaks vanish, a wrong equals sign stays."""
        for encoded, decoded in (
            (b"a=3Db", b"a=b"),
            (b"long =\r\nline", b"long line"),
            (b"=e4=E4", b"\xe4\xe4"),
            (b"a=ZZ", b"a=ZZ"),
            (b"end=", b"end"),
        ):
            self.assertEqual(transfer.quoted_printable(encoded), decoded)

    def test_padding(self) -> None:
        """Blanks at the end of a line were added on the way (RFC 2045 §6.7 rule 3)."""
        for encoded, decoded in (
            (b"one \r\ntwo\t \t\r\n", b"one\r\ntwo\r\n"),
            (b"one \ntwo", b"one\ntwo"),
            (b" in =  \r\n one", b" in  one"),
            (b"kept=20\r\nkept=09 \r\n", b"kept \r\nkept\t\r\n"),
            (b" \t\r\n \r\nend \t", b"\r\n\r\nend"),
            (b"no end \r of a line", b"no end \r of a line"),
            (b"= in the midst", b"= in the midst"),
        ):
            self.assertEqual(transfer.quoted_printable(encoded), decoded)

    def test_endless_blanks(self) -> None:
        """A thousand blanks are padding, more are not; a million are soon looked at."""
        self.assertEqual(transfer.quoted_printable(b"a" + b" " * 1000 + b"\r\n"), b"a\r\n")
        for number in (1001, 1_000_000):
            data = b"a" + b" " * number + b"\r\n"
            self.assertEqual(transfer.quoted_printable(data), data)

    def test_names(self) -> None:
        """The encoding is named in any case; an unknown one changes nothing."""
        self.assertEqual(transfer.decode(b"QQ==", " BASE64 "), b"A")
        self.assertEqual(transfer.decode(b"=41", "Quoted-Printable"), b"A")
        for name in ("7bit", "8bit", "binary", "", "x-uuencode"):
            self.assertEqual(transfer.decode(b"QQ==", name), b"QQ==")

    @by_chance(50)
    @given(st.binary(max_size=200))
    def test_round_trip(self, data: bytes) -> None:
        """What is encoded rightly comes back."""
        self.assertEqual(transfer.base64(base64.encodebytes(data)), data)

    @by_chance(50)
    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes) -> None:
        """Nothing raises."""
        for encoding in ("base64", "quoted-printable", "7bit"):
            transfer.decode(data, encoding)
        transfer.q_word(data)


class PieceByPieceTests(unittest.TestCase):
    """However a body is cut, its pieces decode to what the whole does."""

    def check(self, encoding: str, data: bytes, cuts: list[int]) -> None:
        decoder = transfer.decoder(encoding)
        places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
        decoded = b"".join(decoder.feed(data[a:b]) for a, b in zip(places, places[1:], strict=False))
        self.assertEqual(decoded + decoder.finish(), transfer.decode(data, encoding))

    @by_chance(50)
    @given(
        st.sampled_from(("base64", "quoted-printable", "7bit", "X-odd")),
        st.lists(
            st.sampled_from(
                (b"=", b"\r", b"\n", b"a", b"F", b"4", b" ", b"\t", b"-", b"=3D", b"=\r\n", b"  \r\n")
            ),
            max_size=60,
        ),
        st.lists(st.integers(0, 200), max_size=8),
    )
    def test_cuts(self, encoding: str, pieces: list[bytes], cuts: list[int]) -> None:
        """Anywhere."""
        self.check(encoding, b"".join(pieces), cuts)

    @by_chance(50)
    @given(
        st.lists(
            st.sampled_from((b"=Z", b"=F4", b"\r", b"a", b"F", b"=\rzz", b"\n", b" ", b"\t ", b"=")),
            max_size=60,
        ),
        st.lists(st.integers(0, 200), max_size=8),
    )
    def test_long_lines(self, pieces: list[bytes], cuts: list[int]) -> None:
        """Also lines that are too long to wait for their end."""
        self.patch(transfer, "_LINE_BYTES", 4)
        self.check("quoted-printable", b"".join(pieces), cuts)

    @by_chance(50)
    @given(st.integers(995, 1010), st.sampled_from((b"", b"=")), st.lists(st.integers(0, 1020), max_size=8))
    def test_many_blanks(self, number: int, before: bytes, cuts: list[int]) -> None:
        """Whether they are too many is seen in pieces, too."""
        self.patch(transfer, "_LINE_BYTES", 4)
        self.check("quoted-printable", b"ab" + before + b" " * number + b"\r\nend", cuts)

    def test_memory(self) -> None:
        """A line without end is not held."""
        decoder = transfer.QuotedPrintableDecoder()
        given = sum(len(decoder.feed(b"a" * 10_000)) for _ in range(100))
        self.assertGreater(given, 900_000)
        given = sum(len(decoder.feed(b" " * 10_000)) for _ in range(100))
        self.assertGreater(given, 900_000)
