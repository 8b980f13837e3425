"""Tests of L{wildduck.imap.commands.search_results}."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given, strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from test.support.chance import by_chance
from wildduck.imap.commands import search_results
from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.sequence import sequence_set


async def nothing() -> None:
    """Nobody waits for a turn."""


many = st.lists(st.integers(1, 40), unique=True, max_size=40)


class SetTests(SynchronousTestCase):
    @by_chance(50)
    @given(
        st.lists(st.integers(1, 40), unique=True, max_size=40), st.sampled_from([1, 3, 10_000]), st.booleans()
    )
    def test_set(self, numbers: list[int], at_once: int, is_sorted: bool) -> None:
        """A set has the numbers in their order, and no two neighbours that could be one range."""
        if is_sorted:
            numbers.sort()
        with patch.object(search_results, "_AT_ONCE", at_once):
            composed: bytes = self.successResultOf(
                Deferred.fromCoroutine(search_results.compose_set(numbers, nothing))
            )
        if not numbers:
            self.assertEqual(composed, b"")
            return
        ranges = sequence_set(Cursor(composed)).ranges
        self.assertEqual([number for first, last in ranges for number in range(first, last + 1)], numbers)
        for (_, before), (after, _) in zip(ranges, ranges[1:], strict=False):
            self.assertNotEqual(before + 1, after)
