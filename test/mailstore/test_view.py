"""What a session sees of its mailbox, while others write to it."""

from __future__ import annotations

import datetime
from typing import Any

from bson import ObjectId

from test.mailstore.support import StoreCase
from wildduck.errors import MailboxNotFound
from wildduck.limits import MODSEQ_HOLE_SECONDS
from wildduck.mailstore.allocation import Allocation, allocate, give_up
from wildduck.mailstore.index import JOURNAL_TRUSTED_SECONDS, MARK_SECONDS
from wildduck.mailstore.journal import exists_entry, expunge_entry
from wildduck.mailstore.statuses import USUAL, Fact
from wildduck.mailstore.values import Exists, Expunged, Flags
from wildduck.mailstore.view import View


class ViewCase(StoreCase):
    """A mailbox whose writers the test plays, step by step."""

    own_clock = True

    async def _start(self) -> None:
        await super()._start()
        self.mailbox = await self.inbox()

    async def take(self, uids: int = 1) -> Allocation:
        """A writer takes numbers."""
        return await allocate(self.store._backend, self.mailbox, uids=uids)

    def put(
        self, allocation: Allocation, flags: tuple[str, ...] = (), journal: bool = True
    ) -> dict[str, Any]:
        """A writer puts the message that has these numbers."""
        row = self.row(allocation.uid, allocation.modseq, flags)
        self.db.messages.insert_one(dict(row))
        if journal:
            self.db.journal.insert_one(exists_entry(row, None, self.store._backend.now()))
        return row

    def row(self, uid: int, modseq: int, flags: tuple[str, ...]) -> dict[str, Any]:
        return {
            "_id": ObjectId(),
            "user": self.account.id,
            "mailbox": self.mailbox.id,
            "uid": uid,
            "modseq": modseq,
            "flags": list(flags),
            "unseen": "\\Seen" not in flags,
            "undeleted": "\\Deleted" not in flags,
            "idate": self.store._backend.now(),
            "thread": ObjectId(),
            "size": 1,
        }

    async def arrive(self, *flags: str) -> dict[str, Any]:
        """A message arrives."""
        return self.put(await self.take(), flags)

    async def go(self, row: dict[str, Any]) -> None:
        """A message is expunged."""
        allocation = await self.take(0)
        self.db.messages.delete_one({"_id": row["_id"]})
        self.db.journal.insert_one(expunge_entry(row, allocation.modseq, None, self.store._backend.now()))

    async def open(self) -> View:
        return await self.store.open(self.account.id, "INBOX")


class OpenTests(ViewCase):
    """SELECT."""

    async def test_empty(self) -> None:
        """An empty new mailbox: HIGHESTMODSEQ 1, UIDNEXT 1 (spec/differences.md C1)."""
        view = await self.open()
        self.assertEqual((0, 0, 1, 1), (view.exists, view.first_unseen, view.uid_next, view.highest_modseq))

    async def test_messages(self) -> None:
        """Sequence numbers, flags, first unseen and keywords."""
        for flags in (("\\Seen",), ("\\Seen", "$Work"), (), ("\\Flagged",)):
            await self.arrive(*flags)
        view = await self.open()
        self.assertEqual([1, 2, 3, 4], list(view.uids))
        self.assertEqual((4, 3, 5, 5), (view.exists, view.first_unseen, view.uid_next, view.highest_modseq))
        self.assertEqual(("\\Seen", "$Work"), view.flags(2))
        self.assertEqual(("$Work",), view.keywords)
        self.assertEqual((3, 0, 4), (view.seq(3), view.seq(9), view.uid(4)))
        self.assertRaises(IndexError, view.uid, 5)
        self.assertRaises(IndexError, view.uid, 0)
        self.assertEqual([2, 3], list(view.uid_range(2, 3)))

    async def test_rows(self) -> None:
        """Many messages at once are what each is alone, in any order, without those that are gone."""
        kinds = ((), ("\\Seen",), ("\\Seen", "$Label"))
        stored = [await self.arrive(*kinds[number % 3]) for number in range(20)]
        view = await self.open()
        view.recent = {2, 19}
        for number in (0, 4, 5, 19):
            await self.go(stored[number])
        await self.arrive()
        await view.refresh(may_expunge=False)
        self.assertEqual(len(view.uids), 21)
        uids = list(range(23))
        for order in (uids, uids[::-1], uids[::3], [7, 7, 3, 12, 12, 1], []):
            alone = [
                (view.seq(uid), uid, view.flags(uid), view.modseq(uid))
                for uid in order
                if view.modseq(uid) and view.seq(uid)
            ]
            self.assertEqual(list(view.rows(order)), alone)

    async def test_hole_holds_later_arrivals_back(self) -> None:
        """UIDs are announced in ascending order: 2 waits for 1, which its writer still holds."""
        slow = await self.take()
        await self.arrive()
        view = await self.open()
        self.assertEqual((0, 1, 1), (view.exists, view.uid_next, view.highest_modseq))
        self.put(slow)
        self.assertEqual([Exists(2)], await view.refresh(may_expunge=True))
        self.assertEqual([1, 2], list(view.uids))
        self.assertEqual((3, 3), (view.uid_next, view.highest_modseq))

    async def test_hole_of_a_dead_writer_is_passed(self) -> None:
        """After H seconds nobody waits for a writer that died."""
        await self.take()
        await self.arrive()
        view = await self.open()
        self.assertEqual([], await view.refresh(may_expunge=True))
        self.clock.advance(MODSEQ_HOLE_SECONDS)
        self.assertEqual([Exists(1)], await view.refresh(may_expunge=True))
        self.assertEqual([2], list(view.uids))
        self.assertEqual(3, view.highest_modseq)

    async def test_numbers_given_up_are_no_hole(self) -> None:
        """A writer that throws its numbers away makes nobody wait."""
        await give_up(self.store._backend, await self.take())
        await self.arrive()
        view = await self.open()
        self.assertEqual(([2], 3), (list(view.uids), view.highest_modseq))

    async def test_writers_raise_the_mark_of_a_quiet_mailbox(self) -> None:
        """A crashed writer's hole of long ago does not hold back a message that comes today."""
        await self.take()
        # As if that had been a minute ago by the database's clock.
        past = self.db.mailboxes.find_one({"_id": self.mailbox.id})["native"]["time"]
        self.db.mailboxes.update_one(
            {"_id": self.mailbox.id}, {"$set": {"native.time": past - datetime.timedelta(minutes=1)}}
        )
        await self.arrive()
        view = await self.open()
        self.assertEqual(([2], 3), (list(view.uids), view.highest_modseq))

    async def test_mailbox_that_wildduck_wrote_to(self) -> None:
        """Without a mark of ours all that is there is shown at once."""
        for uid, modseq in ((3, 17), (8, 12), (9, 40)):
            self.db.messages.insert_one(self.row(uid, modseq, ()))
        self.db.mailboxes.update_one(
            {"_id": self.mailbox.id}, {"$set": {"uidNext": 10, "modifyIndex": 40}, "$unset": {"native": 1}}
        )
        view = await self.open()
        self.assertEqual(([3, 8, 9], 10, 40), (list(view.uids), view.uid_next, view.highest_modseq))

    async def test_first_message_of_ours_in_a_mailbox_of_wildduck(self) -> None:
        """A number of ours is no mark: what WildDuck left behind is shown at once, gaps and all."""
        for uid, modseq in ((3, 17), (8, 12), (9, 40)):
            self.db.messages.insert_one(self.row(uid, modseq, ()))
        self.db.mailboxes.update_one(
            {"_id": self.mailbox.id}, {"$set": {"uidNext": 10, "modifyIndex": 40}, "$unset": {"native": 1}}
        )
        await self.arrive()
        view = await self.open()
        self.assertEqual(([3, 8, 9, 10], 11, 41), (list(view.uids), view.uid_next, view.highest_modseq))
        self.assertEqual(4, (await self.store.statuses.one(self.mailbox)).messages)

    async def test_damaged_rows(self) -> None:
        """A message without UID, MODSEQ or flags does not keep the others from being shown."""
        await self.arrive("\\Seen")
        row = self.row(2, 2, ())
        self.db.messages.insert_one({k: row[k] for k in ("_id", "user", "mailbox", "uid")})
        self.db.messages.insert_one({"_id": ObjectId(), "user": row["user"], "mailbox": row["mailbox"]})
        self.db.journal.insert_one({"mailbox": self.mailbox.id, "modseq": 2})
        self.db.mailboxes.update_one({"_id": self.mailbox.id}, {"$set": {"uidNext": 3, "native.next": 3}})
        view = await self.open()
        self.assertEqual([1, 2], list(view.uids))
        self.assertEqual([], await view.refresh(may_expunge=True))

    async def test_mark_is_kept_for_the_next_reader(self) -> None:
        """HIGHESTMODSEQ never falls from one worker to the next: a hole that was passed stays passed."""
        await self.take()
        await self.arrive()
        view = await self.open()
        self.clock.advance(max(MODSEQ_HOLE_SECONDS, MARK_SECONDS))
        await view.refresh(may_expunge=True)
        self.assertEqual(3, view.highest_modseq)
        view.close()
        await self.store.settle()
        again = await self.open()
        self.assertEqual(([2], 3), (list(again.uids), again.highest_modseq))

    async def test_status_is_what_select_would_show(self) -> None:
        """STATUS counts up to the low-water mark, like SELECT."""
        await self.arrive("\\Seen")
        await self.arrive()
        slow = await self.take()
        await self.arrive()
        status = await self.store.statuses.one(self.mailbox)
        self.assertEqual(
            (2, 1, 3, 3, None),
            (status.messages, status.unseen, status.uid_next, status.highest_modseq, status.size),
        )
        self.put(slow)
        status = await self.store.statuses.one(self.mailbox, {*USUAL, Fact.SIZE})
        self.assertEqual(
            (4, 3, 5, 5, 4),
            (status.messages, status.unseen, status.uid_next, status.highest_modseq, status.size),
        )

    async def test_more_than_one_batch(self) -> None:
        """A mailbox of many messages is loaded whole and in order."""
        rows = [self.row(uid, uid + 1, ("\\Seen",) if uid % 3 else ()) for uid in range(1, 12_001)]
        self.db.messages.insert_many(rows)
        mark = {"native": {"modseq": 12_001, "uid": 12_001}, "uidNext": 12_001, "modifyIndex": 12_001}
        self.db.mailboxes.update_one({"_id": self.mailbox.id}, {"$set": mark})
        view = await self.open()
        self.assertEqual(12_000, view.exists)
        self.assertEqual(list(range(1, 12_001)), list(view.uids))
        self.assertEqual(3, view.first_unseen)
        self.assertEqual(4, view.uids.itemsize)


class RefreshTests(ViewCase):
    """NOOP, and what is sent with other commands."""

    async def test_arrivals(self) -> None:
        """New messages are told by one EXISTS."""
        await self.arrive()
        view = await self.open()
        await self.arrive()
        await self.arrive("\\Seen")
        self.assertEqual([Exists(3)], await view.refresh(may_expunge=False))
        self.assertEqual([], await view.refresh(may_expunge=False))
        self.assertEqual((4, 4), (view.uid_next, view.highest_modseq))

    async def test_flags_of_another_session(self) -> None:
        """A change is told once, with sequence number and MODSEQ."""
        await self.arrive()
        await self.arrive()
        view = await self.open()
        await self.store.store_flags(self.mailbox, [2], "+", ["\\Seen", "$x"])
        self.assertEqual([Flags(2, 2, ("\\Seen", "$x"), 4)], await view.refresh(may_expunge=False))
        self.assertEqual([], await view.refresh(may_expunge=False))

    async def test_own_flags_are_no_news(self) -> None:
        """What the session has stored itself it is not told, but another session of the worker's is."""
        await self.arrive()
        view, other = await self.open(), await self.open()
        await self.store.store_flags(view, [1], "+", ["\\Seen"])
        self.assertEqual(("\\Seen",), view.flags(1))
        self.assertEqual([], await view.refresh(may_expunge=True))
        self.assertEqual([Flags(1, 1, ("\\Seen",), 3)], await other.refresh(may_expunge=True))

    async def test_own_flags_on_those_of_another(self) -> None:
        """What another has stored meanwhile is news, though the session's own STORE gives it too."""
        await self.arrive()
        for mode, flags, after in (
            ("+", ["\\Seen"], ("\\Flagged", "\\Seen")),
            ("-", ["\\Seen"], ("\\Flagged",)),
        ):
            view = await self.open()
            await self.store.store_flags(self.mailbox, [1], "+", ["\\Flagged"])
            await self.store.store_flags(view, [1], mode, flags)
            changes = await view.refresh(may_expunge=True)
            self.assertEqual([after], [change.flags for change in changes if isinstance(change, Flags)])
            self.assertEqual([], await view.refresh(may_expunge=True))
            await self.store.store_flags(view, [1], "-", ["\\Flagged"])
            view.close()

    async def test_expunges(self) -> None:
        """Sequence numbers are those at the moment of each response (RFC 3501 §7.4.1)."""
        rows = [await self.arrive() for _ in range(5)]
        view = await self.open()
        await self.go(rows[1])
        await self.go(rows[3])
        changes = await view.refresh(may_expunge=True)
        self.assertEqual([Expunged(4, 4), Expunged(2, 2)], changes)
        self.assertEqual([1, 3, 5], list(view.uids))

    async def test_expunge_is_held_back(self) -> None:
        """During FETCH, STORE and SEARCH numbers stay as they are; the EXPUNGE comes later."""
        rows = [await self.arrive() for _ in range(3)]
        view = await self.open()
        await self.go(rows[0])
        await self.arrive()
        self.assertEqual([Exists(4)], await view.refresh(may_expunge=False))
        self.assertTrue(view.has_gone)
        self.assertEqual((2, ()), (view.seq(2), view.flags(1)))
        self.assertEqual([Expunged(1, 1)], await view.refresh(may_expunge=True))
        self.assertEqual([2, 3, 4], list(view.uids))

    async def test_came_and_went(self) -> None:
        """A message that came and went between two looks is never mentioned."""
        view = await self.open()
        await self.go(await self.arrive())
        self.assertEqual([], await view.refresh(may_expunge=True))
        self.assertEqual((0, 2, 3), (view.exists, view.uid_next, view.highest_modseq))

    async def test_flags_of_a_new_message_are_not_told_twice(self) -> None:
        """A change of a message that was just announced is part of the announcement."""
        view = await self.open()
        await self.arrive()
        await self.store.store_flags(self.mailbox, [1], "+", ["\\Seen"])
        self.assertEqual([Exists(1)], await view.refresh(may_expunge=True))
        self.assertEqual(("\\Seen",), view.flags(1))

    async def test_message_without_a_journal_entry(self) -> None:
        """A message whose writer died before its journal entry is found all the same."""
        view = await self.open()
        self.put(await self.take(), journal=False)
        self.assertEqual([Exists(1)], await view.refresh(may_expunge=True))

    async def test_rows_that_arrive_in_batches_under_one_modseq(self) -> None:
        """WildDuck writes a STORE in batches under one MODSEQ: the second one is not lost."""
        for _ in range(2):
            await self.arrive()
        view = await self.open()
        allocation = await self.take(0)
        changed = {"$set": {"flags": ["\\Seen"], "modseq": allocation.modseq}}
        self.db.messages.update_one({"uid": 1}, changed)
        self.assertEqual([Flags(1, 1, ("\\Seen",), 4)], await view.refresh(may_expunge=True))
        self.db.messages.update_one({"uid": 2}, changed)
        self.assertEqual([Flags(2, 2, ("\\Seen",), 4)], await view.refresh(may_expunge=True))

    async def test_batches_under_a_modseq_that_a_later_change_has_passed(self) -> None:
        """The rest of a STORE is not lost when another change with a higher MODSEQ comes in between."""
        for _ in range(3):
            await self.arrive()
        view = await self.open()
        allocation = await self.take(0)
        changed = {"$set": {"flags": ["\\Seen"], "modseq": allocation.modseq}}
        self.db.messages.update_one({"uid": 1}, changed)
        await self.store.store_flags(self.mailbox, [3], "+", ["\\Flagged"])
        told = await view.refresh(may_expunge=True)
        self.assertEqual([Flags(1, 1, ("\\Seen",), 5), Flags(3, 3, ("\\Flagged",), 6)], told)
        self.assertLess(view.highest_modseq, 6)
        self.db.messages.update_one({"uid": 2}, changed)
        self.assertEqual([Flags(2, 2, ("\\Seen",), 5)], await view.refresh(may_expunge=True))

    async def test_later_flags_under_the_same_modseq(self) -> None:
        """A STORE with a lower MODSEQ that comes late leaves the higher one: its flags are still seen."""
        await self.arrive()
        view = await self.open()
        late, first = await self.take(0), await self.take(0)
        self.db.messages.update_one({"uid": 1}, {"$set": {"flags": ["a"], "modseq": first.modseq}})
        self.assertEqual([Flags(1, 1, ("a",), 4)], await view.refresh(may_expunge=True))
        self.db.messages.update_one({"uid": 1}, {"$set": {"flags": ["a", "b"]}})
        self.assertEqual([Flags(1, 1, ("a", "b"), 4)], await view.refresh(may_expunge=True))
        self.assertLess(view.highest_modseq, late.modseq)

    async def test_copy_by_wildduck(self) -> None:
        """WildDuck's COPY inserts at a MODSEQ already passed and raises it afterwards: found by UID."""
        for _ in range(3):
            await self.arrive()
        view = await self.open()
        self.db.mailboxes.update_one({"_id": self.mailbox.id}, {"$inc": {"uidNext": 1}})
        self.db.messages.insert_one(self.row(4, 2, ()))
        self.assertEqual([Exists(4)], await view.refresh(may_expunge=True))
        self.db.mailboxes.update_one({"_id": self.mailbox.id}, {"$inc": {"modifyIndex": 1}})
        self.db.messages.update_one({"uid": 4}, {"$max": {"modseq": 5}})
        entry = exists_entry(self.row(4, 5, ()), None, self.store._backend.now())
        self.db.journal.insert_one(entry)
        await view.refresh(may_expunge=True)
        self.assertEqual((5, 5), (view.modseq(4), view.highest_modseq))

    async def test_late_row_below_the_announced_ones(self) -> None:
        """A row of a node that stalled longer than H is shown at the next SELECT only."""
        late = await self.take()
        await self.arrive()
        view = await self.open()
        self.clock.advance(MODSEQ_HOLE_SECONDS)
        self.assertEqual([Exists(1)], await view.refresh(may_expunge=True))
        self.put(late)
        self.assertEqual([], await view.refresh(may_expunge=True))
        self.assertEqual([1, 2], list((await self.open()).uids))

    async def test_journal_has_expired(self) -> None:
        """After two hours without a look UID lists are compared, for expunges may be lost."""
        rows = [await self.arrive() for _ in range(4)]
        view = await self.open()
        await self.go(rows[0])
        await self.store.store_flags(self.mailbox, [3], "+", ["\\Seen"])
        self.db.journal.delete_many({})
        self.clock.advance(JOURNAL_TRUSTED_SECONDS + 1)
        await self.arrive()
        self.assertEqual(
            [Expunged(1, 1), Exists(4), Flags(2, 3, ("\\Seen",), 7)], await view.refresh(may_expunge=True)
        )

    async def test_expunge_that_died_before_its_journal_entry(self) -> None:
        """Who passes the hole that it left looks for what is gone."""
        for _ in range(3):
            await self.arrive("\\Deleted")
        view = await self.open()
        await self.go(self.db.messages.find_one({"uid": 3}))
        await self.take(0)
        self.db.messages.delete_one({"uid": 2})
        self.assertEqual([Expunged(3, 3)], await view.refresh(may_expunge=True))
        self.clock.advance(MODSEQ_HOLE_SECONDS)
        self.assertEqual([Expunged(2, 2)], await view.refresh(may_expunge=True))
        self.assertEqual([1], list(view.uids))

    async def test_comparing_keeps_the_mark(self) -> None:
        """HIGHESTMODSEQ and what was announced stay when the journal is too old to be trusted."""
        await self.take()
        await self.arrive()
        view = await self.open()
        self.clock.advance(MODSEQ_HOLE_SECONDS)
        self.assertEqual([Exists(1)], await view.refresh(may_expunge=True))
        await self.store.settle()
        # Nobody has kept the mark, and the clock of the database says that this was just now.
        kept = {"native.modseq": 1, "native.uid": 1}
        self.db.mailboxes.update_one({"_id": self.mailbox.id}, {"$set": kept})
        self.db.journal.update_many(
            {}, {"$set": {"created": self.store._backend.now() + datetime.timedelta(hours=3)}}
        )
        past = self.db.mailboxes.find_one({"_id": self.mailbox.id})["native"]["time"]
        self.db.mailboxes.update_one(
            {"_id": self.mailbox.id}, {"$set": {"native.time": past + datetime.timedelta(hours=3)}}
        )
        self.clock.advance(JOURNAL_TRUSTED_SECONDS + 1)
        self.assertEqual([], await view.refresh(may_expunge=True))
        self.assertEqual(([2], 3, 3), (list(view.uids), view.uid_next, view.highest_modseq))

    async def test_quiet_mailbox_costs_one_look(self) -> None:
        """Where nothing has happened for a while only the mailbox document is read."""
        await self.arrive()
        view = await self.open()
        self.clock.advance(MODSEQ_HOLE_SECONDS)
        await view.refresh(may_expunge=True)
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
        self.assertEqual([], await view.refresh(may_expunge=True))
        self.assertEqual([], asked)
        await self.arrive()
        self.assertEqual([Exists(2)], await view.refresh(may_expunge=True))

    async def test_deleted_mailbox(self) -> None:
        """A mailbox that is gone raises, and the face says BYE."""
        mailbox = await self.store.mailboxes.create(self.account.id, "Foo")
        view = await self.store.open(self.account.id, "Foo")
        await self.store.mailboxes.delete(self.account.id, mailbox)
        await self.fails(MailboxNotFound, view.refresh(may_expunge=True))

    async def test_two_workers(self) -> None:
        """What one worker writes another sees."""
        other = await self.new_node()
        view = await other.store.open(self.account.id, "INBOX")
        rows = [await self.arrive() for _ in range(2)]
        self.assertEqual([Exists(2)], await view.refresh(may_expunge=True))
        await self.store.store_flags(self.mailbox, [1, 2], "=", ["\\Flagged"])
        await self.go(rows[0])
        changes = await view.refresh(may_expunge=True)
        self.assertEqual([Expunged(1, 1), Flags(1, 2, ("\\Flagged",), 4)], changes)
