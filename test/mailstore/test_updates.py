"""The API's changes of messages: flags, expiry, metaData, moves with them, removal."""

from __future__ import annotations

import datetime
import itertools
import json
from typing import Any

from bson import ObjectId
from hypothesis import given, strategies as st
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from test.mailstore.faults import Killed, Killer
from test.mailstore.support import message, with_attachment
from test.mailstore.test_attachments import encoded
from test.mailstore.test_copying import TransferCase
from test.support.chance import by_chance
from wildduck.errors import BadInput, CannotDo, InUse, MailboxNotFound
from wildduck.limits import MAX_UID
from wildduck.mailstore import expunge, selection
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.documents import mirrors
from wildduck.mailstore.selection import Selection
from wildduck.mailstore.updates import Change
from wildduck.mailstore.values import Expunged, Flags, Mailbox

EXPIRES = datetime.datetime(2030, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.timezone.utc)


class SelectionTests(TestCase):
    def test_forms(self) -> None:
        for text, wanted in (
            ("5", Selection(5, 5, (5,))),
            ("3,1,2,1", Selection(1, 3, (1, 2, 3))),
            ("3:15", Selection(3, 15)),
            ("15:3", Selection(3, 15)),
            ("3:*", Selection(3, MAX_UID)),
        ):
            self.assertEqual(Selection.parse(text), wanted)

    @by_chance(50)
    @given(st.one_of(st.text(max_size=20), st.text("0123456789,:* -٣", max_size=12)))
    def test_anything_else_is_refused(self, text: str) -> None:
        try:
            found = Selection.parse(text)
        except BadInput:
            return
        self.assertTrue(0 < found.first <= found.last <= MAX_UID)
        self.assertLessEqual(set(text), set("0123456789,:*"))


class UpdateCase(TransferCase):
    async def put(self, count: int, *flags: str, mailbox: Mailbox | None = None) -> None:
        for n in range(count):
            await self.add(message(n), flags=flags, mailbox=mailbox)

    async def update(self, text: str, **change: Any) -> int:
        return await self.store.update(await self.inbox(), Selection.parse(text), Change(**change))


class UpdateTests(UpdateCase):
    """store.md §3 and spec/api.md 'PUT …/messages'."""

    async def test_every_combination(self) -> None:
        """Flags and all that repeats them agree; other flags stay; each message is told of."""
        values = (None, True, False)
        changes = list(itertools.product(values, repeat=4))
        before = ("\\Answered", "\\Seen", "\\Deleted", "$Work")
        await self.put(1, *before)
        (document,) = self.documents(await self.inbox())
        for uid, (seen, deleted, flagged, draft) in enumerate(changes, 2):
            self.db.messages.insert_one({**document, "_id": ObjectId(), "uid": uid})
            self.db.mailboxes.update_one({"_id": document["mailbox"]}, {"$set": {"uidNext": uid + 1}})
            change = Change(seen=seen, deleted=deleted, flagged=flagged, draft=draft)
            self.assertEqual(1, await self.store.update(await self.inbox(), Selection.of([uid]), change))
            row = self.db.messages.find_one({"uid": uid})
            self.assertEqual(list(change.flags_of(before)), row["flags"])
            self.assertEqual(mirrors(tuple(row["flags"])), {name: row[name] for name in mirrors(())})
            self.assertEqual("\\Deleted" not in row["flags"], row.get("searchable", False))
            entry = self.db.journal.find_one({"uid": uid})
            if list(before) == row["flags"]:
                self.assertIsNone(entry)
                continue
            self.assertEqual(
                ("FETCH", row["flags"], row["modseq"], seen is False),
                (entry["command"], entry["flags"], entry["modseq"], entry["unseenChange"]),
            )

    async def test_expiry_and_metadata(self) -> None:
        await self.put(2)
        meta = {"$where": "x", "a.b": ["ä"], "n": 1}
        self.assertEqual(2, await self.update("1:*", expires=EXPIRES, metadata=meta))
        for row in self.documents(await self.inbox()):
            self.assertIs(True, row["exp"])
            self.assertEqual(int(EXPIRES.timestamp() * 1000), row["rdate"])
            self.assertIs(float, type(row["rdate"]))
            self.assertNotIn("retention", row)
            self.assertEqual(meta, json.loads(row["meta"]["custom"]))
            self.assertEqual("API", row["meta"]["source"])
        await self.update("2", expires=False)
        row = self.documents(await self.inbox())[1]
        self.assertIs(False, row["exp"])
        self.assertNotIn("rdate", row)
        self.assertEqual(2, len(self.documents(await self.inbox())[0]["flags"]) + 2)
        await self.clean()

    async def test_expired_message_goes(self) -> None:
        """What the API lets expire is collected."""
        await self.put(2)
        await self.update("1", expires=datetime.datetime(2020, 1, 1))
        await self.store.collector().run_once()
        self.assertEqual([2], self.uids(await self.inbox()))

    async def test_a_text_that_looks_like_an_expression(self) -> None:
        await self.put(1)
        await self.update("1", metadata={"x": "$flags", "$literal": 1})
        (row,) = self.documents(await self.inbox())
        self.assertEqual({"x": "$flags", "$literal": 1}, json.loads(row["meta"]["custom"]))

    async def test_old_documents(self) -> None:
        """Fields that are missing or odd are mended or left, never an error."""
        await self.put(2)
        self.db.messages.update_one({"uid": 1}, {"$unset": {"flags": 1, "meta": 1, "searchable": 1}})
        self.db.messages.update_one({"uid": 2}, {"$set": {"flags": "x", "meta": None, "modseq": 1.0}})
        self.assertEqual(2, await self.update("1,2", flagged=True, metadata={"a": 1}))
        for row in self.documents(await self.inbox()):
            self.assertEqual((["\\Flagged"], '{"a":1}'), (row["flags"], row["meta"]["custom"]))

    async def test_many_in_batches(self) -> None:
        self.patch(selection, "BATCH_ROWS", 3)
        await self.put(8)
        self.assertEqual(7, await self.update("2:*", flagged=True))
        rows = self.documents(await self.inbox())
        self.assertEqual([False] + [True] * 7, [row["flagged"] for row in rows])
        entries = self.entries(await self.inbox(), "FETCH")
        self.assertEqual(
            {row["uid"]: row["modseq"] for row in rows[1:]}, {e["uid"]: e["modseq"] for e in entries}
        )
        self.assertEqual(3, len({entry["modseq"] for entry in entries}))

    async def test_nothing_there(self) -> None:
        await self.put(1)
        for text in ("2", "2:*", "7,8"):
            self.assertEqual(0, await self.update(text, seen=True))
        self.assertEqual([], self.entries(await self.inbox(), "FETCH"))

    async def test_what_is_so_already_is_not_told_again(self) -> None:
        await self.put(1, "\\Seen")
        before = (await self.inbox()).modify_index
        self.assertEqual(1, await self.update("1", seen=True))
        self.assertEqual(before, (await self.inbox()).modify_index)

    async def test_readers(self) -> None:
        await self.put(3)
        view = await self.store.open(self.account.id, "INBOX")
        await self.update("2", seen=True)
        (told,) = await view.refresh(may_expunge=True)
        assert isinstance(told, Flags)
        self.assertEqual((2, ("\\Seen",)), (told.uid, told.flags))

    async def test_concurrent_writers_lose_nothing(self) -> None:
        await self.put(1)
        other = (await self.new_node()).store
        inbox, one = await self.inbox(), Selection.of([1])
        for _ in range(10):
            await gather(
                self.store.update(inbox, one, Change(seen=True)),
                other.update(inbox, one, Change(flagged=True)),
                other.store_flags(inbox, [1], "+", ["$k"]),
            )
            (row,) = self.documents(inbox)
            self.assertEqual({"\\Seen", "\\Flagged", "$k"}, set(row["flags"]))
            self.assertTrue(row["flagged"] and not row["unseen"])
            await self.store.store_flags(inbox, [1], "=", [])

    async def test_a_draft_in_clear_stays_one_where_messages_are_encrypted(self) -> None:
        await self.put(1, "\\Draft")
        inbox = await self.inbox()
        self.users.update_one({"_id": self.account.id}, {"$set": {"encryptMessages": True}})
        await self.fails(CannotDo, self.update("1", draft=False))
        self.assertTrue(self.documents(inbox)[0]["draft"])
        self.assertEqual(1, await self.update("1", draft=True, seen=True))
        self.users.update_one({"_id": self.account.id}, {"$set": {"encryptMessages": False}})
        self.assertEqual(1, await self.update("1", draft=False))

    async def test_crash(self) -> None:
        """After a crash before any write the mailbox is consistent and the update can be done again."""
        killer = Killer(self.node.databases)
        from twisted.internet import reactor

        mortal = self.node.new_store(reactor, killer.databases())
        await self.put(3)
        for at in itertools.count(1):
            killer.arm(at)
            inbox = await self.inbox()
            seen = bool(at % 2)
            try:
                await mortal.update(inbox, Selection.parse("1:*"), Change(seen=seen))
            except Killed:
                self.assertEqual(3, await self.store.update(inbox, Selection.parse("1:*"), Change(seen=seen)))
                for row in self.documents(inbox):
                    self.assertEqual(mirrors(tuple(row["flags"])), {k: row[k] for k in mirrors(())})
                    self.assertEqual(seen, "\\Seen" in row["flags"])
                continue
            break
        self.assertGreater(at, 3)


class MoveAndUpdateTests(UpdateCase):
    """spec/api.md 'PUT …/messages' with C{moveTo}."""

    async def test_all_is_applied(self) -> None:
        await self.put(3, "\\Deleted", "$Work")
        change = Change(seen=True, deleted=False, expires=EXPIRES, metadata={"a": 1})
        moved = await self.store.move_and_update(
            await self.inbox(), Selection.parse("2:*"), self.target, change
        )
        self.assertEqual(((2, 3), (1, 2)), (moved.source, moved.target))
        self.assertEqual([1], self.uids(await self.inbox()))
        for row in self.documents(self.target):
            self.assertEqual({"\\Seen", "$Work"}, set(row["flags"]))
            self.assertEqual(mirrors(tuple(row["flags"])), {name: row[name] for name in mirrors(())})
            self.assertEqual((True, '{"a":1}'), (row["exp"], row["meta"]["custom"]))
            self.assertNotIn("retention", row)
        await self.clean()

    async def test_another_users_mailbox(self) -> None:
        other = await self.new_account(name="other")
        theirs = await self.store.mailboxes.get(other.id, "INBOX")
        await self.put(1)
        moving = self.store.move_and_update(
            await self.inbox(), Selection.parse("1"), theirs, Change(seen=True)
        )
        await self.fails(MailboxNotFound, moving)
        self.assertEqual(([1], []), (self.uids(await self.inbox()), self.uids(theirs)))
        self.assertTrue(self.documents(await self.inbox())[0]["unseen"])

    async def test_nothing_is_changed_when_the_move_is_refused(self) -> None:
        self.db.mailboxes.update_one({"_id": self.target.id}, {"$set": {"encryptMessages": True}})
        target = await self.store.mailboxes.get_by_id(self.account.id, self.target.id)
        await self.put(1)
        await self.put(1, "\\Draft")
        inbox = await self.inbox()
        for uid, change in (("1", Change(seen=True)), ("2", Change(draft=False)), ("1", Change(draft=True))):
            await self.fails(
                CannotDo, self.store.move_and_update(inbox, Selection.parse(uid), target, change)
            )
        self.assertEqual([[], ["\\Draft"]], [row["flags"] for row in self.documents(inbox)])
        self.assertEqual([], self.uids(target))

    async def test_none_there(self) -> None:
        moved = await self.store.move_and_update(
            await self.inbox(), Selection.parse("1:*"), self.target, Change(seen=True)
        )
        self.assertEqual((), moved.source)


class ClearTests(UpdateCase):
    """spec/api.md 'DELETE …/messages'."""

    async def test_one(self) -> None:
        """It is archived though it was copied; quota and readers follow."""
        await self.add(with_attachment(1, encoded(100)))
        await self.put(1)
        inbox = await self.inbox()
        await self.store.copy(inbox, [1], self.target)
        used = self.storage_used()
        size = self.documents(inbox)[0]["size"]
        view = await self.store.open(self.account.id, "INBOX")
        cleared = await self.store.clear(inbox, Selection.of([1]), session="me")
        self.assertEqual((1, 0), (cleared.deleted, cleared.errors))
        self.assertEqual(used - size, self.storage_used())
        self.assertEqual(1, self.db.archived.count_documents({"user": self.account.id}))
        self.assertEqual([Expunged(1, 1)], await view.refresh(may_expunge=True))
        (entry,) = self.entries(inbox, "EXPUNGE")
        self.assertEqual("me", entry["ignore"])
        await self.clean()

    async def test_drafts_and_what_is_not_wanted_are_not_archived(self) -> None:
        await self.put(1, "\\Draft")
        await self.store.clear(await self.inbox())
        await self.put(2)
        await self.store.clear(await self.inbox(), archive=False)
        self.assertEqual(0, self.db.archived.count_documents({}))
        self.assertEqual(0, self.storage_used())
        await self.clean()

    async def test_all(self) -> None:
        """In batches, and what comes meanwhile stays."""
        self.patch(selection, "BATCH_ROWS", 2)
        await self.put(5)
        inbox = await self.inbox()
        self.redis.set(f"mail:total:{inbox.id}", "5")
        await self.put(1)
        cleared = await self.store.clear(inbox)
        self.assertEqual((5, 0), (cleared.deleted, cleared.errors))
        self.assertEqual([6], self.uids(inbox))
        self.assertEqual(5, self.db.archived.count_documents({}))

    async def test_lock_is_lost(self) -> None:
        """Nothing more is removed when the mailbox may be another's."""
        self.patch(selection, "BATCH_ROWS", 2)
        self.patch(expunge, "LOCK_SECONDS", 1)
        await self.put(5)
        inbox = await self.inbox()
        backend = self.store._backend
        real = backend.main.delete_many

        async def late(collection: str, *arguments: Any, **options: Any) -> int:
            if collection == "messages":
                for key in self.redis.keys(f"*mbwr:{inbox.id}*"):
                    self.redis.delete(key)
                await deferLater(backend.clock, 0.3, lambda: None)
            return await real(collection, *arguments, **options)

        self.patch(backend.main, "delete_many", late)
        await self.fails(InUse, self.store.clear(inbox))
        self.assertEqual([3, 4, 5], self.uids(inbox))
        await self.clean()

    async def test_none(self) -> None:
        cleared = await self.store.clear(await self.inbox(), Selection.of([3]))
        self.assertEqual(0, cleared.deleted)

    async def test_task(self) -> None:
        """One row for each mailbox, as WildDuck writes it."""
        inbox = await self.inbox()
        first, second = await gather(
            self.store.schedule_clear(inbox, archive=False), self.store.schedule_clear(inbox)
        )
        self.assertEqual(first.task, second.task)
        self.assertEqual({True, False}, {first.existing, second.existing})
        (row,) = self.db.tasks.find()
        self.assertEqual(first.task, row["_id"])
        self.assertEqual(
            {"_id", "task", "locked", "lockedUntil", "created", "updated", "status", "data"}, set(row)
        )
        self.assertEqual(("clear-folder", False, "waiting"), (row["task"], row["locked"], row["status"]))
        self.assertEqual((self.account.id, inbox.id), (row["data"]["user"], row["data"]["mailbox"]))
        self.assertEqual(["user", "mailbox", "skipArchive"], list(row["data"]))
        other = await self.store.schedule_clear(self.target)
        self.assertFalse(other.existing)
