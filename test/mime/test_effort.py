"""Which trees are worked on in a thread."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from wildduck.mime.effort import (
    ADDRESSES_LENGTH,
    DECODED_LENGTH,
    DECODED_LINES,
    HEADER_LENGTH,
    NODES,
    decoding_takes_long,
    reading_addresses_takes_long,
    takes_long,
)


class TakesLongTests(SynchronousTestCase):
    def test_small(self) -> None:
        """Usual messages, and what is no tree at all, take no time."""
        leaf = {"header": ["A: b"], "body": b""}
        odd: tuple[Any, ...] = (None, {}, [], {"header": 5, "childNodes": "x"}, {"header": [None]})
        for tree in (leaf, {"childNodes": [leaf] * (NODES - 1)}, *odd):
            self.assertFalse(takes_long(tree))

    def test_large(self) -> None:
        """Many parts, at any depth, and long headers take long."""
        nested: dict[str, Any] = {}
        for _ in range(NODES + 1):
            nested = {"message": {"childNodes": [nested]}}
        for tree in ({"childNodes": [{}] * (NODES + 1)}, nested, {"header": ["x" * (HEADER_LENGTH + 1)]}):
            self.assertTrue(takes_long(tree))

    def test_decoding(self) -> None:
        """Decoding of a header takes long before taking it apart does, within a message within it too."""
        long = ["x" * DECODED_LENGTH, "y"]
        for lines in (long, ["A: b"] * (DECODED_LINES + 1)):
            self.assertTrue(decoding_takes_long(lines))
        for lines in (["x" * DECODED_LENGTH], ["A: b"] * DECODED_LINES, None, "x" * 10_000, [None] * 9):
            self.assertFalse(decoding_takes_long(lines))
        nested = {"message": {"header": long}}
        self.assertFalse(takes_long(nested))
        self.assertTrue(takes_long(nested, DECODED_LENGTH))

    def test_addresses(self) -> None:
        """Only fields of addresses count, all together."""
        half = "x" * (ADDRESSES_LENGTH // 2)
        for lines in (
            ["fRom:" + half, "TO :" + half],
            ["cc:" + half, "Bcc:" + half],
            ["cc:", *["To: x"] * 300],
        ):
            self.assertTrue(reading_addresses_takes_long(lines))
        for odd in (["From:" + half, "Received:" + half, half], None, "To: " + half * 9, [None, 3], []):
            self.assertFalse(reading_addresses_takes_long(odd))
