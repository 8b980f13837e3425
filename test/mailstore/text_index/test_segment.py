"""Tests of words and segments, without a database: they say what looking at the texts says."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import and_, or_

import bson
from hypothesis import given, settings, strategies as st
from twisted.trial import unittest

from wildduck.limits import KIB, TEXT_INDEX_WORDS
from wildduck.mailstore.text_index import building
from wildduck.mailstore.text_index.building import Builder, merged, to_merge
from wildduck.mailstore.text_index.segment import Segment, Table
from wildduck.mailstore.text_index.words import Needle, Words, split
from wildduck.mime import searched
from wildduck.mime.folded import fold

#: Letters that fold to several, or with their neighbours; separators in and beyond ASCII.
ALPHABET = "aAbß\u0130\u0131\u017f\u0301e\u00e9\ufb01\u4e2d_7 .-\n\r\t\0\u00a0\u2009\u201c\u0345\u1e9e"
TEXT = st.text(ALPHABET, max_size=12)
#: The header and the text of a message.
MESSAGES = st.lists(st.tuples(TEXT, TEXT), max_size=20)


def words_of(head: str, body: str) -> Words:
    words = Words()
    words.head.update(split(fold(head)))
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

    @settings(max_examples=400, deadline=None)
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
            ([segment.body], in_body),
            ([segment.body, segment.head], in_body | in_head),
        ):
            result = found(tables, needle, len(messages))
            if needle.is_word:
                self.assertEqual(result, expected)
            else:
                self.assertLessEqual(expected, result)

    @settings(max_examples=200, deadline=None)
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
        for ours, theirs in ((result.body, expected.segment().body), (result.head, expected.segment().head)):
            self.assertEqual(self._items(ours, len(held)), self._items(theirs, len(held)))

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
            assert needle is not None and needle.is_word
            self.assertEqual(found([segment.body], needle, 2000), expected, text)
        self.assertEqual(
            found([segment.body], Needle.of("word77 half") or self.fail("no needle"), 2000), {77}
        )

    def test_merged_with_itself(self) -> None:
        """A message of two segments is kept once."""
        segment = segment_of([("", f"common word{n}") for n in range(300)])
        self.assertEqual(merged([segment, segment]).size, segment.size)

    def test_stops_early(self) -> None:
        """When all messages have one the other words are not looked at."""
        segment = segment_of([("", " ".join(f"word{n}" for n in range(5000)))])
        self.assertLess(len(list(segment.body.find(b"o", 1))), 3)

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


class NeedleTests(unittest.TestCase):
    """What is looked for."""

    def test_words(self) -> None:
        for text, patterns, is_word in (
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
            self.assertEqual((set(needle.patterns), needle.is_word), (patterns, is_word), text)

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
        self.assertEqual(list(segment.body.find(b"a", 0)), [0])
        self.assertEqual(list(segment.body.items(0)), [])
