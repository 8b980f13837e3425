"""Batches that are left as they come."""

from __future__ import annotations

from typing import Any

from bson import Binary, Int64, ObjectId, Timestamp
from hypothesis import given, strategies
from twisted.trial import unittest

from test.support.chance import by_chance
from wildduck.database.codec import decode, encode
from wildduck.database.raw import decode_around_batch
from wildduck.errors import DatabaseFailure

_VALUES = strategies.recursive(
    strategies.one_of(
        strategies.none(),
        strategies.booleans(),
        strategies.integers(-(2**63), 2**63 - 1),
        strategies.floats(allow_nan=False),
        strategies.text(max_size=8),
        strategies.binary(max_size=8),
        strategies.builds(Binary, strategies.binary(max_size=8), strategies.just(5)),
        strategies.builds(Timestamp, strategies.integers(0, 2**31), strategies.integers(0, 9)),
        strategies.builds(ObjectId, strategies.binary(min_size=12, max_size=12)),
    ),
    lambda values: (
        strategies.lists(values, max_size=3)
        | strategies.dictionaries(strategies.sampled_from("abc"), values, max_size=3)
    ),
    max_leaves=8,
)
_DOCUMENTS = strategies.dictionaries(strategies.sampled_from(["ok", "n", "x", "é"]), _VALUES, max_size=4)


class DecodeTests(unittest.SynchronousTestCase):
    """The reply to a find, aggregate or getMore."""

    @by_chance(50)
    @given(
        _DOCUMENTS,
        _DOCUMENTS,
        strategies.lists(_DOCUMENTS, max_size=12),
        strategies.sampled_from(["firstBatch", "nextBatch"]),
    )
    def test_all_but_the_batch(
        self, reply: dict[str, Any], cursor: dict[str, Any], batch: list[Any], name: str
    ) -> None:
        """It is decoded as always, and the batch is the same when it is decoded later."""
        cursor = {"id": Int64(7), name: batch, "ns": "db.rows", **cursor}
        reply = {"a": 1, "cursor": cursor, **reply}
        whole = decode(encode(reply))
        found = decode_around_batch(encode(reply))
        raw = found["cursor"][name]
        self.assertIs(bytes, type(raw))
        self.assertEqual(bool(batch), bool(raw))
        found["cursor"][name] = list(decode(raw).values()) if raw else []
        self.assertEqual(whole, found)

    @by_chance(50)
    @given(_DOCUMENTS)
    def test_no_batch(self, reply: dict[str, Any]) -> None:
        """An error, or a cursor without a batch, is decoded as always."""
        for document in (reply, {**reply, "cursor": {"id": 0}}):
            self.assertEqual(decode(encode(document)), decode_around_batch(encode(document)))

    @by_chance(50)
    @given(strategies.data())
    def test_broken(self, data: strategies.DataObject) -> None:
        """Whatever comes, it fails as other replies do."""
        reply = {"cursor": {"firstBatch": [{"a": 1}, {"b": "x"}], "id": Int64(1), "ns": "a.b"}, "ok": 1}
        broken = bytearray(encode(reply))
        for _ in range(data.draw(strategies.integers(1, 3))):
            broken[data.draw(strategies.integers(0, len(broken) - 1))] = data.draw(
                strategies.integers(0, 255)
            )
        del broken[data.draw(strategies.integers(0, len(broken))) :]
        try:
            decode_around_batch(bytes(broken))
        except DatabaseFailure:
            pass
