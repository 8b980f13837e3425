"""Tests of the index with a database: it says what reading says, and holds no longer than the messages."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from bson import ObjectId

from test.mailstore.search.support import SearchCase
from test.mailstore.search.test_search import SAMPLES, WORDS, leaf
from test.mailstore.support import META, message
from test.support.corpus import corpus
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.deletion import delete_user_data
from wildduck.mailstore.search import texts
from wildduck.mailstore.search.keys import And, Body, Flag, Key, Not, Or, Text
from wildduck.mailstore.text_index import asked, building, indexer, segments, sweeping, words
from wildduck.mailstore.text_index.building import Builder
from wildduck.mailstore.text_index.segment import Segment, numbers
from wildduck.mailstore.values import Mailbox, NewMessage
from wildduck.mime.message import scan

DAY = datetime(2024, 2, 28, tzinfo=timezone.utc)


class IndexCase(SearchCase):
    """The index is worth while for a single message already."""

    def setUp(self) -> Any:
        for module in (asked, segments, indexer):
            self.patch(module, "TEXT_INDEX_WORTH", 1)
        self.patch(indexer, "_LEAST", 1)
        self.looked_through: list[int] = []
        in_tree = texts._Looking.in_tree

        def counted(looking: texts._Looking, tree: dict[str, Any]) -> bool:
            self.looked_through.append(1)
            return in_tree(looking, tree)

        self.patch(texts._Looking, "in_tree", counted)
        return super().setUp()

    async def put_words(self, *bodies: str, mailbox: Mailbox | None = None) -> list[int]:
        """Messages with these texts; their UIDs."""
        return [
            (await self.add(message(n, f"{body}\r\n".encode()), mailbox=mailbox)).uid
            for n, body in enumerate(bodies)
        ]

    async def index(self, mailbox: Mailbox | None = None) -> None:
        """Write segments for what has none."""
        mailbox = mailbox or await self.inbox()
        self.assertFalse(await self.store._text_index.indexer.index(mailbox.id, thoroughly=True))

    async def unindexed(self, key: Key) -> list[int]:
        """What is found by reading."""
        self.patch(asked, "TEXT_INDEX_WORTH", 10**6)
        try:
            return await self.found(key)
        finally:
            self.patch(asked, "TEXT_INDEX_WORTH", 1)

    async def without_reading(self, key: Key) -> list[int]:
        """What is found by the index alone."""
        self.looked_through.clear()
        found = await self.found(key)
        self.assertEqual(self.looked_through, [])
        return found

    def rows(self, mailbox: Mailbox | None = None) -> list[dict[str, Any]]:
        return list(self.db.textsegments.find({"mailbox": mailbox.id} if mailbox else {}))

    def all_words(self) -> bytes:
        """Whatever the collection holds of words."""
        return b"".join(row[table]["words"] for row in self.rows() for table in ("body", "head"))

    def uids(self) -> list[list[int]]:
        return sorted(list(numbers("I", row["uids"])) for row in self.rows())


class ExactTests(IndexCase):
    """With the index as without it."""

    async def _same(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self.assertEqual(await self.found(key), await self.unindexed(key), key)

    async def test_samples(self) -> None:
        """Trees of keys over messages of several parts and charsets, half of them indexed."""
        for n in range(3 * len(SAMPLES)):
            await self.add(SAMPLES[n % len(SAMPLES)], flags=["\\Seen"] if n % 2 else [], internal_date=DAY)
            if n % 7 == 6:
                await self.index()
        self.assertGreater(len(self.rows()), 1)
        rng = random.Random(5)

        def tree(depth: int) -> Key:
            if depth == 0:
                kind = rng.choice((Text, Body, Text, Body, None))
                return leaf(rng) if kind is None else kind(rng.choice(WORDS))
            some = tuple(tree(depth - 1) for _ in range(2))
            return rng.choice((And(some), Or(some), Not(some[0])))

        await self._same(tree(rng.randrange(3)) for _ in range(150))

    async def test_corpus(self) -> None:
        """What stands in messages from everywhere, cut out anywhere."""
        for raw in corpus()[:80]:
            await self.add(raw.crlf)
        await self.index()
        rng = random.Random(7)
        keys: list[Key] = []
        for document in self.db.messages.find({}, {"text": True}):
            text = str(document.get("text") or "")
            for _ in range(2):
                start = rng.randrange(len(text) + 1)
                keys.append(rng.choice((Body, Text))(text[start : start + rng.randrange(1, 12)]))
        await self._same(keys)

    async def test_words_need_no_reading(self) -> None:
        """Part of a word is found, or not found, without any message."""
        await self.put_words("quick brown fox", "Foxes", "lazy dog")
        await self.index()
        for key, expected in (
            (Body("FOX"), [1, 2]),
            (Body("uic"), [1]),
            (Body("sender"), []),
            (Text("sender"), [1, 2, 3]),
            (Not(Text("fox")), [3]),
            (Or((Body("brown"), Body("lazy"))), [1, 3]),
            (And((Text("nowhere"), Body("brown fox"))), []),
        ):
            self.assertEqual(await self.without_reading(key), expected, key)

    async def test_phrases(self) -> None:
        """Only messages that have all words of a phrase are read."""
        await self.put_words("quick brown fox", "brown quick fox", "brown", "a quick-brown cow")
        await self.index()
        self.assertEqual(await self.found(Body("quick brown f")), [1])
        self.assertEqual(len(self.looked_through), 2)
        self.looked_through.clear()
        self.assertEqual(await self.found(Body("-brown ")), [4])
        self.assertEqual(len(self.looked_through), 4)
        self.assertEqual(await self.without_reading(Body("uic brown")), [])

    async def test_new_messages(self) -> None:
        """What no segment speaks of is read."""
        await self.put_words("old fox", "old dog")
        await self.index()
        await self.put_words("new fox", "new dog")
        self.assertEqual(await self.found(Body("fox")), [1, 3])
        self.assertEqual(len(self.looked_through), 2)

    async def test_charsets_and_encodings(self) -> None:
        """Words of decoded text, also where it is stored outside the tree and where the header is."""
        long = b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\nStra\xdfe " + b"filler \r\n" * 40_000
        odd = b"Subject: =?utf-8?q?Gr=C3=B6=C3=9Fe?=\r\nX-Odd: " + b"y" * 1_100_000 + b"\r\n\r\nsmall\r\n"
        await self.add(long)
        await self.add(odd)
        self.assertTrue(self.db.messages.find_one({"uid": 2})["mimeTree"]["native"]["layout"])
        await self.index()
        (row,) = self.rows()
        self.assertEqual(list(numbers("I", row["uids"])), [1])
        # So long a header is not indexed.
        self.assertEqual(list(numbers("I", row["unread"])), [2])
        self.assertEqual(await self.found(Text("STRASSE")), [1])
        self.assertEqual(await self.found(Text("grösse")), [2])
        self.assertEqual(await self.found(Body("small")), [2])
        await self._same([Text("filler"), Body("y"), Not(Text("x-odd"))])

    async def test_stored_apart(self) -> None:
        """Text in an attachment's row is read for the index too."""
        text = ("needle " + "hay " * 100_000).encode()
        await self.add(
            b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nshort'
            b"\r\n--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment\r\n\r\n"
            + text
            + b"\r\n--b--\r\n"
        )
        self.assertTrue(self.db.messages.find_one({})["mimeTree"]["attachmentMap"])
        await self.index()
        self.assertEqual(self.uids(), [[1]])
        self.assertEqual(await self.without_reading(Body("needl")), [1])
        self.assertEqual(await self.without_reading(Body("needles")), [])

    async def test_unreadable(self) -> None:
        """A message that can not be read is in no segment's words, and is tried again by each search."""
        await self.put_words("fox", "dog")
        await self.add(b"Content-Type: text/csv\r\n\r\n" + b"fox " * 100_000)
        self.db["attachments.files"].delete_many({})
        await self.index()
        self.assertEqual(self.uids(), [[1, 2]])
        self.assertEqual(await self.found(Not(Body("fox"))), [2])

    async def test_flags_first(self) -> None:
        """Messages that a flag decides are not asked of the index."""
        await self.put_words("fox", "fox")
        await self.index()
        view_key = And((Flag("\\Flagged"), Body("fox")))
        self.assertEqual(await self.without_reading(view_key), [])

    async def test_encoded_phrase_over_parts(self) -> None:
        """A phrase whose words stand in different parts is not found."""
        await self.add(
            b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
            b"--b\r\n\r\nquick\r\n--b\r\n\r\nbrown\r\n--b--\r\n"
        )
        await self.index()
        self.assertEqual(await self.found(Body("quick brown")), [])
        self.assertEqual(await self.found(Body("quick")), [1])


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


class SweepingTests(IndexCase):
    """Words of messages that are gone go too."""

    async def _sweep(self, days: int = 3) -> int:
        self.db.textsegments.update_many(
            {}, {"$set": {"checked": datetime.now(timezone.utc) - timedelta(days=days)}}
        )
        collector = self.store.collector()
        await collector.mend()
        return len(self.rows())

    async def test_expunged(self) -> None:
        """Of a message that was expunged no word is left; the others are found without reading."""
        await self.put_words("secret", "fox", "dog")
        await self.index()
        self.assertIn(b"\nsecret\n", self.all_words())
        inbox = await self.inbox()
        await self.store.store_flags(inbox, [1], "+", ["\\Deleted"])
        await self.store.expunge(inbox, [1])
        await self._sweep()
        self.assertNotIn(b"secret", self.all_words())
        self.assertEqual(self.uids(), [[2, 3]])
        self.store = (await self.new_node()).store
        self.assertEqual(await self.without_reading(Body("fox")), [2])

    async def test_moved(self) -> None:
        """When all messages of a segment are somewhere else it is removed."""
        await self.put_words("secret")
        await self.index()
        other = await self.store.mailboxes.create(self.account.id, "Other")
        await self.store.move(await self.inbox(), [1], other)
        self.assertEqual(await self._sweep(), 0)

    async def test_removed_by_another(self) -> None:
        """Whoever removed it, WildDuck too."""
        await self.put_words("secret", "fox")
        await self.index()
        self.db.messages.delete_one({"uid": 1})
        await self._sweep()
        self.assertNotIn(b"secret", self.all_words())

    async def test_not_each_time(self) -> None:
        """What was looked at today is not looked at again."""
        await self.put_words("secret", "fox")
        await self.index()
        self.db.messages.delete_one({"uid": 1})
        self.assertEqual(await sweeping.sweep(self.store._backend), 0)
        await self._sweep()
        self.db.messages.delete_one({"uid": 2})
        self.assertEqual(await sweeping.sweep(self.store._backend), 0)
        self.assertEqual(await self._sweep(), 0)

    async def test_mailbox_deleted(self) -> None:
        """With a mailbox its words go at once."""
        other = await self.store.mailboxes.create(self.account.id, "Other")
        await self.put_words("secret", mailbox=other)
        await self.put_words("fox")
        await self.index(other)
        await self.index()
        other = await self.store.mailboxes.get(self.account.id, "Other")
        await self.store.mailboxes.delete(self.account.id, other)
        await self.store._backend.settle()
        self.assertNotIn(b"secret", self.all_words())
        self.assertIn(b"\nfox\n", self.all_words())

    async def test_account_deleted(self) -> None:
        """With an account all its words go, and nobody else's."""
        await self.put_words("secret")
        await self.index()
        other = await self.new_account(name="other")
        mailbox = await self.store.mailboxes.get(other.id, "INBOX")
        await self.add(message(1, b"fox\r\n"), account=other, mailbox=mailbox)
        await self.index(mailbox)
        await delete_user_data(self.store._backend, self.account.id)
        self.assertNotIn(b"secret", self.all_words())
        self.assertIn(b"\nfox\n", self.all_words())

    async def test_verified(self) -> None:
        """The verifier has nothing to say of it."""
        await self.put_words("fox")
        await self.index()
        self.assertEqual(await self.store.verifier.verify(contents=True, min_age=0), [])


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

    async def test_time(self) -> None:
        """After a while they are read again: there may be words of messages that are gone."""
        await self.put_words("fox")
        await self.index()
        self.assertEqual(await self._queries(Body("fox")), 1)
        self.patch(segments, "_KEPT", -1.0)
        self.assertEqual(await self._queries(Body("fox")), 1)
        self.assertEqual(self.store._text_index._segments._kept.size, self._size())

    def _size(self) -> int:
        return sum(row["size"] for row in self.rows())

    async def test_bounded(self) -> None:
        """Those of the mailbox that was searched longest ago go first."""
        kept = segments._Kept()
        boxes = [ObjectId() for _ in range(3)]
        one = _segment(1)
        self.patch(segments, "TEXT_INDEX_CACHE", 2 * one.size)
        for box in boxes:
            kept.keep(box, _segment(1), 0.0)
        self.assertEqual([len(kept.of(box, 0.0)) for box in boxes], [0, 1, 1])
        self.assertEqual(kept.size, 2 * one.size)
        # None goes for another one of the same mailbox.
        kept.keep(boxes[2], _segment(2), 0.0)
        kept.keep(boxes[2], _segment(3), 0.0)
        self.assertEqual([len(kept.of(box, 0.0)) for box in boxes], [0, 0, 2])
        self.assertEqual(kept.size, 2 * one.size)

    async def test_merged_at_hand(self) -> None:
        """One that was merged into another is not kept beside it."""
        kept, box = segments._Kept(), ObjectId()
        parts = [_segment(1), _segment(2)]
        for part in parts:
            kept.keep(box, part, 0.0)
        whole = Segment.of_document({**building.merged(parts).document(), "_id": ObjectId()})
        kept.keep(box, whole, 0.0)
        self.assertEqual(kept.of(box, 0.0), [whole])
        self.assertEqual(kept.size, whole.size)


class OffTests(IndexCase):
    """C{storage.text_index = false}."""

    sets = ("storage.text_index=false",)

    async def test_off(self) -> None:
        """Nothing is written, and what is there is not asked."""
        await self.put_words("fox", "dog")
        self.assertIsNone(self.store._text_index.indexer._call)
        await self.index()
        self.assertEqual(await self.found(Body("fox")), [1])
        self.assertEqual(len(self.looked_through), 2)


def _segment(uid: int) -> Segment:
    builder = Builder()
    builder.add(uid, words.Words({b"word"}))
    return Segment.of_document({**builder.segment().document(), "_id": ObjectId()})
