"""Tests of L{wildduck.mailstore.search.masks}."""

from __future__ import annotations

from array import array

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.support.chance import by_chance
from wildduck.mailstore.search import masks

uids = st.sets(st.integers(1, 2**32 - 1) | st.integers(1, 60), max_size=40).map(sorted)


class MaskTests(SynchronousTestCase):
    @by_chance(50)
    @given(st.lists(st.booleans(), max_size=200))
    def test_there_and_back(self, truths: list[bool]) -> None:
        """Of truth values to a set, and what is picked by it."""
        mask = masks.of_truths(bytes(truths))
        self.assertEqual(mask, sum(1 << place for place, truth in enumerate(truths) if truth))
        picked = list(masks.pick(mask, range(len(truths)), len(truths)))
        self.assertEqual(picked, [place for place, truth in enumerate(truths) if truth])

    @by_chance(50)
    @given(st.lists(st.integers(0, 2**64 - 1), max_size=50), st.integers(0, 2**64 - 1))
    def test_bits(self, column: list[int], bits: int) -> None:
        """Those that have any of some bits, whichever of the 64 they are."""
        expected = sum(1 << place for place, word in enumerate(column) if word & bits)
        self.assertEqual(masks.with_bits(array("Q", column), bits), expected)

    @by_chance(50)
    @given(uids, st.lists(st.tuples(st.integers(0, 70), st.integers(0, 2**32)), max_size=8))
    def test_ranges(self, uids: list[int], ranges: list[tuple[int, int]]) -> None:
        """Ranges may overlap, run backwards and name what is not there."""
        expected = sum(
            1 << place
            for place, uid in enumerate(uids)
            if any(first <= uid <= last for first, last in ranges)
        )
        self.assertEqual(masks.in_ranges(array("Q", uids), ranges), expected)
