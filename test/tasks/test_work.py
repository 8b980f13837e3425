"""What the tasks do, and that it may be cut off anywhere."""

from __future__ import annotations

import datetime
from typing import Any

from bson import ObjectId

from test.mailstore.faults import Killed, Killer
from test.mailstore.support import message
from test.tasks.support import TaskCase
from wildduck.mailstore import chores, deleted_mailboxes
from wildduck.tasks import TaskLoop

DAY = 86_400_000


class WorkCase(TaskCase):
    """A loop whose database stops at a chosen write."""

    async def _start(self) -> None:
        await super()._start()
        from twisted.internet import reactor

        self.killer = Killer(self.node.databases)
        databases = self.killer.databases()
        store = self.node.new_store(reactor, databases)
        accounts = self.new_accounts(databases, store)
        self.mortal_store = store
        # It takes its tasks from a database that lives on: what dies is the work.
        self.mortal = TaskLoop(self.node.databases.main, accounts, store, self.clock, 2)

    async def run_all(self, loop: TaskLoop | None = None) -> None:
        while await (loop or self.loop).run_due():
            pass

    def lose_at(self, method: str) -> None:
        """Lose the lease at the first such write to the messages."""
        original = getattr(self.node.databases.main, method)

        async def losing(collection: str, *arguments: Any, **options: Any) -> Any:
            if collection == "messages":
                for lease in self.loop._held:
                    lease.lose()
            return await original(collection, *arguments, **options)

        self.patch(self.node.databases.main, method, losing)

    async def die_everywhere(self, put: Any, check: Any) -> int:
        """
        Have the work die at each of its writes, and be done by another server.

        @param put: makes what is to be done, new each time.
        @param check: what must be true in the end.
        @return: the number of places to die.
        """
        await put()
        self.killer.arm(0)
        await self.run_all(self.mortal)
        await self.mortal_store.settle()
        writes = list(self.killer.writes)
        check()
        for number, write in enumerate(writes, 1):
            await put()
            self.killer.arm(number)
            await self.mortal.run_due()
            await self.mortal_store.settle()
            self.flushLoggedErrors(Killed)
            for key in self.redis.keys("mail:mbwr:*"):
                self.redis.delete(key)
            self.assertEqual(1, self.db.tasks.count_documents({}), write)
            self.clock.advance(3600)
            await self.loop.free_due()
            await self.run_all()
            self.assertEqual(0, self.db.tasks.count_documents({}), write)
            check()
        return len(writes)


class UserDeleteTests(WorkCase):
    async def put_deleted(self, **more: Any) -> None:
        """An account that is deleted, its task waiting."""
        for name in ("users", "deletedusers", "mailboxes", "messages", "tasks", "asps", "filters"):
            self.db[name].delete_many({})
        account = await self.new_account()
        self.other = await self.new_account()
        for n in range(5):
            await self.add(message(n), account=account)
        await self.add(message(9), account=self.other)
        rows = (("asps", {"user": account.id}), ("asps", {"user": self.other.id}),
                ("filters", {"user": account.id}), ("filters", {"user": self.other.id}))  # fmt: skip
        for name, row in rows:
            self.db[name].insert_one({"_id": ObjectId(), **row})
        document = self.users.find_one_and_delete({"_id": account.id})
        self.db.deletedusers.insert_one({**document, "deleteInfo": {}})
        self.user = account.id
        self.task = self.put("user-delete", {"user": account.id}, **more)

    def check_gone(self) -> None:
        """Nothing is left but messages that go after 14 days, and nothing of others is touched."""
        for name in ("mailboxes", "asps", "filters", "deletedusers", "users"):
            key = "_id" if name.endswith("users") else "user"
            self.assertEqual(0, self.db[name].count_documents({key: self.user}), name)
        rows = list(self.db.messages.find({"user": self.user}))
        self.assertEqual([(True, True)] * 5, [(row["exp"], row["userDeleted"]) for row in rows])
        now = datetime.datetime.now().timestamp() * 1000
        self.assertTrue(all(now + 13.9 * DAY < row["rdate"] < now + 14.1 * DAY for row in rows))
        self.assertEqual(5, self.db.mailboxes.count_documents({"user": self.other.id}))
        self.assertEqual(1, self.db.asps.count_documents({}))
        self.assertEqual(0, self.db.messages.count_documents({"user": self.other.id, "userDeleted": True}))

    async def test_every_kill_point(self) -> None:
        """Wherever it dies, another server brings it to its end."""
        self.patch(deleted_mailboxes, "_MESSAGES", 2)
        self.assertGreater(await self.die_everywhere(self.put_deleted, self.check_gone), 8)

    async def test_delayed(self) -> None:
        """Until its time has come the account can be restored, and nothing is removed."""
        until = self.now() + datetime.timedelta(hours=2)
        await self.put_deleted(locked=True, lockedUntil=until, status="delayed")
        self.clock.advance(7199)
        await self.loop.free_due()
        await self.run_all()
        self.assertEqual(5, self.db.mailboxes.count_documents({"user": self.user}))
        self.clock.advance(1)
        await self.loop.free_due()
        await self.run_all()
        self.check_gone()

    async def test_restored(self) -> None:
        """The task of an account that is there again removes nothing."""
        await self.put_deleted()
        document = self.db.deletedusers.find_one_and_delete({"_id": self.user})
        self.users.insert_one(document)
        await self.run_all()
        self.assertEqual(5, self.db.mailboxes.count_documents({"user": self.user}))
        self.assertEqual(0, self.db.messages.count_documents({"userDeleted": True}))

    async def test_former_row(self) -> None:
        """Older versions of WildDuck name the user beside the data."""
        await self.put_deleted()
        self.db.tasks.update_one({}, {"$set": {"user": self.user, "data": None}})
        await self.run_all()
        self.check_gone()

    async def test_lost(self) -> None:
        """A lease that is lost on the way ends the work between two steps."""
        self.patch(deleted_mailboxes, "_MESSAGES", 2)
        await self.put_deleted()
        self.lose_at("update_many")
        await self.loop.run_due()
        self.assertEqual(2, self.db.messages.count_documents({"userDeleted": True}))
        self.assertEqual(False, self.row(self.task)["locked"])


class QuotaTests(WorkCase):
    async def test_recount(self) -> None:
        """Every account is counted anew; a run that was cut off goes on where it was."""
        from wildduck.mailstore import quota
        from wildduck.tasks import work

        self.patch(work, "_ACCOUNTS", 2)
        self.patch(quota, "RECOUNT_SECONDS", 0.0)
        accounts = [self.account, *[await self.new_account() for _ in range(4)]]
        for account in accounts:
            await self.add(message(), account=account)
        right = {account.id: self.storage_used(account) for account in accounts}
        self.users.update_many({}, {"$set": {"storageUsed": 7}})
        self.put("quota", {})
        # Two writes for each account.
        self.killer.arm(5)
        await self.mortal.run_due()
        self.flushLoggedErrors(Killed)
        self.assertEqual(3, self.users.count_documents({"storageUsed": 7}))
        self.assertEqual(accounts[1].id, self.db.tasks.find_one()["native"]["counted"])
        # What was counted before is not counted again.
        self.users.update_one({"_id": accounts[0].id}, {"$set": {"storageUsed": 9}})
        self.clock.advance(3600)
        await self.loop.free_due()
        await self.run_all()
        found = {row["_id"]: row["storageUsed"] for row in self.users.find()}
        self.assertEqual({**right, accounts[0].id: 9}, found)
        self.assertEqual(0, self.db.tasks.count_documents({}))


class ClearTests(WorkCase):
    async def put_clear(self, skip: bool = False) -> None:
        from wildduck.tasks import work

        self.patch(work, "_MESSAGES", 2)
        for name in ("messages", "archived", "journal"):
            self.db[name].delete_many({})
        self.users.update_one({"_id": self.account.id}, {"$set": {"storageUsed": 0}})
        for n in range(5):
            await self.add(message(n))
        inbox = await self.inbox()
        data = {"user": self.account.id, "mailbox": inbox.id, "skipArchive": skip}
        self.task = self.put("clear-folder", data)

    def check_cleared(self) -> None:
        """The messages are in the archive, each once, and clients are told of each."""
        self.assertEqual((0, 5), (self.db.messages.count_documents({}), self.db.archived.count_documents({})))

    async def test_every_kill_point(self) -> None:
        """Wherever it dies, another server brings it to its end."""
        self.assertGreater(await self.die_everywhere(self.put_clear, self.check_cleared), 8)

    async def test_cleared(self) -> None:
        """Storage is given back, and the journal tells of each message."""
        await self.put_clear(skip=True)
        await self.run_all()
        await self.store.settle()
        self.assertEqual((0, 0), (self.storage_used(), self.db.archived.count_documents({})))
        self.assertEqual(5, self.db.journal.count_documents({"command": "EXPUNGE"}))

    async def test_later_messages(self) -> None:
        """What came after it had begun stays, also when it had to begin anew."""
        await self.put_clear()
        self.killer.arm(1)
        await self.mortal.run_due()
        self.flushLoggedErrors(Killed)
        late = await self.add(message(6))
        self.clock.advance(3600)
        await self.loop.free_due()
        await self.run_all()
        self.assertEqual([late.uid], [row["uid"] for row in self.db.messages.find()])

    async def test_nothing_there(self) -> None:
        """A mailbox that is empty, gone, or another account's is done at once."""
        inbox = await self.inbox()
        other = await self.new_account()
        await self.add(message(1))
        for data in (
            {"user": self.account.id, "mailbox": ObjectId()},
            {"user": other.id, "mailbox": inbox.id},
            {"user": self.account.id, "mailbox": self.db.mailboxes.find_one({"path": "Drafts"})["_id"]},
        ):
            self.put("clear-folder", data)
            await self.run_all()
            self.assertEqual(0, self.db.tasks.count_documents({}))
        self.assertEqual(1, self.db.messages.count_documents({}))

    async def test_lost(self) -> None:
        """A lease that is lost on the way ends the work between two steps."""
        await self.put_clear()
        self.lose_at("delete_many")
        await self.loop.run_due()
        self.assertEqual(3, self.db.messages.count_documents({}))
        self.assertEqual(False, self.row(self.task)["locked"])

    async def test_unarchived(self) -> None:
        """Messages that could not come into the archive stay, and it is tried again."""
        await self.put_clear()
        original = self.node.databases.main.command

        async def refusing(command: dict[str, Any], **options: Any) -> Any:
            if "aggregate" in command:
                command = {**command, "pipeline": [{"$match": {"uid": -1}}, *command["pipeline"][1:]]}
            return await original(command, **options)

        self.patch(self.node.databases.main, "command", refusing)
        await self.loop.run_due()
        self.assertEqual(5, self.db.messages.count_documents({}))
        self.assertEqual("waiting", self.row(self.task)["status"])


class RetentionTests(WorkCase):
    async def put_retention(self, retention: int = DAY) -> None:
        self.patch(chores, "_STEP", 2)
        self.db.messages.delete_many({})
        inbox = await self.inbox()
        for n in range(5):
            await self.add(message(n))
        # As an old message, and as one with a date of its own.
        unset = {"retentionTime": 1, "retention": 1, "exp": 1}
        self.db.messages.update_one({"uid": {"$gt": 0}}, {"$unset": unset})
        last = self.db.messages.find_one(sort=[("uid", -1)])
        own = {"$set": {"exp": True, "rdate": 5.0}, "$unset": {"retention": 1}}
        self.db.messages.update_one({"_id": last["_id"]}, own)
        self.db.mailboxes.update_one(
            {"_id": inbox.id}, {"$set": {"retention": retention, "retentionCounter": 3}}
        )
        data = {"user": self.account.id, "mailbox": inbox.id, "retentionCounter": 3}
        self.put("mailbox-retention", data)

    def check_stamped(self) -> None:
        rows = list(self.db.messages.find())
        self.assertEqual(5, len(rows))
        for row in rows:
            # The id is made before the time is stamped, which can be in the next second.
            made = row["retentionTime"]
            self.assertIn(made - int(row["_id"].generation_time.timestamp() * 1000), (0, 1000))
            self.assertEqual(
                (row["exp"], row["retention"], row["retentionTime"], row["rdate"]),
                (True, DAY, made, made + DAY),
            )
            self.assertIsInstance(row["rdate"], float)

    async def test_every_kill_point(self) -> None:
        """Wherever it dies, another server brings it to its end, and the times are WildDuck's."""
        self.assertGreater(await self.die_everywhere(self.put_retention, self.check_stamped), 2)

    async def test_lost(self) -> None:
        """A lease that is lost on the way ends the work between two steps."""
        await self.put_retention()
        self.lose_at("update_many")
        await self.loop.run_due()
        self.assertEqual(2, self.db.messages.count_documents({"retention": DAY, "exp": True}))

    async def test_for_ever(self) -> None:
        """Without a retention nothing expires any more."""
        await self.put_retention(0)
        await self.run_all()
        for row in self.db.messages.find():
            self.assertEqual((row["exp"], row["retention"], "rdate" in row), (False, 0, False))
