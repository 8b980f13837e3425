"""Messages get the retention that their mailbox has come to have."""

from __future__ import annotations

from typing import Any

from test.mailstore.support import StoreCase, message
from wildduck.mailstore import retention_task


class StampTests(StoreCase):
    own_clock = True

    async def _start(self) -> None:
        await super()._start()
        self.box = await self.store.mailboxes.create(self.account.id, "a")
        for n in range(5):
            await self.add(message(n), mailbox=self.box)

    async def change(self, retention: int) -> int:
        """@return: the counter of the change."""
        await self.store.mailboxes.change(self.account.id, self.box.id, retention=retention)
        row: Any = self.db.mailboxes.find_one({"_id": self.box.id})
        return int(row["retentionCounter"])

    def stamps(self) -> list[tuple[Any, ...]]:
        rows = self.db.messages.find({"mailbox": self.box.id}).sort("uid", 1)
        names = ("retention", "exp", "retentionTime", "rdate")
        return [tuple(row.get(name) for name in names) for row in rows]

    async def stamp(self, counter: int, **options: Any) -> int:
        return await self.store.stamp_retention(self.account.id, self.box.id, counter, **options)

    async def test_on_and_off(self) -> None:
        """As WildDuck's task: from the time of arrival, whatever single messages had."""
        came = self.stamps()[0][2]
        self.db.messages.update_one(
            {"uid": 2}, {"$unset": {"retention": 1}, "$set": {"exp": True, "rdate": 1.0}}
        )
        self.db.messages.update_one({"uid": 3}, {"$unset": {"retention": 1, "retentionTime": 1, "exp": 1}})
        made = self.db.messages.find_one({"uid": 3})["_id"].generation_time.timestamp() * 1000
        for retention in (10_000, 5_000_000_000, 0, 7):
            self.assertEqual(await self.stamp(await self.change(retention)), 5)
            expected = (retention, retention > 0, came, came + retention if retention else None)
            stamps = self.stamps()
            self.assertEqual(stamps[2], (*expected[:2], made, made + retention if retention else None))
            self.assertEqual([*stamps[:2], *stamps[3:]], [expected] * 4)
            self.assertEqual({type(s[2]) for s in stamps}, {float})
            # Done again it changes nothing.
            self.assertEqual(await self.stamp(await self.change(retention)), 0)
            self.assertEqual(self.stamps(), stamps)

    async def test_overtaken(self) -> None:
        """A task whose change is not the last one leaves the rest to the later one; others change nothing."""
        before = self.stamps()
        first = await self.change(10)
        second = await self.change(20)
        self.assertEqual(await self.stamp(first), 0)
        other = await self.new_account(name="other")
        self.assertEqual(await self.store.stamp_retention(other.id, self.box.id, second), 0)
        self.assertEqual(self.stamps(), before)
        self.patch(retention_task, "BATCH_ROWS", 2)
        kept: list[int] = []

        async def keep() -> None:
            kept.append(1)
            if len(kept) == 2:
                await self.change(30)

        self.assertEqual(await self.stamp(second, keep=keep), 2)
        self.assertEqual([stamp[0] for stamp in self.stamps()], [20, 20, 0, 0, 0])
        self.assertEqual(await self.stamp(second + 1), 5)
        self.assertEqual([stamp[0] for stamp in self.stamps()], [30] * 5)
