"""A handle on a real server, in fair weather."""

from __future__ import annotations

import time
from typing import Any

from bson.objectid import ObjectId
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from test.database.case import ReplicaSetCase, StandaloneCase, reactor
from test.support.databases import blocking_database
from wildduck import limits
from wildduck.database import Updated, database, decode
from wildduck.database.cursors import read
from wildduck.errors import DatabaseFailure, DuplicateKey, Unavailable


class _Operations:
    """The same on a replica set and on a standalone server."""

    main: Any
    assertEqual: Any
    assertIsNone: Any
    assertTrue: Any
    assertFalse: Any
    fail: Any

    async def _refused(self, awaitable: Any, kind: type[Exception]) -> Any:
        try:
            await awaitable
        except kind as error:
            return error
        return self.fail(f"{kind.__name__} was not raised")

    async def _fill(self, count: int) -> None:
        await self.main.insert_many("rows", ({"_id": n, "n": n} for n in range(count)))

    async def test_insert_and_find(self) -> None:
        """A document comes back as it was; a missing one is None."""
        document = {"_id": ObjectId(), "flags": ["\\Seen"], "body": b"\0\1", "size": 2**33}
        await self.main.insert_one("rows", document)
        self.assertEqual(await self.main.find_one("rows", {"_id": document["_id"]}), document)
        self.assertIsNone(await self.main.find_one("rows", {"_id": 1}))
        found = await self.main.find_one("rows", {}, projection={"flags": 1, "_id": 0})
        self.assertEqual(found, {"flags": ["\\Seen"]})

    async def test_find_one_sorted(self) -> None:
        """With a sort order the first is the first in it."""
        await self._fill(5)
        found = await self.main.find_one("rows", {"n": {"$lt": 4}}, sort={"n": -1})
        self.assertEqual(found["n"], 3)

    async def test_duplicate(self) -> None:
        """A duplicate key names its index and nothing of the document."""
        await self.main.insert_one("rows", {"_id": "secret"})
        for durable in (False, True):
            error = await self._refused(
                self.main.insert_one("rows", {"_id": "secret"}, durable=durable), DuplicateKey
            )
            self.assertEqual(error.index, "_id_")
            self.assertFalse("secret" in f"{error!r} {error.__context__!r}")

    async def test_find_is_bounded(self) -> None:
        """A list has at most as many documents as were asked for."""
        await self._fill(30)
        self.assertEqual(len(await self.main.find("rows", {}, limit=20)), 20)
        self.assertEqual(len(await self.main.find("rows", {"n": {"$gte": 25}})), 5)

    async def test_update_one(self) -> None:
        """Matches, changes and upserts are told apart."""
        await self._fill(2)
        main = self.main
        self.assertEqual(await main.update_one("rows", {"_id": 1}, {"$set": {"n": 5}}), Updated(1, 1))
        self.assertEqual(await main.update_one("rows", {"_id": 1}, {"$set": {"n": 5}}), Updated(1, 0))
        self.assertEqual(await main.update_one("rows", {"_id": 9}, {"$set": {"n": 5}}), Updated(0, 0))
        upsert = await main.update_one("rows", {"_id": 9}, {"$set": {"n": 5}}, upsert=True)
        self.assertEqual(upsert, Updated(0, 0, 9))

    async def test_pipeline_update(self) -> None:
        """An update may be a pipeline."""
        await self._fill(1)
        await self.main.update_one("rows", {"_id": 0}, [{"$set": {"n": {"$max": ["$n", 7]}}}])
        self.assertEqual((await self.main.find_one("rows", {"_id": 0}))["n"], 7)

    async def test_update_many(self) -> None:
        """All matches are changed."""
        await self._fill(10)
        updated = await self.main.update_many("rows", {"n": {"$gte": 5}}, {"$set": {"x": 1}}, durable=True)
        self.assertEqual(updated, Updated(5, 5))

    async def test_update_bulk(self) -> None:
        """Many updates go out in several commands, and their results are summed."""
        await self._fill(2100)
        updates = [({"_id": n}, {"$set": {"n": n // 2 * 2}}) for n in range(2105)]
        self.assertEqual(await self.main.update_bulk("rows", updates), Updated(2100, 1050))
        self.assertEqual(await self.main.update_bulk("rows", []), Updated(0, 0))

    async def test_update_bulk_goes_on(self) -> None:
        """One refused update does not keep the others of its command from being done."""
        await self._fill(3)
        updates = [({"_id": 0}, {"$inc": {"n": "x"}}), ({"_id": 1}, {"$set": {"n": 9}})]
        error = await self._refused(self.main.update_bulk("rows", updates), DatabaseFailure)
        self.assertEqual(error.code, 14)
        self.assertEqual((await self.main.find_one("rows", {"_id": 1}))["n"], 9)

    async def test_large_batches(self) -> None:
        """Documents of more bytes than one command takes are split over commands (P13)."""
        documents = [{"_id": n, "data": b"x" * (15 << 20)} for n in range(4)]
        await self.main.insert_many("large", documents)
        self.assertEqual(await self.main.count("large", {}), 4)

    async def test_too_large(self) -> None:
        """A document that mongod does not take is refused here, and the connection lives (P14)."""
        document = {"_id": 1, "data": b"x" * (17 << 20)}
        error = await self._refused(self.main.insert_one("rows", document), DatabaseFailure)
        self.assertEqual(error.code, 10334)
        error = await self._refused(self.main.insert_many("rows", [document]), DatabaseFailure)
        self.assertEqual(error.code, 10334)
        await self._fill(1)

    async def test_find_one_and_update(self) -> None:
        """The document before or after the change is read in the same step."""
        await self._fill(3)
        main = self.main
        before = await main.find_one_and_update("rows", {"_id": 1}, {"$inc": {"n": 10}})
        self.assertEqual(before, {"_id": 1, "n": 1})
        after = await main.find_one_and_update(
            "rows", {}, {"$inc": {"n": 1}}, sort={"n": -1}, projection={"n": 1, "_id": 0}, return_after=True
        )
        self.assertEqual(after, {"n": 12})
        self.assertIsNone(await main.find_one_and_update("rows", {"_id": 8}, {"$set": {"n": 1}}))
        made = await main.find_one_and_update(
            "rows", {"_id": 8}, {"$set": {"n": 1}}, upsert=True, return_after=True, durable=True
        )
        self.assertEqual(made, {"_id": 8, "n": 1})

    async def test_delete(self) -> None:
        """One match or all are removed, and counted."""
        await self._fill(10)
        self.assertEqual(await self.main.delete_one("rows", {"n": {"$lt": 5}}), 1)
        self.assertEqual(await self.main.delete_one("rows", {"_id": 9}, durable=True), 1)
        self.assertEqual(await self.main.delete_one("rows", {"_id": 9}), 0)
        self.assertEqual(await self.main.delete_many("rows", {}), 8)

    async def test_count_and_aggregate(self) -> None:
        """Counting and pipelines."""
        await self._fill(10)
        self.assertEqual(await self.main.count("rows", {"n": {"$gte": 4}}), 6)
        pipeline = [{"$match": {"n": {"$gte": 4}}}, {"$project": {"_id": 0, "n": 1}}]
        results = [
            row async for batch in self.main.aggregate("rows", pipeline, batch_size=2) for row in batch
        ]
        self.assertEqual(sorted(row["n"] for row in results), [4, 5, 6, 7, 8, 9])

    async def test_refused_command(self) -> None:
        """A refusal has the server's code and none of its words."""
        error = await self._refused(self.main.find_one("rows", {"$secret": 1}), DatabaseFailure)
        self.assertEqual(error.code, 2)
        self.assertFalse("secret" in f"{error!r} {error.__context__!r} {error.__cause__!r}")

    async def test_find_one_majority(self) -> None:
        """A document that is there to stay is found."""
        await self._fill(1)
        self.assertEqual(await self.main.find_one_majority("rows", {"_id": 0}), {"_id": 0, "n": 0})
        self.assertIsNone(await self.main.find_one_majority("rows", {"_id": 1}))
        self.assertIsNone(await self.main.find_one_majority("nothing", {"_id": 1}))

    async def test_group_is_intact(self) -> None:
        """In fair weather a group of writes is intact, whatever its writes are."""
        group = self.main.group()
        await self.main.insert_one("rows", {"_id": 1, "n": 0}, group=group)
        await self.main.update_one("rows", {"_id": 1}, {"$inc": {"n": 1}}, group=group)
        await self.main.find_one_and_update("rows", {"_id": 1}, {"$inc": {"n": 1}}, group=group, durable=True)
        await self.main.update_bulk("rows", [({"_id": 1}, {"$inc": {"n": 1}})], group=group)
        await self.main.insert_many("rows", [{"_id": 2}], group=group, durable=True)
        self.assertTrue(group.intact)
        self.assertEqual((await self.main.find_one("rows", {"_id": 1}))["n"], 3)


class ReplicaSetTests(_Operations, ReplicaSetCase):
    """On a replica set."""

    def test_kind(self) -> None:
        """It is known for what it is."""
        self.assertTrue(self.databases.replica_set)
        self.assertEqual(self.databases.sharded, set())

    async def test_insert_many_stops(self) -> None:
        """Documents are inserted in order, up to the first that is refused."""
        await self.main.insert_one("rows", {"_id": 1})
        await self._refused(self.main.insert_many("rows", [{"_id": n} for n in range(3)]), DuplicateKey)
        self.assertEqual(await self.main.find("rows", {}, sort={"_id": 1}), [{"_id": 0}, {"_id": 1}])

    async def test_sessions_are_used_again(self) -> None:
        """Writes one after the other need one session, whether they succeed or not."""
        for _ in range(5):
            await self.main.update_one("rows", {"_id": 1}, {"$inc": {"n": 1}}, upsert=True)
            await self._refused(
                self.main.update_one("rows", {"_id": 1}, {"$inc": {"_id": 1}}), DatabaseFailure
            )
        self.assertEqual(len(self.main._cluster.sessions._idle), 1)


class StandaloneTests(_Operations, StandaloneCase):
    """On a standalone server."""

    def test_kind(self) -> None:
        """It is known for what it is."""
        self.assertFalse(self.databases.replica_set)


class CursorTests(ReplicaSetCase):
    """Reading in batches."""

    async def test_aggregate_that_takes_long(self) -> None:
        """A pipeline that must read everything for its first batch can be given more time."""
        await self.main.insert_one("slow", {"_id": 1})
        self.patch(limits, "SLOW_OPERATION_SECONDS", 0.1)
        function = {"body": "function() { sleep(300); return true; }", "args": [], "lang": "js"}
        slow = [{"$match": {"$expr": {"$function": function}}}]
        with self.assertRaises(Unavailable):
            async for _ in self.main.aggregate("slow", slow):
                pass
        async for batch in self.main.aggregate("slow", slow, seconds=60.0):
            self.assertEqual([{"_id": 1}], batch)

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        await self.main.insert_many("rows", ({"_id": n, "x": "y" * 100} for n in range(2500)))

    async def _open_cursors(self) -> int:
        status = await self.main.command({"serverStatus": 1})
        return int(status["metrics"]["cursor"]["open"]["total"])

    async def test_all(self) -> None:
        """All documents come, in order, in batches of the size asked for."""
        for prefetch in (False, True):
            sizes, ids = [], []
            batches = self.main.batches("rows", {}, sort={"_id": 1}, batch_size=600, prefetch=prefetch)
            async for batch in batches:
                sizes.append(len(batch))
                ids += [row["_id"] for row in batch]
            self.assertEqual(sizes, [600, 600, 600, 600, 100])
            self.assertEqual(ids, list(range(2500)))

    async def test_limit_and_projection(self) -> None:
        """A limit ends the cursor by itself."""
        batches = self.main.batches("rows", {}, projection={"_id": 1}, limit=700, batch_size=500, hint="_id_")
        rows = [row async for batch in batches for row in batch]
        self.assertEqual((len(rows), set(rows[0])), (700, {"_id"}))

    async def test_majority(self) -> None:
        """What a failover may take back can be left out."""
        commands: list[dict[str, Any]] = []

        def capture(cluster: Any, command: dict[str, Any], *arguments: Any, **options: Any) -> Any:
            commands.append(command)
            return read(cluster, command, *arguments, **options)

        # What was written before it is on the majority's disks then, too.
        await self.main.insert_one("others", {"_id": 1}, durable=True)
        self.patch(database, "read", capture)
        for majority in (False, True):
            batches = self.main.batches("rows", {"_id": 7}, majority=majority)
            self.assertEqual([row["_id"] async for batch in batches for row in batch], [7])
        expected = {"level": "majority"} if self.main.replica_set else None
        self.assertEqual([command.get("readConcern") for command in commands], [None, expected])

    async def test_nothing(self) -> None:
        """No match, no batch; a collection that is not there has no match."""
        self.assertEqual([batch async for batch in self.main.batches("rows", {"_id": -1})], [])
        self.assertEqual([batch async for batch in self.main.batches("nothing", {})], [])

    async def test_left_early(self) -> None:
        """The server's cursor is closed when the iteration is left, by break or by an exception (P15)."""
        before = await self._open_cursors()
        for prefetch in (False, True):
            async for _ in self.main.batches("rows", {}, batch_size=10, prefetch=prefetch, slow=False):
                break
            try:
                async for _ in self.main.batches("rows", {}, batch_size=10, prefetch=prefetch, slow=False):
                    raise KeyError
            except KeyError:
                pass
        # The command that kills the cursor went out before this one, on one of two connections.
        while await self._open_cursors() > before:
            pass

    async def test_raw(self) -> None:
        """Batches that are left as they come hold the same documents."""
        raw = self.main.raw_batches("rows", {}, projection={"x": 0}, sort={"_id": 1}, batch_size=600)
        batches = [list(decode(batch).values()) async for batch in raw]
        self.assertEqual([600, 600, 600, 600, 100], [len(batch) for batch in batches])
        self.assertEqual([{"_id": n} for n in range(2500)], [row for batch in batches for row in batch])
        nothing = self.main.raw_batches("rows", {"_id": -1}, projection={}, sort={"_id": 1}, batch_size=9)
        self.assertEqual([], [batch async for batch in nothing])

    async def test_next_batch_is_under_way(self) -> None:
        """mongod has been asked for the next batch before one is worked on, though that waits for nothing."""
        sizes = []
        for raw in (False, True):
            async for batch in self._prefetched(raw):
                sizes.append(len(batch))
                if len(sizes) % 2:
                    # The reactor stands still here, and yet the next batch is made.
                    self._await_batches(2)
                else:
                    break
        self.assertEqual(4, len(sizes))

    def _prefetched(self, raw: bool) -> Any:
        if raw:
            return self.main.raw_batches("rows", {}, projection={"x": 0}, sort={"_id": 1}, batch_size=50)
        return self.main.batches("rows", {}, batch_size=50, prefetch=True)

    def _await_batches(self, count: int) -> None:
        """Block until mongod has made so many batches of the cursor on C{rows}."""
        admin = blocking_database(self.settings).client.admin
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found = admin.aggregate(
                [
                    {"$currentOp": {"idleCursors": True, "localOps": True}},
                    {"$match": {"ns": f"{self.main.name}.rows", "cursor.nBatchesReturned": {"$gte": count}}},
                ]
            )
            if list(found):
                return
        self.fail("the next batch was not asked for")

    async def test_failure_of_the_next_batch(self) -> None:
        """It is told when that batch is wanted, not before."""
        for raw in (False, True):
            batches, count = self._prefetched(raw), 0
            with self.assertRaises(DatabaseFailure):
                async for _ in batches:
                    count += 1
                    if count == 1:
                        self._await_batches(2)
                        blocking_database(self.settings).drop_collection("rows")
            # The second had been made before.
            self.assertEqual(2, count)
            await self.main.insert_many("rows", ({"_id": n, "x": "y" * 100} for n in range(2500)))

    async def test_cancelled(self) -> None:
        """No cursor stays open, wherever the work is cancelled: while a batch is waited for, or worked on."""
        before = await self._open_cursors()
        for raw in (False, True):
            for turns in range(12):
                running = Deferred.fromCoroutine(self._read(raw))
                for _ in range(turns):
                    await deferLater(reactor(), 0)
                running.cancel()
                with self.assertRaises(CancelledError):
                    await running
        while await self._open_cursors() > before:
            pass

    async def _read(self, raw: bool) -> None:
        async for _ in self._prefetched(raw):
            await deferLater(reactor(), 0)

    async def test_large_reply(self) -> None:
        """A reply of many MiB arrives whole."""
        await self.main.insert_many("large", ({"_id": n, "data": b"x" * (1 << 20)} for n in range(14)))
        (batch,) = [batch async for batch in self.main.batches("large", {})]
        self.assertEqual(sum(len(row["data"]) for row in batch), 14 << 20)

    async def test_batch_of_one_command(self) -> None:
        """Documents go out in commands of a bounded number."""
        self.patch(limits, "BATCH_ROWS", 7)
        await self.main.insert_many("few", ({"_id": n} for n in range(20)))
        self.assertEqual(await self.main.count("few", {}), 20)
