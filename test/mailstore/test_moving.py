"""MOVE: in one place at each moment, and nothing is lost or counted twice."""

from __future__ import annotations

from typing import Any

import bson

from test.mailstore.support import message, with_attachment
from test.mailstore.test_attachments import encoded
from test.mailstore.test_copying import TransferCase
from wildduck.errors import CannotDo, InUse, MailboxNotFound
from wildduck.mailstore import expunge, moving
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.values import Copied, Exists, Expunged


class MoveTests(TransferCase):
    """store.md §8, RFC 6851."""

    #: What C{databases.sharded} says.
    sharded: frozenset[str] = frozenset()

    async def _start(self) -> None:
        await super()._start()
        self.node.databases.sharded.update(self.sharded)

    async def test_document(self) -> None:
        """The document stays the same but for what its mailbox decides."""
        await self.add(message(), flags=["\\Seen", "$Work"])
        (before,) = self.documents(await self.inbox())
        moved = await self.store.move(await self.inbox(), [1], self.target)
        self.assertEqual(Copied(self.target.uid_validity, (1,), (1,)), moved)
        self.assertEqual([], self.documents(await self.inbox()))
        (after,) = self.documents(self.target)
        self.assertEqual(not self.sharded, before["_id"] == after["_id"])
        own = {"_id": after["_id"], "mailbox": self.target.id, "uid": 1, "modseq": 2}
        self.assertEqual({**before, **own, "retentionTime": after["retentionTime"]}, after)
        await self.clean()

    async def test_many(self) -> None:
        """UIDs and MODSEQs ascend in the order of the messages; both mailboxes are told of each."""
        self.patch(moving, "BATCH_ROWS", 3)
        for n in range(9):
            await self.add(message(n))
        self.db.messages.delete_one({"uid": 4})
        inbox = await self.inbox()
        moved = await self.store.move(inbox, [9, 1, 3, 4, 5, 6, 8, 8, 70], self.target, session="me")
        self.assertEqual(((1, 3, 5, 6, 8, 9), (1, 2, 3, 4, 5, 6)), (moved.source, moved.target))
        rows = self.documents(self.target)
        self.assertEqual(
            [f"m{uid - 1}@example.org" for uid in moved.source], [row["msgid"].strip("<>") for row in rows]
        )
        arrivals = self.entries(self.target, "EXISTS")
        self.assertEqual(
            [(row["uid"], row["modseq"], row["_id"]) for row in rows],
            [(entry["uid"], entry["modseq"], entry["message"]) for entry in arrivals],
        )
        departures = self.entries(inbox, "EXPUNGE")
        self.assertEqual(
            list(zip(moved.source, range(11, 17), strict=True)),
            [(entry["uid"], entry["modseq"]) for entry in departures],
        )
        self.assertEqual({"me"}, {entry["ignore"] for entry in arrivals + departures})
        self.assertEqual([2, 7], self.uids(inbox))
        self.assertEqual(([], []), (self.unused(inbox), self.unused(self.target)))

    async def test_readers(self) -> None:
        """Sessions of both mailboxes see it by their next refresh, and their MODSEQs rise."""
        for n in range(3):
            await self.add(message(n))
        there = await self.store.open(self.account.id, "INBOX")
        here = await self.store.open(self.account.id, "Target")
        before = there.highest_modseq
        await self.store.move(there, [1, 3], here.mailbox)
        self.assertEqual([Expunged(3, 3), Expunged(1, 1)], await there.refresh(may_expunge=True))
        self.assertEqual([Exists(2)], await here.refresh(may_expunge=True))
        self.assertEqual([], await here.refresh(may_expunge=True))
        self.assertEqual((before + 2, 3), (there.highest_modseq, here.highest_modseq))

    async def test_within_one_mailbox(self) -> None:
        """Messages that are moved to where they are come anew, with new UIDs (RFC 6851 §3.3)."""
        for n in range(4):
            await self.add(message(n))
        view = await self.store.open(self.account.id, "INBOX")
        moved = await self.store.move(view, [1, 3], view.mailbox)
        self.assertEqual(((1, 3), (5, 6)), (moved.source, moved.target))
        told = await view.refresh(may_expunge=True)
        self.assertEqual([Expunged(3, 3), Expunged(1, 1), Exists(4)], told)
        self.assertEqual([2, 4, 5, 6], list(view.uids))
        again = await self.store.open(self.account.id, "INBOX")
        self.assertEqual([2, 4, 5, 6], list(again.uids))
        await self.clean()

    async def test_flags(self) -> None:
        """Flags can be set on the way, as POP3 does with what goes to Trash."""
        await self.add(message(), flags=["$Work"])
        trash = await self.special("\\Trash")
        await self.store.move(await self.inbox(), [1], trash, add_flags=["\\Seen"])
        (row,) = self.documents(trash)
        self.assertEqual((["$Work", "\\Seen"], False), (row["flags"], row["unseen"]))
        (entry,) = self.entries(trash, "EXISTS")
        self.assertFalse(entry["unseen"])
        self.assertEqual((True, 30 * 86_400_000), (row["exp"], row["rdate"] - row["retentionTime"]))
        await self.store.move(trash, [1], self.target)
        (row,) = self.documents(self.target)
        self.assertEqual((False, False), (row["exp"], "rdate" in row))
        await self.clean()

    async def test_junk(self) -> None:
        """Who learns of spam hears of what goes into Junk and comes out of it, not to Trash."""
        await self.add(message())
        junk, trash, inbox = await self.special("\\Junk"), await self.special("\\Trash"), await self.inbox()
        marks = []
        path = (inbox, junk, trash, inbox, trash)
        for source, target in zip(path, path[1:], strict=False):
            moved = await self.store.move(source, self.uids(source), target)
            (told,) = self.db.journal.find(
                {"mailbox": target.id, "uid": moved.target[0], "command": "EXISTS"}
            )
            (row,) = self.db.messages.find()
            marks.append((told.get("junk"), row.get("junk")))
        self.assertEqual([(1, True), (None, True), (-1, None), (None, None)], marks)

    async def test_what_it_holds(self) -> None:
        """Quota and attachments stay as they are; no room is needed."""
        await self.add(with_attachment(1, encoded(100)))
        used, counters = self.storage_used(), self.counters()
        self.db.users.update_one({"_id": self.account.id}, {"$set": {"quota": 1}})
        await self.store.move(await self.inbox(), [1], self.target)
        self.assertEqual((used, counters), (self.storage_used(), self.counters()))
        await self.clean()
        await self.store.store_flags(self.target, [1], "+", ["\\Deleted", "\\Draft"])
        await self.store.expunge(self.target)
        self.assertEqual((0, (0, 0)), (self.storage_used(), self.counters()))

    async def test_lock(self) -> None:
        """WildDuck's lock of the source is respected, and given back."""
        self.patch(expunge, "LOCK_WAIT_SECONDS", 0)
        await self.add(message())
        inbox = await self.inbox()
        lock = await self.store._backend.locks.acquire(f"mbwr:{inbox.id}", 60)
        assert lock is not None
        await self.fails(InUse, self.store.move(inbox, [1], self.target))
        await lock.release()
        await self.store.move(inbox, [1], self.target)
        self.assertEqual([], self.redis.keys("mail:mbwr:*"))

    async def test_of_other_accounts(self) -> None:
        """Nobody's mailbox can be the target of another's messages; a deleted one neither."""
        await self.add(message())
        other = await self.new_account(name="other")
        theirs = await self.store.mailboxes.get(other.id, "INBOX")
        inbox = await self.inbox()
        await self.fails(MailboxNotFound, self.store.move(inbox, [1], theirs))
        await self.store.mailboxes.delete(self.account.id, self.target)
        await self.fails(MailboxNotFound, self.store.move(inbox, [1], self.target))
        self.assertEqual([1], self.uids(inbox))
        await self.clean()

    async def test_source_was_deleted(self) -> None:
        """A mailbox that goes while its messages are to be moved keeps them, and numbers are given up."""
        await self.add(message(), mailbox=self.target)
        self.db.mailboxes.delete_one({"_id": self.target.id})
        inbox = await self.inbox()
        await self.fails(MailboxNotFound, self.store.move(self.target, [1], inbox))
        self.assertEqual(([1], [(1, 2)]), (self.uids(self.target), self.unused(inbox)))

    async def test_encrypted(self) -> None:
        """A mailbox that says that it is encrypted gets nothing in clear."""
        await self.add(message())
        self.db.mailboxes.update_one({"_id": self.target.id}, {"$set": {"encryptMessages": True}})
        target = await self.store.mailboxes.get(self.account.id, "Target")
        await self.fails(CannotDo, self.store.move(await self.inbox(), [1], target))
        # Nor does one that has come to say so since it was looked up.
        await self.fails(CannotDo, self.store.move(await self.inbox(), [1], self.target))
        self.assertEqual(([1], []), (self.uids(await self.inbox()), self.uids(self.target)))
        self.assertEqual([(1, 2)], self.unused(self.target))
        # Of an account that wants its new messages encrypted, old ones can be put away.
        self.db.users.update_one({"_id": self.account.id}, {"$set": {"encryptMessages": True}})
        await self.store.move(await self.inbox(), [1], await self.special("\\Trash"))

    async def test_who_is_told(self) -> None:
        """
        Cached counters of both mailboxes and the target's keywords follow; those of unseen messages
        are dropped, for a STORE at the same time may have changed what was read.
        """
        await self.add(message(), flags=["$Work"])
        await self.add(message(2), flags=["\\Seen"])
        await self.add(message(3))
        inbox = await self.inbox()
        await self.store.settle()
        for mailbox, total, unseen in ((inbox, 3, 2), (self.target, 0, 0)):
            self.redis.set(f"total:{mailbox.id}", total)
            self.redis.set(f"unseen:{mailbox.id}", unseen)
        await self.store.move(inbox, [1, 2], self.target)
        await self.store.settle()
        for mailbox, total, unseen in ((inbox, b"1", None), (self.target, b"2", None)):
            found = self.redis.mget(f"total:{mailbox.id}", f"unseen:{mailbox.id}")
            self.assertEqual([total, unseen], found)
        target = await self.store.mailboxes.get(self.account.id, "Target")
        self.assertEqual(("$Work",), target.keywords)

    async def test_two_at_once(self) -> None:
        """Two sessions that move the same messages move and tell each once."""
        other = await self.new_node()
        other.databases.sharded.update(self.sharded)
        for n in range(30):
            await self.add(message(n))
        inbox, trash = await self.inbox(), await self.special("\\Trash")
        uids = range(1, 31)
        moved = await gather(self.store.move(inbox, uids, self.target), other.store.move(inbox, uids, trash))
        self.assertEqual(list(uids), sorted(moved[0].source + moved[1].source))
        self.assertEqual(30, len(self.uids(self.target)) + len(self.uids(trash)))
        self.assertEqual(30, len(self.entries(inbox, "EXPUNGE")))
        await self.clean()

    async def test_flags_are_changed_meanwhile(self) -> None:
        """What a STORE does in that moment goes with the message."""
        await self.add(message())
        main = self.node.databases.main
        real = main.find_one_and_update
        inbox = await self.inbox()

        async def late(collection: str, *arguments: Any, **options: Any) -> Any:
            if collection == "mailboxes":
                self.db.messages.update_one({"uid": 1}, {"$set": {"flags": ["\\Flagged"], "flagged": True}})
            return await real(collection, *arguments, **options)

        self.patch(main, "find_one_and_update", late)
        await self.store.move(inbox, [1], self.target)
        (row,) = self.documents(self.target)
        self.assertEqual((["\\Flagged"], True), (row["flags"], row["flagged"]))

    async def test_large_ones_in_small_batches(self) -> None:
        """How many are moved at once goes by the length of their documents too."""
        for n in range(5):
            await self.add(message(n))
        self.patch(moving, "COPY_BATCH_BYTES", len(bson.encode(self.db.messages.find_one())) * 5 // 2)
        inbox = await self.inbox()
        used = self.count_uses(self.node.databases.main, {"mailboxes"})
        moved = await self.store.move(inbox, [1, 2, 3, 4, 5], self.target)
        # The numbers of both mailboxes for each of three batches.
        self.assertEqual(6, len(used))
        self.assertEqual((1, 2, 3, 4, 5), moved.target)
        self.assertEqual([1, 2, 3, 4, 5], self.uids(self.target))


class ShardedMoveTests(MoveTests):
    """The same where a document's mailbox can not be changed: copied and removed (store.md §8)."""

    sharded = frozenset({"messages"})
