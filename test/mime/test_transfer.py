"""Tests for forgiving transfer decoding."""

from __future__ import annotations

import base64

from hypothesis import given, settings, strategies as st
from twisted.trial import unittest

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

    def test_names(self) -> None:
        """The encoding is named in any case; an unknown one changes nothing."""
        self.assertEqual(transfer.decode(b"QQ==", " BASE64 "), b"A")
        self.assertEqual(transfer.decode(b"=41", "Quoted-Printable"), b"A")
        for name in ("7bit", "8bit", "binary", "", "x-uuencode"):
            self.assertEqual(transfer.decode(b"QQ==", name), b"QQ==")

    @settings(deadline=None)
    @given(st.binary(max_size=200))
    def test_round_trip(self, data: bytes) -> None:
        """What is encoded rightly comes back."""
        self.assertEqual(transfer.base64(base64.encodebytes(data)), data)

    @settings(deadline=None)
    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes) -> None:
        """Nothing raises."""
        for encoding in ("base64", "quoted-printable", "7bit"):
            transfer.decode(data, encoding)
        transfer.q_word(data)
