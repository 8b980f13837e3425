"""Tests for the bounded reading of header fields."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial import unittest

from test.mime.strategies import cut
from test.support.chance import by_chance
from wildduck.mime import headers
from wildduck.mime.fields import FieldBudget, read

_LINES = st.sampled_from(
    [b"A: b\r\n", b" folded\r\n", b"\tmore\n", b"B:" + b"c" * 50 + b"\r\n", b"no colon\r\r\n", b"\r", b"D: e"]
)


def kept(header: bytes, budget: int = 1_000_000, size: int = 4096) -> list[bytes]:
    return read(len(header), cut(header, [size]), FieldBudget(budget))


class ReadTests(unittest.TestCase):
    """Fields of short and long headers."""

    def test_short(self) -> None:
        """A short header is split into all its fields."""
        self.assertEqual(kept(b"A: 1\r\nB: 2\r\n 3\r\n\r\n"), [b"A: 1", b"B: 2\r\n 3"])

    @given(st.lists(_LINES, max_size=40), st.integers(1, 100))
    @by_chance(50)
    def test_long(self, lines: list[bytes], size: int) -> None:
        """A long header in pieces gives the same fields as a short one."""
        header = b"Long: " + b"x" * 70_000 + b"\r\n" + b"".join(lines) + b"\r\n\r\n"
        self.assertEqual(kept(header, size=1000 + size), headers.split_header(header))

    def test_field_too_long(self) -> None:
        """Of a field that does not fit the beginning is kept, and later fields have room."""
        header = b"To: " + b"somebody@example.com, " * 100_000 + b"\r\nSubject: x\r\n\r\n"
        fields = kept(header, 100_000)
        self.assertTrue(fields[0].endswith(b"somebody@example.com"))
        self.assertTrue(30_000 < len(fields[0]) <= 50_000)
        self.assertEqual(fields[1:], [b"Subject: x"])

    def test_field_after_one_too_long(self) -> None:
        """A field begins after one that was cut, wherever a piece of the header ends."""
        for extra in range(8):
            header = b"A: " + b"x" * (81_920 - 8 + extra) + b"\r\nB: c\r\nD: e\r\n\r\n"
            fields = read(len(header), cut(header, [8192]), FieldBudget(4096))
            self.assertEqual(fields[1:], [b"B: c", b"D: e"])

    def test_budget_is_shared(self) -> None:
        """What one header takes another one lacks."""
        budget = FieldBudget(200)
        header = b"A: " + b"x" * 100 + b"\r\n"
        self.assertEqual(len(read(len(header), [header], budget)), 1)
        self.assertEqual(read(len(header), [header], budget), [])

    def test_many_fields(self) -> None:
        """Of two million fields as many are kept as there is room for."""
        fields = kept(b"a:\r\n" * 2_000_000, 100_000, 256 * 1024)
        self.assertEqual(len(fields), 100_000 // (2 + 32))

    def test_eight_bit_costs_more(self) -> None:
        """A character above 127 takes two bytes in the tree, and from the room."""
        self.assertEqual(kept(b"A: " + b"\xe4" * 100 + b"\r\n", 200), [])
