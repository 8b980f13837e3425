"""What MongoDB's refusals become."""

from __future__ import annotations

from typing import Any

from twisted.trial import unittest

from wildduck.database.failures import (
    CursorLost,
    Interrupted,
    already_inserted,
    check,
    is_not_primary,
)
from wildduck.errors import DatabaseFailure, DuplicateKey, Unavailable

_DUPLICATE = {
    "code": 11000,
    "errmsg": 'E11000 duplicate key error collection: a.b index: _id_ dup key: { : "x" }',
}


class CheckTests(unittest.SynchronousTestCase):
    """L{check} raises what a reply says."""

    def test_success(self) -> None:
        """A good reply raises nothing."""
        check({"ok": 1.0, "n": 0, "writeErrors": []})

    def test_kinds(self) -> None:
        """Each kind of refusal has its class."""
        table: tuple[tuple[dict[str, Any], type[Exception]], ...] = (
            ({"ok": 0, "code": 10107}, Interrupted),
            ({"ok": 0, "code": 11600}, Interrupted),
            ({"ok": 0, "code": 251, "errorLabels": ["RetryableWriteError"]}, Interrupted),
            ({"ok": 1, "writeConcernError": {"code": 91}}, Interrupted),
            ({"ok": 1, "writeConcernError": {"code": 64}}, Unavailable),
            # Written, whatever the code: nobody may take it for refused.
            ({"ok": 1, "writeConcernError": {"code": 79}}, Unavailable),
            ({"ok": 0, "code": 43}, CursorLost),
            ({"ok": 0, "code": 50}, Unavailable),
            ({"ok": 0, "code": 11000}, DuplicateKey),
            ({"ok": 1, "writeErrors": [_DUPLICATE]}, DuplicateKey),
            ({"ok": 0, "code": 2}, DatabaseFailure),
            ({"ok": 0}, DatabaseFailure),
        )
        for reply, kind in table:
            error = self.assertRaises(kind, check, reply)
            self.assertIs(type(error), kind, reply)

    def test_text_is_scrubbed(self) -> None:
        """Of the server's text nothing is kept but the code and the index."""
        reply = {"ok": 0, "code": 2, "errmsg": "command { insert: secret } failed"}
        self.assertEqual(str(self.assertRaises(DatabaseFailure, check, reply)), "MongoDB Error: code 2")
        error = self.assertRaises(DuplicateKey, check, {"ok": 1, "writeErrors": [_DUPLICATE]})
        self.assertEqual((error.index, error.code), ("_id_", 11000))
        self.assertNotIn("x", f"{error!r}".replace("index", ""))

    def test_not_primary(self) -> None:
        """A reply from a server that stepped down is told from others, also when the write was done."""
        self.assertTrue(is_not_primary({"ok": 0, "code": 189}))
        self.assertTrue(is_not_primary({"ok": 1, "writeConcernError": {"code": 11602}}))
        self.assertFalse(is_not_primary({"ok": 1, "code": 189}))
        self.assertFalse(is_not_primary({"ok": 0, "code": 2}))

    def test_already_inserted(self) -> None:
        """Only duplicates of ids mean that a first try has inserted the documents."""
        other = {"code": 11000, "errmsg": "E11000 … index: user_path dup key: …"}
        self.assertTrue(already_inserted({"ok": 1, "writeErrors": [_DUPLICATE, _DUPLICATE]}))
        self.assertFalse(already_inserted({"ok": 1, "writeErrors": [other, _DUPLICATE]}))
        self.assertFalse(
            already_inserted({"ok": 1, "writeErrors": [_DUPLICATE], "writeConcernError": {"code": 64}})
        )
        self.assertFalse(already_inserted({"ok": 1}))
        self.assertFalse(already_inserted({"ok": 0, **_DUPLICATE}))
