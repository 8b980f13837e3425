"""How answers become bytes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from bson import Code
from twisted.trial.unittest import SynchronousTestCase

from wildduck import limits
from wildduck.api.frame.answers import encode, iso
from wildduck.api.frame.mail_fields import MetaData


class IsoTests(SynchronousTestCase):
    def test_forms(self) -> None:
        """Years have four digits, times are UTC, and milliseconds are cut off."""
        east = timezone(timedelta(hours=2))
        for time, expected in (
            (datetime(2026, 1, 2, 3, 4, 5, 678999), "2026-01-02T03:04:05.678Z"),
            (datetime(2026, 1, 2, 3, 4, 5, tzinfo=east), "2026-01-02T01:04:05.000Z"),
            (datetime(1, 1, 1), "0001-01-01T00:00:00.000Z"),
            (datetime(999, 12, 31, tzinfo=timezone.utc), "0999-12-31T00:00:00.000Z"),
        ):
            self.assertEqual(iso(time), expected)


class EncodeTests(SynchronousTestCase):
    def test_indented(self) -> None:
        """Two blanks for each level, but for what is very long."""
        self.assertEqual(encode({"a": [1]}), b'{\n  "a": [\n    1\n  ]\n}\n')
        long = {"a": ["x" * limits.API_INDENTED]}
        self.assertEqual(encode(long), b'{"a":["%b"]}\n' % (b"x" * limits.API_INDENTED))

    def test_script(self) -> None:
        """What a document has in place of a text is shown as one."""
        self.assertEqual(encode({"a": Code("x")}), b'{\n  "a": "x"\n}\n')

    def test_blow_up(self) -> None:
        """The metaData that takes the most room is not answered as much more than it is."""
        inner: object = [0] * 250_000
        for _ in range(limits.META_LEVELS - 2):
            inner = [inner]
        taken = MetaData().parse({"a": inner})
        self.assertLess(len(encode(taken)), 30 * limits.MIB)
        for deep in ({"a": [inner]}, {"a": 1, "b": [1, {"c": [inner]}]}):
            self.assertRaises(ValueError, MetaData().parse, deep)
        self.assertEqual(MetaData().parse({"a": "[" * 100}), {"a": "[" * 100})
