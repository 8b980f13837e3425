"""Tests of the index with a database: when segments are written, and by whom."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from test.mailstore.support import META, message
from test.mailstore.text_index.support import IndexCase
from wildduck.mailstore.search.keys import Body, Field
from wildduck.mailstore.text_index import indexer, segments, words
from wildduck.mailstore.values import NewMessage
from wildduck.mime.message import scan


class WritingTests(IndexCase):
    """When segments are written, and by whom."""

    async def test_arrivals(self) -> None:
        """Enough messages that came, also at once, were copied or moved are indexed after a while."""
        self.patch(indexer, "_LOOK", 0.0)
        self.patch(indexer, "TEXT_INDEX_WORTH", 3)
        inbox = await self.inbox()
        other = await self.store.mailboxes.create(self.account.id, "Other")
        more = await self.store.mailboxes.create(self.account.id, "More")
        await self.put_words("one", "two")
        await self._indexed()
        self.assertEqual(self.rows(), [])
        await self.put_words("three")
        await self._indexed()
        self.assertEqual(len(self.rows(inbox)), 1)
        await self.store.copy(inbox, [1, 2, 3], other)
        await self._indexed()
        self.assertEqual(len(self.rows(other)), 1)
        await self.store.move(other, [1, 2, 3], more)
        await self._indexed()
        self.assertEqual(len(self.rows(more)), 1)
        new = [NewMessage(scan(message(n)), (), None, META) for n in range(3)]
        await self.store.at_once.add(self.account, other, new)
        await self._indexed()
        self.assertEqual(len(self.rows(other)), 2)

    async def _indexed(self) -> None:
        """Wait until nothing is left to be done."""
        await self.store._backend.settle()
        work = self.store._text_index.indexer
        while work._call is not None or work._running is not None:
            await self.store._backend.breathe()

    async def test_searches(self) -> None:
        """What a search lacked, because WildDuck stored it, is indexed afterwards."""
        self.patch(indexer, "_LOOK", 0.0)
        self.patch(indexer, "TEXT_INDEX_WORTH", 1000)
        await self.put_words("one", "two")
        for document in self.db.messages.find():
            del document["mimeTree"]["native"]
            self.db.messages.replace_one({"_id": document["_id"]}, document)
        self.assertEqual(await self.found(Body("two")), [2])
        await self._indexed()
        self.assertEqual(self.uids(), [[1, 2]])
        self.assertEqual(await self.without_reading(Body("two")), [2])

    async def test_late(self) -> None:
        """A message that became visible after others of a greater UID is indexed with those that follow."""
        await self.put_words("one", "two", "three")
        late = self.db.messages.find_one_and_delete({"uid": 2})
        await self.index()
        self.db.messages.insert_one(late)
        await self.put_words("four")
        mailbox = await self.inbox()
        await self.store._text_index.indexer.index(mailbox.id, thoroughly=False)
        self.assertEqual(self.uids(), [[1, 3], [2, 4]])

    async def test_rest_next_time(self) -> None:
        """A large mailbox is not indexed at a stretch."""
        self.patch(indexer, "TEXT_INDEX_RUN", 2)
        await self.put_words("one", "two", "three")
        mailbox = await self.inbox()
        work = self.store._text_index.indexer
        self.assertTrue(await work.index(mailbox.id, thoroughly=True))
        self.assertEqual(self.uids(), [[1, 2]])
        self.assertFalse(await work.index(mailbox.id, thoroughly=True))
        self.assertEqual(self.uids(), [[1, 2], [3]])

    async def test_one_at_a_time(self) -> None:
        """While another worker is at a mailbox this one leaves it alone."""
        await self.put_words("one")
        mailbox = await self.inbox()
        lock = await self.node.store._backend.locks.acquire(f"textindex:{mailbox.id}", 10, namespace="native")
        assert lock is not None
        await self.index()
        self.assertEqual(self.rows(), [])
        await lock.release()
        await self.index()
        self.assertEqual(len(self.rows()), 1)

    async def test_long_lists_in_a_thread(self) -> None:
        """Addresses that take long to read do not hold others up, in a message that is short otherwise."""
        await self.add(b"To: a (b)@c\r\nFrom: d (e)@f\r\n\r\nx\r\n")
        await self.add(b"To: " + b"a (b)@c, " * 300 + b"\r\n\r\nx\r\n")
        pool = self.store._backend.mime_pool
        run, threads = pool.run, []

        def recorded(work: Any, *args: Any) -> Any:
            threads.append(work)
            return run(work, *args)

        self.patch(pool, "run", recorded)
        await self.index()
        self.assertEqual(threads.count(words.of_tree), 1)
        self.assertEqual(await self.without_reading(Field(b"to", "a@c", True)), [1, 2])

    async def test_noted_are_bounded(self) -> None:
        """The mailboxes counted longest ago are forgotten."""
        self.patch(indexer, "TEXT_INDEX_NOTED", 3)
        self.patch(indexer, "TEXT_INDEX_WORTH", 10)
        work = self.store._text_index.indexer
        for _ in range(10):
            work.note(ObjectId(), 1)
        self.assertEqual(len(work._come), 3)
        for _ in range(10):
            work.note(ObjectId(), 10)
        self.assertEqual(len(work._due), 3)
        await work.stop()

    async def test_on_the_disk(self) -> None:
        """
        What a failover may take back is not indexed, and what was indexed is on the disk.

        Else a UID that is given again would have the words of a message that is no more.
        """
        main = type(self.store._backend.main)
        batches, insert_one = main.batches, main.insert_one
        said = []

        def reading(database: Any, collection: str, *args: Any, **options: Any) -> Any:
            if "mimeTree.body" in (options.get("projection") or {}):
                said.append(("majority", options.get("majority")))
            return batches(database, collection, *args, **options)

        async def writing(database: Any, collection: str, *args: Any, **options: Any) -> None:
            if collection == segments.SEGMENTS:
                said.append(("durable", options.get("durable")))
            await insert_one(database, collection, *args, **options)

        await self.put_words("fox")
        self.patch(main, "batches", reading)
        self.patch(main, "insert_one", writing)
        await self.index()
        self.assertEqual(said, [("majority", True), ("durable", True)])

    async def test_stop(self) -> None:
        """At shutdown what is under way ends, and nothing begins."""
        self.patch(indexer, "_LOOK", 0.0)
        self.patch(indexer, "_BATCH", 1)
        await self.put_words(*("fox" for _ in range(5)))
        work = self.store._text_index.indexer
        while work._running is None:
            await self.store._backend.breathe()
        await work.stop()
        self.assertIsNone(work._running)
        work.lacks((await self.inbox()).id)
        self.assertIsNone(work._call)


class OffTests(IndexCase):
    """C{storage.text_index = false}."""

    sets = ("storage.text_index=false",)

    async def test_off(self) -> None:
        """Nothing is written, and what is there is not asked."""
        await self.put_words("fox", "dog")
        self.assertIsNone(self.store._text_index.indexer._call)
        await self.index()
        self.assertEqual(await self.found(Body("fox")), [1])
        self.assertEqual(await self.found(Field(b"from", "sender")), [1, 2])
        self.assertEqual(len(self.looked_through), 4)
