"""How much is done for one account at a time, so that one busy account does not hold up all others."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from twisted.internet.defer import Deferred

from wildduck.errors import Overloaded


class Turns:
    """
    For each key a few holders, and a bounded queue of those who wait, first come first served.

    Memory is held for keys in use only.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        """
        @param at_once: holders of one key.
        @param waiting: who may wait for one key; one more is refused.
        """
        self._at_once = at_once
        self._most_waiting = waiting
        self._held: dict[Hashable, int] = {}
        self._queues: dict[Hashable, deque[Deferred[None]]] = {}

    @asynccontextmanager
    async def turn(self, key: Hashable) -> AsyncIterator[None]:
        """
        Hold the key for the time of the block.

        @raise Overloaded: too many wait already.
        """
        await self._take(key)
        try:
            yield
        finally:
            self._give(key)

    async def _take(self, key: Hashable) -> None:
        held = self._held.get(key, 0)
        if held < self._at_once:
            self._held[key] = held + 1
            return
        queue = self._queues.setdefault(key, deque())
        if len(queue) >= self._most_waiting:
            raise Overloaded("Too many deliveries to this account, please try again")
        mine: Deferred[None] = Deferred()
        queue.append(mine)
        await mine

    def _give(self, key: Hashable) -> None:
        queue = self._queues.get(key)
        if queue:
            following = queue.popleft()
            if not queue:
                del self._queues[key]
            following.callback(None)  # who gave holds no more, who follows does
            return
        self._held[key] -= 1
        if not self._held[key]:
            del self._held[key]
