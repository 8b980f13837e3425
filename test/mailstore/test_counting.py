"""Counts of mailboxes: always right, and seldom counted."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from test.mailstore.support import StoreCase, message
from wildduck.mailstore import counting
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.counting import Counts


class CountingTests(StoreCase):
    own_clock = True

    def setUp(self) -> Any:
        self.counted: list[str] = []
        return super().setUp()

    async def _start(self) -> None:
        await super()._start()
        main = self.node.databases.main
        aggregate = main.aggregate

        def counting(collection: str, *arguments: Any, **options: Any) -> Any:
            self.counted.append(collection)
            return aggregate(collection, *arguments, **options)

        self.patch(main, "aggregate", counting)

    async def counts(self, **options: Any) -> dict[str, Counts | None]:
        self.counted.clear()
        shown = await self.store.mailboxes.shown(self.account.id, **{"counts": True, **options})
        return {mailbox.path: counts for mailbox, counts in shown}

    def long_ago(self) -> None:
        """Let what was done be long ago: the database's clock is not the test's."""
        self.db.mailboxes.update_many({}, [{"$set": {"native.time": {"$subtract": ["$$NOW", 11_000]}}}])

    async def test_always_right(self) -> None:
        """After each arrival, flag, removal and move, whoever did it."""
        node = await self.new_node()
        archive = await self.store.mailboxes.create(self.account.id, "Archive")
        for long_ago in (False, True):
            inbox = await self.inbox()
            before = (await self.counts())["INBOX"]
            assert before
            if long_ago:
                self.long_ago()
                await self.counts()
            await self.add(message(1), store=node.store)
            last = (await self.add(message(2), flags=["\\Seen"])).uid
            total, unseen = before.total, before.unseen
            self.assertEqual((await self.counts())["INBOX"], Counts(total + 2, unseen + 1))
            if long_ago:
                self.long_ago()
                await self.counts()
            await node.store.store_flags(inbox, [last], "-", ["\\Seen"])
            self.assertEqual((await self.counts())["INBOX"], Counts(total + 2, unseen + 2))
            if long_ago:
                self.long_ago()
                await self.counts()
            await self.store.store_flags(inbox, [last], "+", ["\\Deleted"])
            await node.store.expunge(inbox, [last])
            self.assertEqual((await self.counts())["INBOX"], Counts(total + 1, unseen + 1))
            if long_ago:
                self.long_ago()
                await self.counts()
            await node.store.move(inbox, [last - 1], archive)
            found = await self.counts()
            self.assertEqual(found["INBOX"], Counts(total, unseen))
            self.assertEqual(found["Archive"], Counts(1 + long_ago, 1 + long_ago))
            self.assertEqual(found["Junk"], Counts(0, 0))

    async def test_seldom_counted(self) -> None:
        """One reading of the mailboxes is enough while nothing happens in them."""
        await self.add(message(1))
        await self.counts()
        await self.counts()
        # Something that has its number may be on its way still.
        self.assertEqual(self.counted, ["messages", "messages"])
        self.long_ago()
        await self.counts()
        self.assertEqual(len(self.counted), 2)
        self.assertEqual((await self.counts())["INBOX"], Counts(1, 1))
        self.assertEqual(self.counted, [])
        found = await self.store.mailboxes.counted(self.account.id, path="inbox")
        self.assertEqual([counts for _, counts in found], [Counts(1, 1)])
        self.assertEqual(self.counted, [])

    async def test_foreign_mailboxes(self) -> None:
        """Those of WildDuck, without fields of ours, are believed after two minutes without a change."""
        user = ObjectId()
        box = self.db.mailboxes.insert_one(
            {"user": user, "path": "a", "uidNext": 2.0, "modifyIndex": 7}
        ).inserted_id
        self.db.messages.insert_one({"mailbox": box, "uid": 1, "unseen": True, "size": 5, "user": user})

        async def counted() -> Counts | None:
            self.counted.clear()
            ((_, counts),) = await self.store.mailboxes.shown(user, counts=True)
            return counts

        # Seen for the first time, they tell nothing.
        for seconds, looks in (
            (0, 2),
            (0, 2),
            (10, 2),
            (4.9, 0),
            (0.2, 2),
            (0, 0),
            (7, 0),
            (1, 2),
            (120, 2),
            (1e6, 0),
        ):
            self.clock.advance(seconds)
            self.assertEqual(await counted(), Counts(1, 1))
            self.assertEqual(len(self.counted), looks, seconds)
        self.db.messages.insert_one({"mailbox": box, "uid": 2, "unseen": False, "user": user})
        self.db.mailboxes.update_one({"_id": box}, {"$inc": {"uidNext": 1}})
        self.assertEqual(await counted(), Counts(2, 1))

    async def test_what_has_its_number_already(self) -> None:
        """A count that was made while a message had its number, and was not there yet, is not believed."""
        user = ObjectId()
        box = self.db.mailboxes.insert_one(
            {"user": user, "path": "a", "uidNext": 2, "modifyIndex": 2}
        ).inserted_id
        await self.store.mailboxes.shown(user, counts=True)
        self.db.messages.insert_one({"mailbox": box, "uid": 1, "unseen": True, "user": user})
        shown = await gather(*(self.store.mailboxes.shown(user, counts=True) for _ in range(3)))
        self.assertEqual([counts for ((_, counts),) in shown], [Counts(1, 1)] * 3)

    async def test_many_at_once(self) -> None:
        """While one request counts anew the others go on with the last count."""
        user = ObjectId()
        self.db.mailboxes.insert_one({"user": user, "path": "a", "uidNext": 1, "modifyIndex": 1})
        for seconds in (0, 10, 10):
            self.clock.advance(seconds)
            self.counted.clear()
            await gather(*(self.store.mailboxes.shown(user, counts=True) for _ in range(5)))
        self.assertEqual(len(self.counted), 2)

    async def test_busy(self) -> None:
        """A big mailbox that changes all the time is not counted each time, and right all the same."""
        self.patch(counting, "_MANY", 2)
        for n in range(3):
            await self.add(message(n))
        self.assertEqual((await self.counts())["INBOX"], Counts(3, 3))
        self.assertEqual(len(self.counted), 2)
        main = self.node.databases.main
        count = main.count

        async def counting_all(collection: str, *arguments: Any, **options: Any) -> int:
            self.counted.append("all " + collection)
            return await count(collection, *arguments, **options)

        self.patch(main, "count", counting_all)
        inbox = await self.inbox()
        for n in range(4, 9):
            uid = (await self.add(message(n))).uid
            ((_, counts),) = await self.store.mailboxes.counted(self.account.id, path="INBOX")
            self.assertEqual(counts, Counts(n, 4))
            await self.store.store_flags(inbox, [uid], "+", ["\\Seen"])
            ((_, counts),) = await self.store.mailboxes.counted(self.account.id, path="INBOX")
            self.assertEqual(counts, Counts(n, 3))
        # Once for Redis, and the unseen ones after each change of a flag.
        self.assertEqual(self.counted, ["messages"] * 2 + ["all messages"] * (2 + 5))
        # What somebody has left wrong is put right when it is counted again.
        self.redis.set(f"total:{inbox.id}", 77)
        self.long_ago()
        await self.counts()
        await self.store.settle()
        self.assertEqual(self.redis.get(f"total:{inbox.id}"), b"8")

    async def test_sizes(self) -> None:
        """Bytes of all messages, where they are asked for."""
        size = 0
        for n in range(3):
            await self.add(message(n))
            size += len(message(n))
        self.long_ago()
        self.assertEqual((await self.counts())["INBOX"], Counts(3, 3))
        self.assertEqual((await self.counts(sizes=True))["INBOX"], Counts(3, 3, size))
        self.assertEqual((await self.counts(sizes=True))["Trash"], Counts(0, 0, 0))
        self.assertEqual(self.counted, [])
        self.assertEqual(await self.counts(counts=False), dict.fromkeys(await self.counts(), None))

    async def test_bounded(self) -> None:
        """What is kept does not grow with the number of mailboxes."""
        self.patch(counting, "COUNTED_MAILBOXES", 3)
        await self.counts()
        await self.counts()
        self.assertEqual(len(self.store.mailboxes.counting._known), 3)
