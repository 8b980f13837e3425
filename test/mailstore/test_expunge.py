"""EXPUNGE, and what becomes of the messages."""

from __future__ import annotations

import datetime
from typing import Any

from bson import ObjectId

from test.mailstore.support import StoreCase, message, with_attachment
from test.mailstore.test_attachments import encoded
from wildduck.errors import InUse, Overloaded
from wildduck.mailstore import expunge
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.values import Expunged, Flags


class ExpungeTests(StoreCase):
    """spec/schema.md §7, store.md §8."""

    async def deleted(self, count: int = 1, *flags: str) -> None:
        """Messages with an attachment that are marked for EXPUNGE."""
        for n in range(count):
            await self.add(with_attachment(n, encoded(100)), flags=["\\Deleted", *flags])

    async def test_only_deleted_ones(self) -> None:
        """Messages without \\Deleted stay, whatever UIDs are named."""
        await self.deleted(2)
        await self.add(message())
        self.assertEqual([1, 2], await self.store.expunge(await self.inbox(), [1, 2, 3, 9]))
        self.assertEqual([3], [row["uid"] for row in self.db.messages.find()])

    async def test_named_ones(self) -> None:
        """UID EXPUNGE leaves others with \\Deleted alone (RFC 4315 §2.1)."""
        await self.deleted(3)
        self.assertEqual([2], await self.store.expunge(await self.inbox(), [2]))
        self.assertEqual(2, self.db.messages.count_documents({}))

    async def test_shared_archive_time(self) -> None:
        """The time that WildDuck's API has set for all servers counts before this server's file."""
        self.db.settings.insert_one({"key": "const:archive:time", "value": "3600000", "enumerable": True})
        await self.node.databases.shared_settings.read()
        await self.deleted()
        await self.store.expunge(await self.inbox())
        archived = self.db.archived.find_one()
        since = archived["archived"].replace(tzinfo=datetime.timezone.utc).timestamp() * 1000
        self.assertAlmostEqual(3_600_000, archived["rdate"] - since, delta=1)

    async def test_archive(self) -> None:
        """The same document stands in the archive for 25 days, with its references."""
        await self.deleted()
        document = self.db.messages.find_one()
        before = datetime.datetime.now(datetime.timezone.utc).timestamp() * 1000
        await self.store.expunge(await self.inbox())
        archived = self.db.archived.find_one()
        rdate = archived.pop("rdate")
        self.assertIs(float, type(rdate))
        kept = rdate - 25 * 86_400_000
        self.assertTrue(before - 1 <= kept <= before + 60_000)
        self.assertIs(datetime.datetime, type(archived.pop("archived")))
        self.assertEqual({**document, "exp": True}, archived)
        self.assertEqual(1, self.attachment_rows()[0]["metadata"]["c"])

    async def test_drafts_are_not_archived(self) -> None:
        """A draft goes at once, and its attachment loses its user."""
        await self.deleted(1, "\\Draft")
        await self.store.expunge(await self.inbox())
        self.assertEqual(0, self.db.archived.count_documents({}))
        self.assertEqual((0, 0), tuple(self.attachment_rows()[0]["metadata"][name] for name in "cm"))

    async def test_copied_ones_are_not_archived(self) -> None:
        """A message that was copied before, and one of a deleted account, leave nothing."""
        for field in ("copied", "userDeleted"):
            await self.deleted()
            self.db.messages.update_one({}, {"$set": {field: True}})
            await self.store.expunge(await self.inbox())
            self.assertEqual(0, self.db.archived.count_documents({}))

    async def test_quota_and_journal(self) -> None:
        """Storage is given back; each message has an EXPUNGE entry and a MODSEQ of its own."""
        await self.deleted(3)
        self.assertGreater(self.storage_used(), 0)
        ids = [row["_id"] for row in self.db.messages.find().sort("uid")]
        await self.store.expunge(await self.inbox(), session="me")
        self.assertEqual(0, self.storage_used())
        entries = list(self.db.journal.find({"command": "EXPUNGE"}).sort("_id"))
        self.assertEqual(
            ["_id", "command", "ignore", "uid", "message", "unseen", "thread", "modseq"]
            + ["created", "mailbox", "user"],
            list(entries[0]),
        )
        self.assertEqual([(1, 5), (2, 6), (3, 7)], [(entry["uid"], entry["modseq"]) for entry in entries])
        self.assertEqual(ids, [entry["message"] for entry in entries])
        self.assertEqual({"me"}, {entry["ignore"] for entry in entries})

    async def test_view_learns_of_it(self) -> None:
        """The session's own view and those of others are told by their next refresh."""
        await self.deleted(2)
        await self.add(message())
        view, other = [await self.store.open(self.account.id, "INBOX") for _ in range(2)]
        self.assertEqual([1, 2], await self.store.expunge(view))
        for one in (view, other):
            self.assertEqual([Expunged(2, 2), Expunged(1, 1)], await one.refresh(may_expunge=True))

    async def test_stale_mirror(self) -> None:
        """What counts is the flag: WildDuck may have left the mirror boolean stale."""
        await self.add(message(), flags=["\\Deleted"])
        await self.add(message(2))
        self.db.messages.update_one({"uid": 1}, {"$set": {"undeleted": True}})
        self.db.messages.update_one({"uid": 2}, {"$set": {"undeleted": False}})
        self.assertEqual([1], await self.store.expunge(await self.inbox()))

    async def test_references_of_another_kind(self) -> None:
        """Old documents refer to attachments by other things than digests: those are passed over."""
        await self.deleted(2, "\\Draft")
        odd = {"mimeTree.attachmentMap.ATT00002": ObjectId(), "mimeTree.attachmentMap.ATT00003": "x"}
        self.db.messages.update_one({"uid": 1}, {"$set": odd})
        self.assertEqual([1, 2], await self.store.expunge(await self.inbox()))
        self.assertEqual((0, 0), (self.storage_used(), self.attachment_rows()[0]["metadata"]["c"]))

    async def test_what_it_held_when_the_database_is_busy(self) -> None:
        """What can not be given back is left to the verifier; the messages are gone all the same."""
        await self.deleted(1, "\\Draft")

        users = self.node.databases.users
        update_one = users.update_one

        async def busy(collection: str, *rest: Any, **options: Any) -> Any:
            if collection == "users":
                raise Overloaded()
            return await update_one(collection, *rest, **options)

        self.patch(users, "update_one", busy)
        self.assertEqual([1], await self.store.expunge(await self.inbox()))
        self.assertEqual(0, self.attachment_rows()[0]["metadata"]["c"])

    async def test_undeleted_at_the_last_moment(self) -> None:
        """A message that a STORE undeletes while EXPUNGE is at work stays, and has no copy in the archive."""
        for n in range(3):
            await self.add(message(n), flags=["\\Deleted"])
        used = self.storage_used()
        view = await self.store.open(self.account.id, "INBOX")
        main = self.node.databases.main
        real = main.delete_many

        async def late(collection: str, filter: Any, **options: Any) -> int:
            if collection == "messages":
                await self.store.store_flags(await self.inbox(), [2], "-", ["\\Deleted"])
            return await real(collection, filter, **options)

        self.patch(main, "delete_many", late)
        self.assertEqual([1, 3], await self.store.expunge(await self.inbox()))
        await self.store.settle()
        self.assertEqual([2], [row["uid"] for row in self.db.messages.find()])
        self.assertEqual([1, 3], sorted(row["uid"] for row in self.db.archived.find()))
        self.assertLess(0, self.storage_used())
        self.assertLess(self.storage_used(), used)
        self.assertEqual([], await self.store.verifier.verify(min_age=0))
        told = await view.refresh(may_expunge=True)
        self.assertEqual([Expunged(3, 3), Expunged(1, 1), Flags(1, 2, (), view.modseq(2))], told)
        status = await self.store.statuses.one(await self.inbox())
        self.assertEqual(view.mailbox.modify_index, status.highest_modseq)

    async def test_two_at_once(self) -> None:
        """Two sessions that expunge at the same time remove, count and tell each message once."""
        other = await self.new_node()
        await self.deleted(30)
        await self.add(message())
        mailbox = await self.inbox()
        gone = await gather(self.store.expunge(mailbox), other.store.expunge(mailbox))
        self.assertEqual(list(range(1, 31)), sorted(gone[0] + gone[1]))
        self.assertEqual(30, self.db.journal.count_documents({"command": "EXPUNGE"}))
        self.assertEqual(len(message()), self.storage_used())
        self.assertEqual([], await self.store.verifier.verify(min_age=0))

    async def test_lock(self) -> None:
        """WildDuck's lock of the mailbox is respected, and given back afterwards."""
        self.patch(expunge, "LOCK_WAIT_SECONDS", 0)
        await self.deleted()
        mailbox = await self.inbox()
        lock = await self.store._backend.locks.acquire(f"mbwr:{mailbox.id}", 60)
        assert lock is not None
        await self.fails(InUse, self.store.expunge(mailbox))
        await lock.release()
        self.assertEqual([1], await self.store.expunge(mailbox))
        self.assertEqual([], self.redis.keys("mail:mbwr:*"))

    async def test_cached_counters(self) -> None:
        """The cached total follows; what was unseen is dropped, for a STORE may be under way."""
        await self.deleted(2)
        await self.add(message(), flags=["\\Deleted", "\\Seen"])
        mailbox = await self.inbox()
        await self.store.settle()
        self.redis.set(f"total:{mailbox.id}", 3)
        self.redis.set(f"unseen:{mailbox.id}", 2)
        await self.store.expunge(mailbox)
        await self.store.settle()
        self.assertEqual(b"0", self.redis.get(f"total:{mailbox.id}"))
        self.assertIsNone(self.redis.get(f"unseen:{mailbox.id}"))

    async def test_message_that_a_crash_left_in_both_places(self) -> None:
        """A copy that is in the archive already is replaced by what the message is now."""
        await self.deleted()
        document = self.db.messages.find_one()
        self.db.archived.insert_one(
            {**document, "flags": ["old"], "archived": datetime.datetime.now(), "rdate": 0.0}
        )
        await self.store.expunge(await self.inbox())
        archived = self.db.archived.find_one()
        self.assertEqual(["\\Deleted"], archived["flags"])
        self.assertGreater(archived["rdate"], 0)


class WithoutArchiveTests(StoreCase):
    """The archive is switchable."""

    sets = ("storage.archive=false",)

    async def test_gone_for_good(self) -> None:
        """Without the archive a message and its references go at once."""
        await self.add(with_attachment(1, encoded(100)), flags=["\\Deleted"])
        await self.store.expunge(await self.inbox())
        self.assertEqual(0, self.db.archived.count_documents({}))
        self.assertEqual(0, self.attachment_rows()[0]["metadata"]["c"])
        self.assertEqual([], await self.store.verifier.verify(min_age=0))
