"""Tests of the segments that a worker keeps."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from test.mailstore.text_index.support import IndexCase
from wildduck.mailstore.search.keys import And, Body, Field, Key, Not, Text, Uids
from wildduck.mailstore.text_index import building, segments, words
from wildduck.mailstore.text_index.building import Builder
from wildduck.mailstore.text_index.segment import Segment
from wildduck.mailstore.text_index.words import BODY, HEAD, TABLES


class AtHandTests(IndexCase):
    """Segments that a worker keeps."""

    async def _queries(self, key: Key) -> int:
        """Times that a search asked for segments."""
        asked_for = []
        batches = type(self.store._backend.main).batches

        def counted(database: Any, collection: str, *args: Any, **options: Any) -> Any:
            if collection == segments.SEGMENTS:
                asked_for.append(collection)
            return batches(database, collection, *args, **options)

        self.patch(type(self.store._backend.main), "batches", counted)
        await self.found(key)
        self.patch(type(self.store._backend.main), "batches", batches)
        return len(asked_for)

    async def test_asked_once(self) -> None:
        """A second search asks the database for nothing."""
        await self.put_words("fox", "dog")
        await self.index()
        self.assertEqual(await self._queries(Body("fox")), 1)
        self.assertEqual(await self._queries(Body("dog")), 0)
        self.assertEqual(await self._queries(Text("dog")), 0)

    async def test_tables_that_matter(self) -> None:
        """Of a segment no more is read and kept than the search needs."""
        await self.put_words("fox", "dog")
        await self.index()
        (row,) = self.rows()
        self.assertEqual(await self._queries(Field(b"From", "sender")), 1)
        size = Segment.of_document(row, ("from", "from_shown")).size
        self.assertEqual(self.store._text_index._segments._kept.size, size)
        self.assertLess(10 * size, row["size"] * 9)
        self.assertEqual(await self._queries(Field(b"FROM", "nobody")), 0)
        self.assertEqual(await self._queries(Field(b"FROM", "nobody", True)), 0)
        self.assertEqual(await self._queries(Field(b"subject", "x")), 1)
        self.assertEqual(await self._queries(Field(b"message-id", "x")), 1)

    async def test_segments_that_matter(self) -> None:
        """Segments that speak of earlier messages only are not read."""
        await self.put_words("fox", "dog")
        await self.index()
        await self.put_words("cat")
        await self.index()
        self.assertEqual(await self.found(And((Uids(((3, 9),)), Body("cat")))), [3])
        self.assertEqual(len(self.store._text_index._segments._kept.of(await self._key(), 0.0)), 1)
        self.assertEqual(await self.without_reading(Not(Body("cat"))), [1, 2])
        self.assertEqual(len(self.store._text_index._segments._kept.of(await self._key(), 0.0)), 2)

    async def _key(self) -> Any:
        return (await self.inbox()).id, (BODY, HEAD)

    async def test_read_twice_at_a_time(self) -> None:
        """What two searches read at the same time is kept, and counted, once."""
        kept, key = segments._Kept(), (ObjectId(), TABLES)
        builder = Builder()
        builder.add(1, words.Words({b"word"}))
        builder.add_unread(2)
        one = Segment.of_document({**builder.segment().document(), "_id": ObjectId()})
        for _ in range(2):
            kept.keep(key, one, 0.0)
        self.assertEqual((kept.of(key, 0.0), kept.size), ([one], one.size))

    async def test_time(self) -> None:
        """After a while they are read again: there may be words of messages that are gone."""
        await self.put_words("fox")
        await self.index()
        self.assertEqual(await self._queries(Body("fox")), 1)
        self.patch(segments, "_KEPT", -1.0)
        self.assertEqual(await self._queries(Body("fox")), 1)
        self.assertEqual(self.store._text_index._segments._kept.size, self._size())

    def _size(self) -> int:
        return sum(Segment.of_document(row, (BODY, HEAD)).size for row in self.rows())

    async def test_bounded(self) -> None:
        """Those of the mailbox that was searched longest ago go first."""
        kept = segments._Kept()
        boxes = [ObjectId() for _ in range(3)]
        one = _segment(1)
        self.patch(segments, "TEXT_INDEX_CACHE", 2 * one.size)
        for box in boxes:
            kept.keep((box, TABLES), _segment(1), 0.0)
        self.assertEqual([len(kept.of((box, TABLES), 0.0)) for box in boxes], [0, 1, 1])
        self.assertEqual(kept.size, 2 * one.size)
        # None goes for another one of the same mailbox.
        kept.keep((boxes[2], TABLES), _segment(2), 0.0)
        kept.keep((boxes[2], TABLES), _segment(3), 0.0)
        self.assertEqual([len(kept.of((box, TABLES), 0.0)) for box in boxes], [0, 0, 2])
        self.assertEqual(kept.size, 2 * one.size)

    async def test_merged_at_hand(self) -> None:
        """One that was merged into another is not kept beside it."""
        kept, box = segments._Kept(), ObjectId()
        parts = [_segment(1), _segment(2)]
        for part in parts:
            kept.keep((box, TABLES), part, 0.0)
        whole = Segment.of_document({**building.merged(parts).document(), "_id": ObjectId()})
        kept.keep((box, TABLES), whole, 0.0)
        self.assertEqual(kept.of((box, TABLES), 0.0), [whole])
        self.assertEqual(kept.size, whole.size)


def _segment(uid: int) -> Segment:
    builder = Builder()
    builder.add(uid, words.Words({b"word"}))
    return Segment.of_document({**builder.segment().document(), "_id": ObjectId()})
