"""The arrays of an open mailbox against a plain dictionary."""

from __future__ import annotations

from hypothesis import given, strategies
from twisted.trial import unittest

from test.support.chance import by_chance
from wildduck.mailstore.columns import Columns, Row, cut
from wildduck.mailstore.flag_table import FlagTable

_UIDS = strategies.integers(1, 20)
_FLAGS = strategies.lists(
    # More names than there are bits, so that some are kept apart.
    strategies.sampled_from(["\\Seen", "\\Deleted", *(f"k{n}" for n in range(70))]),
    unique=True,
    max_size=4,
)
_STEPS = strategies.lists(
    strategies.one_of(
        strategies.tuples(
            strategies.just("insert"),
            _UIDS,
            strategies.integers(1, 9),
            _FLAGS,
            strategies.tuples(strategies.integers(-9, 9), strategies.sampled_from([0, -420, 330])),
        ),
        strategies.tuples(strategies.just("change"), _UIDS, strategies.integers(1, 9), _FLAGS),
        strategies.tuples(strategies.just("remove"), strategies.sets(_UIDS)),
        strategies.tuples(strategies.just("pop")),
    ),
    max_size=30,
)


class ColumnsTests(unittest.SynchronousTestCase):
    """Whatever is done, both hold the same."""

    @by_chance(50)
    @given(_STEPS)
    def test_model(self, steps: list[tuple]) -> None:  # type: ignore[type-arg]
        columns = Columns(FlagTable(f"k{n}" for n in range(70)))
        model: dict[int, tuple[int, set[str]]] = {}
        dates: dict[int, tuple[int, int]] = {}
        for kind, *rest in steps:
            if kind == "insert":
                uid, modseq, flags, date = rest
                columns.insert(Row(uid, modseq, flags, *date))
                if uid not in model:
                    dates[uid] = date
                model.setdefault(uid, (modseq, set(flags)))
            elif kind == "change":
                uid, modseq, flags = rest
                known = model.get(uid)
                changes = known is not None and modseq >= known[0]
                changed = columns.change(Row(uid, modseq, flags))
                self.assertEqual(changes and known is not None and known[1] != set(flags), changed)
                if changes:
                    model[uid] = (modseq, set(flags))
            elif kind == "remove":
                self.assertEqual(sorted(rest[0] & set(model)), columns.remove(rest[0]))
                for uid in rest[0]:
                    model.pop(uid, None)
            elif model:
                row = columns.pop()
                self.assertEqual((row.modseq, set(row.flags)), model.pop(row.uid))
                self.assertEqual((row.date, row.zone), dates[row.uid])
        self.assertEqual(sorted(model), list(columns.uids))
        found = {
            uid: (columns.modseqs[place], set(columns.flags(place))) for place, uid in enumerate(columns.uids)
        }
        self.assertEqual(model, found)
        held = list(zip(columns.dates, columns.zones, strict=True))
        self.assertEqual([dates[uid] for uid in columns.uids], held)
        self.assertEqual(sum("\\Seen" not in flags for _, flags in model.values()), columns.unseen)

    @by_chance(50)
    @given(strategies.lists(_UIDS, unique=True), strategies.data())
    def test_cut(self, members: list[int], data: strategies.DataObject) -> None:
        """As deleting one after the other."""
        from array import array

        places = sorted(
            data.draw(strategies.sets(strategies.sampled_from(range(len(members))))) if members else ()
        )
        column = array("I", members)
        cut(column, places)
        self.assertEqual([uid for place, uid in enumerate(members) if place not in places], list(column))
