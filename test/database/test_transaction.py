"""Tests of L{wildduck.database.transaction}."""

from __future__ import annotations

from typing import Any

from bson import ObjectId
from twisted.internet.defer import Deferred, gatherResults

from test.database.case import ReplicaSetCase, StandaloneCase
from wildduck.errors import DuplicateKey


class TransactionTests(ReplicaSetCase):
    """On a replica set."""

    async def values(self) -> list[Any]:
        return [row["n"] for row in await self.main.find("things", {}, sort=[("n", 1)], limit=5000)]

    async def test_all(self) -> None:
        """All writes of a transaction are there after it, more than one command takes included."""
        ids = [ObjectId() for _ in range(1500)]
        await self.main.insert_many("things", [{"_id": id, "n": 0} for id in ids])
        together = self.main.transaction()
        together.upsert("counter", {"_id": 1, "version": None}, {"$set": {"version": 1}})
        together.update("things", (({"_id": id}, {"$set": {"n": n}}) for n, id in enumerate(ids)))
        together.insert("things", [{"_id": ObjectId(), "n": 1500}])
        await together.commit()
        self.assertEqual(list(range(1501)), await self.values())
        self.assertEqual([{"_id": 1, "version": 1}], await self.main.find("counter", {}))

    async def test_nothing(self) -> None:
        """After a refusal nothing of it is there, and the next transaction is none the worse."""
        taken = ObjectId()
        await self.main.insert_one("things", {"_id": taken, "n": 1})
        for _ in range(3):
            together = self.main.transaction()
            together.update("things", [({"_id": taken}, {"$set": {"n": 2}})])
            together.insert("things", [{"_id": taken, "n": 3}])
            together.insert("things", [{"_id": ObjectId(), "n": 4}])
            with self.assertRaises(DuplicateKey):
                await together.commit()
            self.assertEqual([1], await self.values())
        together = self.main.transaction()
        together.insert("things", [{"_id": ObjectId(), "n": 5}])
        await together.commit()
        self.assertEqual([1, 5], await self.values())

    async def test_guard(self) -> None:
        """An upsert fails where its document is another than the one that was read."""
        await self.main.insert_one("counter", {"_id": 1, "version": 7})
        together = self.main.transaction()
        together.upsert("counter", {"_id": 1, "version": 6}, {"$set": {"version": 7}})
        together.insert("things", [{"_id": ObjectId(), "n": 1}])
        with self.assertRaises(DuplicateKey):
            await together.commit()
        self.assertEqual([], await self.values())

    async def test_beside_other_writers(self) -> None:
        """Transactions and single writes on the same documents all succeed, whoever is faster."""
        ids = [ObjectId() for _ in range(5)]
        await self.main.insert_many("things", [{"_id": id, "n": 0} for id in ids])
        work: list[Deferred[Any]] = []
        for _ in range(10):
            together = self.main.transaction()
            together.update("things", [({"_id": id}, {"$inc": {"n": 1}}) for id in ids])
            work.append(Deferred.fromCoroutine(together.commit()))
            for id in ids:
                single = self.main.find_one_and_update("things", {"_id": id}, {"$inc": {"n": 1}})
                work.append(Deferred.fromCoroutine(single))
        await gatherResults(work)
        self.assertEqual([20] * 5, await self.values())

    def test_here(self) -> None:
        """A replica set has transactions."""
        self.assertTrue(self.main.has_transactions)


class NoTransactionTests(StandaloneCase):
    """On a standalone server."""

    def test_here(self) -> None:
        """It has none."""
        self.assertFalse(self.main.has_transactions)
