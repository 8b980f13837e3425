"""Tests of L{wildduck.imap.listing}."""

from __future__ import annotations

import re

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wildduck.errors import CannotDo
from wildduck.imap.grammar.responses import ListData
from wildduck.imap.listing import Entry, Pattern, listing

MATCHES = [
    ("*", "a/b/c", True),
    ("%", "a", True),
    ("%", "a/b", False),
    ("%/%", "a/b", True),
    ("a/%", "a/b", True),
    ("a/%", "a/b/c", False),
    ("a/*", "a/b/c", True),
    ("a*", "a", True),
    ("a%", "a/b", False),
    ("*c", "a/b/c", True),
    ("%c", "a/b/c", False),
    ("*%", "a/b", True),
    ("%*", "a/b", True),
    ("%%", "a", True),
    ("a*b*c", "a1b2c", True),
    ("a*b*c", "a1b2", False),
    ("*/%", "a/b/c", True),
    ("", "a", False),
    ("a", "A", False),
    ("inbox", "INBOX", True),
    ("InB*", "INBOX", True),
    ("inbox/sub", "INBOX/sub", True),
    ("inbox/SUB", "INBOX/sub", False),
    ("inboxes", "INBOXES", False),
    ("a.b", "aXb", False),
    ("[a-z]", "b", False),
    ("(a|b)", "(a|b)", True),
    ("a{2}", "aa", False),
    ("a{2}", "a{2}", True),
]


class PatternTests(SynchronousTestCase):
    def test_matches(self) -> None:
        """Only the two wildcards are special, and the percent sign stops at a delimiter."""
        for pattern, name, expected in MATCHES:
            self.assertIs(Pattern(pattern).matches(name), expected, (pattern, name))

    def test_levels(self) -> None:
        """One walk tells which parents of a name match."""
        self.assertEqual(Pattern("*").matching_levels("a/bb/c"), [1, 4, 6])
        self.assertEqual(Pattern("%/%").matching_levels("a/bb/c"), [4])

    def test_hostile(self) -> None:
        """A pattern made to be tried again and again takes one walk (CVE-2021-40110)."""
        pattern = Pattern("*%a" * 300 + "b")
        self.assertFalse(pattern.matches("a" * 10_000))

    def test_too_long(self) -> None:
        """A pattern has a bound."""
        self.assertRaises(CannotDo, Pattern, "a" * 1001)

    @settings(deadline=None, max_examples=500)
    @given(st.text("ab/*%", max_size=8), st.text("ab/", max_size=8))
    def test_same_as_expression(self, pattern: str, name: str) -> None:
        """It agrees with the regular expression that a pattern stands for."""
        parts = {"*": ".*", "%": "[^/]*"}
        expression = "".join(parts.get(character, re.escape(character)) for character in pattern)
        self.assertIs(Pattern(pattern).matches(name), bool(re.fullmatch(expression, name)))


NAMES = ["INBOX", "Drafts", "a", "a/b", "a b", "a-b/x/y", "INBOX/sub", "ab"]


class ListingTests(SynchronousTestCase):
    def lines(self, pattern: str, names: list[str] = NAMES) -> list[tuple[str, ...]]:
        entries = [Entry(name, "\\Drafts" if name == "Drafts" else "") for name in names]
        return [(found.name, *found.attributes) for found in listing(entries, pattern)]

    def test_all(self) -> None:
        """INBOX is first, missing parents are there, each mailbox stands before its children."""
        self.assertEqual(
            self.lines("*"),
            [
                ("INBOX", "\\HasChildren"),
                ("INBOX/sub", "\\HasNoChildren"),
                ("Drafts", "\\HasNoChildren", "\\Drafts"),
                ("a", "\\HasChildren"),
                ("a/b", "\\HasNoChildren"),
                ("a b", "\\HasNoChildren"),
                ("a-b", "\\Noselect", "\\HasChildren"),
                ("a-b/x", "\\Noselect", "\\HasChildren"),
                ("a-b/x/y", "\\HasNoChildren"),
                ("ab", "\\HasNoChildren"),
            ],
        )

    def test_one_level(self) -> None:
        """A percent sign at the end lists the levels above deeper mailboxes, too."""
        self.assertEqual([line[0] for line in self.lines("%")], ["INBOX", "Drafts", "a", "a b", "a-b", "ab"])
        self.assertEqual(self.lines("a-b/%"), [("a-b/x", "\\Noselect", "\\HasChildren")])

    def test_shared_parents(self) -> None:
        """A missing parent is listed once, however many mailboxes lie under it."""
        names = ["x/y/1", "x/y/2", "x/z", "xx/y"]
        self.assertEqual(
            [line[0] for line in self.lines("*", names)], ["x", "x/y", "x/y/1", "x/y/2", "x/z", "xx", "xx/y"]
        )

    def test_attribute(self) -> None:
        """A special use that is no attribute is not sent."""
        found = list(listing([Entry("a", "\\Bad)\r\n* BYE")], "*"))
        self.assertEqual(found, [ListData(("\\HasNoChildren",), "a")])

    names = st.lists(
        st.text("abI/ -", min_size=1, max_size=6).filter(
            lambda name: "//" not in name and name.strip("/") == name
        ),
        unique=True,
        max_size=8,
    )

    @settings(deadline=None)
    @given(names)
    def test_properties(self, names: list[str]) -> None:
        """Each mailbox and each parent is listed once, with the right attributes."""
        parents = {name[:end] for name in names for end in range(len(name)) if name[end] == "/"}
        found = list(listing(map(Entry, names), "*"))
        self.assertEqual(sorted(line.name for line in found), sorted(parents.union(names)))
        for line in found:
            self.assertIs("\\Noselect" in line.attributes, line.name not in names)
            self.assertIs("\\HasChildren" in line.attributes, line.name in parents)
