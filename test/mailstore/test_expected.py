"""Numbers that are taken without reading the mailbox."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from test.mailstore.support import StoreCase, message
from wildduck.database.failures import Interrupted
from wildduck.errors import CannotDo, MailboxNotFound
from wildduck.limits import MODSEQ_HOLE_SECONDS
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.journal import UNUSED


class ExpectedTests(StoreCase):
    """As long as nobody else takes numbers, what the counters are is known."""

    own_clock = True

    async def _start(self) -> None:
        await super()._start()
        self.box = await self.inbox()
        for n in range(2):
            await self.put(n)
        self.read: list[str] = []
        main = self.node.databases.main
        real = main.find_one_and_update

        def find_one_and_update(collection: str, *arguments: Any, **options: Any) -> Any:
            self.read.append(collection)
            return real(collection, *arguments, **options)

        self.patch(main, "find_one_and_update", find_one_and_update)

    async def put(self, n: int) -> tuple[int, int]:
        appended = await self.add(message(n), mailbox=self.box)
        return appended.uid, appended.modseq

    def stored(self) -> dict[str, Any]:
        return dict(self.db.mailboxes.find_one({"_id": self.box.id}))

    async def test_alone(self) -> None:
        """The third message in a row reads no mailbox, and leaves it as the first ones did."""
        before = self.stored()
        self.assertEqual((3, 4), await self.put(3))
        self.assertNotIn("mailboxes", self.read)
        after = self.stored()
        self.assertGreaterEqual(after["native"].pop("time"), before["native"].pop("time"))
        self.assertIsInstance(after["native"].pop("taker"), ObjectId)
        self.assertEqual({**before["native"], "index": 4, "next": 4}, after.pop("native"))
        del before["native"]
        self.assertEqual({**before, "uidNext": 4, "modifyIndex": 4}, after)

    async def test_somebody_else(self) -> None:
        """After others have taken numbers the mailbox is read until this server is alone again."""
        for n in range(3):
            other = await self.new_node()
            await self.add(message(n), mailbox=self.box, store=other.store)
            self.assertEqual((4 + 2 * n, 5 + 2 * n), await self.put(n))
        self.assertEqual(3, self.read.count("mailboxes"))
        self.db.mailboxes.update_one({"_id": self.box.id}, {"$inc": {"modifyIndex": 1}})
        self.assertEqual((9, 11), await self.put(9))

    async def test_repeated(self) -> None:
        """Taking numbers once more, for the first answer was lost, takes others and is done once."""
        main = self.node.databases.main
        real = main.update_one

        async def update_one(collection: str, *arguments: Any, **options: Any) -> Any:
            done = await real(collection, *arguments, **options)
            if collection == "mailboxes":
                self.assertFalse(options["numbered"])
                done = await real(collection, *arguments, **options)
            return done

        self.patch(main, "update_one", update_one)
        self.assertEqual((4, 5), await self.put(3))
        self.assertEqual((5, 5), (self.stored()["uidNext"], self.stored()["modifyIndex"]))

    async def test_answer_lost(self) -> None:
        """Numbers that were taken by an update whose answer was lost are used, for it has left its name."""
        main = self.node.databases.main
        real = main.update_one

        async def update_one(collection: str, *arguments: Any, **options: Any) -> Any:
            done = await real(collection, *arguments, **options)
            if collection == "mailboxes" and not options.get("numbered", True):
                options["group"].repeated = True
                done = await real(collection, *arguments, **options)
            return done

        self.patch(main, "update_one", update_one)
        self.assertEqual((3, 4), await self.put(3))
        self.assertEqual((4, 4), (self.stored()["uidNext"], self.stored()["modifyIndex"]))
        self.assertEqual((4, 5), await self.put(4))
        self.assertNotIn("mailboxes", self.read)

    async def test_connection_lost(self) -> None:
        """Where it is not repeated the numbers are given up, so that no reader waits for them."""
        main = self.node.databases.main
        real = main.update_one

        async def update_one(collection: str, *arguments: Any, **options: Any) -> Any:
            done = await real(collection, *arguments, **options)
            if collection == "mailboxes" and not options.get("numbered", True):
                raise Interrupted()
            return done

        self.patch(main, "update_one", update_one)
        await self.fails(Interrupted, self.put(3))
        await self.store.settle()
        [entry] = self.db.journal.find({"command": UNUSED})
        self.assertEqual((3, 4), (entry["uid"], entry["modseq"]))
        self.assertEqual((4, 5), await self.put(4))

        async def cut_off(collection: str, *arguments: Any, **options: Any) -> Any:
            if collection == "mailboxes" and not options.get("numbered", True):
                raise Interrupted()
            return await real(collection, *arguments, **options)

        self.patch(main, "update_one", cut_off)
        await self.put(5)
        await self.fails(Interrupted, self.put(6))
        await self.store.settle()
        self.assertEqual(1, self.db.journal.count_documents({"command": UNUSED}))

    async def test_many_at_once(self) -> None:
        """Of messages that come at the same time each has numbers of its own."""
        numbers = await gather(*(self.put(n) for n in range(20)))
        self.assertEqual([(n, n + 1) for n in range(3, 23)], sorted(numbers))

    async def test_after_a_pause(self) -> None:
        """The mailbox is read, for the mark of what is settled may be due."""
        self.clock.advance(MODSEQ_HOLE_SECONDS)
        await self.put(3)
        self.assertIn("mailboxes", self.read)

    async def test_what_decides_has_changed(self) -> None:
        """Encryption, retention and removal by others are seen at once."""
        boxes = self.db.mailboxes
        boxes.update_one({"_id": self.box.id}, {"$set": {"retention": 1000}})
        await self.put(3)
        self.assertEqual(1000, self.db.messages.find_one({"uid": 3})["retention"])
        await self.put(4)
        await self.add(message(5), mailbox=self.box, flags=["new"])
        await self.store.settle()
        self.assertEqual(["new"], self.stored()["flags"])
        boxes.update_one({"_id": self.box.id}, {"$set": {"encryptMessages": True}})
        await self.fails(CannotDo, self.put(5))
        boxes.update_one({"_id": self.box.id}, {"$set": {"encryptMessages": False}})
        for n in range(3):
            await self.put(n)
        boxes.delete_one({"_id": self.box.id})
        await self.fails(MailboxNotFound, self.put(6))
