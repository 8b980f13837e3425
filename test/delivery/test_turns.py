"""Tests for L{wildduck.delivery.turns}."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from wildduck.delivery.turns import Turns
from wildduck.errors import Overloaded


class TurnsTests(SynchronousTestCase):
    """L{Turns}."""

    def setUp(self) -> None:
        self.turns = Turns(2, 3)
        self.started: list[str] = []
        self.ends: dict[str, Deferred[None]] = {}

    def work(self, name: str, key: str = "user") -> Deferred[None]:
        """Begin work that lasts until C{self.ends[name]} fires."""
        self.ends[name] = Deferred()

        async def run() -> None:
            async with self.turns.turn(key):
                self.started.append(name)
                await self.ends[name]

        return Deferred.fromCoroutine(run())

    def test_at_once(self) -> None:
        """As many as allowed run at a time, the others follow in order."""
        for name in "abcd":
            self.work(name)
        self.assertEqual(self.started, ["a", "b"])
        self.ends["b"].callback(None)
        self.assertEqual(self.started, ["a", "b", "c"])
        self.ends["a"].callback(None)
        self.assertEqual(self.started, ["a", "b", "c", "d"])

    def test_keys_are_apart(self) -> None:
        """One busy account does not hold up another."""
        for name in "abc":
            self.work(name)
        self.work("other", "other user")
        self.assertEqual(self.started, ["a", "b", "other"])

    def test_refused(self) -> None:
        """Full means refused, not waiting; room comes back."""
        for name in "abcde":
            self.work(name)
        self.failureResultOf(self.work("f"), Overloaded)
        self.ends["a"].callback(None)
        self.assertNoResult(self.work("g"))

    def test_failure_gives_the_turn_back(self) -> None:
        """Work that fails lets the next one run, and nothing stays behind for an idle key."""
        first = self.work("a")
        for name in "bc":
            self.work(name)
        self.ends["a"].errback(ValueError())
        self.failureResultOf(first, ValueError)
        self.assertEqual(self.started, ["a", "b", "c"])
        self.ends["b"].callback(None)
        self.ends["c"].callback(None)
        self.assertEqual((self.turns._held, self.turns._queues), ({}, {}))
