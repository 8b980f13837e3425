"""How answers become bytes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from twisted.trial.unittest import SynchronousTestCase

from wildduck.api.answers import iso


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
