"""Accounts deleted and restored, on real databases."""

from __future__ import annotations

import datetime
from typing import Any

from bson import ObjectId

from test.accounts.test_creation import ORIGIN
from test.accounts.test_updating import UpdatingCase
from wildduck import errors
from wildduck.accounts.deletion import Restored

LATER = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)


class DeletionCase(UpdatingCase):
    def tasks(self) -> list[dict[str, Any]]:
        return list(self.raw.tasks.find())

    def again(self) -> None:
        """One more task for the account, as WildDuck makes it for each call."""
        (task, *_) = self.tasks()
        self.raw.tasks.insert_one({**task, "_id": ObjectId()})

    def counts(self) -> tuple[int, int, int]:
        names = ("users", "deletedusers", "addresses")
        users, deleted, addresses = (self.raw[name].count_documents({}) for name in names)
        return users, deleted, addresses


class DeleteTests(DeletionCase):
    async def test_moved(self) -> None:
        """The document moves whole, with its addresses; these are free, sessions end, a task is queued."""
        await self.accounts.book.add(self.user, "*@example.com")
        document, rows = self.row(), list(self.raw.addresses.find())
        await self.redis.execute("SADD", "feature:indexing", str(self.user))
        self.raw.users.update_one({}, {"$set": {"featureFlags": {"indexing": True}}})
        document["featureFlags"] = {"indexing": True}
        deleted = await self.accounts.delete(self.user, None, ORIGIN)
        moved = self.raw.deletedusers.find_one()
        info = moved.pop("deleteInfo")
        self.assertEqual(moved, document)
        self.assertEqual((info["mainAddress"], info["addresses"]), ("a@example.com", rows))
        self.assertIsInstance(info["deletedAt"], datetime.datetime)
        self.assertEqual((self.counts(), deleted.addresses), ((0, 1, 0), 2))
        (task,) = self.tasks()
        self.assertEqual(
            (task["task"], task["data"], task["locked"], task["status"], task["_id"], task["lockedUntil"]),
            ("user-delete", {"user": self.user}, False, "waiting", deleted.task, task["created"]),
        )
        self.assertEqual(await self.heard(), [{"command": "LOGOUT", "reason": "The account was deleted"}])
        self.assertEqual(self.actions(), [("delete user", "success")])
        self.assertEqual(await self.redis.execute("SMEMBERS", "feature:indexing"), [])
        await self.refused(errors.AuthenticationFailed, "user", "secret")
        await self.accounts.create("u.ser", "secret", addresses=["a@example.com"])

    async def test_later(self) -> None:
        """A deletion for another time waits in WildDuck's way; asked for again it has the new time."""
        first = await self.accounts.delete(self.user, LATER, ORIGIN)
        (task,) = self.tasks()
        self.assertEqual((task["locked"], task["status"]), (True, "delayed"))
        self.assertEqual(task["lockedUntil"], LATER.replace(tzinfo=None))
        again = await self.accounts.delete(self.user, LATER.replace(year=2031), ORIGIN)
        self.assertEqual((again.task, again.addresses, again.delete_after.year), (first.task, 0, 2031))
        self.assertEqual([task["lockedUntil"].year for task in self.tasks()], [2031])

    async def test_several_tasks(self) -> None:
        """Where there are several, all of them have the new time; one that has begun is told of."""
        first = await self.accounts.delete(self.user, LATER, ORIGIN)
        self.again()
        await self.accounts.delete(self.user, LATER.replace(year=2031), ORIGIN)
        self.assertEqual([task["lockedUntil"].year for task in self.tasks()], [2031, 2031])
        self.raw.tasks.update_one({"_id": {"$ne": first.task}}, {"$set": {"status": "active"}})
        again = await self.accounts.delete(self.user, LATER.replace(year=2032), ORIGIN)
        self.assertNotEqual(again.task, first.task)
        self.assertEqual(again.delete_after.year, 2031)
        self.assertEqual([task["lockedUntil"].year for task in self.tasks()], [2032, 2031])

    async def test_begun(self) -> None:
        """A task that has begun is left alone, one of an older WildDuck is known."""
        for row in ({"data": {"user": self.user}}, {"user": self.user}):
            self.raw.tasks.delete_many({})
            until = datetime.datetime(2026, 1, 1)
            task = {
                "task": "user-delete",
                "status": "active",
                "locked": b"x" * 12,
                "lockedUntil": until,
                **row,
            }
            self.raw.tasks.insert_one(task)
            deleted = await self.accounts.delete(self.user, LATER, ORIGIN)
            self.assertEqual((deleted.task, self.tasks()), (task["_id"], [task]))

    async def test_after_a_crash(self) -> None:
        """Whatever a crash has left undone is done when the call is repeated."""
        await self.accounts.delete(self.user, None, ORIGIN)
        moved = self.raw.deletedusers.find_one()
        document = {key: value for key, value in moved.items() if key != "deleteInfo"}
        for users, deleted, tasks in ((True, True, False), (True, False, True), (False, True, False)):
            for name in ("users", "deletedusers", "tasks", "addresses"):
                self.raw[name].delete_many({})
            if users:
                self.raw.users.insert_one(document)
                self.raw.addresses.insert_many(moved["deleteInfo"]["addresses"])
            if deleted:
                self.raw.deletedusers.insert_one(moved)
            if tasks:
                self.raw.tasks.insert_one(
                    {"task": "user-delete", "data": {"user": self.user}, "status": "waiting"}
                )
            await self.accounts.delete(self.user, None, ORIGIN)
            self.assertEqual((self.counts(), len(self.tasks())), ((0, 1, 0), 1))
            info = self.raw.deletedusers.find_one()["deleteInfo"]
            self.assertEqual([row["address"] for row in info["addresses"]], ["a@example.com"])

    async def test_changes_meanwhile(self) -> None:
        """What changes between the copy and the removal is in the copy."""
        users = self.accounts._deletion._users
        update_one = users.update_one

        async def slow(collection: str, *args: Any, **more: Any) -> Any:
            done = await update_one(collection, *args, **more)
            if collection == "deletedusers" and not self.row()["storageUsed"]:
                self.raw.users.update_one({"_id": self.user}, {"$inc": {"storageUsed": 7}})
            return done

        self.patch(users, "update_one", slow)
        await self.accounts.delete(self.user, None, ORIGIN)
        self.assertEqual(self.raw.deletedusers.find_one()["storageUsed"], 7)

    async def test_nobody(self) -> None:
        with self.assertRaises(errors.UserNotFound):
            await self.accounts.delete(ObjectId(), None, ORIGIN)
        self.assertEqual(self.tasks(), [])

    async def test_purge(self) -> None:
        """What the task removes: all that is the account's, and nothing else."""
        names = ("asps", "mcptokens", "filters", "autoreplies", "addressregister", "threads", "webhooks")
        for name in names:
            self.raw[name].insert_many([{"user": self.user}, {"user": ObjectId()}])
        for user in (self.user, self.user, ObjectId()):
            file = self.raw["storage.files"].insert_one({"length": 1, "metadata": {"user": user}}).inserted_id
            self.raw["storage.chunks"].insert_one({"files_id": file, "n": 0, "data": b"x"})
        await self.accounts.purge(self.user)
        self.assertEqual((self.mail.deleted, self.raw.asps.count_documents({})), ([], 2))
        await self.accounts.delete(self.user, None, ORIGIN)
        for _ in range(2):
            await self.accounts.purge(self.user)
        self.assertEqual(self.mail.deleted, [self.user] * 2)
        self.assertEqual(self.counts(), (0, 0, 0))
        for name in (*names, "storage.files", "storage.chunks"):
            self.assertEqual(self.raw[name].count_documents({}), 1, name)


class RestoreTests(DeletionCase):
    async def test_whole(self) -> None:
        """A deletion that waits is called off, and everything is as it was."""
        await self.accounts.book.add(self.user, "b@example.com", main=True)
        document, rows = self.row(), list(self.raw.addresses.find().sort("_id"))
        deleted = await self.accounts.delete(self.user, LATER, ORIGIN)
        found = await self.accounts.recoverable(self.user)
        self.assertEqual(found.document["username"], "user")
        self.assertEqual(set(found.addresses), {"a@example.com", "b@example.com"})
        assert found.deleted
        restored = await self.accounts.restore(self.user, ORIGIN)
        self.assertEqual(restored, Restored(deleted.task, 2, "b@example.com"))
        self.assertEqual((self.row(), list(self.raw.addresses.find().sort("_id"))), (document, rows))
        self.assertEqual((self.counts(), self.tasks()), ((1, 0, 2), []))
        self.assertEqual(self.actions(), [("delete user", "success"), ("restore user", "success")])
        await self.sign_in("user", "secret")

    async def test_addresses_taken(self) -> None:
        """Addresses that others have meanwhile are theirs; the first that is left is the default one."""
        await self.accounts.book.add(self.user, "b@example.com")
        await self.accounts.delete(self.user, LATER, ORIGIN)
        await self.accounts.create("other", "secret", addresses=["a@example.com"])
        self.assertEqual((await self.accounts.recoverable(self.user)).addresses, ("b@example.com",))
        restored = await self.accounts.restore(self.user, ORIGIN)
        self.assertEqual((restored.addresses, restored.main), (1, "b@example.com"))
        self.assertEqual(self.row()["address"], "b@example.com")

    async def test_name_taken(self) -> None:
        """An account whose name is another's by now stays where it is."""
        await self.accounts.delete(self.user, LATER, ORIGIN)
        await self.accounts.create("user", "secret")
        with self.assertRaises(errors.AccountFound):
            await self.accounts.restore(self.user, ORIGIN)
        self.assertEqual(self.raw.deletedusers.count_documents({}), 1)
        self.assertEqual([task["lockedUntil"].year for task in self.tasks()], [2030])

    async def test_name_taken_meanwhile(self) -> None:
        """A name that is taken at the last moment leaves the deletion as it was, too."""
        await self.accounts.delete(self.user, LATER, ORIGIN)
        await self.accounts.create("user", "secret")
        tasks = self.tasks()

        async def not_yet(_document: Any) -> bool:
            return False

        self.patch(self.accounts._deletion, "_is_taken", not_yet)
        with self.assertRaises(errors.AccountFound):
            await self.accounts.restore(self.user, ORIGIN)
        self.assertEqual((self.tasks(), self.raw.deletedusers.count_documents({})), (tasks, 1))

    async def test_several_tasks(self) -> None:
        """All are called off: another would remove the mail of the account that is there again."""
        first = await self.accounts.delete(self.user, LATER, ORIGIN)
        self.again()
        self.assertEqual((await self.accounts.restore(self.user, ORIGIN)).task, first.task)
        self.assertEqual(self.tasks(), [])
        await self.accounts.delete(self.user, LATER, ORIGIN)
        self.again()
        self.raw.tasks.update_one({"_id": self.tasks()[1]["_id"]}, {"$set": {"status": "active"}})
        with self.assertRaises(errors.DeleteInProgress):
            await self.accounts.restore(self.user, ORIGIN)
        self.assertEqual(len(self.tasks()), 2)

    async def test_too_late(self) -> None:
        for status in ("waiting", "active", "processing"):
            await self.accounts.delete(self.user, LATER, ORIGIN)
            self.raw.tasks.update_one({}, {"$set": {"status": status}})
            with self.assertRaises(errors.DeleteInProgress):
                await self.accounts.restore(self.user, ORIGIN)

    async def test_by_name(self) -> None:
        """The last one that had a name is found first, whatever its dots."""
        users = []
        for _ in range(2):
            users.insert(0, (await self.accounts.create("o.ne", "secret")).id)
            await self.accounts.delete(users[0], LATER, ORIGIN)
        self.assertEqual(await self.accounts.deleted("One"), users)
        self.assertEqual(await self.accounts.deleted("two"), [])

    async def test_nobody(self) -> None:
        for ask in (self.accounts.recoverable(self.user), self.accounts.restore(self.user, ORIGIN)):
            with self.assertRaises(errors.AccountNotFound):
                await ask

    async def test_without_a_task(self) -> None:
        await self.accounts.delete(self.user, LATER, ORIGIN)
        self.raw.tasks.delete_many({})
        self.assertEqual(await self.accounts.restore(self.user, ORIGIN), Restored(None, 1, "a@example.com"))

    async def test_after_a_crash(self) -> None:
        """A restoration that was cut off is gone on with."""
        await self.accounts.delete(self.user, LATER, ORIGIN)
        moved = self.raw.deletedusers.find_one()
        self.raw.users.insert_one({k: v for k, v in {**moved, "address": ""}.items() if k != "deleteInfo"})
        self.raw.addresses.insert_many(moved["deleteInfo"]["addresses"])
        restored = await self.accounts.restore(self.user, ORIGIN)
        self.assertEqual((restored.addresses, self.row()["address"]), (1, "a@example.com"))
        self.assertEqual(self.counts(), (1, 0, 1))

    async def test_odd_document(self) -> None:
        """What an older WildDuck deleted may lack anything."""
        await self.accounts.delete(self.user, LATER, ORIGIN)
        for info in (None, {"addresses": [5, {"address": 7}], "mainAddress": 3, "deletedAt": "x"}):
            self.raw.deletedusers.update_one({}, {"$set": {"deleteInfo": info, "featureFlags": 5}})
            self.assertEqual((await self.accounts.recoverable(self.user)).addresses, ())
        self.assertEqual((await self.accounts.restore(self.user, ORIGIN)).addresses, 0)
