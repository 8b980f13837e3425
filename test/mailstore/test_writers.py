"""Many writers at once, each slow in its own way: what sessions of two workers are told."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from typing import Any

from test.mailstore.support import Node
from test.mailstore.test_view import ViewCase
from wildduck.limits import MODSEQ_HOLE_SECONDS
from wildduck.mailstore.allocation import Allocation
from wildduck.mailstore.journal import exists_entry
from wildduck.mailstore.values import Change, Exists
from wildduck.mailstore.view import View

_WRITERS = 8
_MESSAGES = 5
#: Longest time between taking a number and the message: less than H / 2.
_SLOWEST = 4.0
_STEP = 0.5

_Step = Callable[[], Coroutine[Any, Any, None]]


class _Watcher:
    """A session: whatever it is told must fit to what it was told before."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.uids = list(view.uids)

    async def look(self) -> None:
        self._check(await self._view.refresh(may_expunge=True))

    def _check(self, changes: list[Change]) -> None:
        now = list(self._view.uids)
        assert now[: len(self.uids)] == self.uids, "what was told has other numbers"
        assert now == sorted(set(now)), "not ascending"
        counts = [change.count for change in changes if isinstance(change, Exists)]
        assert counts == ([len(now)] if len(now) > len(self.uids) else []), changes
        self.uids = now


class WritersTests(ViewCase):
    """Numbers are taken in one order, messages come in another, journal entries in a third (store.md §2)."""

    async def take(self, uids: int = 1) -> Allocation:
        allocation = await super().take(uids)
        # The database's clock stands still, compared with the test's.
        self.db.mailboxes.update_one(
            {"_id": self.mailbox.id}, {"$set": {"native.time": self.store._backend.now()}}
        )
        return allocation

    async def test_eight_writers(self) -> None:
        """No session misses a UID or is told one below another."""
        other = await self.new_node()
        for seed in range(3):
            self.rng = random.Random(seed)
            self.due: list[tuple[float, int, _Step]] = []
            self.written: list[int] = [row["uid"] for row in self.db.messages.find()]
            for _ in range(_WRITERS):
                self._later(0, self._writer(_MESSAGES))
            await self._play(
                [_Watcher(await self._view(node)) for node in (self.node, other, self.node, other)]
            )

    async def _view(self, node: Node) -> View:
        return await node.store.open(self.account.id, "INBOX")

    def _later(self, most: float, step: _Step) -> None:
        """A writer goes on after a random time."""
        when = self.clock.seconds() + self.rng.uniform(0, most)
        self.due.append((when, len(self.due), step))

    def _writer(self, messages: int) -> _Step:
        """Takes numbers, waits, inserts, waits, writes the journal, and so on."""

        async def begin() -> None:
            allocation = await self.take()
            self._later(_SLOWEST, insert(allocation))

        def insert(allocation: Allocation) -> _Step:
            async def step() -> None:
                row = self.put(allocation, journal=False)
                self.written.append(allocation.uid)
                self._later(_STEP, journal(row))

            return step

        def journal(row: dict[str, Any]) -> _Step:
            async def step() -> None:
                self.db.journal.insert_one(exists_entry(row, None, self.store._backend.now()))
                if messages > 1:
                    self._later(1, self._writer(messages - 1))

            return step

        return begin

    async def _play(self, watchers: list[_Watcher]) -> None:
        while self.due:
            now = self.clock.seconds()
            ready = sorted((step for step in self.due if step[0] <= now), key=lambda step: step[:2])
            self.due = [step for step in self.due if step[0] > now]
            for _, _, step in ready:
                await step()
                if self.rng.random() < 0.2:
                    await self.rng.choice(watchers).look()
            for watcher in watchers[: self.rng.randint(0, len(watchers))]:
                await watcher.look()
            self.clock.advance(_STEP)
        self.clock.advance(MODSEQ_HOLE_SECONDS)
        for watcher in watchers:
            await watcher.look()
            self.assertEqual(sorted(self.written), watcher.uids)
