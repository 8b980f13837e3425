"""Tests of L{wildduck.mime.pieces}: in pieces as of the whole."""

from __future__ import annotations

import base64
import quopri

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.support.chance import by_chance
from wildduck.mime import charsets, transfer
from wildduck.mime.folded import Finder, fold
from wildduck.mime.pieces import StreamedText

cuts = st.lists(st.integers(0, 400), max_size=8)
encodings = st.sampled_from(["base64", "quoted-printable", "7bit", "8BIT", " Base64 ", "x-unknown"])
CHARSETS = [
    None,
    "utf-8",
    "iso-8859-1",
    "windows-1252",
    "iso-2022-jp",
    "shift_jis",
    "utf-7",
    "utf-16",
    "koi8-r",
]
#: What encoded bodies are made of, and what breaks them.
bodies = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=200).map(base64.encodebytes),
    st.binary(max_size=200).map(quopri.encodestring),
    st.lists(
        st.sampled_from([b"=", b"=\r\n", b"=3D", b"=E4", b" ", b"\r\n", b"a", b"QUJD", b"="]), max_size=60
    ).map(b"".join),
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = [*sorted(cuts), len(data)]
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


class PieceTests(SynchronousTestCase):
    @by_chance(50)
    @given(bodies, encodings, cuts)
    def test_transfer_encoding(self, body: bytes, encoding: str, cuts: list[int]) -> None:
        decoder = transfer.decoder(encoding)
        decoded = b"".join(map(decoder.feed, pieces(body, cuts))) + decoder.finish()
        self.assertEqual(decoded, transfer.decode(body, encoding))

    @by_chance(50)
    @given(
        st.text(st.characters(codec="utf-8"), max_size=60),
        st.sampled_from(CHARSETS),
        encodings,
        cuts,
        st.data(),
    )
    def test_text(
        self, text: str, charset: str | None, encoding: str, cuts: list[int], data: st.DataObject
    ) -> None:
        """What the whole decoded body holds is found, and nothing else."""
        raw = text.encode(charset or data.draw(st.sampled_from(["utf-8", "cp1252"])), "replace")
        body = base64.encodebytes(raw) if encoding.strip().lower() == "base64" else raw
        folded = fold(charsets.decode(transfer.decode(body, encoding), charset))
        start = data.draw(st.integers(0, len(folded)))
        wanted = {folded[start : start + 9], folded[start : start + 3] + "x"} - {""}
        streamed = StreamedText(encoding, charset, lambda: Finder(wanted))
        for piece in pieces(body, cuts):
            streamed.feed(piece)
        self.assertEqual(streamed.finish(), {one for one in wanted if one not in folded})

    def test_no_line_end(self) -> None:
        """Quoted-printable in one endless line is not held."""
        decoder = transfer.decoder("quoted-printable")
        body = b"caf=C3=A9 " * 100_000
        decoded = b"".join(decoder.feed(body[at : at + 1000]) for at in range(0, len(body), 1000))
        self.assertGreater(len(decoded), 500_000)
        self.assertEqual(decoded + decoder.finish(), transfer.quoted_printable(body))
