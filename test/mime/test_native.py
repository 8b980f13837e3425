"""Tests for what we add to WildDuck's documents."""

from __future__ import annotations

from twisted.trial import unittest

from test.mime.storing import MAGIC, keep_bytes, multipart
from wildduck.mime import native
from wildduck.mime.native import BLOB, KEY


class NativeTests(unittest.TestCase):
    """The one key, and when it counts (store.md §6)."""

    def test_exact(self) -> None:
        """For a message that WildDuck rebuilds exactly only lengths and ready bytes are added."""
        kept = keep_bytes(b"Subject: x\r\n\r\nhi\r\n")
        self.assertEqual(
            kept.document["mimeTree"][KEY],
            {"v": 1, "size": 18, "magic": MAGIC, "length": 18, **kept.analysis.ready},
        )

    def test_inexact(self) -> None:
        """For another one also the skeleton or where it is, and the layout."""
        data = multipart(b"\r\nx")
        within = keep_bytes(data).document["mimeTree"][KEY]
        self.assertEqual(
            (within["skeleton"], within["length"]), (data.replace(b"x\r\n--b-", b"\r\n--b-"), len(data))
        )
        outside = keep_bytes(data, blob=True).document["mimeTree"][KEY]
        self.assertEqual((outside["blob"], "skeleton" in outside), (BLOB, False))
        self.assertEqual(outside["layout"], within["layout"])

    def test_sent(self) -> None:
        """The length that is sent is noted where it differs."""
        self.assertNotIn("sent", keep_bytes(b"\r\nx").document["mimeTree"][KEY])
        kept = keep_bytes(b"A: b\r\n\r\n\0")
        self.assertEqual(kept.document["mimeTree"][KEY]["sent"], kept.analysis.sent)
        self.assertEqual(native.sent_length(kept.document), len(kept.whole()))

    def test_ready(self) -> None:
        """Ready bytes are given while the additions count."""
        kept = keep_bytes(b"Subject: x\r\n\r\nhi\r\n")
        self.assertEqual(native.ready(kept.document, "envelope"), kept.analysis.ready["envelope"])
        self.assertIsNone(native.ready(kept.document, "other"))
        self.assertIsNone(native.ready({**kept.document, "magic": 1}, "envelope"))

    def test_of_wildduck(self) -> None:
        """A document of WildDuck's has its size, and nothing of ours."""
        document = {"size": 5, "magic": 1, "mimeTree": {}}
        self.assertIsNone(native.of_document(document))
        self.assertEqual((native.sent_length(document), native.sent_length({})), (5, 0))
        for odd in ("x", None, -1, float("nan"), float("inf"), [], {}, b"5", 2.0**70):
            self.assertEqual(native.sent_length({"size": odd}), 0, odd)
        self.assertEqual(native.sent_length({"size": 5.0}), 5)
