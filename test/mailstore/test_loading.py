"""A mailbox that is read whole, from the bytes in which its rows come."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from bson import Binary, Int64
from hypothesis import given, strategies
from twisted.trial import unittest

from test.support.chance import by_chance
from wildduck.database.codec import encode
from wildduck.database.raw import decode_around_batch
from wildduck.errors import DatabaseFailure
from wildduck.mailstore import loading as loading_module
from wildduck.mailstore.columns import NO_DATE, Columns
from wildduck.mailstore.flag_table import FlagTable
from wildduck.mailstore.loading import Loading, row_of

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: More names than there are bits.
_NAMES = ["\\Seen", "\\Flagged", "a\0b", "é", *(f"k{n}" for n in range(70))]
_FLAGS = strategies.lists(strategies.sampled_from(_NAMES), max_size=4)
_DATES = strategies.integers(-(10**12), 10**13).map(lambda ms: _EPOCH + timedelta(milliseconds=ms))
_MEMBERS = {
    "idate": strategies.one_of(_DATES, strategies.sampled_from([None, 7, "x", Int64(5)])),
    "native": strategies.sampled_from(
        [None, {}, 7, *({"zone": zone} for zone in (330, -420.0, Int64(60), 1440, -(2**31), 2**40))]
    ),
    "flags": strategies.one_of(
        _FLAGS, strategies.sampled_from([None, "x", {"a": "b"}, [1, "x", None], b"\1\2", Binary(b"a", 5)])
    ),
    "uid": strategies.one_of(
        strategies.integers(-3, 60),
        strategies.sampled_from([Int64(70), 80.0, None, "9", 2**32, 2**40, 1e300]),
    ),
    "modseq": strategies.one_of(
        strategies.integers(-3, 60),
        strategies.sampled_from([Int64(70), 80.0, None, 2**40, float(2**40), "5"]),
    ),
}
_NUMBERS = strategies.integers(1, 60)
#: As every message of this server and of WildDuck lies.
_PLAIN = strategies.fixed_dictionaries(
    {
        "idate": _DATES,
        "flags": _FLAGS,
        "uid": strategies.integers(1, 60),
        "modseq": strategies.integers(1, 60),
    }
)
#: As one that APPEND gave a date in another zone than UTC.
_ZONED = strategies.fixed_dictionaries(
    {
        "idate": _DATES,
        "flags": _FLAGS,
        "native": strategies.fixed_dictionaries({"zone": strategies.integers(-1500, 1500)}),
        "uid": strategies.integers(1, 60),
        "modseq": strategies.integers(1, 60),
    }
)


@strategies.composite
def _odd(draw: strategies.DrawFn) -> dict[str, Any]:
    """Any of the members, in any order, with anything in them."""
    names = draw(strategies.lists(strategies.sampled_from(sorted(_MEMBERS)), unique=True))
    return {name: draw(_MEMBERS[name]) for name in names}


_ROWS = strategies.lists(strategies.one_of(_PLAIN, _PLAIN, _ZONED, _odd()), max_size=30)


def _raw(rows: list[dict[str, Any]]) -> bytes:
    reply = {"cursor": {"nextBatch": rows, "id": Int64(0), "ns": "db.messages"}, "ok": 1.0}
    raw: bytes = decode_around_batch(encode(reply))["cursor"]["nextBatch"]
    return raw


def _held(columns: Columns) -> tuple[Any, ...]:
    flags = [columns.flags(place) for place in range(len(columns.uids))]
    lists = (columns.uids, columns.modseqs, columns.bits, columns.dates, columns.zones)
    return (*map(list, lists), flags, columns.unseen, columns.table.names)


class LoadingTests(unittest.SynchronousTestCase):
    """Whatever is stored, it is as if each row had been decoded and added."""

    @by_chance(50)
    @given(strategies.lists(_ROWS, max_size=3))
    def test_model(self, batches: list[list[dict[str, Any]]]) -> None:
        loading, model = Loading(FlagTable()), Columns(FlagTable())
        for batch in batches:
            if batch:
                loading.take(_raw(batch))
            for row in batch:
                model.append(row_of(row))
        self.assertEqual(_held(model), _held(loading.columns))

    def test_many(self) -> None:
        """Of a batch of more than a thousand rows each is found; one that lies otherwise is no hindrance."""
        when = _EPOCH + timedelta(days=20000)
        kinds: list[list[str]] = [[], ["\\Seen"], ["\\Seen", "$Label"]]
        rows: list[dict[str, Any]] = [
            {"idate": when, "flags": kinds[n % 3], "uid": n, "modseq": 5 * n} for n in range(1, 1200)
        ]
        rows[98] = {"uid": 99, "flags": ["x"]}
        rows[1001]["modseq"] = 2.0**40
        loading = Loading(FlagTable())
        loading.take(_raw(rows))
        columns = loading.columns
        self.assertEqual(list(range(1, 1200)), list(columns.uids))
        self.assertEqual((("x",), 1, NO_DATE), (columns.flags(98), columns.modseqs[98], columns.dates[98]))
        self.assertEqual((2**40, 5 * 1199), (columns.modseqs[1001], columns.modseqs[-1]))
        self.assertEqual(20000 * 86_400_000, columns.dates[5])
        self.assertEqual(399, columns.unseen)

    def test_plain_rows_are_not_decoded(self) -> None:
        """Only the flags are, each combination once."""
        decoded: list[bytes] = []

        def watched(data: bytes) -> dict[str, Any]:
            decoded.append(data)
            return {"0": "\\Seen"}

        self.patch(loading_module, "decode", watched)
        row = {"idate": _EPOCH, "flags": ["\\Seen"], "modseq": 1}
        members = ("idate", "flags", "uid", "modseq")
        rows = [{name: n if name == "uid" else row[name] for name in members} for n in range(1, 50)]
        for n in (3, 5):
            zone = {"native": {"zone": -n}}
            rows[n] = {"idate": _EPOCH, "flags": ["\\Seen"], **zone, "uid": n + 1, "modseq": 1}
        loading = Loading(FlagTable())
        loading.take(_raw(rows))
        self.assertEqual([0, 0, 0, -3, 0, -5, 0], list(loading.columns.zones[:7]))
        self.assertEqual((49, 0), (len(loading.columns.uids), loading.columns.unseen))
        self.assertEqual([encode({"0": "\\Seen"})], decoded)

    @by_chance(50)
    @given(strategies.data())
    def test_broken(self, data: strategies.DataObject) -> None:
        """Whatever comes, it fails as other replies do."""
        broken = bytearray(
            _raw([{"idate": _EPOCH, "flags": ["a"], "uid": n, "modseq": 1} for n in (1, 2, 3)])
        )
        for _ in range(data.draw(strategies.integers(1, 3))):
            broken[data.draw(strategies.integers(4, len(broken) - 1))] = data.draw(
                strategies.integers(0, 255)
            )
        del broken[data.draw(strategies.integers(5, len(broken))) :]
        try:
            Loading(FlagTable()).take(bytes(broken))
        except DatabaseFailure:
            pass
