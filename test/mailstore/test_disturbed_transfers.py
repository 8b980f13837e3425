"""COPY and MOVE whose outcome is not told, over primaries that change on the way (store.md §1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from test.mailstore.support import with_attachment
from test.mailstore.test_attachments import encoded
from test.mailstore.test_disturbed_writes import DisturbedCase, lost_answer, lost_request
from wildduck.database import WriteGroup
from wildduck.errors import DatabaseFailure, DuplicateKey, MailboxNotFound, Unavailable
from wildduck.mailstore import copying
from wildduck.mailstore.allocation import HOLD_SECONDS
from wildduck.mailstore.append import TRIES
from wildduck.mailstore.values import Exists, Mailbox

Disturbance = Callable[[Callable[[], Any]], Any]


class DisturbedTransferCase(DisturbedCase):
    """Three messages in INBOX and a mailbox for them."""

    async def _start(self) -> None:
        await super()._start()
        self.target = await self.store.mailboxes.create(self.account.id, "Target")
        for n in range(3):
            await self.add(with_attachment(n, encoded(10)))
        self.size = self.storage_used()
        self.source = await self.inbox()

    def disturb_merge(self, what: Disturbance, times: int = 1) -> None:
        """As L{disturb}, for the command that copies documents."""
        main = self.node.databases.main
        real = main.command
        left = times

        async def called(command: dict[str, Any], **options: Any) -> Any:
            nonlocal left
            if "aggregate" not in command or not left:
                return await real(command, **options)
            left -= 1
            return await what(lambda: real(command, **options))

        self.patch(main, "command", called)

    def elect(self) -> None:
        """The primary changes within the next group of writes, and not later."""
        groups: list[WriteGroup] = []

        def intact(group: WriteGroup) -> bool:
            if not any(group is known for known in groups):
                groups.append(group)
            return group is not groups[0]

        self.patch(WriteGroup, "intact", property(intact))

    def forgetting(self) -> Disturbance:
        """It is done, and nobody is told; the new primary knows nothing of the numbers taken for it."""
        before = self.db.mailboxes.find_one({"_id": self.target.id})

        async def done(real: Callable[[], Any]) -> Any:
            await real()
            self.db.mailboxes.replace_one({"_id": self.target.id}, before)
            raise Unavailable()

        return done

    async def next_is(self, uid: int, modseq: int) -> None:
        """The numbers that a further message in the target gets, at least."""
        self.db.messages.delete_many({"mailbox": self.target.id})
        later = await self.store.copy(self.source, [3], self.target)
        self.assertEqual((uid,), later.target)
        row = self.db.messages.find_one({"mailbox": self.target.id})
        self.assertGreaterEqual(row["modseq"], modseq)

    def uids(self, mailbox: Mailbox) -> list[int]:
        return sorted(row["uid"] for row in self.db.messages.find({"mailbox": mailbox.id}))

    def told(self, mailbox: Mailbox, command: str) -> list[tuple[int, int]]:
        """UID and MODSEQ of journal entries."""
        found = self.db.journal.find({"mailbox": mailbox.id, "command": command})
        return sorted((entry.get("uid"), entry["modseq"]) for entry in found)

    async def leaks(self, *kinds: str) -> None:
        """The verifier names just these, and mends them."""
        await self.store.settle()
        found = await self.store.verifier.verify(min_age=0, repair=True)
        self.assertEqual(sorted(kinds), sorted({finding.kind for finding in found}))
        await self.clean()

    def stall(self, collection: str, method: str = "find_one_and_update", skip: int = 0) -> None:
        """After C{skip} calls one takes so long that numbers may not be used any more."""
        left = skip

        async def stalls(real: Callable[[], Any]) -> Any:
            nonlocal left
            reply = await real()
            left -= 1
            if left < 0:
                self.clock.advance(HOLD_SECONDS)
            return reply

        self.disturb(method, collection, stalls, times=skip + 1)


class CopyTests(DisturbedTransferCase):
    """All or nothing, and never twice."""

    async def copy(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        copied = await self.store.copy(self.source, [1, 2, 3], self.target)
        await self.store.settle()
        return copied.source, copied.target

    async def test_answer_is_lost(self) -> None:
        """The copies are there after all: they are not made again, and counted once."""
        self.disturb_merge(lost_answer)
        self.assertEqual(((1, 2, 3), (1, 2, 3)), await self.copy())
        self.assertEqual([(1, 2), (2, 3), (3, 4)], self.told(self.target, "EXISTS"))
        await self.clean()

    async def test_numbers_were_taken_back_by_a_failover(self) -> None:
        """No other message gets their UIDs, also when they are gone."""
        self.disturb_merge(self.forgetting())
        await self.store.copy(self.source, [1, 2], self.target)
        await self.next_is(3, 4)

    async def test_request_is_lost(self) -> None:
        """They are made with new numbers; the old ones stand in the journal as unused."""
        self.disturb_merge(lost_request)
        view = await self.store.open(self.account.id, "Target")
        self.assertEqual(((1, 2, 3), (4, 5, 6)), await self.copy())
        self.assertEqual([(1, 2), (2, 3), (3, 4)], self.told(self.target, "UNUSED"))
        self.assertEqual([Exists(3)], await view.refresh(may_expunge=True))
        self.assertEqual((7, 7), (view.uid_next, view.highest_modseq))
        await self.clean()

    async def test_a_part_was_made(self) -> None:
        """What is there stays, the rest is made anew."""

        async def half(real: Callable[[], Any]) -> Any:
            await real()
            self.db.messages.delete_one({"mailbox": self.target.id, "uid": 2})
            raise DuplicateKey("mailbox_uid_unique")

        self.disturb_merge(half)
        self.assertEqual(((1, 2, 3), (1, 4, 3)), await self.copy())
        self.assertEqual([(2, 3)], self.told(self.target, "UNUSED"))
        await self.clean()

    async def test_journal_answer_is_lost(self) -> None:
        """The copies are told again and accepted."""
        for disturbance in (lost_answer, lost_request):
            self.disturb("insert_many", "journal", disturbance)
            source, target = await self.copy()
            told = {uid for uid, _ in self.told(self.target, "EXISTS")}
            self.assertEqual((1, 2, 3), source)
            self.assertLessEqual(set(target), told)
        await self.clean()

    async def test_election(self) -> None:
        """What may have been taken back is reserved and counted again, one too many at worst."""
        self.elect()
        self.assertEqual(((1, 2, 3), (1, 2, 3)), await self.copy())
        self.assertEqual(3 * self.size, self.storage_used())
        await self.leaks("quota", "reference-count")

    async def test_election_takes_copies_back(self) -> None:
        """Copies that the new primary does not have are made again."""
        real = self.node.databases.main.update_many

        async def taken_back(collection: str, filter: Any, *arguments: Any, **options: Any) -> Any:
            if options.get("durable"):
                self.db.messages.delete_one({"mailbox": self.target.id, "uid": 1})
                self.db.users.update_one({}, {"$set": {"storageUsed": self.size}})
            return await real(collection, filter, *arguments, **options)

        self.elect()
        self.patch(self.node.databases.main, "update_many", taken_back)
        self.assertEqual(((1, 2, 3), (4, 2, 3)), await self.copy())
        self.assertEqual([1, 2, 3], self.uids(self.source))

    async def test_nothing_can_be_told(self) -> None:
        """After a few tries the target is as before; what may be lost already is not given back."""
        self.disturb("insert_many", "journal", lost_request, times=TRIES)
        await self.fails(Unavailable, self.copy())
        self.assertEqual([], self.uids(self.target))
        self.assertEqual({False}, set(self.db.messages.distinct("copied")))
        await self.leaks("quota", "reference-count")
        await self.copy()
        await self.clean()

    async def test_refused_on_the_way(self) -> None:
        """When a later batch fails the earlier ones are taken back whole (RFC 3501 §6.4.7)."""
        self.patch(copying, "BATCH_ROWS", 1)
        calls = 0

        async def refused(real: Callable[[], Any]) -> Any:
            nonlocal calls
            calls += 1
            if calls == 3:
                raise DatabaseFailure(10334)
            return await real()

        self.disturb_merge(refused, times=3)
        view = await self.store.open(self.account.id, "Target")
        await self.fails(DatabaseFailure, self.copy())
        self.assertEqual([], self.uids(self.target))
        self.assertEqual([], await view.refresh(may_expunge=True))
        # Of the batch that failed nobody knows what the database did; it has a third.
        self.assertEqual(self.size + self.size // 3, self.storage_used())
        (first, *_) = self.attachment_rows()
        self.assertEqual(3 + 1, first["metadata"]["c"])
        await self.leaks("quota", "reference-count")
        self.assertEqual(self.size, self.storage_used())
        self.assertEqual(0, self.db.archived.count_documents({}))
        self.assertEqual({False}, set(self.db.messages.distinct("copied")))
        await self.copy()
        self.assertEqual([Exists(3)], await view.refresh(may_expunge=True))

    async def test_target_goes_on_the_way(self) -> None:
        """What was counted when the target is gone is given back at once."""
        real = self.node.databases.gridfs.update_bulk

        async def deleted(*arguments: Any, **options: Any) -> Any:
            self.db.mailboxes.delete_one({"_id": self.target.id})
            return await real(*arguments, **options)

        self.patch(self.node.databases.gridfs, "update_bulk", deleted)
        await self.fails(MailboxNotFound, self.copy())
        await self.clean()

    async def test_message_goes_on_the_way(self) -> None:
        """It is left out; what it held is left to the verifier, for its copy may have been removed."""

        async def gone(real: Callable[[], Any]) -> Any:
            await self.store.store_flags(self.source, [2], "+", ["\\Deleted", "\\Draft"])
            await self.store.expunge(self.source)
            return await real()

        self.disturb_merge(gone)
        self.assertEqual(((1, 3), (1, 3)), await self.copy())
        self.assertEqual([(2, 3)], self.told(self.target, "UNUSED"))
        await self.leaks("quota", "reference-count")

    async def test_numbers_held_too_long(self) -> None:
        """Numbers held for half of H are thrown away, each with its UID (store.md §2)."""
        self.stall("mailboxes")
        view = await self.store.open(self.account.id, "Target")
        self.assertEqual(((1, 2, 3), (4, 5, 6)), await self.copy())
        self.assertEqual([(1, 2), (2, 3), (3, 4)], self.told(self.target, "UNUSED"))
        self.assertEqual([Exists(3)], await view.refresh(may_expunge=True))
        await self.clean()


class MoveTests(DisturbedTransferCase):
    """Each message is in one place, whatever is told."""

    async def move(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        moved = await self.store.move(self.source, [1, 2, 3], self.target)
        await self.store.settle()
        return moved.source, moved.target

    async def test_answer_is_lost(self) -> None:
        """The messages have moved after all: both mailboxes are told."""
        self.disturb("update_many", "messages", lost_answer)
        there, here = [await self.store.open(self.account.id, path) for path in ("INBOX", "Target")]
        self.assertEqual(((1, 2, 3), (1, 2, 3)), await self.move())
        self.assertEqual(3, len(await there.refresh(may_expunge=True)))
        self.assertEqual([Exists(3)], await here.refresh(may_expunge=True))
        self.assertEqual([(1, 2), (2, 3), (3, 4)], self.told(self.target, "EXISTS"))
        await self.clean()

    async def test_numbers_were_taken_back_by_a_failover(self) -> None:
        """No other message gets their UIDs, also when they are gone."""
        self.disturb("update_many", "messages", self.forgetting())
        await self.store.move(self.source, [1, 2], self.target)
        await self.next_is(3, 4)

    async def test_request_is_lost(self) -> None:
        """They are moved with new numbers; nothing waits for the old ones."""
        self.disturb("update_many", "messages", lost_request)
        there, here = [await self.store.open(self.account.id, path) for path in ("INBOX", "Target")]
        self.assertEqual(((1, 2, 3), (4, 5, 6)), await self.move())
        self.assertEqual([(1, 2), (2, 3), (3, 4)], self.told(self.target, "UNUSED"))
        self.assertEqual(3, len(await there.refresh(may_expunge=True)))
        self.assertEqual([Exists(3)], await here.refresh(may_expunge=True))
        document = self.db.mailboxes.find_one({"_id": self.source.id})
        self.assertEqual(document["modifyIndex"], there.highest_modseq)
        self.assertEqual(7, here.highest_modseq)
        await self.clean()

    async def test_within_one_mailbox(self) -> None:
        """What has moved already is told from what has not by its new UID."""
        for disturbance, uids in ((lost_answer, [4, 5, 6]), (lost_request, [10, 11, 12])):
            self.disturb("update_many", "messages", disturbance)
            old = self.uids(self.source)
            moved = await self.store.move(self.source, old, self.source)
            self.assertEqual((tuple(old), tuple(uids)), (moved.source, moved.target))
            self.assertEqual(uids, self.uids(self.source))
        await self.clean()

    async def test_a_part_was_moved(self) -> None:
        """One that another removes in that moment is left out, and told as gone."""

        async def another(real: Callable[[], Any]) -> Any:
            self.db.messages.delete_one({"uid": 2})
            return await real()

        self.disturb("update_many", "messages", another)
        self.assertEqual(((1, 3), (1, 3)), await self.move())
        self.assertEqual([1, 2, 3], [uid for uid, _ in self.told(self.source, "EXPUNGE")])
        self.assertEqual([(2, 3)], self.told(self.target, "UNUSED"))

    async def test_journal_answer_is_lost(self) -> None:
        """Both mailboxes are told again."""
        boxes = [self.source, self.target]
        for disturbance in (lost_answer, lost_request):
            source, target = boxes
            self.disturb("insert_many", "journal", disturbance)
            moved = await self.store.move(source, self.uids(source), target)
            self.assertEqual(3, len(moved.source))
            self.assertLessEqual(set(moved.target), {uid for uid, _ in self.told(target, "EXISTS")})
            self.assertLessEqual(set(moved.source), {uid for uid, _ in self.told(source, "EXPUNGE")})
            boxes.reverse()
        await self.store.settle()
        await self.clean()

    async def test_election(self) -> None:
        """What the new primary still has in the old place is moved again."""
        real = self.node.databases.main.update_many

        async def taken_back(collection: str, filter: Any, *arguments: Any, **options: Any) -> Any:
            if options.get("durable"):
                self.db.messages.update_one({"uid": 1}, {"$set": {"mailbox": self.source.id, "modseq": 2}})
            return await real(collection, filter, *arguments, **options)

        self.elect()
        self.patch(self.node.databases.main, "update_many", taken_back)
        self.assertEqual(((1, 2, 3), (4, 2, 3)), await self.move())
        self.assertEqual(([], [2, 3, 4]), (self.uids(self.source), self.uids(self.target)))
        self.assertLessEqual({2, 3, 4}, {uid for uid, _ in self.told(self.target, "EXISTS")})
        await self.clean()

    async def test_nothing_can_be_told(self) -> None:
        """After a few tries it is unavailable; each message is in one place, and readers see where."""
        self.disturb("insert_many", "journal", lost_request, times=TRIES)
        there, here = [await self.store.open(self.account.id, path) for path in ("INBOX", "Target")]
        await self.fails(Unavailable, self.move())
        self.assertEqual(([], [1, 2, 3]), (self.uids(self.source), self.uids(self.target)))
        for _ in range(3):
            self.clock.advance(11)
            await there.refresh(may_expunge=True)
            await here.refresh(may_expunge=True)
        self.assertEqual(([], [1, 2, 3]), (list(there.uids), list(here.uids)))
        await self.clean()

    async def test_numbers_held_too_long(self) -> None:
        """Numbers of either mailbox that were held for half of H are thrown away."""
        self.stall("mailboxes")
        self.assertEqual(((1, 2, 3), (4, 5, 6)), await self.move())
        self.assertEqual([(1, 2), (2, 3), (3, 4)], self.told(self.target, "UNUSED"))
        self.assertEqual([(1, 5), (2, 6), (3, 7)], self.told(self.source, "EXPUNGE"))
        await self.clean()

    async def test_late_for_the_journal(self) -> None:
        """MODSEQs that the update has outlived are thrown away before they are told."""
        self.stall("messages", "update_many")
        self.assertEqual(((1, 2, 3), (1, 2, 3)), await self.move())
        self.assertEqual([(None, 5), (None, 6), (None, 7)], self.told(self.source, "UNUSED"))
        self.assertEqual([(1, 8), (2, 9), (3, 10)], self.told(self.source, "EXPUNGE"))
        await self.clean()
