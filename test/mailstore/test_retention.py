"""How long messages are kept."""

from __future__ import annotations

import datetime

from twisted.trial import unittest

from wildduck.mailstore.backend import from_milliseconds, javascript, milliseconds
from wildduck.mailstore.retention import TRASH_RETENTION, default_retention, stamp


class RetentionTests(unittest.SynchronousTestCase):
    """spec/schema.md §7."""

    def test_stamp_of_a_mailbox_that_keeps(self) -> None:
        """Without retention a message does not expire; BSON types are WildDuck's."""
        fields = stamp(0, from_milliseconds(1_795_314_258_122))
        self.assertEqual({"retentionTime": 1_795_314_258_000.0, "retention": 0, "exp": False}, fields)
        self.assertIs(float, type(fields["retentionTime"]))
        self.assertIs(int, type(fields["retention"]))

    def test_stamp_of_trash(self) -> None:
        """rdate is a number of milliseconds, the whole second of arrival plus retention."""
        fields = stamp(TRASH_RETENTION, from_milliseconds(1_795_314_266_999))
        self.assertEqual(1_797_906_266_000.0, fields["rdate"])
        self.assertIs(float, type(fields["retention"]))
        self.assertTrue(fields["exp"])

    def test_defaults(self) -> None:
        """Trash and Junk keep for the account's time but at most 30 days, others for the account's."""
        self.assertEqual(TRASH_RETENTION, default_retention("\\Trash", 0))
        self.assertEqual(1000, default_retention("\\Junk", 1000))
        self.assertEqual(TRASH_RETENTION, default_retention("\\Junk", TRASH_RETENTION + 1))
        self.assertEqual(0, default_retention("\\Sent", 0))
        self.assertEqual(99, default_retention("", 99))

    def test_times(self) -> None:
        """Milliseconds to times and back, also before 1970 and without a zone."""
        for value in (0, 1, 999, 1_795_314_266_999, -1):
            self.assertEqual(value, milliseconds(from_milliseconds(value)))
        self.assertEqual(1500, milliseconds(datetime.datetime(1970, 1, 1, 0, 0, 1, 500_000)))

    def test_numbers_are_javascripts(self) -> None:
        """What does not fit into 32 bits is a double."""
        self.assertIs(int, type(javascript(2**31 - 1)))
        self.assertIs(float, type(javascript(2**31)))
