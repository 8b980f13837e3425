"""Tests of L{wildduck.imap.listing}."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.support.chance import by_chance
from wildduck import limits
from wildduck.imap.listing import Asked, Entry, Found, listing, subscriptions
from wildduck.imap.patterns import Pattern, Patterns, interpreted

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
        """A pattern has a bound; a longer one is silently none (RFC 9051 §6.3.9)."""
        patterns = Patterns(["a" * 1001, "*" * 1001, "a"])
        self.assertEqual(list(patterns.matching_levels("a")), [1])
        self.assertEqual(list(patterns.matching_levels("a" * 1001)), [])
        self.assertFalse(patterns.deep)

    def test_several(self) -> None:
        """A name matches if one of the patterns does."""
        patterns = Patterns(["a/%", "*b"])
        self.assertEqual(sorted(patterns.matching_levels("a/b/b")), [3, 5])

    @by_chance(170)
    @given(st.text("ab/*%", max_size=8), st.text("ab/", max_size=8))
    def test_same_as_expression(self, pattern: str, name: str) -> None:
        """It agrees with the regular expression that a pattern stands for."""
        parts = {"*": ".*", "%": "[^/]*"}
        expression = "".join(parts.get(character, re.escape(character)) for character in pattern)
        self.assertIs(Pattern(pattern).matches(name), bool(re.fullmatch(expression, name)))


NAMES = ["INBOX", "Drafts", "a", "a/b", "a b", "a-b/x/y", "INBOX/sub", "ab"]

USES = {"Drafts": "\\Drafts"}


def told(entries: list[Entry], *patterns: str, **asked: bool) -> list[Found]:
    return [one for one in listing(entries, Patterns(patterns), Asked(**asked)) if one is not None]


class ListingTests(SynchronousTestCase):
    """LIST by the syntax of RFC 3501."""

    def lines(self, pattern: str, names: list[str] = NAMES) -> list[tuple[str, ...]]:
        entries = [Entry(name, USES.get(name, "")) for name in names]
        return [(found.path, *found.attributes) for found in told(entries, pattern)]

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
        """A special use that is no attribute is not sent, and selects nothing."""
        entries = [Entry("a", "\\Bad)\r\n* BYE")]
        self.assertEqual([one.attributes for one in told(entries, "*")], [("\\HasNoChildren",)])
        self.assertEqual(told(entries, "*", extended=True, special_use=True), [])

    def test_long_names(self) -> None:
        """Others have their turn while very long names are looked at, though none of them matches."""
        entries = [Entry(f"{number}/" + "x" * 40_000) for number in range(6)]
        self.assertEqual([None] * 3, list(listing(entries, Patterns(["*z"]), Asked())))
        self.assertEqual(6, len(told(entries, "*x")))

    def test_many_patterns(self) -> None:
        """The more patterns there are, the sooner others have their turn."""
        entries = [Entry(f"{number}/" + "x" * 400) for number in range(26)]
        patterns = Patterns([f"*{number}z" for number in range(50)])
        self.assertEqual([None] * 8, list(listing(entries, patterns, Asked())))

    names = st.lists(
        st.text("abI/ -", min_size=1, max_size=6).filter(
            lambda name: "//" not in name and name.strip("/") == name
        ),
        unique=True,
        max_size=8,
    )

    @by_chance(50)
    @given(names)
    def test_properties(self, names: list[str]) -> None:
        """Each mailbox and each parent is listed once, with the right attributes."""
        parents = _parents(names)
        found = told(list(map(Entry, names)), "*")
        self.assertEqual(sorted(line.path for line in found), sorted(parents.union(names)))
        for line in found:
            self.assertIs("\\Noselect" in line.attributes, line.path not in names)
            self.assertIs("\\HasChildren" in line.attributes, line.path in parents)

    @by_chance(100)
    @given(names, st.text("abI/%* ", max_size=5))
    def test_same_as_naive(self, names: list[str], pattern: str) -> None:
        """It lists what a straight reading of RFC 3501 lists, each once, in order."""
        parents = _parents(names)
        expected = {}
        for name in sorted(parents.union(names), key=lambda name: name.replace("/", "\0")):
            if _matches(pattern, name):
                children = "\\HasChildren" if name in parents else "\\HasNoChildren"
                expected[name] = (children,) if name in names else ("\\Noselect", children)
        found = told(list(map(Entry, names)), pattern)
        self.assertEqual([(line.path, line.attributes) for line in found], list(expected.items()))

    @by_chance(100)
    @given(names, st.text("abI/%* ", max_size=5))
    def test_subscriptions_same_as_naive(self, names: list[str], pattern: str) -> None:
        """LSUB lists the subscribed that match, and with C{%} at the end the levels above deeper ones."""
        expected: dict[str, tuple[str, ...]] = {}
        if pattern.endswith("%"):
            expected = {level: ("\\Noselect",) for level in _parents(names) if _matches(pattern, level)}
        expected.update((name, ()) for name in names if _matches(pattern, name))
        found = self.subscribed(names, pattern)
        self.assertEqual({line.path: line.attributes for line in found}, expected)
        self.assertEqual(len(found), len(expected))

    def subscribed(self, names: list[str], pattern: str) -> list[Found]:
        entries = [Entry(name, subscribed=True) for name in names]
        lines = subscriptions(entries, Patterns([pattern]), levels=pattern.endswith("%"))
        return [line for line in lines if line is not None]

    def test_subscriptions(self) -> None:
        """The example of RFC 3501 §6.3.9: foo/bar is subscribed, foo is not."""
        self.assertEqual(self.subscribed(["foo/bar"], "%"), [Found("foo", ("\\Noselect",))])
        self.assertEqual(self.subscribed(["foo/bar"], "*"), [Found("foo/bar", ())])

    def test_interpreted(self) -> None:
        """The reference is put before the pattern; a name's slash at its beginning means nothing."""
        for reference, pattern, expected in (
            ("", "%", ["%"]),
            ("archive/", "%", ["archive/%"]),
            ("#news.", "comp.mail.*", ["#news.comp.mail.*"]),
            ("", "/a/*", ["a/*"]),
            ("/", "*", ["*"]),
            ("a", "/b", ["a/b"]),
            ("a", "", []),
        ):
            self.assertEqual(interpreted(reference, [pattern]), expected)
        self.assertEqual(interpreted("", ["e\u0301*"], unicode=True), ["e\u0301*", "\xe9*"])

    def test_long(self) -> None:
        """A pattern may have its full length in NFC; what is longer in any form is left out."""
        longest = "\u03b1\u0313\u0300\u0345" * limits.IMAP_PATTERN
        composed = "\u1f82" * limits.IMAP_PATTERN
        self.assertEqual(interpreted("/", [longest], unicode=True), [longest, composed])
        self.assertEqual(interpreted("", [longest + "*", "a"], unicode=True), ["a"])
        self.assertEqual(len(Patterns([longest, composed])._patterns), 1)


class ExtendedListingTests(SynchronousTestCase):
    """LIST by the syntax of RFC 5258."""

    entries = st.lists(
        st.builds(
            Entry,
            st.text("ab/", min_size=1, max_size=6).filter(
                lambda name: "//" not in name and name.strip("/") == name
            ),
            st.sampled_from(["", "", "\\Archive"]),
            st.booleans(),
        ),
        unique_by=lambda entry: entry.path,
        max_size=8,
    )
    missing = st.frozensets(st.sampled_from(["a", "b", "a/b", "a/b/a", "b/x"]))

    @by_chance(330)
    @given(
        entries,
        missing,
        st.lists(st.text("ab/%*", min_size=1, max_size=4), min_size=1, max_size=3),
        st.booleans(),
        st.booleans(),
        st.booleans(),
    )
    def test_same_as_naive(
        self,
        entries: list[Entry],
        missing: frozenset[str],
        patterns: list[str],
        subscribed: bool,
        special_use: bool,
        recursive: bool,
    ) -> None:
        """It lists what a straight reading of RFC 5258 §3 lists, each once."""
        recursive = recursive and subscribed
        present = {entry.path for entry in entries}
        entries = entries + [Entry(name, subscribed=True, exists=False) for name in sorted(missing - present)]
        by_name = {entry.path: entry for entry in entries}
        asked = Asked(True, subscribed, special_use, recursive, subscribed)

        def meets(entry: Entry) -> bool:
            if not subscribed and not entry.exists:
                return False
            return (entry.subscribed or not subscribed) and (bool(entry.special_use) or not special_use)

        def matches(name: str) -> bool:
            return any(_matches(pattern, name) for pattern in patterns)

        expected = {}
        for name in _parents(by_name).union(by_name):
            if not matches(name):
                continue
            entry = by_name.get(name)
            exists = entry is not None and entry.exists
            under = [other for other in entries if other.path.startswith(name + "/")]
            met = [other for other in under if meets(other)]
            unlisted = any(not matches(other.path) for other in met)
            if entry is not None and meets(entry):
                pass
            elif recursive:
                deep = exists and any(pattern.endswith("*") for pattern in patterns)
                if not met or not (unlisted or deep):
                    continue
            elif exists or subscribed or special_use or not unlisted:
                continue
            children = any(other.exists for other in under)
            expected[name] = (
                not exists,
                children,
                bool(entry and entry.special_use),
                bool(subscribed and entry and entry.subscribed),
                recursive and bool(met),
                entry is not None and entry.exists and meets(entry),
            )
        found = told(entries, *patterns, **{name: getattr(asked, name) for name in _ASKED})
        self.assertEqual({line.path: _facts(line) for line in found}, expected)
        self.assertEqual(len(found), len(expected))


_ASKED = ("extended", "subscribed", "special_use", "recursive", "tell_subscribed")


def _facts(line: Found) -> tuple[bool, ...]:
    attributes = line.attributes
    assert ("\\HasChildren" in attributes) != ("\\HasNoChildren" in attributes)
    return (
        "\\NonExistent" in attributes,
        "\\HasChildren" in attributes,
        "\\Archive" in attributes,
        "\\Subscribed" in attributes,
        line.child_info,
        line.entry is not None,
    )


def _parents(names: Iterable[str]) -> set[str]:
    return {name[:end] for name in names for end in range(len(name)) if name[end] == "/"}


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
