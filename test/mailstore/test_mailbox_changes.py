"""What the API changes of mailboxes, and what goes with a mailbox that is deleted."""

from __future__ import annotations

import datetime
import json
from typing import Any

from bson import ObjectId

from test.mailstore.support import StoreCase, message
from wildduck.errors import CannotDo, MailboxExists, MailboxNotFound, Unavailable
from wildduck.mailstore.collector import Collected
from wildduck.mailstore.deleted_mailboxes import DELETED_MAILBOXES
from wildduck.mailstore.values import Mailbox


class ChangeCase(StoreCase):
    own_clock = True

    async def make(self, path: str, **options: Any) -> Mailbox:
        return await self.store.mailboxes.create(self.account.id, path, **options)

    def change(self, mailbox: Mailbox, **changes: Any) -> Any:
        return self.store.mailboxes.change(self.account.id, mailbox.id, **changes)

    def document(self, mailbox: Mailbox) -> dict[str, Any]:
        return dict(self.db.mailboxes.find_one({"_id": mailbox.id}))

    def paths(self) -> set[str]:
        return {row["path"] for row in self.db.mailboxes.find({"user": self.account.id})}

    def tasks(self) -> list[dict[str, Any]]:
        return list(self.db.tasks.find())


class CreateTests(ChangeCase):
    async def test_options(self) -> None:
        """A mailbox of its own retention; where it has none, of the account's."""
        made = await self.make("a", retention=3_000_000_000, hidden=True, encrypted=True, user_retention=7)
        row = self.document(made)
        self.assertEqual((row["retention"], row["hidden"], row["encryptMessages"]), (3e9, True, True))
        self.assertIs(type(row["retention"]), float)
        self.assertEqual((made.retention, made.hidden, made.encrypted), (3_000_000_000, True, True))
        self.assertEqual((await self.make("b", user_retention=7)).retention, 7)
        self.assertEqual((await self.make("c", user_retention=7, retention=0)).retention, 0)


class ChangeTests(ChangeCase):
    async def test_settings(self) -> None:
        """Only what is given is set, and nothing of the request beside."""
        box = await self.make("a")
        before = self.document(box)
        await self.change(box, subscribed=False, encrypted=True, hidden=True)
        expected = {**before, "subscribed": False, "encryptMessages": True, "hidden": True}
        self.assertEqual(self.document(box), expected)
        self.assertEqual(self.tasks(), [])
        await self.change(box)
        self.assertEqual(self.document(box), expected)

    async def test_owner(self) -> None:
        """Nobody changes, renames or sees another's mailbox by its id."""
        other = await self.new_account(name="other")
        box = await self.store.mailboxes.create(other.id, "theirs")
        before = self.document(box)
        for changes in ({"hidden": True}, {"path": "mine"}, {"retention": 1}, {"subscribed": False}):
            await self.fails(MailboxNotFound, self.change(box, **changes))
        self.assertEqual(self.document(box), before)
        self.assertEqual(await self.store.mailboxes.counted(self.account.id, id=box.id), [])

    async def test_retention_queues_a_task(self) -> None:
        """One waiting row for each mailbox, as WildDuck writes it, with the last change's counter."""
        box = await self.make("a")
        await self.change(box, retention=90_000)
        (row,) = self.tasks()
        self.assertEqual(row["data"], {"user": self.account.id, "mailbox": box.id, "retentionCounter": 1})
        self.assertEqual((row["task"], row["locked"], row["status"]), ("mailbox-retention", False, "waiting"))
        self.assertEqual(
            set(row), {"_id", "task", "data", "locked", "lockedUntil", "status", "created", "updated"}
        )
        await self.change(box, retention=90_000)
        self.assertEqual(self.tasks(), [row])
        await self.change(box, retention=0)
        (again,) = self.tasks()
        self.assertEqual((again["_id"], again["data"]["retentionCounter"]), (row["_id"], 2))
        self.assertEqual(self.document(box)["retentionCounter"], 2)
        # One that is being worked on may have passed over what comes now.
        self.db.tasks.update_one({}, {"$set": {"locked": True, "status": "processing"}})
        await self.change(box, retention=5_000_000_000)
        self.assertEqual(sorted(t["data"]["retentionCounter"] for t in self.tasks()), [2, 3])
        self.assertEqual(self.document(box)["retention"], 5e9)

    async def test_task_that_could_not_be_queued(self) -> None:
        """When the change is made again, it is."""
        box = await self.make("a")
        main = self.node.databases.main
        real = main.insert_one

        async def away(collection: str, *arguments: Any, **options: Any) -> Any:
            if collection == "tasks":
                raise Unavailable()
            return await real(collection, *arguments, **options)

        self.patch(main, "insert_one", away)
        await self.fails(Unavailable, self.change(box, retention=90_000))
        self.patch(main, "insert_one", real)
        await self.change(box, subscribed=False)
        self.assertEqual(self.tasks(), [])
        await self.change(box, retention=90_000)
        (row,) = self.tasks()
        self.assertEqual((row["data"]["retentionCounter"], self.document(box)["retentionCounter"]), (1, 1))
        self.db.tasks.delete_many({})
        await self.change(box, retention=90_000)
        self.assertEqual(self.tasks(), [])

    async def test_rename_alone(self) -> None:
        """Over the API a mailbox moves alone, also under itself, or with all that lies under it."""
        a = await self.make("a")
        await self.make("a/b")
        await self.make("a/b/c")
        await self.change(a, path="a/new")
        self.assertEqual({"a/new", "a/b", "a/b/c"}, {p for p in self.paths() if p.startswith("a")})
        await self.change(a, path="a", subscribed=False)
        await self.change(a, path="z", children=True)
        self.assertEqual({"z", "z/b", "z/b/c"}, {p for p in self.paths() if p[0] in "az"})
        entries = list(self.db.journal.find({"command": "RENAME"}))
        self.assertEqual([e["path"] for e in entries if e["mailbox"] == a.id], ["a/new", "a", "z"])
        self.assertEqual(len(entries), 5)
        self.assertFalse(self.document(a)["subscribed"])
        await self.fails(CannotDo, self.change(a, path="z/under", children=True))

    async def test_refused_names(self) -> None:
        """A name that is refused leaves everything as it was, other settings too."""
        a, _ = await self.make("a"), await self.make("b")
        hidden = await self.make("h", hidden=True)
        before = self.document(a)
        for error, box, path in (
            (MailboxExists, a, "b"), (MailboxExists, a, "inbox"), (CannotDo, a, "x\0y"),
            (CannotDo, hidden, "x"), (CannotDo, await self.inbox(), "x"),
        ):  # fmt: skip
            await self.fails(error, self.change(box, path=path, retention=1, subscribed=False))
        self.assertEqual(self.document(a), before)
        self.assertEqual(self.tasks(), [])
        # Its own name is no change.
        await self.change(a, path="a")
        self.assertEqual(self.db.journal.count_documents({"command": "RENAME"}), 0)
        # A special-use mailbox can have another name.
        trash = await self.store.mailboxes.get_special(self.account.id, "\\Trash")
        await self.change(trash, path="Bin")
        self.assertEqual((await self.store.mailboxes.get_special(self.account.id, "\\Trash")).path, "Bin")

    async def test_rename_alone_step_by_step(self) -> None:
        """The same without transactions."""
        self.patch(type(self.node.databases.main), "has_transactions", property(lambda _: False))
        await self.test_rename_alone()


class DeleteTests(ChangeCase):
    async def test_filters_and_ping(self) -> None:
        """Filters that move messages into it go; others stay; WildDuck's sessions are told to end."""
        box = await self.make("a")
        user, other = self.account.id, ObjectId()
        self.db.filters.insert_many(
            [
                {"user": user, "action": {"mailbox": box.id}},
                {"user": user, "action": {"mailbox": other}},
                {"user": user, "action": {"seen": True}},
                {"user": other, "action": {"mailbox": box.id}},
            ]
        )
        heard = self.redis.pubsub()
        heard.subscribe("wd_events")
        heard.get_message(timeout=1)
        await self.store.mailboxes.delete(user, box)
        await self.store.settle()
        self.assertEqual(self.db.filters.count_documents({"user": user}), 2)
        self.assertEqual(self.db.filters.count_documents({}), 3)
        pings = [json.loads(m["data"]) for m in iter(lambda: heard.get_message(timeout=0.5), None)]
        heard.close()
        self.assertIn({"e": str(user), "p": {"command": "DROP", "mailbox": str(box.id)}}, pings)
        self.assertTrue(any("p" not in ping for ping in pings))

    async def late(self, box: Mailbox, work: Any) -> None:
        """Do C{work}, but delete the mailbox just before it writes a message with the UID that it has."""
        main = self.node.databases.main
        node = await self.new_node()
        writing = {name: getattr(main, name) for name in ("insert_one", "update_many")}
        held = [True]

        def holding(name: str) -> Any:
            async def write(collection: str, *arguments: Any, **options: Any) -> Any:
                if collection == "messages" and held:
                    held.clear()
                    await node.store.mailboxes.delete(self.account.id, box)
                return await writing[name](collection, *arguments, **options)

            return write

        for name in writing:
            setattr(main, name, holding(name))
        try:
            await work
        finally:
            for name in writing:
                delattr(main, name)
        self.assertFalse(held)

    async def collected(self) -> Collected:
        self.clock.advance(30)
        collected = await self.store.collector().run_once()
        assert collected
        await self.store.settle()
        return collected

    async def test_append_that_comes_late(self) -> None:
        """A message that had its UID when the mailbox was deleted is collected with the others."""
        box = await self.make("a")
        await self.add(message(1), mailbox=box)
        await self.late(box, self.add(message(2), mailbox=box))
        self.assertEqual(self.db.messages.count_documents({"mailbox": box.id, "exp": True}), 1)
        self.assertEqual((await self.collected()).expired, 2)
        self.assertEqual((self.db.messages.count_documents({}), self.db.archived.count_documents({})), (0, 2))
        self.assertEqual(self.storage_used(), 0)
        self.assertEqual(self.db[DELETED_MAILBOXES].count_documents({}), 0)
        self.assertEqual(await self.store.verifier.verify(min_age=0), [])

    async def test_move_that_comes_late(self) -> None:
        """The same of a message that is moved into it."""
        box = await self.make("a", retention=86_400_000)
        await self.add(message(1))
        await self.late(box, self.store.move(await self.inbox(), [1], box))
        self.assertEqual(self.db.messages.count_documents({"mailbox": box.id}), 1)
        self.assertEqual((await self.collected()).expired, 1)
        self.assertEqual((self.db.messages.count_documents({}), self.db.archived.count_documents({})), (0, 1))
        self.assertEqual(await self.store.verifier.verify(min_age=0), [])

    async def test_not_too_early(self) -> None:
        """As long as a writer can still come, the note stays; one of a mailbox that is there is dropped."""
        box = await self.make("a")
        await self.store.mailboxes.delete(self.account.id, box)
        self.clock.advance(9)
        await self.store.collector().run_once()
        self.assertEqual(self.db[DELETED_MAILBOXES].count_documents({}), 1)
        inbox = await self.inbox()
        added = await self.add(message(1))
        self.db[DELETED_MAILBOXES].insert_one(
            {"_id": inbox.id, "user": inbox.user, "time": self.node_time(-100)}
        )
        await self.collected()
        self.assertEqual(self.db[DELETED_MAILBOXES].count_documents({}), 0)
        self.assertFalse(self.db.messages.find_one({"_id": added.message_id})["exp"])

    def node_time(self, seconds: float) -> Any:
        return datetime.datetime.fromtimestamp(self.clock.seconds() + seconds, datetime.timezone.utc)

    async def test_account_that_is_deleted(self) -> None:
        """What comes late into a deleted account goes after its time, unarchived."""
        inbox = await self.inbox()
        main = self.node.databases.main
        insert = main.insert_one

        async def late(collection: str, *arguments: Any, **options: Any) -> Any:
            if collection == "messages":
                await self.store.delete_user_data(self.account.id)
            return await insert(collection, *arguments, **options)

        main.insert_one = late  # type: ignore[method-assign]
        try:
            await self.add(message(1), mailbox=inbox)
        finally:
            del main.insert_one  # type: ignore[method-assign]
        await self.collected()
        row = self.db.messages.find_one({"mailbox": inbox.id})
        self.assertTrue(row["userDeleted"] and row["exp"])
        self.assertGreater(row["rdate"], (self.clock.seconds() + 13 * 86_400) * 1000)
        self.clock.advance(15 * 86_400)
        await self.collected()
        self.assertEqual((self.db.messages.count_documents({}), self.db.archived.count_documents({})), (0, 0))


class EncryptionTests(ChangeCase):
    """What has come to want encryption since it was looked up gets nothing in clear."""

    async def test_append_copy_move(self) -> None:
        box = await self.make("a")
        inbox = await self.inbox()
        await self.add(message(1))
        await self.change(box, encrypted=True)
        for work in (
            self.add(message(2), mailbox=box),
            self.store.copy(inbox, [1], box),
            self.store.move(inbox, [1], box),
        ):
            await self.fails(CannotDo, work)
        self.assertEqual(self.db.messages.count_documents({"mailbox": box.id}), 0)
        self.assertEqual(self.db.messages.count_documents({"mailbox": inbox.id}), 1)
        await self.store.settle()
        self.assertEqual(self.storage_used(), self.db.messages.find_one()["size"])
        self.assertEqual(await self.store.verifier.verify(min_age=0), [])
        await self.add(message(3), mailbox=box, flags=["\\Draft"])
        # Numbers that were taken for nothing hold up no reader.
        view = await self.store.open(self.account.id, "a")
        self.assertEqual(list(view.uids), [view.uids[0]])

    async def test_drafts(self) -> None:
        """A draft in clear does not cease to be one where messages are to be encrypted."""
        box = await self.make("a", encrypted=True)
        uid = (await self.add(message(1), mailbox=box, flags=["\\Draft", "\\Seen"])).uid
        for target, mode, flags in ((box, "-", ["\\Draft"]), (box, "=", ["\\Seen"]), (box, "=", [])):
            await self.fails(CannotDo, self.store.store_flags(target, [uid], mode, flags))
        await self.store.store_flags(box, [uid], "=", ["\\Draft", "\\Flagged"])
        await self.store.store_flags(box, [uid], "-", ["\\Flagged"])
        self.assertEqual(self.db.messages.find_one()["flags"], ["\\Draft"])
        await self.change(box, encrypted=False)
        self.users.update_one({"_id": self.account.id}, {"$set": {"encryptMessages": True}})
        await self.fails(CannotDo, self.store.store_flags(box, [uid], "-", ["\\Draft"]))
        self.users.update_one({"_id": self.account.id}, {"$unset": {"encryptMessages": True}})
        await self.store.store_flags(box, [uid], "-", ["\\Draft"])
        view = await self.store.open(self.account.id, "a")
        self.assertEqual(view.highest_modseq, self.document(box)["modifyIndex"])
