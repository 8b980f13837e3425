"""
A segment: the words and fields of some messages of one mailbox, and where each of them stands.

As a document of the collection::

    {_id, mailbox, v, checked, uids, unread, body: {words, starts, postings}, head: {...},
     from: {...}, to: {...}, cc: {...}, bcc: {...}, subject: {...}, from_shown: {...}, to_shown: {...},
     cc_shown: {...}, bcc_shown: {...}, last, messages, size}

Numbers are little-endian.  C{uids} are of the messages (uint32, ascending), a
message's place is its place among them; C{unread} are of messages whose words
are not kept and that are always read.  C{words} has each different word once,
C{\\n} before and after each; C{starts} (uint32) has a place in C{postings} for
each word, and the end.  The postings of a word are the places of its messages:
as uint16 each where that is shorter, else as a bit for each place.  The tables of
fields have whole values in place of words (L{wildduck.mailstore.text_index.words}).
C{last} is the
highest UID, C{messages} how many the segment speaks of, C{size} the bytes of all.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from wildduck.mailstore.search import masks
from wildduck.mailstore.text_index.words import BETWEEN, TABLES

#: Words that are found between two turns.
_STRETCH = 500


@dataclass(frozen=True, slots=True)
class Table:
    """
    Words and their postings; see above.

    @ivar starts: C{array('I')}.
    """

    words: bytes
    starts: array[int]
    postings: bytes

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        return len(self.words) + 4 * len(self.starts) + len(self.postings)

    def find(self, pattern: bytes, count: int) -> Iterator[int]:
        """
        Messages with a word in which a pattern stands.

        @param pattern: of L{Needle <wildduck.mailstore.text_index.words.Needle>}.
        @param count: messages of the segment.
        @return: iterates over sets (L{masks}), one after each stretch of work, each
            with those before it; the last one is all.
        """
        words, starts, postings = self.words, self.starts, self.postings
        width = (count + 7) // 8
        every = (1 << count) - 1
        into = 1 if pattern.startswith(BETWEEN) else 0
        found = number = counted = left = 0
        listed = bytearray(count)
        at = words.find(pattern)
        while at >= 0:
            # So many begin before it.
            number += words.count(BETWEEN, counted, at + into)
            counted = at + into
            start, end = starts[number - 1], starts[number]
            if end - start == width:
                found |= int.from_bytes(postings[start:end], "little")
            else:
                for place in numbers("H", postings[start:end]):
                    listed[place] = 1
            left += 1
            if left == _STRETCH:
                left = 0
                found |= masks.of_truths(listed)
                yield found
                if found == every:
                    return
            at = words.find(pattern, words.find(BETWEEN, counted))
        yield found | masks.of_truths(listed)

    def items(self, count: int) -> Iterator[tuple[bytes, list[int]]]:
        """
        Every word with the places of its messages.

        @param count: messages of the segment.
        """
        width = (count + 7) // 8
        every = range(count)
        start = self.starts[0]
        for word, end in zip(self.words.split(BETWEEN)[1:-1], self.starts[1:], strict=True):
            posting = self.postings[start:end]
            if end - start == width:
                yield word, list(masks.pick(int.from_bytes(posting, "little"), every, count))
            else:
                yield word, list(numbers("H", posting))
            start = end

    @classmethod
    def of(cls, places: Mapping[bytes, list[int]], count: int) -> Table:
        """
        @param places: of the messages that have a word.
        @param count: messages of the segment.
        """
        width = (count + 7) // 8
        starts = array("I", (0,))
        pieces = []
        end = 0
        for those in places.values():
            if 2 * len(those) < width:
                piece = raw(array("H", those))
            else:
                truths = bytearray(count)
                for place in those:
                    truths[place] = 1
                piece = masks.of_truths(truths).to_bytes(width, "little")
            pieces.append(piece)
            end += len(piece)
            starts.append(end)
        words = BETWEEN.join((b"", *places, b"")) if places else BETWEEN
        return cls(words, starts, b"".join(pieces))

    def document(self) -> dict[str, Any]:
        return {"words": self.words, "starts": raw(self.starts), "postings": self.postings}

    @classmethod
    def of_document(cls, value: Mapping[str, Any]) -> Table:
        """@raise ValueError: it is none of ours."""
        table = cls(bytes(value["words"]), numbers("I", value["starts"]), bytes(value["postings"]))
        sound = len(table.starts) == table.words.count(BETWEEN) and table.starts[-1] == len(table.postings)
        if not sound:
            raise ValueError("not a table of words")
        return table


@dataclass(frozen=True, slots=True)
class Segment:
    """
    See above.

    @ivar tables: by their names; those that were read.
    @ivar id: C{None} as long as it is not written.
    """

    uids: array[int]
    unread: array[int]
    tables: Mapping[str, Table]
    id: ObjectId | None = None

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        tables = sum(table.size for table in self.tables.values())
        return 4 * len(self.uids) + 4 * len(self.unread) + tables

    @property
    def messages(self) -> int:
        """How many it speaks of."""
        return len(self.uids) + len(self.unread)

    def document(self) -> dict[str, Any]:
        """What is kept of the segment itself, which has all tables."""
        return {
            "uids": raw(self.uids),
            "unread": raw(self.unread),
            **{name: self.tables[name].document() for name in TABLES},
            "last": max((*self.uids[-1:], *self.unread[-1:]), default=0),
            "messages": self.messages,
            "size": self.size,
        }

    @classmethod
    def of_document(cls, row: Mapping[str, Any], names: Iterable[str] = TABLES) -> Segment:
        """
        @param row: with these tables.
        @raise LookupError, TypeError, ValueError: it is none of ours.
        """
        return cls(
            numbers("I", row["uids"]),
            numbers("I", row["unread"]),
            {name: Table.of_document(row[name]) for name in names},
            row["_id"],
        )


def numbers(kind: str, value: bytes) -> array[int]:
    """@param kind: C{"H"} or C{"I"}."""
    found: array[int] = array(kind)
    found.frombytes(value)
    if sys.byteorder == "big":
        found.byteswap()
    return found


def raw(values: array[int]) -> bytes:
    """The reverse of L{numbers}."""
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values.tobytes()
