"""Tests of L{wildduck.mailstore.search.ordering}."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.support.chance import by_chance
from wildduck.mailstore.search import ordering

rows = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["", "a", "b"]), st.integers(0, 2)), max_size=30)


def naively(rows: list[Any], reverses: tuple[bool, ...]) -> list[int]:
    """By comparing each with each."""

    def before(left: int, right: int) -> bool:
        for n, reverse in enumerate(reverses):
            if rows[left][n] != rows[right][n]:
                return bool((rows[left][n] < rows[right][n]) != reverse)
        return left < right

    order: list[int] = []
    for row in range(len(rows)):
        order.insert(sum(before(other, row) for other in order), row)
    return order


class OrderingTests(SynchronousTestCase):
    @by_chance(100)
    @given(rows, st.tuples(st.booleans(), st.booleans(), st.booleans()), st.sampled_from([1, 4, 5000]))
    def test_order(self, rows: list[Any], reverses: tuple[bool, ...], at_once: int) -> None:
        """By the first key, then the next; equals stay; in one go or many."""
        columns = [([row[n] for row in rows], reverse) for n, reverse in enumerate(reverses)]
        with patch.object(ordering, "_AT_ONCE", at_once):
            self.assertEqual(ordering.ordered(len(rows), columns), naively(rows, reverses))
