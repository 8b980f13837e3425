"""Python values and BSON."""

from __future__ import annotations

from datetime import datetime, timezone

import bson
from bson.binary import Binary
from bson.datetime_ms import DatetimeMS
from bson.int64 import Int64
from twisted.trial import unittest

from wildduck.database.codec import decode, encode
from wildduck.errors import DatabaseFailure


class CodecTests(unittest.SynchronousTestCase):
    """What is decided once for all documents."""

    def test_dates_are_aware(self) -> None:
        """A date comes back with UTC as its time zone."""
        date = datetime(2026, 1, 2, 3, 4, 5, 678000, timezone.utc)
        self.assertEqual(decode(encode({"d": date}))["d"], date)
        self.assertEqual(decode(encode({"d": date}))["d"].utcoffset().total_seconds(), 0)

    def test_dates_out_of_range(self) -> None:
        """A date that Python can't express is cut, and does not make its document unreadable."""
        self.assertEqual(decode(encode({"d": DatetimeMS(2**60)}))["d"].year, 9999)

    def test_binary(self) -> None:
        """Binary of subtype 0 is bytes, of another subtype keeps it."""
        document = decode(encode({"a": b"\0\xff", "b": Binary(b"x", 5)}))
        self.assertIs(type(document["a"]), bytes)
        self.assertEqual(document["b"].subtype, 5)

    def test_large_integers(self) -> None:
        """An int64 stays one when it is written again, whatever its value."""
        document = decode(encode({"a": Int64(5), "b": 2**40}))
        self.assertEqual(document, {"a": 5, "b": 2**40})
        self.assertEqual(encode(document), bson.encode({"a": Int64(5), "b": Int64(2**40)}))

    def test_memoryview(self) -> None:
        """A document is decoded where it lies, without a copy."""
        self.assertEqual(decode(memoryview(b"head" + encode({"a": "b"}))[4:]), {"a": "b"})

    def test_scrubbed(self) -> None:
        """The error for what BSON can't hold does not show the document."""
        for value in (object(), "\ud800secret", 2**70, {"$": {1, 2}}):
            error = self.assertRaises(DatabaseFailure, encode, {"secret": "secret", "v": value})
            self.assertNotIn("secret", f"{error} {error!r} {error.__cause__}")

    def test_too_large(self) -> None:
        """A document over 16 MiB is refused before it costs the connection."""
        error = self.assertRaises(DatabaseFailure, encode, {"a": b"x" * (17 * 1024 * 1024)})
        self.assertEqual(error.code, 10334)

    def test_not_bson(self) -> None:
        """What is not BSON gives an error of ours."""
        self.assertRaises(DatabaseFailure, decode, b"\x05\0\0\0\1")
        self.assertRaises(DatabaseFailure, decode, bson.encode({"a": "bc"}).replace(b"bc", b"\xff\xff"))
