"""The indexes of open mailboxes: shared, kept for a while, asked whether pings were lost."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from test.mailstore.test_view import ViewCase
from wildduck.errors import DatabaseFailure, MailboxNotFound, Unavailable
from wildduck.events.notifier import CHANNEL
from wildduck.limits import MODSEQ_HOLE_SECONDS, POLL_SECONDS
from wildduck.mailstore import flags, index
from wildduck.mailstore.columns import ROW_BYTES
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.index import JOURNAL_TRUSTED_SECONDS
from wildduck.mailstore.open_indexes import OpenIndexes
from wildduck.mailstore.recent import Recents
from wildduck.mailstore.statuses import USUAL, Fact
from wildduck.mailstore.values import Exists, Expunged, Flags, Recent
from wildduck.mailstore.view import View


class SharingTests(ViewCase):
    """One index for all sessions of a mailbox."""

    def _watch_loads(self) -> list[str]:
        """Collections that are read from now on."""
        asked: list[str] = []
        main = self.node.databases.main

        def watch(name: str) -> None:
            batches = getattr(main, name)

            def watched(collection: str, *args: Any, **options: Any) -> Any:
                asked.append(collection)
                return batches(collection, *args, **options)

            self.patch(main, name, watched)

        watch("batches")
        watch("raw_batches")
        return asked

    async def test_second_session_reads_nothing(self) -> None:
        """A mailbox that is open, or was, is not read again."""
        await self.arrive()
        first = await self.open()
        self.clock.advance(MODSEQ_HOLE_SECONDS)
        await first.refresh(may_expunge=True)
        asked = self._watch_loads()
        second = await self.open()
        self.assertIs(first.index, second.index)
        first.close()
        second.close()
        third = await self.open()
        self.assertEqual(([], [1]), (asked, list(third.uids)))

    async def test_store_that_fails_on_the_way(self) -> None:
        """What a STORE has changed before it failed is news to its own client too."""
        for _ in range(3):
            await self.arrive()
        view = await self.open()
        self.patch(flags, "BATCH_ROWS", 1)
        insert_many, known = self.node.databases.main.insert_many, []

        async def insert(*args: Any, **options: Any) -> Any:
            known.append([uid for uid in view.uids if view.flags(uid)])
            if len(known) == 3:
                raise Unavailable()
            return await insert_many(*args, **options)

        self.patch(self.node.databases.main, "insert_many", insert)
        with self.assertRaises(Unavailable):
            await self.store.store_flags(view, [1, 2, 3], "+", ["\\Flagged"])
        # Each batch is known before the next.
        self.assertEqual([[], [1], [1, 2]], known)
        changes = await view.refresh(may_expunge=True)
        self.assertLessEqual({1, 2}, {change.uid for change in changes if isinstance(change, Flags)})

    async def test_each_session_has_its_own_numbers(self) -> None:
        """What one was told the other still has to be."""
        rows = [await self.arrive() for _ in range(3)]
        first, second = await self.open(), await self.open()
        await self.go(rows[0])
        await self.store.store_flags(first, [2], "+", ["\\Seen"])
        self.assertEqual([Expunged(1, 1)], await first.refresh(may_expunge=True))
        self.assertEqual([1, 2, 3], list(second.uids))
        self.assertEqual([Flags(2, 2, ("\\Seen",), 6)], await second.refresh(may_expunge=False))
        self.assertEqual([Expunged(1, 1)], await second.refresh(may_expunge=True))
        self.assertEqual(list(first.uids), list(second.uids))

    async def test_session_that_falls_behind(self) -> None:
        """When the log is no longer kept for it, it compares, and is told the same in sum."""
        rows = [await self.arrive() for _ in range(4)]
        slow, quick = await self.open(), await self.open()
        await self.go(rows[1])
        await self.arrive()
        # So little that none of this stays in the log.
        slow.index.log._most = 1
        for flag in ("\\Seen", "\\Flagged"):
            await self.store.store_flags(quick, [1, 4], "=", [flag])
        await quick.refresh(may_expunge=True)
        told = await slow.refresh(may_expunge=True)
        self.assertEqual([Expunged(2, 2), Exists(4)], told[:2])
        self.assertEqual(
            [(1, 1, ("\\Flagged",)), (3, 4, ("\\Flagged",))],
            [(change.seq, change.uid, change.flags) for change in told[2:] if isinstance(change, Flags)],
        )
        self.assertEqual([1, 3, 4, 5], list(slow.uids))
        self.assertEqual([], await slow.refresh(may_expunge=True))

    async def test_room(self) -> None:
        """Indexes without sessions leave when they take too much memory, the longest unused first."""
        indexes = OpenIndexes(self.store._backend, most=30_000)
        names = ("A", "B", "C", "D", "E")
        boxes = [await self.store.mailboxes.create(self.account.id, name) for name in names]
        views = [await indexes.open(box, recents=Recents.IGNORED) for box in boxes]
        self.assertEqual(5, len(indexes))
        for view in (views[1], views[0], *views[2:4]):
            view.close()
        self.assertEqual(4, len(indexes))
        again = await indexes.open(boxes[0], recents=Recents.IGNORED)
        self.assertIs(views[0].index, again.index)
        self.assertIsNot(views[1].index, (await indexes.open(boxes[1], recents=Recents.IGNORED)).index)
        indexes.stop()

    async def test_memory(self) -> None:
        """30 bytes a message."""
        view = await self.open()
        before = view.index.memory
        await self.arrive()
        await view.refresh(may_expunge=True)
        self.assertEqual(ROW_BYTES, view.index.memory - before)
        self.assertEqual(30, ROW_BYTES)

    async def test_deleted_mailbox(self) -> None:
        """Its index does not stay, and nobody else is disturbed."""
        mailbox = await self.store.mailboxes.create(self.account.id, "Foo")
        view = await self.store.open(self.account.id, "Foo")
        await self.store.mailboxes.delete(self.account.id, mailbox)
        await self.fails(MailboxNotFound, view.refresh(may_expunge=True))
        await self.fails(MailboxNotFound, self.store.open_mailbox(mailbox))
        view.close()
        await self.fails(MailboxNotFound, self.store.open_mailbox(mailbox))

    async def test_status_of_an_open_mailbox(self) -> None:
        """It is what the index knows, brought up to date."""
        await self.arrive("\\Seen")
        view = await self.open()
        await self.arrive()
        facts = {*USUAL, Fact.RECENT, Fact.DELETED, Fact.SIZE, Fact.DELETED_SIZE}
        cold = await (await self.new_node()).store.statuses.one(self.mailbox, facts)
        warm = await self.store.statuses.one(self.mailbox, facts)
        self.assertEqual(cold, warm)
        self.assertEqual((2, 1, 3, 3), (warm.messages, warm.unseen, warm.uid_next, warm.highest_modseq))
        view.close()

    async def test_store_while_it_is_read_whole(self) -> None:
        """What this worker changes while a mailbox is read whole is not lost."""
        for _ in range(3):
            await self.arrive()
        view = await self.open()
        self.clock.advance(JOURNAL_TRUSTED_SECONDS + 1)
        main = self.node.databases.main
        batches = main.raw_batches
        stored: list[Any] = []

        def late(collection: str, *args: Any, **options: Any) -> Any:
            found = batches(collection, *args, **options)
            whole = args[0] == {"mailbox": self.mailbox.id}
            return self._store_behind(found, view, stored) if whole and not stored else found

        self.patch(main, "raw_batches", late)
        await view.refresh(may_expunge=True)
        self.assertEqual(1, len(stored))
        self.assertEqual(("\\Flagged",), view.flags(2))

    async def _store_behind(self, found: Any, view: View, stored: list[Any]) -> Any:
        async for batch in found:
            if not stored:
                stored.append(await self.store.store_flags(view, [2], "=", ["\\Flagged"]))
            yield batch


class LoadTests(ViewCase):
    """A mailbox of several batches, of which the next is read while one is taken over."""

    async def _start(self) -> None:
        await super()._start()
        self.patch(index, "LOAD_ROWS", 3)
        for number in range(10):
            await self.arrive(*(("\\Seen",) if number % 2 else ()))
        self._cursors_before = await self._cursors()

    async def _cursors(self) -> int:
        status = await self.node.databases.main.command({"serverStatus": 1})
        return int(status["metrics"]["cursor"]["open"]["total"])

    async def _all_closed(self) -> None:
        while await self._cursors() > self._cursors_before:
            pass

    def _after_batch(self, number: int, do: Callable[[], Any]) -> None:
        """Do something once, when so many batches have come, and before the last of them is taken over."""
        main = self.node.databases.main
        batches, came = main.raw_batches, []

        async def late(*args: Any, **options: Any) -> Any:
            async for batch in batches(*args, **options):
                came.append(batch)
                if len(came) == number:
                    done = do()
                    if isinstance(done, Coroutine):
                        await done
                yield batch

        self.patch(main, "raw_batches", late)

    async def test_all(self) -> None:
        view = await self.open()
        self.assertEqual((list(range(1, 11)), 1), (list(view.uids), view.first_unseen))
        self.assertEqual([(), ("\\Seen",), ()], [view.flags(uid) for uid in (9, 10, 11)])
        await self._all_closed()

    async def test_batch_that_fails(self) -> None:
        """Nobody gets a part of the mailbox; who asks again gets all of it."""
        stored = list(self.db.messages.find())

        def gone() -> None:
            # Every cursor on it fails from now on.
            self.db.drop_collection("messages")

        self._after_batch(2, gone)
        await self.fails(DatabaseFailure, self.open())
        await self._all_closed()
        await self.node.databases.ensure_indexes(mixed_cluster=False)
        self.db.messages.insert_many(stored)
        view = await self.open()
        self.assertEqual(list(range(1, 11)), list(view.uids))

    async def test_mailbox_deleted_on_the_way(self) -> None:
        """The session is told at its next look, and no cursor stays."""
        mailbox = await self.store.mailboxes.create(self.account.id, "Foo")
        self.mailbox = mailbox
        for _ in range(10):
            await self.arrive()

        self._after_batch(2, lambda: self.store.mailboxes.delete(self.account.id, mailbox))
        view = await self.store.open_mailbox(mailbox)
        await self.fails(MailboxNotFound, view.refresh(may_expunge=True))
        view.close()
        await self._all_closed()
        await self.fails(MailboxNotFound, self.store.open_mailbox(mailbox))

    async def test_session_that_leaves_on_the_way(self) -> None:
        """The mailbox is read to its end, for others may wait for it, and then no cursor is open."""
        self._after_batch(2, lambda: leaving.cancel())
        leaving = Deferred.fromCoroutine(self.open())
        other = Deferred.fromCoroutine(self.open())
        await self.assertFailure(leaving, CancelledError)
        view = await other
        self.assertEqual(list(range(1, 11)), list(view.uids))
        await self._all_closed()


class LostPingTests(ViewCase):
    """store.md §2: pings may be lost."""

    async def _open_and_listen(self) -> tuple[View, list[int]]:
        view = await self.open()
        self.clock.advance(MODSEQ_HOLE_SECONDS)
        await view.refresh(may_expunge=True)
        woken: list[int] = []
        self.addCleanup(self.store.listen(self.account.id, lambda: woken.append(1)))
        # When pings begin to be heard everybody looks.
        await self.node.redis.subscribed(CHANNEL)
        woken.clear()
        return view, woken

    async def test_poll(self) -> None:
        """A change that no ping told of is found within half a minute; quiet mailboxes wake nobody."""
        view, woken = await self._open_and_listen()
        self.clock.advance(POLL_SECONDS)
        await self.store._backend.settle()
        self.assertEqual([], woken)
        await self.arrive()
        self.clock.advance(POLL_SECONDS)
        await self.store._backend.settle()
        self.assertEqual([1], woken)
        self.assertEqual([Exists(1)], await view.refresh(may_expunge=True))

    async def test_poll_of_a_deleted_mailbox(self) -> None:
        """Its sessions are told to look, and find that it is gone."""
        mailbox = await self.store.mailboxes.create(self.account.id, "Foo")
        await self.store.open_mailbox(mailbox)
        _, woken = await self._open_and_listen()
        self.db.mailboxes.delete_one({"_id": mailbox.id})
        self.clock.advance(POLL_SECONDS)
        await self.store._backend.settle()
        self.assertEqual([1], woken)

    async def test_polling_counts_as_looking(self) -> None:
        """A quiet mailbox needs no comparing of UID lists after two hours."""
        view, _ = await self._open_and_listen()
        for _ in range(int(JOURNAL_TRUSTED_SECONDS / POLL_SECONDS) + 2):
            self.clock.advance(POLL_SECONDS)
            await self.store._backend.settle()
        compared: list[int] = []
        self.patch(view.index, "_compare", lambda document: compared.append(1))
        await view.refresh(may_expunge=True)
        self.assertEqual([], compared)

    async def test_hole_that_holds_arrivals_back(self) -> None:
        """When it may be passed the sessions are told to look, without any ping."""
        view, woken = await self._open_and_listen()
        await self.take()
        await self.arrive()
        self.assertEqual([], await view.refresh(may_expunge=True))
        self.clock.advance(MODSEQ_HOLE_SECONDS)
        self.assertEqual([1], woken)
        self.assertEqual([Exists(1)], await view.refresh(may_expunge=True))


class RecentTests(ViewCase):
    """Who is told of a message first (RFC 3501 §2.3.2)."""

    async def select(self) -> View:
        return await self.store.open(self.account.id, "INBOX", recents=Recents.CLAIMED)

    async def test_claimed_once(self) -> None:
        """By SELECT, by one session of one worker."""
        for _ in range(3):
            await self.arrive()
        other = await self.new_node()
        first = await self.select()
        second = await other.store.open(self.account.id, "INBOX", recents=Recents.CLAIMED)
        self.assertEqual(({1, 2, 3}, set()), (first.recent, second.recent))
        self.assertEqual(("\\Recent",), first.flags(2))
        self.assertEqual((), second.flags(2))
        await self.arrive()
        self.assertEqual([Exists(4), Recent(1)], await second.refresh(may_expunge=True))
        self.assertEqual([Exists(4), Recent(3)], await first.refresh(may_expunge=True))
        self.assertEqual((set(), {4}), (first.recent & {4}, second.recent))

    async def test_more_comes_while_it_is_claimed(self) -> None:
        """What another session learns of meanwhile is claimed too before it is told."""
        first, second = await self.select(), await self.select()
        await self.arrive()
        main = self.node.databases.main
        ask = main.find_one_and_update
        more = [self.arrive]

        async def late(*args: Any, **options: Any) -> Any:
            answer = await ask(*args, **options)
            while more:
                self.patch(main, "find_one_and_update", ask)
                await more.pop()()
                await second.index.catch_up()
            return answer

        self.patch(main, "find_one_and_update", late)
        self.assertEqual([Exists(2), Recent(2)], await first.refresh(may_expunge=True))

    async def test_examine(self) -> None:
        """It sees them and leaves them."""
        await self.arrive()
        look = await self.store.open(self.account.id, "INBOX", recents=Recents.SHOWN)
        self.assertEqual({1}, look.recent)
        await self.arrive()
        self.assertEqual([Exists(2), Recent(2)], await look.refresh(may_expunge=True))
        self.assertEqual({1, 2}, (await self.select()).recent)
        self.assertEqual(2, self.db.mailboxes.find_one({"_id": self.mailbox.id})["native"]["recent"] - 1)

    async def test_expunged(self) -> None:
        """What is gone counts no more, told or untold."""
        rows = [await self.arrive() for _ in range(2)]
        view = await self.select()
        await self.go(rows[0])
        await self.go(await self.arrive())
        await self.arrive()
        told = await view.refresh(may_expunge=True)
        self.assertEqual([Expunged(1, 1), Exists(2), Recent(2)], told)
        self.assertEqual({2, 4}, view.recent)

    async def test_nothing_to_claim_costs_nothing(self) -> None:
        """A SELECT of what somebody was told of does not write."""
        await self.arrive()
        await self.select()
        writes: list[int] = []
        self.patch(self.node.databases.main, "find_one_and_update", lambda *args, **options: writes.append(1))
        self.assertEqual(set(), (await self.select()).recent)
        self.assertEqual([], writes)

    async def test_two_sessions_at_once(self) -> None:
        """Of those that learn of a message together one claims it, and the others do not write."""
        views = [await self.select() for _ in range(3)]
        await self.arrive()
        await views[0].index.catch_up()
        main = self.node.databases.main
        claim = main.find_one_and_update
        writes: list[int] = []

        def noted(*args: Any, **options: Any) -> Any:
            writes.append(1)
            return claim(*args, **options)

        self.patch(main, "find_one_and_update", noted)
        await gather(*(view.claim_recent() for view in views))
        self.assertEqual(([1], [{1}, set(), set()]), (writes, [view.recent for view in views]))

    async def test_mailbox_of_wildduck(self) -> None:
        """What was there before us is not recent; what comes then is."""
        await self.arrive()
        self.db.mailboxes.update_one({"_id": self.mailbox.id}, {"$unset": {"native.recent": 1}})
        look = await self.store.open(self.account.id, "INBOX", recents=Recents.SHOWN)
        view = await self.select()
        self.assertEqual((set(), set()), (look.recent, view.recent))
        await self.arrive()
        await view.refresh(may_expunge=True)
        self.assertEqual({2}, view.recent)

    async def test_modseq_stays(self) -> None:
        """No message changes when it is no longer recent."""
        await self.arrive()
        before = self.db.messages.find_one({"uid": 1})
        await self.select()
        self.assertEqual(before, self.db.messages.find_one({"uid": 1}))
