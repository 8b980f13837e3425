"""The API's moves with changes, its deletions and its tasks, dying between any two of their writes."""

from __future__ import annotations

from typing import Any

from test.mailstore.test_kill_points import LEFT_BY_EXPUNGE
from test.mailstore.test_transfer_kill_points import TransferKillCase
from wildduck.mailstore.documents import mirrors
from wildduck.mailstore.selection import Selection
from wildduck.mailstore.updates import Change
from wildduck.mailstore.values import Mailbox

_ALL = Selection()


class UpdateKillCase(TransferKillCase):
    def rows(self, mailbox: Mailbox) -> list[dict[str, Any]]:
        return list(self.db.messages.find({"mailbox": mailbox.id}).sort("uid"))

    async def again(self, mailbox: Mailbox) -> Mailbox:
        """With the counters that it has now."""
        return await self.store.mailboxes.get_by_id(self.account.id, mailbox.id)


class MoveAndUpdateTests(UpdateKillCase):
    """A move comes first, then what it can't bring along."""

    change = Change(seen=True, flagged=False, expires=False, metadata={"a": 1})

    async def transfer(self, at: int, source: Mailbox, target: Mailbox) -> None:
        await self.mortal.move_and_update(await self.again(source), _ALL, target, self.change)

    async def test_every_kill_point(self) -> None:
        """Each message is in one place, has all of what a move brings, and the rest can be done again."""
        inbox = await self.inbox()
        await self.attempt(0, inbox, self.target)
        writes = self.killer.writes
        self.assertGreater(len(writes), 6)
        await self.reset(inbox)
        for at in range(1, len(writes) + 1):
            there = await self.witness.open_mailbox(inbox)
            here = await self.witness.open_mailbox(self.target)
            await self.attempt(at, inbox, self.target)
            where = f"before write {at}: {' '.join(writes[at - 1])}"
            self.assertEqual({1}, set(self.places().values()), where)
            self.assertEqual(2, len(self.places()), where)
            for row in [*self.rows(inbox), *self.rows(self.target)]:
                self.assertEqual(mirrors(tuple(row["flags"])), {k: row[k] for k in mirrors(())}, where)
                self.assertEqual(row["mailbox"] == self.target.id, "\\Seen" in row["flags"], where)
            self.assertEqual([], await self.store.verifier.verify(min_age=0), where)
            await self.caught_up(there, inbox, where)
            await self.caught_up(here, self.target, where)
            there.close()
            here.close()
            await self.store.move_and_update(await self.again(inbox), _ALL, self.target, self.change)
            await self.store.update(await self.again(self.target), _ALL, self.change)
            for row in self.rows(self.target):
                self.assertEqual((["\\Seen"], '{"a":1}'), (row["flags"], row["meta"]["custom"]), where)
            await self.reset(inbox)

    async def reset(self, inbox: Mailbox) -> None:
        """All back, as they came."""
        await self.store.move(self.target, self.uids(self.target), inbox)
        await self.store.store_flags(inbox, self.uids(inbox), "=", ["\\Flagged"])
        await self.store.settle()


class ClearTests(UpdateKillCase):
    """A deletion leaves what EXPUNGE leaves."""

    async def transfer(self, at: int, source: Mailbox, target: Mailbox) -> None:
        await self.mortal.clear(await self.again(source))

    async def test_every_kill_point(self) -> None:
        """Each message is in the mailbox or in the archive, and the next one completes it."""
        inbox = await self.inbox()
        await self.attempt(0, inbox, self.target)
        writes = self.killer.writes
        for at in range(1, len(writes) + 1):
            self.killer.arm(0)
            for n in range(2):
                await self.accept(100 * at + n)
            self.accepted.clear()
            names = {row["msgid"] for row in self.rows(inbox)}
            there = await self.witness.open_mailbox(inbox)
            await self.attempt(at, inbox, self.target)
            where = f"before write {at}: {' '.join(writes[at - 1])}"
            kept = {row["msgid"] for row in [*self.rows(inbox), *self.db.archived.find()]}
            self.assertLessEqual(names, kept, where)
            await self.check(LEFT_BY_EXPUNGE, where)
            await self.caught_up(there, inbox, where)
            there.close()
            await self.store.clear(await self.again(inbox))
            await self.store.settle()
            self.assertEqual([], self.uids(inbox), where)
            self.assertEqual([], await self.store.verifier.verify(min_age=0), where)


class TaskTests(UpdateKillCase):
    async def transfer(self, at: int, source: Mailbox, target: Mailbox) -> None:
        await self.mortal.schedule_clear(source)

    async def test_every_kill_point(self) -> None:
        """There is a whole row or none."""
        for at in (1, 0):
            await self.attempt(at, await self.inbox(), self.target)
            self.assertEqual(0 if at else 1, self.db.tasks.count_documents({"data.skipArchive": False}))
