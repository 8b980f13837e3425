"""Tests of L{wildduck.mailstore.search.decide}."""

from __future__ import annotations

from itertools import product

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.support.chance import by_chance
from wildduck.mailstore.search.decide import UNKNOWN, Verdict, decide, leaves
from wildduck.mailstore.search.keys import And, Flag, Key, Leaf, Not, Or

LEAVES: list[Leaf] = [Flag(name) for name in "abc"]
trees: st.SearchStrategy[Key] = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, max_size=3).map(tuple).map(And),
        st.lists(inner, min_size=1, max_size=3).map(tuple).map(Or),
    ),
    max_leaves=8,
)


def naive(key: Key, truths: dict[Leaf, bool]) -> bool:
    if isinstance(key, Not):
        return not naive(key.key, truths)
    if isinstance(key, And):
        return all(naive(one, truths) for one in key.keys)
    if isinstance(key, Or):
        return any(naive(one, truths) for one in key.keys)
    return truths[key]


class DecideTests(SynchronousTestCase):
    @by_chance(50)
    @given(trees)
    def test_all_known(self, key: Key) -> None:
        """With all leaves known it is plain logic, here for each way to fill them in at once."""
        worlds = list(product((False, True), repeat=len(LEAVES)))
        every = (1 << len(worlds)) - 1
        known: dict[Leaf, Verdict] = {}
        for number, leaf in enumerate(LEAVES):
            yes = sum(1 << place for place, world in enumerate(worlds) if world[number])
            known[leaf] = Verdict(yes, every & ~yes)
        expected = sum(
            1 << place
            for place, world in enumerate(worlds)
            if naive(key, dict(zip(LEAVES, world, strict=True)))
        )
        self.assertEqual(decide(key, known, every), Verdict(expected, every & ~expected))

    @by_chance(50)
    @given(trees, st.lists(st.sampled_from([None, False, True]), min_size=3, max_size=3))
    def test_partly_known(self, key: Key, truths: list[bool | None]) -> None:
        """What is decided early is what it will be, however the rest turns out."""
        known: dict[Leaf, Verdict] = {
            leaf: Verdict(int(truth), int(not truth))
            for leaf, truth in zip(LEAVES, truths, strict=True)
            if truth is not None
        }
        verdict = decide(key, known, 1)
        outcomes = {
            naive(key, dict(zip(LEAVES, world, strict=True)))
            for world in product((False, True), repeat=3)
            if all(truth in (None, found) for truth, found in zip(truths, world, strict=True))
        }
        if verdict.yes:
            self.assertEqual(outcomes, {True})
        if verdict.no:
            self.assertEqual(outcomes, {False})

    def test_early(self) -> None:
        """One leaf can decide for all, inside NOT and OR too."""
        a, b, _c = LEAVES
        known: dict[Leaf, Verdict] = {a: Verdict(0b01, 0b10)}
        self.assertEqual(decide(And((a, b)), known, 0b11), Verdict(0, 0b10))
        self.assertEqual(decide(Or((b, a)), known, 0b11), Verdict(0b01, 0))
        self.assertEqual(decide(Not(Or((Not(a), b))), known, 0b11), Verdict(0, 0b10))
        self.assertEqual(decide(b, known, 0b11), UNKNOWN)

    def test_leaves(self) -> None:
        a, b, c = LEAVES
        self.assertEqual(set(leaves(Or((And((a, Not(b))), Not(Not(c)), And())))), {a, b, c})
