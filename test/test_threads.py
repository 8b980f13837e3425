"""Bounded threads."""

from __future__ import annotations

import threading
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial import unittest

from wildduck.errors import Overloaded
from wildduck.threads import BoundedPool


class BoundedPoolTests(unittest.TestCase):
    """L{BoundedPool}."""

    timeout = 30

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.pool = BoundedPool(reactor, "test", 1, 2)
        self.pool.start()
        self.addCleanup(self.pool.stop)
        self.gate = threading.Event()
        self.addCleanup(self.gate.set)

    def _call(self, function: Any, *arguments: Any) -> Deferred[Any]:
        return Deferred.fromCoroutine(self.pool.run(function, *arguments))

    async def test_result(self) -> None:
        """A function's value comes back, from another thread."""
        self.assertEqual(await self.pool.run(divmod, 7, 2), (3, 1))
        self.assertNotEqual(await self.pool.run(threading.get_ident), threading.get_ident())

    async def test_failure(self) -> None:
        """A function's exception comes back, and its place is free again."""
        for _ in range(5):
            await self.assertFailure(self._call(int, "x"), ValueError)

    async def test_full(self) -> None:
        """What exceeds threads and queue is refused at once; later there is room again."""
        waiting = [self._call(self.gate.wait) for _ in range(3)]
        self.failureResultOf(self._call(self.gate.wait), Overloaded)
        self.gate.set()
        for deferred in waiting:
            await deferred
        await self.pool.run(int)

    async def test_cancelled(self) -> None:
        """A cancelled call keeps its place until its thread is done with it."""
        waiting = [self._call(self.gate.wait) for _ in range(3)]
        waiting[0].cancel()
        self.failureResultOf(waiting[0])
        self.failureResultOf(self._call(self.gate.wait), Overloaded)
        self.gate.set()
        await waiting[1]
        await waiting[2]
        self.assertEqual(await self.pool.run(int), 0)

    async def test_stop(self) -> None:
        """Stopping refuses what comes, and waits for what runs and what waits."""
        waiting = [self._call(self.gate.wait) for _ in range(2)]
        stopped = self.pool.stop()
        self.failureResultOf(self._call(int), Overloaded)
        self.assertNoResult(stopped)
        self.gate.set()
        await stopped
        for deferred in waiting:
            self.assertTrue(self.successResultOf(deferred))
        await self.pool.stop()

    async def test_not_started(self) -> None:
        """Before start and after stop calls are refused."""
        from twisted.internet import reactor

        pool = BoundedPool(reactor, "test", 1, 2)
        self.failureResultOf(Deferred.fromCoroutine(pool.run(int)), Overloaded)
        await pool.stop()
