"""A handle when the connection or the server fails (store.md §4, anchors/reliability.md §4.4)."""

from __future__ import annotations

from typing import Any

from bson.objectid import ObjectId
from twisted.internet.defer import Deferred, DeferredList

from test.database.case import RelayedCase, ReplicaSetCase, connect, reactor
from test.support.servers import Mongod, ReplicaSet
from wildduck import limits
from wildduck.database import Database
from wildduck.database.failures import Interrupted
from wildduck.errors import Unavailable


class _FaultCase(RelayedCase):
    async def _fails(self, awaitable: Any, kind: type[Exception] = Unavailable) -> None:
        try:
            await awaitable
        except kind:
            return
        self.fail(f"{kind.__name__} was not raised")

    async def _works_again(self, database: Database, *, durable: bool = False) -> None:
        """
        Wait until an operation succeeds; trial's time-out is the bound.

        @param durable: a write that waits for the majority and the journal.
        """
        while True:
            try:
                if durable:
                    mark = {"$set": {"works": True}}
                    await database.update_one("others", {"_id": 0}, mark, upsert=True, durable=True)
                else:
                    await database.find_one("rows", {"_id": 0})
                return
            except Unavailable:
                pause: Deferred[None] = Deferred()
                reactor().callLater(0.05, pause.callback, None)
                await pause


class ClosedTests(ReplicaSetCase):
    async def test_repeat(self) -> None:
        """What was about to be repeated fails when we close, and no timer is left of it."""
        waiting = [Deferred.fromCoroutine(self.main._cluster.pause()) for _ in range(2)]
        before = len(reactor().getDelayedCalls())
        await self.databases.close()
        waiting.append(Deferred.fromCoroutine(self.main._cluster.pause()))
        self.assertLess(len(reactor().getDelayedCalls()), before)
        for one in waiting:
            self.failureResultOf(one, Unavailable)


class CutOnReplicaSetTests(_FaultCase):
    """The connection is lost after the server has done what it was asked, before it could say so."""

    async def setUp(self) -> None:  # type: ignore[override]
        self.main = await self.through_relay()
        await self.direct.insert_one("rows", {"_id": 0, "n": 0})

    async def _number(self) -> Any:
        row = await self.direct.find_one("rows", {"_id": 0})
        assert row is not None
        return row["n"]

    async def test_update(self) -> None:
        """An increment that is sent twice is done once, and its result is the first one's."""
        self.relay.cut_after(b"$inc")
        updated = await self.main.update_one("rows", {"_id": 0}, {"$inc": {"n": 1}})
        self.assertEqual((updated.matched, updated.modified, self.relay.cuts), (1, 1, 1))
        self.assertEqual(await self._number(), 1)

    async def test_durable_update(self) -> None:
        """So is one that waits for the majority."""
        self.relay.cut_after(b"$inc")
        await self.main.update_one("rows", {"_id": 0}, {"$inc": {"n": 1}}, durable=True)
        self.assertEqual((await self._number(), self.relay.cuts), (1, 1))

    async def test_find_one_and_update(self) -> None:
        """The repeat of findAndModify gives the document of the first try."""
        self.relay.cut_after(b"findAndModify")
        before = await self.main.find_one_and_update("rows", {"_id": 0}, {"$inc": {"n": 1}})
        self.assertEqual((before, self.relay.cuts), ({"_id": 0, "n": 0}, 1))
        self.assertEqual(await self._number(), 1)

    async def test_update_bulk(self) -> None:
        """Each increment of a bulk is done once."""
        self.relay.cut_after(b"$inc")
        updated = await self.main.update_bulk("rows", [({"_id": 0}, {"$inc": {"n": 1}})] * 50)
        self.assertEqual((updated.matched, self.relay.cuts), (50, 1))
        self.assertEqual(await self._number(), 50)

    async def test_transaction(self) -> None:
        """A transaction is whole or not at all, we know which, and it holds nothing any more."""
        for kind in (b"startTransaction", b"commitTransaction"):
            for _ in range(3):
                cuts, number, rows = self.relay.cuts, await self._number(), await self._count()
                together = self.main.transaction()
                together.update("rows", [({"_id": 0}, {"$inc": {"n": 1}})])
                together.insert("rows", [{"_id": ObjectId()}])
                self.relay.cut_after(kind)
                try:
                    await together.commit()
                    done = 1
                except Unavailable:
                    done = 0
                self.assertEqual(self.relay.cuts, cuts + 1)
                # This would wait for an open transaction.
                await self.direct.update_one("rows", {"_id": 0}, {"$set": {"seen": True}})
                self.assertEqual((await self._number(), await self._count()), (number + done, rows + done))
                await self._works_again(self.main)

    async def _count(self) -> int:
        return await self.direct.count("rows", {})

    async def test_insert(self) -> None:
        """An insert that finds itself done is a success."""
        for kind, durable in (("first", False), ("second", True)):
            self.relay.cut_after(kind.encode())
            await self.main.insert_one("rows", {"_id": kind}, durable=durable)
        self.assertEqual(self.relay.cuts, 2)
        self.assertEqual(await self.direct.count("rows", {}), 3)

    async def test_line(self) -> None:
        """Of the inserts of one line only the first is sent again; what is behind it was lost with it."""
        line = self.main.line(durable=True)
        self.relay.cut_after(b"first")
        first = Deferred.fromCoroutine(self.main.insert_one("rows", {"_id": "first"}, line=line))
        second = Deferred.fromCoroutine(
            self.main.insert_one("rows", {"_id": "second"}, durable=True, line=line)
        )
        await self._fails(second, Interrupted)
        await first
        self.assertEqual((self.relay.cuts, await self.direct.count("rows", {"_id": "first"})), (1, 1))

    async def test_repeat_that_is_harmless(self) -> None:
        """What is the same done twice is sent again without a number, and its row is made once."""
        self.relay.cut_after(b"findAndModify")
        row = await self.main.find_one_and_update(
            "rows", {"k": 1}, {"$set": {"k": 1}}, upsert=True, return_after=True, numbered=False
        )
        self.assertEqual((self.relay.cuts, await self.direct.count("rows", {"k": 1})), (1, 1))
        self.assertEqual(row, await self.direct.find_one("rows", {"k": 1}))

    async def test_insert_shared_id(self) -> None:
        """So is one whose id others may make, without taking another's document for its own."""
        self.relay.cut_after(b"digest")
        await self.main.insert_one("rows", {"_id": "digest"}, shared_id=True)
        self.assertEqual(self.relay.cuts, 1)

    async def test_insert_many(self) -> None:
        """So is one of many documents."""
        self.relay.cut_after(b"insert")
        await self.main.insert_many("rows", [{"_id": n} for n in range(1, 100)])
        self.assertEqual((await self.direct.count("rows", {}), self.relay.cuts), (100, 1))

    async def test_delete(self) -> None:
        """The repeat of a removal counts what the first try removed."""
        await self.direct.insert_one("rows", {"_id": 1, "n": 0})
        self.relay.cut_after(b"delete")
        self.assertEqual(await self.main.delete_one("rows", {"n": 0}), 1)
        self.assertEqual((await self.direct.count("rows", {}), self.relay.cuts), (1, 1))

    async def test_reading(self) -> None:
        """Reading is done again."""
        self.relay.cut_after(b"find")
        self.assertEqual(await self.main.find_one("rows", {"_id": 0}), {"_id": 0, "n": 0})
        self.relay.cut_after(b"count")
        self.assertEqual(await self.main.count("rows", {}), 1)
        self.assertEqual(self.relay.cuts, 2)

    async def test_command(self) -> None:
        """A command of which nothing is known is sent once."""
        self.relay.cut_after(b"ping")
        await self._fails(self.main.command({"ping": 1}), Interrupted)

    async def test_group(self) -> None:
        """A group one of whose writes was repeated is not intact."""
        group = self.main.group()
        await self.main.insert_one("rows", {"_id": 1}, group=group)
        self.assertTrue(group.intact)
        self.relay.cut_after(b"insert")
        await self.main.insert_one("rows", {"_id": 2}, group=group, durable=True)
        self.assertFalse(group.intact)
        self.assertTrue(group.repeated)

    async def test_twice(self) -> None:
        """It is repeated once, not more."""

        def again(_: object) -> None:
            self.relay.cut_after(b"$inc")

        self.relay.cut_after(b"$inc").addCallback(again)
        await self._fails(self.main.update_one("rows", {"_id": 0}, {"$inc": {"n": 1}}), Interrupted)
        self.assertEqual((await self._number(), self.relay.cuts), (1, 2))

    async def test_cursor(self) -> None:
        """A cursor ends with its connection, loudly."""
        await self.direct.insert_many("rows", [{"_id": n} for n in range(1, 100)])
        self.relay.cut_after(b"getMore")
        await self._fails(self._read())

    async def _read(self) -> None:
        async for _ in self.main.batches("rows", {}, batch_size=10):
            pass

    async def test_many_at_once(self) -> None:
        """Of many increments on their way when all connections are lost, each is done once."""
        updates = [
            Deferred.fromCoroutine(self.main.update_one("rows", {"_id": 0}, {"$inc": {"n": 1}}))
            for _ in range(200)
        ]
        updates[20].addCallback(lambda _: self.relay.cut())
        results = await DeferredList(updates, consumeErrors=True)
        self.assertTrue(all(success for success, _ in results))
        self.assertEqual(await self._number(), 200)


class CutOnStandaloneTests(_FaultCase):
    """The same without retryable writes."""

    async def setUp(self) -> None:  # type: ignore[override]
        self.main = await self.standalone_through_relay()
        await self.direct.insert_one("rows", {"_id": 0, "n": 0})

    async def _number(self) -> Any:
        row = await self.direct.find_one("rows", {"_id": 0})
        assert row is not None
        return row["n"]

    async def test_update(self) -> None:
        """An increment is not repeated blindly: nobody knows whether it was done."""
        for operation in (self.main.update_one, self.main.find_one_and_update):
            self.relay.cut_after(b"$inc")
            await self._fails(operation("rows", {"_id": 0}, {"$inc": {"n": 1}}))
        self.assertEqual(await self._number(), 2)

    async def test_idempotent(self) -> None:
        """What the caller calls idempotent is repeated."""
        self.relay.cut_after(b"$set")
        await self.main.update_one("rows", {"_id": 0}, {"$set": {"n": 5}}, idempotent=True)
        self.relay.cut_after(b"$set")
        await self.main.update_bulk("rows", [({"_id": 0}, {"$set": {"n": 6}})], idempotent=True)
        self.assertEqual((await self._number(), self.relay.cuts), (6, 2))

    async def test_insert(self) -> None:
        """An insert is repeated, and a duplicate of its id on the repeat is success."""
        self.relay.cut_after(b"insert")
        await self.main.insert_one("rows", {"_id": 1})
        self.relay.cut_after(b"insert")
        await self.main.insert_many("rows", [{"_id": n} for n in range(2, 10)])
        self.assertEqual((await self.direct.count("rows", {}), self.relay.cuts), (10, 2))

    async def test_insert_shared_id(self) -> None:
        """Not so where others may make the same id: a duplicate could be theirs."""
        self.relay.cut_after(b"insert")
        await self._fails(self.main.insert_one("rows", {"_id": 1}, shared_id=True))

    async def test_update_many(self) -> None:
        """An update of many is repeated, for its caller promises that it may be."""
        self.relay.cut_after(b"$set")
        updated = await self.main.update_many("rows", {}, {"$set": {"n": 1}})
        self.assertEqual((updated.matched, self.relay.cuts), (1, 1))

    async def test_delete(self) -> None:
        """A removal by id is repeated, one that could meet another document is not."""
        self.relay.cut_after(b"delete")
        self.assertEqual(await self.main.delete_one("rows", {"_id": 0}), 0)
        await self.direct.insert_many("rows", [{"_id": 1, "n": 3}, {"_id": 2, "n": 3}])
        self.relay.cut_after(b"delete")
        await self._fails(self.main.delete_one("rows", {"n": 3}))
        self.assertEqual(await self.direct.count("rows", {}), 1)


class SilenceTests(_FaultCase):
    """The server is there and says nothing."""

    async def test_black_hole(self) -> None:
        """Each operation fails within its deadline, what waits is bounded, and all works again after."""
        self.patch(limits, "OPERATION_SECONDS", 0.5)
        self.patch(limits, "SLOW_OPERATION_SECONDS", 0.5)
        main = await self.through_relay()
        self.relay.black_hole()
        for _ in range(2):
            operations = [
                main.find_one("rows", {"_id": 0}),
                main.insert_one("rows", {"_id": ObjectId()}),
                main.insert_one("rows", {"_id": ObjectId()}, durable=True),
                main.update_one("rows", {"_id": 0}, {"$inc": {"n": 1}}),
                main.find_one_and_update("rows", {"_id": 0}, {"$inc": {"n": 1}}),
                main.count("rows", {}),
                main.find("rows", {}, slow=True),
            ]
            for failing in [Deferred.fromCoroutine(self._fails(operation)) for operation in operations]:
                await failing
        for pool in main._cluster._pools:
            self.assertEqual(len(pool._queue), 0)
        self.relay.restore()
        await self._works_again(main)

    async def test_slow_command(self) -> None:
        """A slow command on its connection does not hold up the quick ones (P9)."""
        main = await self.through_relay()
        sleeping = Deferred.fromCoroutine(
            main.count("rows", {"$where": "sleep(1000) || true"})
            if await self._row(main)
            else main.count("rows", {})
        )
        self.assertIsNotNone(await main.find_one("rows", {"_id": 0}))
        self.assertFalse(sleeping.called)
        self.assertEqual(await sleeping, 1)

    async def _row(self, main: Database) -> bool:
        await main.insert_one("rows", {"_id": 0})
        return True

    async def test_delayed(self) -> None:
        """A slow network loses nothing."""
        main = await self.through_relay()
        self.relay.delay = 0.05
        # Every piece is late, and all together have five seconds, on a busy machine too.
        await main.insert_many("rows", ({"_id": n, "x": b"y" * 5000} for n in range(100)))
        rows = await main.find("rows", {}, sort={"_id": 1})
        self.assertEqual([row["_id"] for row in rows], list(range(100)))


class RestartTests(_FaultCase):
    """The server goes and comes back."""

    async def setUp(self) -> None:  # type: ignore[override]
        self.server = Mongod()
        self.addCleanup(self.server.close)
        self.main = (await connect(self, f"mongodb://127.0.0.1:{self.server.port}/restart")).main

    async def test_restart(self) -> None:
        """While mongod is down operations fail, at once after a moment; they work when it is back."""
        await self.main.insert_one("rows", {"_id": 0}, durable=True)
        self.server.kill()
        await self._fails(self.main.find_one("rows", {"_id": 0}))
        failed = Deferred.fromCoroutine(self._fails(self.main.find_one("rows", {"_id": 0})))
        self.assertTrue(failed.called)
        self.server.start()
        await self._works_again(self.main)
        self.assertEqual(await self.main.find_one("rows", {}), {"_id": 0})

    async def test_group(self) -> None:
        """A group whose server was started anew in between is not intact."""
        group = self.main.group()
        await self.main.insert_one("rows", {"_id": 1}, group=group)
        self.server.kill()
        self.server.start()
        await self._works_again(self.main)
        await self.main.insert_one("rows", {"_id": 2}, group=group, durable=True)
        self.assertFalse(group.intact)
        self.assertFalse(group.repeated)


class StepDownTests(_FaultCase):
    """The primary steps down and is elected again."""

    async def test_step_down(self) -> None:
        """A write meanwhile is repeated on the next primary; a group over it is not intact."""
        server = ReplicaSet()
        self.addCleanup(server.close)
        main = (await connect(self, f"mongodb://127.0.0.1:{server.port}/step")).main
        await main.insert_one("rows", {"_id": 0, "n": 0}, durable=True)
        group = main.group()
        await main.update_one("rows", {"_id": 0}, {"$inc": {"n": 1}}, group=group)
        await main.sibling("admin").command({"replSetStepDown": 1, "force": True}, slow=True)
        await main.update_one("rows", {"_id": 0}, {"$inc": {"n": 1}})
        # A new primary can take longer to confirm what is durable than a write may wait.
        await self._works_again(main, durable=True)
        await main.find_one_and_update("rows", {"_id": 0}, {"$inc": {"n": 1}}, group=group, durable=True)
        self.assertFalse(group.intact)
        self.assertFalse(group.repeated)
        self.assertEqual(await main.find_one("rows", {}), {"_id": 0, "n": 3})
