"""Tests of L{wildduck.mime.collation}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from wildduck.mime.collation import collated


class CollationTests(SynchronousTestCase):
    def test_order(self) -> None:
        """Case does not count; an underscore is behind letters, an accented letter behind the bare one."""
        for texts in (
            ["", " ", "1", "10", "9", "A", "b", "C", "_"],
            ["u", "ux", "\u00fc", "v"],
        ):
            self.assertEqual(sorted(sorted(texts, reverse=True), key=collated), texts)

    def test_equal(self) -> None:
        """What people take for the same letter is the same."""
        for left, right in [
            ("Ab", "aB"),
            ("\u00dc", "u\u0308"),
            ("\u01c6", "\u01c5"),
            ("\uff21", "a"),
            ("\u03c3", "\u03a3"),
            ("\ud55c", "\u1112\u1161\u11ab"),
        ]:
            self.assertEqual(collated(left), collated(right))
        # No single character is the capital of this one.
        self.assertNotEqual(collated("\u00df"), collated("ss"))
