"""List-Id and List-Unsubscribe, right and wrong ones."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial import unittest

from test.support.chance import by_chance
from wildduck.mime.list_headers import Entry, addresses, list_id


class ListIdTests(unittest.TestCase):
    """RFC 2919."""

    def test_forms(self) -> None:
        """With words before it, bare, or without brackets."""
        for value, expected in (
            ("My list <list.example.net>", Entry("My list", "list.example.net")),
            ("<list.example.net>", Entry("", "list.example.net")),
            ("list.example.net", Entry("", "list.example.net")),
            ("list.example.net (comment)", Entry("", "list.example.net")),
            ('"A, \\"B\\"" <x>', Entry('A, "B"', "x")),
            ("=?utf-8?q?J=C3=B5gi?= <x.y>", Entry("Jõgi", "x.y")),
            ("a < b <x", Entry("a < b", "x")),
            ("two words", Entry("two words", "")),
            ("<list.\r\n example.net>", Entry("", "list.example.net")),
        ):
            self.assertEqual(list_id(value), expected)
        for value in ("", "  ", "<>", "< >"):
            self.assertIsNone(list_id(value))


class AddressesTests(unittest.TestCase):
    """RFC 2369."""

    def test_forms(self) -> None:
        """URIs of any scheme; what is none is a name and spoils no other."""
        for value, expected in (
            (
                "<mailto:a@example.net?subject=x,y>, <https://example.net/?a=1,2>",
                [Entry("", "mailto:a@example.net?subject=x,y"), Entry("", "https://example.net/?a=1,2")],
            ),
            ("junk, <ftp://x/>", [Entry("junk", ""), Entry("", "ftp://x/")]),
            ("<a@example.net>, <x-y:z>", [Entry("a@example.net", ""), Entry("", "x-y:z")]),
            ("(Use this) <mailto:a@b>", [Entry("", "mailto:a@b")]),
            ("https://example.net/leave", [Entry("", "https://example.net/leave")]),
            ("<https://example.net/\r\n  long>", [Entry("", "https://example.net/long")]),
            ("<mailto:a@b", [Entry("", "mailto:a@b")]),
            ("<>, ,", []),
            ("", []),
        ):
            self.assertEqual(addresses(value), expected)

    @by_chance(50)
    @given(st.text(alphabet='<>,:()a "\\\r\n=?', max_size=200))
    def test_any(self, value: str) -> None:
        """Any text gives an answer."""
        self.assertLessEqual(len(addresses(value)), 100)
        list_id(value)

    def test_time(self) -> None:
        """Hostile ones take no longer than their length says."""
        for value in ("<" * 300_000, "a:," * 100_000, "(" * 300_000, "<x>" * 100_000, '"\\' * 100_000):
            self.assertLessEqual(len(addresses(value)), 100)
            list_id(value)
