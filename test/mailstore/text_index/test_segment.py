"""Tests of words and segments, without a database: they say what looking at the texts says."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import and_, or_

import bson
from hypothesis import given, strategies as st
from twisted.trial import unittest

from test.support.chance import by_chance
from wildduck.limits import HEADER_BYTES, KIB, TEXT_INDEX_WORDS
from wildduck.mailstore.search import fields, masks
from wildduck.mailstore.search.keys import Field
from wildduck.mailstore.text_index import building
from wildduck.mailstore.text_index.building import Builder, merged, to_merge
from wildduck.mailstore.text_index.placing import Placing
from wildduck.mailstore.text_index.segment import Segment, Table
from wildduck.mailstore.text_index.words import FIELDS, SHOWN, Needle, Words, split, whole
from wildduck.mime import searched, shown
from wildduck.mime.folded import fold

#: Letters that fold to several, or with their neighbours; separators in and beyond ASCII.
ALPHABET = "aAbß\u0130\u0131\u017f\u0301e\u00e9\ufb01\u4e2d_7 .-\n\r\t\0\u00a0\u2009\u201c\u0345\u1e9e"
TEXT = st.text(ALPHABET, max_size=12)
#: Lines of a header, as they may be stored.
NAMES = st.sampled_from(
    (
        b"From",
        b"fROM",
        b"To",
        b"Subject",
        b"X-From",
        b"x_y",
        b"-",
        b"From \t",
        b"From x",
        b":",
        b"=?utf-8?q?f=6Fx?=",
    )
)
LINES = st.builds(
    lambda name, colon, value: name + colon + value,
    NAMES,
    st.sampled_from((b":", b": ", b" :", b"\t\t:", b"")),
    st.lists(
        st.one_of(
            st.binary(max_size=3),
            TEXT.map(lambda text: text.encode()),
            st.sampled_from(
                (b"=?utf-8?q?f=6Fx?=", b"=?utf-8?q?=0A?=", b"=?x?b?w6k=?=", b"=?", b"?=", b"\r\n\t", b"a b")
            ),
            st.sampled_from(
                (b"a (b)@ c", b"<a@", b">", b'"', b"(", b")", b"\\", b"@", b",", b":", b";", b"b@c")
            ),
        ),
        max_size=6,
    ).map(b"".join),
)
#: The header and the text of a message.
MESSAGES = st.lists(st.tuples(TEXT, TEXT), max_size=20)


def words_of(head: str, body: str) -> Words:
    words = Words()
    words.head.update(split(fold(head)))
    words.fields["from"].add(whole(fold(head)))
    words.add_text(body)
    return words


def segment_of(messages: Sequence[tuple[str, str]], first: int = 1) -> Segment:
    builder = Builder()
    for uid, (head, body) in enumerate(messages, first):
        builder.add(uid, words_of(head, body))
    return builder.segment()


def found(tables: Sequence[Table], needle: Needle, count: int) -> set[int]:
    """Places of the messages that the tables name."""
    every = (1 << count) - 1
    masks = [
        reduce(or_, [list(table.find(pattern, count))[-1] for table in tables]) for pattern in needle.patterns
    ]
    mask = reduce(and_, masks, every)
    return {place for place in range(count) if mask >> place & 1}


def through_the_database(segment: Segment) -> Segment:
    """As it is read again."""
    row = bson.decode(bson.encode({**segment.document(), "_id": bson.ObjectId()}))
    return replace(Segment.of_document(row), id=None)


class SegmentTests(unittest.TestCase):
    """What stands in a segment is what stands in the texts."""

    @by_chance(130)
    @given(MESSAGES, st.text(ALPHABET, min_size=1, max_size=4))
    def test_exact(self, messages: list[tuple[str, str]], text: str) -> None:
        """A needle that is one word is found exactly, a phrase at least where it stands."""
        needle = Needle.of(fold(text))
        segment = through_the_database(segment_of(messages))
        in_body = {place for place, (_, body) in enumerate(messages) if fold(text) in fold(body)}
        in_head = {place for place, (head, _) in enumerate(messages) if fold(text) in fold(head)}
        if needle is None:
            self.assertEqual(split(fold(text)), [])
            return
        for tables, expected in (
            ([segment.tables["body"]], in_body),
            ([segment.tables["body"], segment.tables["head"]], in_body | in_head),
        ):
            result = found(tables, needle, len(messages))
            if needle.is_exact:
                self.assertEqual(result, expected)
            else:
                self.assertLessEqual(expected, result)

    @by_chance(25)
    @given(MESSAGES, st.data())
    def test_merged(self, messages: list[tuple[str, str]], data: st.DataObject) -> None:
        """Segments made one, though messages are in several of them, are the segment of all that stay."""
        parts = []
        for _ in range(data.draw(st.integers(1, 4))):
            builder = Builder()
            for place, (head, body) in enumerate(messages):
                if data.draw(st.booleans()):
                    builder.add(place + 1, words_of(head, body))
            parts.append(builder.segment())
        gone = data.draw(st.sets(st.integers(1, 20)))
        result = through_the_database(merged(parts, gone))
        held = {uid for part in parts for uid in part.uids} - gone
        self.assertEqual(list(result.uids), sorted(held))
        expected = Builder()
        for uid in sorted(held):
            expected.add(uid, words_of(*messages[uid - 1]))
        for name, theirs in expected.segment().tables.items():
            ours = result.tables[name]
            self.assertEqual(self._items(ours, len(held)), self._items(theirs, len(held)), name)

    @staticmethod
    def _items(table: Table, count: int) -> dict[bytes, list[int]]:
        return {word: sorted(places) for word, places in table.items(count)}

    def test_many(self) -> None:
        """Many messages and words: rare words are listed, common ones are bits, all in several stretches."""
        messages = [("", f"common word{n} half{n % 2}") for n in range(2000)]
        segment = through_the_database(segment_of(messages))
        for text, expected in (
            ("common", set(range(2000))),
            ("word7", {n for n in range(2000) if str(n).startswith("7")}),
            ("d1999", {1999}),
            ("half1", set(range(1, 2000, 2))),
            ("d", set(range(2000))),
            ("nowhere", set()),
        ):
            needle = Needle.of(text)
            assert needle is not None and needle.is_exact
            self.assertEqual(found([segment.tables["body"]], needle, 2000), expected, text)
        self.assertEqual(
            found([segment.tables["body"]], Needle.of("word77 half") or self.fail("no needle"), 2000), {77}
        )

    def test_merged_with_itself(self) -> None:
        """A message of two segments is kept once."""
        segment = segment_of([("", f"common word{n}") for n in range(300)])
        self.assertEqual(merged([segment, segment]).size, segment.size)

    def test_stops_early(self) -> None:
        """When all messages have one the other words are not looked at."""
        segment = segment_of([("", " ".join(f"word{n}" for n in range(5000)))])
        self.assertLess(len(list(segment.tables["body"].find(b"o", 1))), 3)

    def test_not_read(self) -> None:
        """Messages that are always read stay so; one that was indexed by another segment does not."""
        first, second = Builder(), Builder()
        first.add_unread(3)
        first.add_unread(4)
        first.add(5, words_of("", "five"))
        second.add(3, words_of("", "three"))
        second.add_unread(9)
        result = merged([first.segment(), second.segment()], {9})
        self.assertEqual((list(result.uids), list(result.unread)), ([3, 5], [4]))

    def test_no_table(self) -> None:
        """What is none of ours is not taken for one."""
        for value in (
            {"words": b"\na\n", "starts": b"\0\0\0\0", "postings": b""},
            {"words": b"\n", "starts": b"\0\0\0", "postings": b""},
            {"words": b"\n", "starts": b"\0\0\0\0", "postings": b"x"},
        ):
            self.assertRaises(ValueError, Table.of_document, value)


class FieldTests(unittest.TestCase):
    """What is kept of header fields, and what looking at their lines says."""

    @by_chance(200)
    @given(st.lists(st.lists(LINES, max_size=4), max_size=6), NAMES, TEXT, st.data())
    def test_as_the_lines_say(
        self, messages: list[list[bytes]], name: bytes, text: str, data: st.DataObject
    ) -> None:
        """Values say it exactly; words leave out no message that matches."""
        bodies = [body for lines in messages for body in searched.bodies(lines, name)]
        values = [*map(searched.decoded, bodies), *(text for body in bodies for text in shown.texts(body))]
        if values and data.draw(st.booleans()):
            value = data.draw(st.sampled_from(values))
            start = data.draw(st.integers(0, len(value)))
            text = value[start : start + data.draw(st.integers(0, 6))]
        builder = Builder()
        for uid, lines in enumerate(messages, 1):
            words = Words()
            words.add_header(lines, searched.ROOT)
            builder.add(uid, words)
        segment = through_the_database(builder.segment())
        leaf, as_shown = Field(name, text), Field(name, text, True)
        wanted = fields._Wanted([leaf, as_shown])
        looked = list(map(wanted.look, messages))
        expected = {place for place, found in enumerate(looked) if found[leaf]}
        expected_as_shown = {place for place, found in enumerate(looked) if found[as_shown]}
        needle = Needle.in_line(name, fold(text))
        if needle is not None:
            self.assertLessEqual(expected, found([segment.tables["head"]], needle, len(messages)))
        key = name.decode("ascii").lower()
        if key in FIELDS and text:
            exact = Needle.in_value(fold(text))
            tables = [segment.tables[key]]
            self.assertEqual(expected, found(tables, exact, len(messages)))
            if key in SHOWN:
                tables.append(segment.tables[SHOWN[key]])
                self.assertEqual(expected_as_shown, found(tables, exact, len(messages)))

    def test_nothing_twice(self) -> None:
        """Of addresses nothing is kept that stands in the value; of what is shown otherwise that alone."""
        for value, expected in (
            (b"Ann <ann@example.org>", set()),
            (b"ann@example.org (Ann), joe@example.org", set()),
            (b"Ann <ann (c)@example.org>, joe@example.org", {b"ann@example.org"}),
            (b'Ann <"ann" (c)@example.org>', {b"ann@example.org", b'"ann"@example.org'}),
        ):
            words = Words()
            words.add_header([b"From: " + value, b"Sender: a (b)@c", b"Subject: a (b)@c"], searched.ROOT)
            self.assertEqual(words.fields.get("from_shown", set()), expected, value)
            self.assertEqual(set(words.fields) - {"from_shown"}, {"from", "subject"})

    def test_long_lines(self) -> None:
        """Of a very long line values and words have the same beginning, cut at the same byte."""
        for end in (b"=?utf-8?q?f=6Fx?=", b"\xc3\xa9t\xc3\xa9", b"word"):
            for beyond in range(1, len(end)):
                line = b"From: " + b"a " * ((HEADER_BYTES - 6) // 2)
                line = line[: HEADER_BYTES - beyond] + end
                words = Words()
                words.add_header([line], searched.ROOT)
                (value,) = searched.values([line], b"from")
                self.assertEqual(words.fields["from"], {whole(fold(value))})
                self.assertLessEqual(set(split(fold(value))), words.head)

    def test_long_list(self) -> None:
        """In a long list nobody looks whether what is shown is there as it is written."""
        words = Words()
        words.add_header([b"To: joe@b, " + b"ann (c)@b, " * 1000 + b"=?x?q??= <joe@b>"], searched.ROOT)
        self.assertEqual(words.fields["to_shown"], {b"ann@b", b"joe@b"})

    def test_others_headers(self) -> None:
        """Fields of a part, or of a message within, are not the message's."""
        words = Words()
        for role in (searched.PART, searched.MESSAGE):
            words.add_header([b"From: a", b"Subject: b"], role)
        self.assertEqual(words.fields, {})


class PlacingTests(unittest.TestCase):
    """Where a segment's messages are among a search's."""

    @by_chance(100)
    @given(st.sets(st.integers(1, 40)), st.sets(st.integers(1, 40)), st.data())
    def test_as_sets(self, known: set[int], uids: set[int], data: st.DataObject) -> None:
        ours, theirs = array("I", sorted(known)), array("I", sorted(uids))
        placing = Placing(ours, theirs)
        every = range(40)
        bits = data.draw(st.integers(0, (1 << len(theirs)) - 1))
        matching = set(masks.pick(bits, theirs, len(theirs)))
        self.assertEqual({ours[n] for n in every if placing.covered >> n & 1}, known & uids)
        self.assertEqual({ours[n] for n in every if placing.mask(bits) >> n & 1}, known & matching)


class NeedleTests(unittest.TestCase):
    """What is looked for."""

    def test_words(self) -> None:
        for text, patterns, is_exact in (
            ("fox", {b"fox"}, True),
            ("größe", {"größe".encode()}, True),
            ("quick fox", {b"quick\n", b"\nfox"}, False),
            (" fox", {b"\nfox"}, False),
            ("fox.", {b"fox\n"}, False),
            ("-fox-", {b"\nfox\n"}, False),
            ("a b a", {b"a\n", b"\nb\n", b"\na"}, False),
            ("aa a", {b"aa\n", b"\na"}, False),
        ):
            needle = Needle.of(text)
            assert needle is not None
            self.assertEqual((set(needle.patterns), needle.is_exact), (patterns, is_exact), text)

    def test_nothing(self) -> None:
        """Separators say nothing."""
        for text in ("", " ", "--", "\r\n", "\0"):
            self.assertIsNone(Needle.of(text))

    def test_long(self) -> None:
        """Of a long phrase some words are enough."""
        needle = Needle.of(" ".join(f"word{n}" for n in range(1000)))
        assert needle is not None
        self.assertEqual(len(needle.patterns), 8)


class WordsTests(unittest.TestCase):
    """Where the words of a message stand."""

    def test_header_of_message_within(self) -> None:
        """The header of a message within is text; the message's own, and a part's, are not."""
        words = Words()
        words.add_header([b"Subject: inner"], searched.MESSAGE)
        words.add_header([b"Subject: outer"], searched.ROOT)
        words.add_header([b"X-Part: part"], searched.PART)
        self.assertEqual(words.body, {b"subject", b"inner"})
        self.assertEqual(words.head, {b"subject", b"outer", b"x", b"part"})

    def test_too_many(self) -> None:
        words = Words()
        words.add_text("x" * TEXT_INDEX_WORDS)
        self.assertTrue(words.are_few)
        words.add_text("y")
        self.assertFalse(words.are_few)


class SizeTests(unittest.TestCase):
    """How large segments become."""

    def test_builder_is_full(self) -> None:
        """By messages, and by what they hold."""
        builder = Builder()
        for uid in range(1, 512):
            builder.add(uid, Words({b"word"}))
        self.assertFalse(builder.is_full)
        builder.add_unread(512)
        self.assertTrue(builder.is_full)
        builder = Builder()
        for uid in range(1, 9):
            self.assertFalse(builder.is_full)
            builder.add(uid, Words({b"x" * 255 * KIB + b"%d" % uid}))
        builder.add(9, Words({b"x" * 255 * KIB}))
        self.assertTrue(builder.is_full)

    def test_merging_comes_to_an_end(self) -> None:
        """However they come, few small segments are left, and none is too long."""
        for each in (1, 32, 100, 500):
            sizes: list[tuple[int, int]] = []
            for _ in range(1000):
                sizes.append((each, each * 500))
                while chosen := to_merge(sizes):
                    messages = sum(sizes[place][0] for place in chosen)
                    size = sum(sizes[place][1] for place in chosen)
                    self.assertGreater(len(chosen), 1)
                    sizes = [one for place, one in enumerate(sizes) if place not in chosen]
                    sizes.append((messages, size))
                    self.assertLess(messages, 4096)
                    self.assertLessEqual(size, building.TEXT_INDEX_SEGMENT)
                self.assertLess(sum(messages < 512 for messages, _ in sizes), 8)

    def test_long_segments_stay(self) -> None:
        self.assertEqual(to_merge([(10, building.TEXT_INDEX_SEGMENT // 8)] * 20), [])

    def test_arrays(self) -> None:
        """A segment without messages is one too."""
        segment = through_the_database(Builder().segment())
        self.assertEqual((segment.uids, segment.messages), (array("I"), 0))
        self.assertEqual(list(segment.tables["body"].find(b"a", 0)), [0])
        self.assertEqual(list(segment.tables["body"].items(0)), [])
