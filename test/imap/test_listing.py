"""Tests of L{wildduck.imap.listing}."""

from __future__ import annotations

import re

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wildduck.errors import CannotDo
from wildduck.imap.grammar.responses import ListData, LsubData
from wildduck.imap.listing import Entry, Pattern, interpreted, listing, subscriptions

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

    def test_long_names(self) -> None:
        """Others have their turn while very long names are looked at, though none of them matches."""
        entries = [Entry(f"{number}/" + "x" * 40_000) for number in range(6)]
        self.assertEqual([None] * 3, list(listing(entries, "*z")))
        self.assertEqual(6, sum(found is not None for found in listing(entries, "*x")))

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

    @settings(deadline=None, max_examples=300)
    @given(names, st.text("abI/%* ", max_size=5), st.sets(st.integers(0, 7)), st.booleans())
    def test_same_as_naive(self, names: list[str], pattern: str, special: set[int], only: bool) -> None:
        """It lists what a straight reading of RFC 3501 and RFC 6154 lists, each once."""
        uses = {name for place, name in enumerate(names) if place in special}
        parents = {name[:end] for name in names for end in range(len(name)) if name[end] == "/"}
        expected = {}
        for name in uses if only else parents.union(names):
            if _matches(pattern, name):
                children = "\\HasChildren" if name in parents else "\\HasNoChildren"
                attributes = [children] if name in names else ["\\Noselect", children]
                expected[name] = (*attributes, *(["\\Archive"] if name in uses else []))
        entries = [Entry(name, "\\Archive" if name in uses else "") for name in names]
        found = list(listing(entries, pattern, special_use_only=only))
        self.assertEqual({line.name: line.attributes for line in found}, expected)
        self.assertEqual(len(found), len(expected))

    @settings(deadline=None, max_examples=300)
    @given(names, st.text("abI/%* ", max_size=5))
    def test_subscriptions_same_as_naive(self, names: list[str], pattern: str) -> None:
        """LSUB lists the subscribed that match, and with C{%} at the end the levels above deeper ones."""
        expected: dict[str, tuple[str, ...]] = {}
        if pattern.endswith("%"):
            levels = {name[:end] for name in names for end in range(len(name)) if name[end] == "/"}
            expected = {level: ("\\Noselect",) for level in levels if _matches(pattern, level)}
        expected.update((name, ()) for name in names if _matches(pattern, name))
        found = list(subscriptions(names, pattern))
        self.assertEqual({line.name: line.attributes for line in found}, expected)
        self.assertEqual(len(found), len(expected))

    def test_subscriptions(self) -> None:
        """The example of RFC 3501 §6.3.9: foo/bar is subscribed, foo is not."""
        self.assertEqual(list(subscriptions(["foo/bar"], "%")), [LsubData(("\\Noselect",), "foo")])
        self.assertEqual(list(subscriptions(["foo/bar"], "*")), [LsubData((), "foo/bar")])

    def test_interpreted(self) -> None:
        """The reference is put before the pattern; a name's slash at its beginning means nothing."""
        for reference, pattern, expected in (
            ("", "%", "%"),
            ("archive/", "%", "archive/%"),
            ("#news.", "comp.mail.*", "#news.comp.mail.*"),
            ("", "/a/*", "a/*"),
            ("/", "*", "*"),
            ("a", "/b", "a/b"),
        ):
            self.assertEqual(interpreted(reference, pattern), expected)


def _matches(pattern: str, name: str) -> bool:
    """RFC 3501 §6.3.8 word by word, but for INBOX."""
    if not pattern:
        return not name
    first, rest = pattern[0], pattern[1:]
    if first == "*":
        return any(_matches(rest, name[end:]) for end in range(len(name) + 1))
    if first == "%":
        level = len(name.partition("/")[0])
        return any(_matches(rest, name[end:]) for end in range(level + 1))
    return bool(name) and name[0] == first and _matches(rest, name[1:])
