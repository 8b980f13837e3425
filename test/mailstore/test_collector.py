"""The collector, by the clock."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import maybeDeferred

from test.mailstore.support import StoreCase, message, with_attachment
from test.mailstore.test_attachments import encoded
from wildduck.mailstore import collector as collecting
from wildduck.mailstore.collector import LOCK_SECONDS, Collected

DAY = 86_400.0


class CollectorCase(StoreCase):
    """Time goes by as the test says."""

    own_clock = True

    async def collect(self, after: float = 0.0) -> Any:
        """Run once, so many seconds later."""
        self.clock.advance(after)
        collected = await self.store.collector().run_once()
        await self.store.settle()
        return collected

    def left(self) -> tuple[int, int, int, int]:
        """Messages, archived messages, attachments, chunks."""
        names = ("messages", "archived", "attachments.files", "attachments.chunks")
        counts = [self.db[name].count_documents({}) for name in names]
        return counts[0], counts[1], counts[2], counts[3]


class CollectorTests(CollectorCase):
    """spec/schema.md §7 'GC'."""

    async def test_nothing_is_left(self) -> None:
        """A hundred messages expunged, archive time, a day for the attachment: nothing is left."""
        for n in range(100):
            await self.add(with_attachment(n, encoded(300_000)), flags=["\\Deleted"])
        self.assertEqual((100, 0, 1, 2), self.left())
        await self.store.expunge(await self.inbox())
        self.assertEqual((0, 100, 1, 2), self.left())
        await self.collect(24.9 * DAY)
        self.assertEqual((0, 100, 1, 2), self.left())
        collected = await self.collect(0.2 * DAY)
        self.assertEqual(100, collected.purged)
        self.assertEqual((0, 0, 1, 2), self.left())
        collected = await self.collect(1.1 * DAY)
        self.assertEqual(1, collected.orphans)
        self.assertEqual((0, 0, 0, 0), self.left())
        self.assertEqual([], await self.store.verifier.verify(min_age=0))

    async def test_expired_messages_are_archived(self) -> None:
        """What has expired in Junk is archived, with journal and quota; what has not stays."""
        junk = await self.store.mailboxes.get_special(self.account.id, "\\Junk")
        await self.add(message(), mailbox=junk)
        self.clock.advance(10 * DAY)
        await self.add(message(2), mailbox=junk)
        collected = await self.collect(20.1 * DAY)
        self.assertEqual(1, collected.expired)
        self.assertEqual((1, 1, 0, 0), self.left())
        self.assertEqual(len(message(2)), self.storage_used())
        self.assertEqual([1], [entry["uid"] for entry in self.db.journal.find({"command": "EXPUNGE"})])

    async def test_messages_of_a_deleted_mailbox(self) -> None:
        """They go at the next run, to the archive, and nobody is told."""
        mailbox = await self.store.mailboxes.create(self.account.id, "Foo")
        await self.add(message(), mailbox=mailbox)
        await self.store.mailboxes.delete(self.account.id, mailbox)
        await self.collect()
        self.assertEqual((0, 1, 0, 0), self.left())
        self.assertEqual(0, self.storage_used())
        self.assertEqual(0, self.db.journal.count_documents({"command": "EXPUNGE"}))

    async def test_messages_of_a_deleted_account(self) -> None:
        """They go after 14 days, unarchived."""
        await self.add(with_attachment(1, encoded(10)))
        await self.store.delete_user_data(self.account.id)
        self.assertEqual(0, self.db.mailboxes.count_documents({"user": self.account.id}))
        row = self.db.messages.find_one()
        self.assertEqual((True, True, float), (row["exp"], row["userDeleted"], type(row["rdate"])))
        await self.collect(13.9 * DAY)
        self.assertEqual(1, self.left()[0])
        await self.collect(0.2 * DAY)
        self.assertEqual((0, 0, 1, 1), self.left())
        await self.collect(1.1 * DAY)
        self.assertEqual((0, 0, 0, 0), self.left())

    async def test_deleting_an_account_twice(self) -> None:
        """Repeating it does not give its messages another 14 days."""
        await self.add(message())
        await self.store.delete_user_data(self.account.id)
        rdate = self.db.messages.find_one()["rdate"]
        self.clock.advance(DAY)
        await self.store.delete_user_data(self.account.id)
        self.assertEqual(rdate, self.db.messages.find_one()["rdate"])

    async def test_attachment_that_is_used_again(self) -> None:
        """An orphan that found a new user within its day stays."""
        data = with_attachment(1, encoded(10))
        await self.add(data, flags=["\\Deleted", "\\Draft"])
        await self.store.expunge(await self.inbox())
        self.clock.advance(0.9 * DAY)
        await self.add(data)
        await self.collect(0.5 * DAY)
        self.assertEqual((1, 0, 1, 1), self.left())

    async def test_magic_keeps_what_was_miscounted(self) -> None:
        """An attachment with c=0 and m not 0 stays, for its counters are wrong (spec/schema.md §3)."""
        await self.add(with_attachment(1, encoded(10)))
        self.db["attachments.files"].update_one({}, {"$set": {"metadata.c": 0}})
        await self.collect(30 * DAY)
        self.assertEqual(1, self.left()[2])

    async def test_archived_copy_of_a_living_message(self) -> None:
        """A second copy that a crash left takes no reference with it."""
        await self.add(with_attachment(1, encoded(10)))
        document = self.db.messages.find_one()
        self.db.archived.insert_one({**document, "exp": True, "rdate": 0.0})
        await self.collect()
        self.assertEqual((1, 0, 1, 1), self.left())
        self.assertEqual(1, self.attachment_rows()[0]["metadata"]["c"])

    async def test_mailbox_in_use(self) -> None:
        """A mailbox whose lock is held waits for the next run; others do not wait for it."""
        junk = await self.store.mailboxes.get_special(self.account.id, "\\Junk")
        trash = await self.store.mailboxes.get_special(self.account.id, "\\Trash")
        for mailbox in (junk, trash):
            await self.add(message(), mailbox=mailbox)
        lock = await self.store._backend.locks.acquire(f"mbwr:{junk.id}", 60)
        assert lock is not None
        collected = await self.collect(31 * DAY)
        self.assertEqual(1, collected.expired)
        await lock.release()
        self.assertEqual(1, (await self.collect()).expired)

    async def test_only_one_at_a_time(self) -> None:
        """Who does not get WildDuck's lock does nothing."""
        lock = await self.store._backend.locks.acquire("gc_expired", LOCK_SECONDS)
        assert lock is not None
        self.assertIsNone(await self.collect())
        await lock.release()
        self.assertIsNotNone(await self.collect())
        self.assertEqual([], self.redis.keys("wildduck:gc_expired"))

    async def test_stops_in_time(self) -> None:
        """After 80 % of the interval a run ends between two batches, and the next one goes on."""
        self.patch(collecting, "BATCH", 2)
        junk = await self.store.mailboxes.get_special(self.account.id, "\\Junk")
        for n in range(5):
            await self.add(message(n), mailbox=junk)
        self.clock.advance(31 * DAY)
        collector = self.store.collector()
        removal = collector._removal
        remove = removal.remove

        async def slow(*arguments: Any) -> Any:
            self.clock.advance(7 * 60)
            return await remove(*arguments)

        self.patch(removal, "remove", slow)
        self.assertEqual(Collected(expired=4, complete=False), await collector.run_once())
        self.assertEqual(Collected(expired=1), await collector.run_once())


class ServiceTests(CollectorCase):
    """The service around it."""

    async def test_runs_by_the_clock(self) -> None:
        """It runs every fifteen minutes, not at once."""
        ran: list[float] = []
        collector = self.store.collector()

        async def run_once() -> None:
            ran.append(self.clock.seconds())

        self.patch(collector, "run_once", run_once)
        start = self.clock.seconds()
        collector.startService()
        self.clock.pump([60.0] * 46)
        await maybeDeferred(collector.stopService)
        self.clock.advance(3600)
        self.assertEqual([start + 900, start + 1800, start + 2700], ran)

    async def test_failure_does_not_end_it(self) -> None:
        """After a run that failed the next one comes all the same."""
        ran: list[int] = []
        collector = self.store.collector()

        async def run_once() -> None:
            ran.append(1)
            raise RuntimeError("once")

        self.patch(collector, "run_once", run_once)
        collector.startService()
        self.clock.pump([900.0] * 2)
        await maybeDeferred(collector.stopService)
        self.assertEqual(2, len(ran))
        self.assertEqual(2, len(self.flushLoggedErrors(RuntimeError)))


class SwitchedOffTests(CollectorCase):
    """C{storage.collector_minutes = 0}."""

    sets = ("storage.collector_minutes=0",)

    async def test_never_collects(self) -> None:
        """Another server of the cluster collects; what was deleted here is looked after."""
        done: list[str] = []
        collector = self.store.collector()
        for name in ("run_once", "mend"):

            async def note(name: str = name) -> None:
                done.append(name)

            self.patch(collector, name, note)
        collector.startService()
        self.clock.pump([900.0] * 3)
        await maybeDeferred(collector.stopService)
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual(["mend"] * 3, done)
