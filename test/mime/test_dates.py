"""Tests for the Date field."""

from __future__ import annotations

from datetime import datetime, timezone

from hypothesis import given, strategies as st
from twisted.trial import unittest

from test.support.chance import by_chance
from wildduck.mime import dates


class DateTests(unittest.TestCase):
    """RFC 5322 §3.3 and §4.3."""

    def test_right(self) -> None:
        """Current and obsolete forms, with comments and folds."""
        for value, expected in (
            ("Mon, 6 Jun 2005 22:21:22 +0200", (2005, 6, 6, 20, 21, 22)),
            ("6 Jun 2005 22:21 -0330", (2005, 6, 7, 1, 51, 0)),
            ("Fri, 21 Nov 97 09:55:06 GMT", (1997, 11, 21, 9, 55, 6)),
            ("21 Nov 49 09:55:06 UT", (2049, 11, 21, 9, 55, 6)),
            ("21 Nov 50 09:55:06 Z", (1950, 11, 21, 9, 55, 6)),
            ("21 Nov 105 09:55:06 +0000", (2005, 11, 21, 9, 55, 6)),
            (
                "Thu,\r\n 13\r\n  Feb\r\n 1969\r\n 23:32\r\n -0330 (Newfoundland (Time))",
                (1969, 2, 14, 3, 2, 0),
            ),
            ("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", (1997, 11, 21, 15, 55, 6)),
            ("1 Jan 2020 00:00:00 EST", (2020, 1, 1, 5, 0, 0)),
            ("1 Jan 2020 00:00:00 PDT", (2020, 1, 1, 7, 0, 0)),
            ("1 Jan 2020 00:00:00 A", (2020, 1, 1, 0, 0, 0)),
            ("1 Jan 2020 00:00:00 CEST", (2020, 1, 1, 0, 0, 0)),
            ("1 Jan 2020 00:00:00", (2020, 1, 1, 0, 0, 0)),
            ("31 Dec 2016 23:59:60 +0000", (2016, 12, 31, 23, 59, 59)),
            ("Tue, 12 Oct 2010 16:21:05 GMT+0200", (2010, 10, 12, 14, 21, 5)),
            ("Tue May 10 11:26:39 2005", (2005, 5, 10, 11, 26, 39)),
            ("10-May-2005 11:26:39 +0000", (2005, 5, 10, 11, 26, 39)),
            ("29 February 2020 12:00:00 -0000", (2020, 2, 29, 12, 0, 0)),
        ):
            self.assertEqual(dates.parse(value), datetime(*expected, tzinfo=timezone.utc), value)

    def test_wrong(self) -> None:
        """What is no date, or does not exist, is none."""
        for value in (
            "",
            "yesterday",
            "30 Feb 2020 12:00:00 +0000",
            "1 Foo 2020 12:00:00 +0000",
            "1 Jan 2020 25:00:00 +0000",
            "1 Jan 2020 12:60:00 +0000",
            "1 Jan 2020 12:00:61 +0000",
            "32 Jan 2020 12:00:00 +0000",
            "1 Jan 0000 12:00:00 +0000",
            "31 Dec 9999 23:59:59 -0100",
            "1 Jan 99999 12:00:00 +0000",
            "(" * 1000,
            "(1 Jan 2020 00:00:00",
            "x" * 10_000,
        ):
            self.assertIsNone(dates.parse(value), value)

    def test_odd_zones(self) -> None:
        """A zone that does not exist counts as none."""
        self.assertEqual(dates.parse("1 Jan 2020 00:00:00 +9999"), datetime(2020, 1, 1, tzinfo=timezone.utc))

    @by_chance(100)
    @given(
        st.lists(
            st.one_of(
                st.sampled_from(
                    ["Mon,", "1", "99", "Jan", "2020", "0", "12:00", ":60", "+0000", "EST", "(", ")", " "]
                ),
                st.text(max_size=3),
            ),
            max_size=15,
        ).map(" ".join)
    )
    def test_anything(self, value: str) -> None:
        """Any text is a date or none."""
        found = dates.parse(value)
        self.assertTrue(found is None or found.tzinfo is timezone.utc)
