"""Tests of L{wildduck.imap.commands.header_fields}."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.support.chance import by_chance
from wildduck.imap.commands.header_fields import select

HEADER = b"From: a@b\r\nTO : c\r\nSubject: one\r\n two\r\n\tthree\r\nX\r\nto: d\r\n\r\n"


class SelectTests(SynchronousTestCase):
    def test_fields(self) -> None:
        """Fields are found in any case, with their folding, in their order, repeated ones all."""
        self.assertEqual(select(HEADER, [b"to"], False), b"TO : c\r\nto: d\r\n\r\n")
        self.assertEqual(
            select(HEADER, [b"SUBJECT", b"from"], False),
            b"From: a@b\r\nSubject: one\r\n two\r\n\tthree\r\n\r\n",
        )

    def test_without(self) -> None:
        """The other fields, lines without a colon included."""
        self.assertEqual(select(HEADER, [b"to", b"subject"], True), b"From: a@b\r\nX\r\n\r\n")

    def test_no_empty_line(self) -> None:
        """Where the message has no empty line none is made up (RFC 3501 §6.4.5)."""
        self.assertEqual(select(b"A: 1\r\nB: 2", [b"b"], False), b"B: 2")
        self.assertEqual(select(b"A: 1\r\nB: 2\r\n 3", [b"b"], False), b"B: 2\r\n 3")
        self.assertEqual(select(b"", [b"b"], True), b"")

    def test_bare_line_feeds(self) -> None:
        """Bytes are as they came, also where lines end in LF alone."""
        self.assertEqual(select(b"A: 1\nB: 2\n 3\n\n", [b"b"], False), b"B: 2\n 3\n\n")

    @by_chance(50)
    @given(st.text("aB:\r\n \t", max_size=30).map(str.encode))
    def test_all_and_none(self, header: bytes) -> None:
        """Leaving nothing out gives every byte back, whatever the header."""
        self.assertEqual(select(header, [], True), header)
