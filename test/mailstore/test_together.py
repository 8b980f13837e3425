"""Work done once for all who ask at the same time."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial import unittest

from wildduck.mailstore.together import Together


class TogetherTests(unittest.SynchronousTestCase):
    """Each run is ended by the test."""

    def setUp(self) -> None:
        self.runs: list[Deferred[None]] = []
        self.together = Together(self._work)

    async def _work(self) -> None:
        run: Deferred[None] = Deferred()
        self.runs.append(run)
        await run

    def test_those_who_ask_meanwhile_share_the_next_run(self) -> None:
        """A run that had begun before is not theirs; and there is one for all of them."""
        first = self.together.ask()
        second, third = self.together.ask(), self.together.ask()
        self.assertEqual(1, len(self.runs))
        self.runs[0].callback(None)
        self.successResultOf(first)
        self.assertEqual(2, len(self.runs))
        self.assertNoResult(second)
        self.runs[1].callback(None)
        self.successResultOf(second)
        self.successResultOf(third)
        self.assertEqual(2, len(self.runs))

    def test_failure(self) -> None:
        """All who wait for a run get its failure; the next one is another."""
        first = self.together.ask()
        second = self.together.ask()
        self.runs[0].errback(ValueError())
        self.failureResultOf(first, ValueError)
        self.runs[1].callback(None)
        self.successResultOf(second)

    def test_cancelled(self) -> None:
        """Who waits no more takes nothing from the others."""
        first, second = self.together.ask(), self.together.ask()
        second.cancel()
        self.runs[0].callback(None)
        self.successResultOf(first)
        self.runs[1].callback(None)
        self.failureResultOf(second)
