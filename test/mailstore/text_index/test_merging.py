"""Tests of the index with a database: small segments, and those that can't be read."""

from __future__ import annotations

import unicodedata
from datetime import datetime, timedelta, timezone
from typing import Any

from test.mailstore.text_index.support import IndexCase
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.search.keys import Body, Field, Not
from wildduck.mailstore.text_index import building, segments, sweeping
from wildduck.mailstore.text_index.segment import numbers
from wildduck.mailstore.text_index.words import SHOWN, VERSION


class MergingTests(IndexCase):
    """Many small segments become one."""

    async def _many(self) -> None:
        for n in range(8):
            await self.put_words(f"word{n}")
            if n < 7:
                await self.index()

    async def test_merged(self) -> None:
        await self._many()
        self.assertEqual(len(self.rows()), 7)
        checked = min(row["checked"] for row in self.rows())
        await self.index()
        (row,) = self.rows()
        self.assertEqual(list(numbers("I", row["uids"])), list(range(1, 9)))
        # Words of what is gone meanwhile are not older than they were.
        self.assertEqual(row["checked"], checked)
        self.assertEqual(await self.without_reading(Body("word5")), [6])
        self.assertEqual(await self.without_reading(Field(b"from", "@example.org")), list(range(1, 9)))

    async def test_killed(self) -> None:
        """A crash before the merged ones are removed leaves them twice; the same is found, and they go."""
        await self._many()
        remove = segments.Segments.remove

        async def killed(*_: Any) -> None:
            raise RuntimeError("killed")

        self.patch(segments.Segments, "remove", killed)
        with self.assertRaises(RuntimeError):
            await self.index()
        self.patch(segments.Segments, "remove", remove)
        self.assertEqual(len(self.rows()), 9)
        node = await self.new_node()
        self.store = node.store
        self.assertEqual(await self.without_reading(Body("word5")), [6])
        self.assertEqual(await self.without_reading(Not(Body("word"))), [])
        await self.index()
        self.assertLess(len(self.rows()), 3)
        self.assertEqual(await self.found(Body("word")), list(range(1, 9)))

    async def test_two_workers(self) -> None:
        """Two that merge the same at the same time do no harm."""
        await self._many()
        self.patch(building, "_AT_ONCE", 7)
        others = (await self.new_node()).store
        mailbox = (await self.inbox()).id
        merging = [store._text_index.indexer._merge(mailbox) for store in (self.store, others)]
        await gather(*merging)
        self.assertEqual(set().union(*self.uids()), {1, 2, 3, 4, 5, 6, 7})
        for store in (self.store, others):
            self.store = store
            self.assertEqual(await self.found(Body("word5")), [6])
            self.assertEqual(await self.found(Not(Body("word5"))), [1, 2, 3, 4, 5, 7, 8])

    async def test_collection_dropped(self) -> None:
        """Without the collection, searches say the same."""
        await self.put_words("fox", "dog")
        await self.index()
        self.db.textsegments.drop()
        node = await self.new_node()
        self.store = node.store
        self.assertEqual(await self.found(Body("fox")), [1])
        await self.index()
        self.assertEqual(await self.without_reading(Body("fox")), [1])

    async def test_malformed(self) -> None:
        """A document that is none of ours is passed over, and goes."""
        await self.put_words("fox")
        await self.index()
        self.db.textsegments.update_one({}, {"$set": {"body.starts": b"x"}})
        self.assertEqual(await self.found(Body("fox")), [1])
        await self._age()
        await sweeping.sweep(self.store._backend)
        self.assertEqual(self.rows(), [])

    async def _age(self) -> None:
        self.db.textsegments.update_many(
            {}, {"$set": {"checked": datetime.now(timezone.utc) - timedelta(days=3)}}
        )

    async def test_other_version(self) -> None:
        """What was made by other rules is not asked, and goes."""
        await self.put_words("fox")
        await self.index()
        self.db.textsegments.update_one({}, {"$set": {"v": "0"}})
        self.looked_through.clear()
        self.assertEqual(await self.found(Body("fox")), [1])
        self.assertEqual(len(self.looked_through), 1)
        await self._age()
        await sweeping.sweep(self.store._backend)
        self.assertEqual(self.rows(), [])

    async def test_version_before_this(self) -> None:
        """Segments that lack what ENVELOPE shows are not asked, and are made anew after the first search."""
        await self.add(b"From: ann (c)@ example.org\r\n\r\nfox\r\n")
        await self.index()
        lacking = {"$unset": dict.fromkeys(SHOWN.values(), "")}
        self.db.textsegments.update_one({}, {**lacking, "$set": {"v": f"3 {unicodedata.unidata_version}"}})
        self.looked_through.clear()
        key = Field(b"from", "ann@example.org", True)
        self.assertEqual(await self.found(key), [1])
        self.assertEqual(len(self.looked_through), 1)
        await self.index()
        self.assertEqual(len(self.rows()), 2)
        self.assertEqual(await self.without_reading(key), [1])
        await self._age()
        await sweeping.sweep(self.store._backend)
        self.assertEqual([row["v"] for row in self.rows()], [VERSION])
