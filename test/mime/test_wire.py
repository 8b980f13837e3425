"""Tests for strings as IMAP sends them."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial import unittest

from test.mime.imap_values import parse
from test.support.chance import by_chance
from wildduck.mime import wire


class StringTests(unittest.TestCase):
    """Quoted where it can be, else a literal."""

    def test_table(self) -> None:
        """Each kind of string has its form."""
        for value, expected in (
            (b"", b'""'),
            (b"plain text", b'"plain text"'),
            (b'a "b" \\ c', b'"a \\"b\\" \\\\ c"'),
            (b"caf\xc3\xa9", b"{5}\r\ncaf\xc3\xa9"),
            (b"a\r\nb", b"{4}\r\na\r\nb"),
            (b"tab\there", b"{8}\r\ntab\there"),
            (b"nul\0", b"{4}\r\nnul\x80"),
            (b"x" * 1025, b"{1025}\r\n" + b"x" * 1025),
        ):
            self.assertEqual(wire.string(value), expected)

    def test_nothing(self) -> None:
        """A missing string is NIL, as is an empty list of strings."""
        self.assertEqual(wire.nstring(None), b"NIL")
        self.assertEqual(wire.nstring(b""), b'""')
        self.assertEqual(wire.strings([]), b"NIL")
        self.assertEqual(wire.strings([b"a", b"b c"]), b'("a" "b c")')

    @by_chance(50)
    @given(st.binary(max_size=60))
    def test_any_bytes(self, value: bytes) -> None:
        """Any bytes come back from what is sent, a NUL as 0x80."""
        self.assertEqual(parse(wire.string(value)), value.replace(b"\0", b"\x80"))
