"""COPY and MOVE that die between any two of their writes (store.md §1, §8)."""

from __future__ import annotations

from collections import Counter
from typing import Any

from test.mailstore.faults import Killed
from test.mailstore.test_kill_points import KillCase
from wildduck.limits import MODSEQ_HOLE_SECONDS
from wildduck.mailstore.values import Mailbox
from wildduck.mailstore.view import View

LEFT_BY_COPY = {"quota", "reference-count"}
#: Of a MOVE in place nothing is ever left.
LEFT_BY_MOVE: set[str] = set()
LEFT_BY_SHARDED_MOVE = {"quota", "reference-count"}


class TransferKillCase(KillCase):
    """Two messages in INBOX, a mailbox for them, and somebody who has both open."""

    async def _start(self) -> None:
        await super()._start()
        self.target = await self.store.mailboxes.create(self.account.id, "Target")
        self.killer.arm(0)
        self.witness = self.node.new_store(self.clock)
        self.addCleanup(self.witness.settle)
        for n in range(2):
            await self.accept(n)
        # They move about; that each is there once is checked below.
        self.accepted.clear()

    async def transfer(self, at: int, source: Mailbox, target: Mailbox) -> None:
        """Die before write number C{at}, 0 for never."""
        raise NotImplementedError

    async def attempt(self, at: int, source: Mailbox, target: Mailbox) -> None:
        self.killer.arm(at)
        try:
            await self.transfer(at, source, target)
        except Killed:
            pass
        finally:
            try:
                await self.mortal.settle()
            except Killed:
                pass
            self.time_goes_by()

    def uids(self, mailbox: Mailbox) -> list[int]:
        return sorted(row["uid"] for row in self.db.messages.find({"mailbox": mailbox.id}))

    def places(self) -> Counter[str]:
        """How often each message is there."""
        return Counter(row["msgid"] for row in self.db.messages.find())

    async def caught_up(self, view: View, mailbox: Mailbox, where: str) -> None:
        """Who had the mailbox open sees what is there when the dead are passed, and so does who opens it."""
        for _ in range(3):
            self.clock.advance(MODSEQ_HOLE_SECONDS + 1)
            await view.refresh(may_expunge=True)
        self.assertEqual(self.uids(mailbox), list(view.uids), where)
        again = await self.witness.open_mailbox(mailbox)
        self.assertEqual(self.uids(mailbox), list(again.uids), where)
        again.close()


class CopyTests(TransferKillCase):
    """Every write of a COPY is a place to die."""

    async def transfer(self, at: int, source: Mailbox, target: Mailbox) -> None:
        await self.mortal.copy(source, [1, 2], target)

    async def test_every_kill_point(self) -> None:
        """The messages stay, no copy is there twice, and the verifier mends what is left."""
        inbox = await self.inbox()
        await self.attempt(0, inbox, self.target)
        writes = self.killer.writes
        kinds: set[str] = set()
        for at in range(1, len(writes) + 1):
            target = await self.store.mailboxes.create(self.account.id, f"Target {at}")
            view = await self.witness.open_mailbox(target)
            await self.attempt(at, inbox, target)
            where = f"before write {at}: {' '.join(writes[at - 1])}"
            kinds.update(await self.check(LEFT_BY_COPY, where))
            self.assertEqual([1, 2], self.uids(inbox))
            self.assertIn(len(self.uids(target)), (0, 2), where)
            copies = Counter(row["msgid"] for row in self.db.messages.find({"mailbox": target.id}))
            self.assertLessEqual(set(copies.values()), {1}, where)
            await self.caught_up(view, target, where)
            view.close()
        self.assertEqual(LEFT_BY_COPY, kinds)

    async def test_order_of_writes(self) -> None:
        """Quota, attachments, UIDs and MODSEQs, copies, journal entries (store.md §1)."""
        await self.attempt(0, await self.inbox(), self.target)
        self.assertEqual(
            [
                ("update_one", "users"),
                ("update_bulk", "attachments.files"),
                ("find_one_and_update", "mailboxes"),
                ("merge", "messages"),
            ],
            self.killer.writes[:4],
        )
        self.assertEqual(
            {("insert_many", "journal"), ("update_many", "messages")}, set(self.killer.writes[4:])
        )


class MoveTests(TransferKillCase):
    """Every write of a MOVE is a place to die."""

    left = LEFT_BY_MOVE
    #: How often a message may be there.
    times = frozenset({1})
    sharded = False

    async def _start(self) -> None:
        await super()._start()
        if self.sharded:
            for store in (self.mortal, self.witness, self.store):
                store._backend.databases.sharded.add("messages")

    async def transfer(self, at: int, source: Mailbox, target: Mailbox) -> None:
        await self.mortal.move(source, self.uids(source), target)

    async def writes_of_move(self) -> list[tuple[str, str]]:
        inbox = await self.inbox()
        await self.attempt(0, inbox, self.target)
        writes = self.killer.writes
        await self.attempt(0, self.target, inbox)
        return writes

    async def test_every_kill_point(self) -> None:
        """Wherever a MOVE dies, each message is in one place, and the sessions of both see it."""
        inbox = await self.inbox()
        writes = await self.writes_of_move()
        kinds: set[str] = set()
        for at in range(1, len(writes) + 1):
            there = await self.witness.open_mailbox(inbox)
            here = await self.witness.open_mailbox(self.target)
            await self.attempt(at, inbox, self.target)
            where = f"before write {at}: {' '.join(writes[at - 1])}"
            self.assertEqual(2, len(self.places()), where)
            self.assertLessEqual(set(self.places().values()), self.times, where)
            kinds.update(await self.check(self.left, where))
            await self.caught_up(there, inbox, where)
            await self.caught_up(here, self.target, where)
            there.close()
            here.close()
            await self.restore(inbox)
        self.assertEqual(self.left, kinds)

    async def restore(self, inbox: Mailbox) -> None:
        """All back, each once."""
        await self.store.move(self.target, self.uids(self.target), inbox)
        twice = [name for name, count in self.places().items() if count > 1]
        for name in twice:
            row = self.db.messages.find_one({"msgid": name})
            await self.store.store_flags(inbox, [row["uid"]], "+", ["\\Deleted", "\\Draft"])
        await self.store.expunge(inbox)
        await self.store.settle()
        self.assertEqual([], await self.store.verifier.verify(min_age=0))

    def expected(self) -> list[tuple[str, str]]:
        return [
            ("find_one_and_update", "mailboxes"),
            ("find_one_and_update", "mailboxes"),
            ("update_many", "messages"),
            ("insert_many", "journal"),
        ]

    async def test_order_of_writes(self) -> None:
        """Numbers of both mailboxes, the messages, the journal entries of both in one."""
        self.assertEqual(self.expected(), await self.writes_of_move())


class ShardedMoveTests(MoveTests):
    """Where it is copied and removed a crash can leave a message in both places, never in none."""

    left = LEFT_BY_SHARDED_MOVE
    times = frozenset({1, 2})
    sharded = True

    def expected(self) -> list[tuple[str, str]]:
        move: Any = super().expected()
        return [*move[:2], ("merge", "messages"), ("delete_many", "messages"), move[3]]
