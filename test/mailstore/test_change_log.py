"""The log of an open mailbox, and how far each of its readers is."""

from __future__ import annotations

from twisted.trial import unittest

from wildduck.mailstore.change_log import Came, ChangeLog, Event


def events(*uids: int) -> list[Event]:
    return [Came(uid) for uid in uids]


class ChangeLogTests(unittest.SynchronousTestCase):
    """What is kept, and for whom."""

    def test_each_reader_gets_each_event_once(self) -> None:
        """In order, from when he joined."""
        log = ChangeLog()
        early = log.join()
        log.add(events(1, 2))
        late = log.join()
        log.add(events(3))
        self.assertEqual((events(1, 2, 3), events(3)), (early.take(), late.take()))
        self.assertEqual(([], []), (early.take(), late.take()))

    def test_kept_until_the_slowest_has_passed(self) -> None:
        """Then nothing is kept; nor without readers."""
        log = ChangeLog()
        log.add(events(1))
        self.assertEqual(0, len(log))
        slow, quick = log.join(), log.join()
        log.add(events(2, 3))
        quick.take()
        self.assertEqual(2, len(log))
        slow.take()
        self.assertEqual(0, len(log))
        log.add(events(4))
        quick.take()
        slow.close()
        self.assertEqual(0, len(log))

    def test_bound(self) -> None:
        """A reader who falls too far behind is told so, once, and goes on from there."""
        log = ChangeLog(most=4)
        slow, quick = log.join(), log.join()
        log.add(events(1, 2, 3))
        quick.take()
        log.add(events(4, 5))
        self.assertLessEqual(len(log), 4)
        self.assertEqual(events(4, 5), quick.take())
        self.assertIsNone(slow.take())
        log.add(events(6))
        self.assertEqual(events(6), slow.take())
