"""The account's storage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bson import ObjectId

from test.mailstore.support import StoreCase
from wildduck.errors import OverQuota, UserNotFound
from wildduck.limits import MIB
from wildduck.mailstore import quota
from wildduck.mailstore.concurrently import gather


class QuotaTests(StoreCase):
    """store.md §1: quota first, one conditional increment."""

    sets = ("storage.default_quota=2 MiB",)

    def reserve(self, user: ObjectId, size: int) -> Any:
        return self.store.quota.reserve(user, size)

    async def test_exactly_full(self) -> None:
        """The last byte can be used, one more can not."""
        account = await self.new_account(quota=1000)
        await self.reserve(account.id, 1000)
        await self.fails(OverQuota, self.reserve(account.id, 1))
        self.assertEqual(1000, self.storage_used(account))

    async def test_default_quota(self) -> None:
        """An account without a quota of its own has the default one."""
        account = await self.new_account(quota=0)
        await self.reserve(account.id, 2 * MIB)
        await self.fails(OverQuota, self.reserve(account.id, 1))

    async def test_shared_quota(self) -> None:
        """What WildDuck's API has set for all servers counts before this server's file."""
        account = await self.new_account(quota=0)
        self.db.settings.insert_one({"key": "const:max:storage", "value": "1000", "enumerable": True})
        await self.node.databases.shared_settings.read()
        await self.reserve(account.id, 1000)
        await self.fails(OverQuota, self.reserve(account.id, 1))

    async def test_quota_that_changed_meanwhile(self) -> None:
        """What counts is the account as it is stored, not as it was when it was read."""
        account = await self.new_account(quota=10)
        self.db.users.update_one({"_id": account.id}, {"$set": {"quota": 100}})
        await self.reserve(account.id, 100)

    async def test_unknown_account(self) -> None:
        """Who is not there has no storage."""
        await self.fails(UserNotFound, self.reserve(ObjectId(), 1))

    async def test_race_at_the_brim(self) -> None:
        """Of a hundred writers at once as many get through as fit, and the sum is exact."""
        account = await self.new_account(quota=1049)

        async def one() -> bool:
            try:
                await self.store.quota.reserve(account.id, 100)
            except OverQuota:
                return False
            return True

        outcome = await gather(*(one() for _ in range(100)))
        self.assertEqual((10, 1000), (sum(outcome), self.storage_used(account)))

    async def test_release_never_goes_below_zero(self) -> None:
        """Giving back more than there is leaves nothing, not less."""
        account = await self.new_account()
        await self.reserve(account.id, 10)
        await self.store.quota.release(account.id, 25)
        self.assertEqual(0, self.storage_used(account))

    async def test_negative_or_missing_number_is_zero(self) -> None:
        """What WildDuck let drift below zero does not give extra room."""
        account = await self.new_account(quota=100)
        self.db.users.update_one({"_id": account.id}, {"$set": {"storageUsed": -50}})
        await self.fails(OverQuota, self.reserve(account.id, 101))
        await self.reserve(account.id, 100)
        self.assertEqual(100, self.storage_used(account))

    async def test_beyond_32_bits(self) -> None:
        """Storage counts beyond four gigabytes, in WildDuck's doubles too."""
        account = await self.new_account(quota=2**40)
        self.db.users.update_one({"_id": account.id}, {"$set": {"storageUsed": float(2**35)}})
        await self.reserve(account.id, 2**31)
        self.assertEqual(2**35 + 2**31, self.storage_used(account))


class RecountTests(StoreCase):
    """Counting anew sets the sum of the messages, whatever else is under way."""

    async def _start(self) -> None:
        await super()._start()
        self.patch(quota, "RECOUNT_SECONDS", 0.0)
        self.insert(5)
        self.insert(7)

    def insert(self, size: int) -> None:
        """A message, without its reservation."""
        uid = self.db.messages.count_documents({}) + 1
        self.db.messages.insert_one({"user": self.account.id, "mailbox": 1, "uid": uid, "size": size})

    def move(self, size: int) -> None:
        self.users.update_one({"_id": self.account.id}, {"$inc": {"storageUsed": size}})

    def before_looks(self, *work: Callable[[], None]) -> None:
        """Do these just before the messages are counted for the first, second... time."""
        stored = self.store.quota.stored
        left = iter(work)

        async def counted(user: ObjectId) -> int:
            next(left, lambda: None)()
            return await stored(user)

        self.patch(self.store.quota, "stored", counted)

    async def recount(self) -> tuple[int, int]:
        return await self.store.quota.recount(self.account.id)

    async def test_drifted(self) -> None:
        """Too many or too few."""
        for drift in (1000, -8, 0):
            self.users.update_one({"_id": self.account.id}, {"$set": {"storageUsed": 12 + drift}})
            self.assertEqual((12 + drift, 12), await self.recount())
            self.assertEqual(12, self.storage_used())

    async def test_reservation_under_way(self) -> None:
        """A reservation whose message comes a little later is no drift, what was there besides is."""
        self.move(1000 + 12 + 20)
        self.before_looks(lambda: None, lambda: None, lambda: self.insert(20))
        self.assertEqual((1032, 32), await self.recount())

    async def test_message_arrives_meanwhile(self) -> None:
        """Reserved after the number was read and there when messages are counted."""
        self.move(1000 + 12)

        def arrives() -> None:
            self.move(20)
            self.insert(20)

        self.before_looks(arrives)
        self.assertEqual(32, (await self.recount())[1])

    async def test_message_goes_meanwhile(self) -> None:
        """Gone when messages are counted, its bytes not yet given back."""
        self.move(1000 + 12)
        gone = lambda: self.db.messages.delete_one({"size": 5})  # noqa: E731
        self.before_looks(lambda: None, gone, lambda: self.move(-5))
        self.assertEqual(7, (await self.recount())[1])

    async def test_unknown_account(self) -> None:
        """Who is not there has no storage."""
        await self.fails(UserNotFound, self.store.quota.recount(ObjectId()))

    async def test_at_the_same_time(self) -> None:
        """Recounts that run side by side move the number once."""
        for drift in (20, -5):
            self.users.update_one({"_id": self.account.id}, {"$set": {"storageUsed": 12 + drift}})
            results = await gather(*(self.recount() for _ in range(4)))
            self.assertEqual(12, self.storage_used())
            self.assertEqual([12] * 4, [after for _, after in results])
            self.assertNotIn("recount", self.users.find_one({"_id": self.account.id}).get("native", {}))
