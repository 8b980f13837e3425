"""Which server does a task, and what becomes of one that fails, is cut off, or is nobody's."""

from __future__ import annotations

import datetime
from typing import Any

from bson import Binary, ObjectId
from twisted.internet.defer import Deferred, gatherResults

from test.imap.waiting import until
from test.tasks.support import TaskCase
from wildduck.errors import Unavailable
from wildduck.tasks.lease import LEASE, Lease
from wildduck.tasks.loop import FREE_SECONDS, RENEW_SECONDS

HOUR = datetime.timedelta(hours=1)


class LoopTests(TaskCase):
    """Tasks whose work the tests replace."""

    async def _start(self) -> None:
        await super()._start()
        self.done: list[ObjectId] = []
        self.waiting: Deferred[None] | None = None

    def replace(self, loop: Any, work: Any = None) -> None:
        async def note(lease: Lease) -> dict[str, Any]:
            lease.check()
            if self.waiting is not None:
                await self.waiting
            lease.check()
            self.done.append(lease.task.id)
            return {}

        loop._kinds["quota"] = work or note

    async def lease(self) -> Lease:
        """The lease of the task in hand: its row says so a moment before the loop knows."""
        await until(lambda: self.loop._held)
        return next(iter(self.loop._held))

    async def begun(self) -> tuple[Any, Deferred[Any], Lease]:
        """The id of a task in hand that waits for C{waiting}, its run, and its lease."""
        self.replace(self.loop)
        self.waiting = Deferred()
        id = self.put("quota", {})
        running = Deferred.fromCoroutine(self.loop.run_due())
        lease = await self.lease()
        return id, running, lease

    async def test_done(self) -> None:
        """A task that is done is gone; while it is done its row has WildDuck's form."""
        self.replace(self.loop)
        self.waiting = Deferred()
        id = self.put("quota", {})
        running = Deferred.fromCoroutine(self.loop.run_due())
        await until(lambda: self.row(id)["status"] == "active")
        row = self.row(id)
        self.assertEqual((bytes, 12), (type(row["locked"]), len(row["locked"])))
        self.assertEqual((row["lockedUntil"] - row["runStart"], row["runCount"]), (HOUR, 1))
        self.waiting.callback(None)
        self.assertEqual(1, await running)
        self.assertEqual((None, [id]), (self.row(id), self.done))

    async def test_race(self) -> None:
        """Of many servers one does each task."""
        ids = [self.put("quota", {}) for _ in range(20)]
        loops = [self.new_loop() for _ in range(5)]
        for loop in loops:
            self.replace(loop)
        for _ in range(len(ids)):
            await gatherResults([Deferred.fromCoroutine(loop.run_due()) for loop in loops])
        self.assertEqual(sorted(ids), sorted(self.done))
        self.assertEqual(0, self.db.tasks.count_documents({}))

    async def test_oldest_first(self) -> None:
        """What is due for the longest time comes first."""
        self.replace(self.loop)
        ids = [
            self.put("quota", {}, lockedUntil=self.now() + datetime.timedelta(seconds=seconds))
            for seconds in (3, 1, 2)
        ]
        for _ in ids:
            await self.loop.run_due()
        self.assertEqual([ids[1], ids[2], ids[0]], self.done)

    async def test_others(self) -> None:
        """Kinds that we do not know, and what others hold, stay as they are."""
        self.replace(self.loop)
        before = self.now() - 2 * HOUR
        for kind in ("acme", "audit", "restore", "search-apply", "user-indexing", "run-migrations"):
            self.put(kind, {})
            self.put(kind, {}, locked=Binary(b"x" * 12), lockedUntil=before, status="active")
        self.put("quota", {}, locked=Binary(b"x" * 12), lockedUntil=self.now() + HOUR, status="active")
        self.put("quota", {}, locked=True, lockedUntil=self.now() + HOUR, status="delayed")
        rows = list(self.db.tasks.find())
        await self.loop.free_due()
        self.assertEqual(0, await self.loop.run_due())
        self.assertEqual(rows, list(self.db.tasks.find()))

    async def test_due(self) -> None:
        """A delayed task is done when its time has come, one of a dead server when its lease is over."""
        self.replace(self.loop)
        ids = [
            self.put("quota", {}, locked=True, lockedUntil=self.now() + HOUR, status="delayed"),
            self.put("quota", {}, locked=Binary(b"x" * 12), lockedUntil=self.now() + HOUR, status="active"),
            self.put("quota", None, locked=None, lockedUntil=self.now() + HOUR, status=7),
        ]
        for seconds, count in ((HOUR.total_seconds() - 1, 0), (1, 3)):
            self.clock.advance(seconds)
            await self.loop.free_due()
            while await self.loop.run_due():
                pass
            self.assertEqual(count, len(self.done))
        self.assertEqual(sorted(ids), sorted(self.done))

    async def test_failure(self) -> None:
        """What fails is tried again, later each time, and nobody takes it before."""
        fail: list[Exception] = [Unavailable(), ValueError("x"), Unavailable()]

        async def failing(lease: Lease) -> dict[str, Any]:
            if fail:
                raise fail.pop(0)
            return {}

        self.replace(self.loop, failing)
        id = self.put("quota", {})
        for pause in (30, 60, 120):
            self.assertEqual(1, await self.loop.run_due())
            row = self.row(id)
            self.assertEqual(row["lockedUntil"], self.now() + datetime.timedelta(seconds=pause))
            self.assertEqual("waiting", row["status"])
            self.clock.advance(pause - 1)
            await self.loop.free_due()
            self.assertEqual(0, await self.loop.run_due())
            self.clock.advance(1)
            await self.loop.free_due()
        self.assertEqual(1, await self.loop.run_due())
        self.assertIsNone(self.row(id))
        self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))

    async def test_longest_pause(self) -> None:
        """However often it failed, it is tried again within the hour."""

        async def failing(lease: Lease) -> dict[str, Any]:
            raise Unavailable()

        self.replace(self.loop, failing)
        id = self.put("quota", {}, native={"failures": 10**6})
        await self.loop.run_due()
        self.assertEqual(self.row(id)["lockedUntil"], self.now() + HOUR)

    async def test_renewed(self) -> None:
        """A lease is renewed every ten minutes while the task is done."""
        id, running, lease = await self.begun()
        for count in range(1, 10):
            self.clock.advance(RENEW_SECONDS)
            await until(lambda: lease._until == self.loop._leases.now() + LEASE)
            row = self.row(id)
            self.assertEqual((row["lockedUntil"], row["extendCount"]), (self.now() + LEASE, count))
        self.waiting.callback(None)
        await running
        self.assertEqual([id], self.done)

    async def test_lost(self) -> None:
        """A lease that another has taken ends the run at its next step, and the row is the other's."""
        id, running, lease = await self.begun()
        self.db.tasks.update_one({"_id": id}, {"$set": {"locked": Binary(b"other server")}})
        row = self.row(id)
        self.clock.advance(RENEW_SECONDS)
        # The renewal was refused when this has been answered, on whatever connection.
        await until(lambda: lease._lost)
        self.waiting.callback(None)
        await running
        self.assertEqual(([], row), (self.done, self.row(id)))

    async def test_asleep(self) -> None:
        """A server that was asleep for longer than its lease goes no further."""
        id, running, lease = await self.begun()
        lease._until = self.loop._leases.now()
        self.waiting.callback(None)
        await running
        self.assertEqual([], self.done)
        self.assertEqual((False, "waiting"), (self.row(id)["locked"], self.row(id)["status"]))

    async def test_stopped(self) -> None:
        """At shutdown a task in hand comes to its next step, and is free for others at once."""
        self.replace(self.loop)
        self.waiting = Deferred()
        id = self.put("quota", {})
        self.loop.startService()
        self.clock.advance(2)
        await self.lease()
        stopped = self.loop.stopService()
        await until(lambda: True)
        self.assertFalse(stopped.called)
        self.waiting.callback(None)
        await stopped
        row = self.row(id)
        self.assertEqual((False, "waiting", 1), (row["locked"], row["status"], row["runCount"]))
        self.assertFalse(self.clock.getDelayedCalls())
        # It can be started again.
        self.loop.startService()
        await until(lambda: self.clock.advance(0.1) or self.row(id) is None)
        await self.loop.stopService()
        self.assertEqual([id], self.done)

    async def test_stopped_while_taking(self) -> None:
        """A task that is taken while the loop is stopped is not begun."""
        self.replace(self.loop)
        id = self.put("quota", {})
        take = self.loop._leases.take

        async def taking() -> Lease | None:
            lease = await take()
            self.loop.stopService()
            return lease

        self.patch(self.loop._leases, "take", taking)
        await self.loop.run_due()
        self.assertEqual(([], False), (self.done, self.row(id)["locked"]))

    async def test_service(self) -> None:
        """A running loop frees what is due, does it, and looks again."""
        self.replace(self.loop)
        self.loop.startService()
        self.addCleanup(self.loop.stopService)
        for _ in range(2):
            id = self.put("quota", {}, locked=True, status="delayed")
            self.clock.advance(FREE_SECONDS)
            await until(lambda id=id: self.clock.advance(0.1) or self.row(id) is None)
        self.assertEqual(2, len(self.done))

    async def test_new_work(self) -> None:
        """A task whose data was changed while it was done is done again."""
        counters: list[Any] = []

        async def work(lease: Lease) -> dict[str, Any]:
            counters.append(lease.task.data["retentionCounter"])
            self.db.tasks.update_one({"_id": lease.task.id}, {"$set": {"data.retentionCounter": 2}})
            return {"retentionCounter": lease.task.data["retentionCounter"]}

        self.replace(self.loop, work)
        id = self.put("quota", {"retentionCounter": 1})
        while await self.loop.run_due():
            pass
        self.assertEqual(([1, 2], None), (counters, self.row(id)))

    async def test_malformed(self) -> None:
        """A row that says nothing that could be done is logged and removed; nothing else is touched."""
        for kind in ("user-delete", "clear-folder", "mailbox-retention"):
            for data in (None, {}, "x", {"user": "x", "mailbox": 1}, {"user": {"$ne": None}}):
                self.db.tasks.delete_many({})
                self.put(kind, data)
                await self.loop.run_due()
                self.assertEqual(0, self.db.tasks.count_documents({}), (kind, data))
        self.assertEqual(1, self.users.count_documents({}))
        self.assertEqual(5, self.db.mailboxes.count_documents({}))

    async def test_database_away(self) -> None:
        """While the database does not answer the loop waits."""

        async def away(*arguments: Any, **options: Any) -> Any:
            raise Unavailable()

        id = self.put("quota", {})
        self.replace(self.loop)
        main = self.node.databases.main
        original = main.find_one
        self.patch(main, "find_one", away)
        self.patch(main, "update_many", away)
        await self.loop.free_due()
        self.assertEqual(0, await self.loop.run_due())
        self.patch(main, "find_one", original)
        self.patch(main, "delete_one", away)
        await self.loop.run_due()
        self.assertEqual("active", self.row(id)["status"])
