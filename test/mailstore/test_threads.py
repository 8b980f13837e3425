"""Conversations."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from test.mailstore.support import StoreCase
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.threads import THREAD_IDS, find_thread


class ThreadTests(StoreCase):
    """spec/schema.md §4."""

    def find(self, ids: list[str], subject: str, user: ObjectId | None = None) -> Any:
        return find_thread(self.store._backend, user or self.account.id, ids, subject)

    async def test_reply_joins(self) -> None:
        """A message that shares a hash and the subject joins the thread and adds its hashes."""
        first = await self.find(["a"], "Hello")
        self.assertEqual(first, await self.find(["b", "a"], "Hello"))
        self.assertEqual(first, await self.find(["c", "b"], "Hello"))
        row = self.db.threads.find_one()
        self.assertEqual(["a", "b", "c"], sorted(row["ids"]))
        self.assertEqual(("Hello", self.account.id), (row["subject"], row["user"]))

    async def test_begun(self) -> None:
        """A message that refers to none begins a thread, which its copy and its answers join."""
        first = await self.find(["a"], "Hello")
        self.assertEqual(first, await self.find(["a"], "Hello"))
        row = self.db.threads.find_one()
        updated = row.pop("updated")
        self.assertEqual(
            {"_id": first, "ids": ["a"], "subject": "Hello", "user": self.account.id},
            row,
        )
        again = await self.find(["a"], "Hello")
        self.assertEqual(first, again)
        self.assertEqual(["a"], self.db.threads.find_one()["ids"])
        self.assertGreaterEqual(self.db.threads.find_one()["updated"], updated)
        self.assertEqual(1, self.db.threads.count_documents({}))

    async def test_at_the_same_time(self) -> None:
        """A message that is delivered several times at once, by several servers, begins one thread."""
        backends = [self.store._backend, *[(await self.new_node()).store._backend for _ in range(2)]]
        for n in range(30):
            for ids in ([f"a{n}"], [f"b{n}", f"c{n}"]):
                found = await gather(
                    *(find_thread(backend, self.account.id, ids, "Hello") for backend in backends * 3)
                )
                self.assertEqual(1, len(set(found)), ids)
        self.assertEqual(60, self.db.threads.count_documents({}))

    async def test_id_is_in_use(self) -> None:
        """Where the row of this id has other hashes by now a message begins a thread all the same."""
        for ids in (["a"], ["b", "c"]):
            first = await self.find(ids, "Hello")
            self.db.threads.update_one({"_id": first}, {"$set": {"ids": ["others"]}})
            second = await self.find(ids, "Hello")
            self.assertNotEqual(first, second)
            self.assertEqual(second, await self.find(ids, "Hello"))

    async def test_other_subject_or_account(self) -> None:
        """Neither another subject nor another account joins."""
        first = await self.find(["a"], "Hello")
        self.assertNotEqual(first, await self.find(["a"], "Bye"))
        self.assertNotEqual(first, await self.find(["a"], "Hello", ObjectId()))

    async def test_subject_is_never_an_expression(self) -> None:
        """A subject that begins with a dollar sign is text (spec/differences.md C3)."""
        first = await self.find(["$x", "$$NOW"], "$user")
        self.assertEqual("$user", self.db.threads.find_one()["subject"])
        self.assertEqual(first, await self.find(["$x"], "$user"))
        self.assertEqual({"$x", "$$NOW"}, set(self.db.threads.find_one()["ids"]))

    async def test_without_ids(self) -> None:
        """A message that names no other has a thread of its own, without a row."""
        self.assertNotEqual(await self.find([], ""), await self.find([], ""))
        self.assertEqual(0, self.db.threads.count_documents({}))

    async def test_bounded(self) -> None:
        """A conversation without end keeps the newest hashes."""
        await self.find(["x"] + [f"i{n}" for n in range(THREAD_IDS)], "Hello")
        await self.find(["x2", "i5"], "Hello")
        ids = self.db.threads.find_one()["ids"]
        self.assertEqual(THREAD_IDS, len(ids))
        self.assertEqual("x2", ids[-1])
