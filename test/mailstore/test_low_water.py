"""store.md §2: what a reader may believe."""

from __future__ import annotations

from typing import Any

from hypothesis import given, strategies
from twisted.internet.task import Clock
from twisted.trial import unittest

from test.support.chance import by_chance
from wildduck.limits import MODSEQ_HOLE_SECONDS
from wildduck.mailstore.backend import from_milliseconds, steady_seconds
from wildduck.mailstore.low_water import CLOCK_SLACK, LowWater


class LowWaterTests(unittest.SynchronousTestCase):
    """The mark of one mailbox, without a database."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_800_000_000)
        self.mark = LowWater(self.clock)

    def mailbox(self, modify_index: int, uid_next: int, mark: tuple[int, int] = (1, 1)) -> dict[str, Any]:
        """A mailbox document whose last numbers were taken by us, now."""
        native = {"modseq": mark[0], "uid": mark[1], "index": modify_index, "next": uid_next}
        return {"modifyIndex": modify_index, "uidNext": uid_next, "native": {**native, "time": self.now()}}

    def now(self) -> Any:
        return from_milliseconds(int(self.clock.seconds() * 1000))

    def entry(self, modseq: int, uid: int, command: str = "EXISTS", created: Any = None) -> dict[str, Any]:
        return {"command": command, "modseq": modseq, "uid": uid, "created": created or self.now()}

    def test_without_holes(self) -> None:
        """Without a hole the mark is the newest change."""
        self.mark.begin(self.mailbox(3, 3))
        self.mark.saw([(2, 1), (3, 2)], [self.entry(2, 1), self.entry(3, 2)])
        self.assertEqual((3, 3), (self.mark.modseq, self.mark.uid))

    def test_hole_stops_the_mark(self) -> None:
        """12 is there before 11: nothing above 10 is believed."""
        self.mark.begin(self.mailbox(12, 12, (10, 10)))
        self.mark.saw([(12, 11)], [])
        self.assertEqual((10, 10), (self.mark.modseq, self.mark.uid))

    def test_wall_clock_is_set(self) -> None:
        """A hole is passed when its time has gone by, wherever the wall clock is set meanwhile."""
        steady = Clock()
        self.mark = LowWater(self.clock, steady.seconds)
        document = self.mailbox(12, 12, (10, 10))
        self.mark.begin(document)
        for wall, passed, modseq in ((-3600, 0, 10), (7200, 0, 10), (-3600, MODSEQ_HOLE_SECONDS, 12)):
            # Clock.advance takes no negative step.
            self.clock.rightNow += wall
            steady.advance(passed)
            self.mark.counted({**document, "native": {**document["native"], "time": self.now()}})
            self.mark.saw([(12, 11)], [])
            self.assertEqual(modseq, self.mark.modseq, (wall, passed))

    def test_rows_alone_do_not_pass_a_modseq(self) -> None:
        """A STORE changes rows one after the other: until its journal entries the rest may be coming."""
        document = self.mailbox(11, 12, (10, 11))
        self.mark.begin(document)
        self.mark.saw([(11, 3)], [])
        self.assertEqual(10, self.mark.modseq)
        self.mark.saw([(11, 3), (11, 4)], [self.entry(11, 3, "FETCH"), self.entry(11, 4, "FETCH")])
        self.assertEqual(11, self.mark.modseq)

    def test_rename_passes_no_modseq(self) -> None:
        """An entry of a RENAME has the MODSEQ of the time, whose writer may be still at work."""
        document = self.mailbox(11, 12, (10, 12))
        self.mark.begin(document)
        self.mark.saw([], [self.entry(11, 0, "RENAME")])
        self.assertEqual(10, self.mark.modseq)
        self.mark.saw([(11, 3)], [self.entry(11, 0, "RENAME"), self.entry(11, 3, "FETCH")])
        self.assertEqual(11, self.mark.modseq)

    def test_skipped_holes_are_told(self) -> None:
        """Who passes a hole knows it, for its writer may have removed a message; who passes none does not."""
        document = self.mailbox(12, 12, (10, 10))
        self.mark.begin(document)
        self.mark.saw([(11, 10), (12, 11)], [self.entry(11, 10), self.entry(12, 11)])
        self.clock.advance(MODSEQ_HOLE_SECONDS)
        self.mark.counted(document)
        self.mark.saw([], [])
        self.assertFalse(self.mark.skipped)
        self.mark.counted(document := self.mailbox(13, 12))
        self.mark.saw([], [])
        self.assertFalse(self.mark.skipped)
        self.clock.advance(MODSEQ_HOLE_SECONDS)
        self.mark.counted(document)
        self.mark.saw([], [])
        self.assertEqual((13, True), (self.mark.modseq, self.mark.skipped))

    def test_hole_that_fills(self) -> None:
        """The mark moves on when the missing number comes."""
        self.mark.begin(self.mailbox(12, 12, (10, 10)))
        self.mark.saw([(12, 11)], [self.entry(12, 11)])
        self.mark.saw([(11, 10)], [self.entry(11, 10)])
        self.assertEqual((12, 12), (self.mark.modseq, self.mark.uid))

    def test_hole_is_passed_after_h_seconds(self) -> None:
        """A hole that stays is a dead writer's; it is passed after H seconds, not before."""
        document = self.mailbox(12, 12, (10, 10))
        self.mark.begin(document)
        self.mark.saw([(12, 11)], [])
        self.clock.advance(MODSEQ_HOLE_SECONDS - 0.1)
        self.mark.counted(document)
        self.mark.saw([(12, 11)], [])
        self.assertEqual(10, self.mark.modseq)
        self.clock.advance(0.1)
        self.mark.counted(document)
        self.mark.saw([(12, 11)], [])
        self.assertEqual((12, 12), (self.mark.modseq, self.mark.uid))

    def test_number_taken_later_is_not_passed_with_an_older_hole(self) -> None:
        """Each hole waits from the moment when it was first seen."""
        self.mark.begin(self.mailbox(12, 12, (10, 10)))
        self.mark.saw([], [])
        self.clock.advance(MODSEQ_HOLE_SECONDS / 2)
        self.mark.counted(self.mailbox(14, 14))
        self.mark.saw([(14, 13)], [])
        self.clock.advance(MODSEQ_HOLE_SECONDS / 2)
        self.mark.counted(self.mailbox(14, 14))
        self.mark.saw([(14, 13)], [])
        self.assertEqual((12, 12), (self.mark.modseq, self.mark.uid))

    def test_unused_entry_is_no_hole(self) -> None:
        """Who takes a number and uses it for nothing says so in the journal."""
        self.mark.begin(self.mailbox(12, 12, (10, 10)))
        self.mark.saw([(12, 11)], [self.entry(11, 10, "UNUSED"), self.entry(12, 11)])
        self.assertEqual((12, 12), (self.mark.modseq, self.mark.uid))

    def test_expunged_number_is_no_hole(self) -> None:
        """A message that came and went again leaves its EXPUNGE entry."""
        self.mark.begin(self.mailbox(12, 11, (10, 10)))
        self.mark.saw([], [self.entry(11, 10), self.entry(12, 10, "EXPUNGE")])
        self.assertEqual((12, 11), (self.mark.modseq, self.mark.uid))

    def test_exists_entry_alone_does_not_show_a_uid(self) -> None:
        """The journal entry of a message that this reader has not seen yet lets its UID wait."""
        self.mark.begin(self.mailbox(11, 11, (10, 10)))
        self.mark.saw([], [self.entry(11, 10)])
        self.assertEqual((11, 10), (self.mark.modseq, self.mark.uid))

    def test_old_journal_entry_passes_holes_below_it(self) -> None:
        """What was taken before something old is older still: a fresh reader need not wait."""
        old = from_milliseconds(int((self.clock.seconds() - MODSEQ_HOLE_SECONDS - CLOCK_SLACK - 1) * 1000))
        self.mark.begin(self.mailbox(15, 15, (10, 10)))
        self.mark.saw([(15, 14)], [self.entry(13, 12, created=old), self.entry(15, 14)])
        self.assertEqual((13, 12), (self.mark.modseq, self.mark.uid))

    def test_quiet_mailbox_has_no_holes(self) -> None:
        """Where nobody has taken a number for long, all that were taken are decided."""
        document = self.mailbox(12, 12, (10, 10))
        self.clock.advance(MODSEQ_HOLE_SECONDS + CLOCK_SLACK + 1)
        self.mark.begin(document)
        self.mark.saw([(12, 11)], [])
        self.assertEqual((12, 12), (self.mark.modseq, self.mark.uid))

    def test_mailbox_of_wildduck_is_believed_up_to_its_young_entries(self) -> None:
        """Without a mark of ours only the last seconds of the journal can have holes."""
        self.mark.begin({"modifyIndex": 500, "uidNext": 80})
        self.mark.saw([(7, 3), (500, 79)], [self.entry(500, 79)])
        self.assertEqual((500, 80), (self.mark.modseq, self.mark.uid))

    def test_writers_at_work_in_a_mailbox_of_wildduck(self) -> None:
        """A hole between young entries waits there too."""
        self.mark.begin({"modifyIndex": 500, "uidNext": 80})
        self.mark.saw([(7, 3), (498, 77), (500, 79)], [self.entry(498, 77), self.entry(500, 79)])
        self.assertEqual((498, 78), (self.mark.modseq, self.mark.uid))

    def test_settled_only_after_h_seconds(self) -> None:
        """Under the newest MODSEQ more may come for a while, so it is looked at again."""
        document = self.mailbox(2, 2)
        self.mark.begin(document)
        self.mark.saw([(2, 1)], [])
        self.assertFalse(self.mark.settled(document))
        self.clock.advance(MODSEQ_HOLE_SECONDS)
        self.mark.counted(document)
        self.mark.saw([(2, 1)], [])
        self.assertTrue(self.mark.settled(document))
        self.assertFalse(self.mark.settled(self.mailbox(3, 2)))

    @by_chance(50)
    @given(strategies.permutations(range(2, 13)))
    def test_never_passes_a_young_hole(self, order: list[int]) -> None:
        """In whatever order changes become visible, the mark stands below the first missing one."""
        mark = LowWater(self.clock)
        mark.begin(self.mailbox(1, 1))
        seen = {1}
        for modseq in order:
            seen.add(modseq)
            mark.counted(self.mailbox(max(seen), max(seen)))
            mark.saw([(modseq, modseq - 1)], [self.entry(modseq, modseq - 1)])
            missing = next(number for number in range(1, 14) if number not in seen)
            self.assertEqual((missing - 1, missing - 1), (mark.modseq, mark.uid))


class SteadyTests(unittest.SynchronousTestCase):
    """What tells how much time goes by."""

    def test_reactor(self) -> None:
        """Not the reactor's clock, which is set with the machine's."""
        from twisted.internet import reactor

        clock: Any = reactor
        steady = steady_seconds(clock)
        before = steady()
        self.patch(clock, "seconds", lambda: -1e9)
        self.assertLessEqual(before, steady())

    def test_clock(self) -> None:
        """A test's clock."""
        clock = Clock()
        clock.advance(7)
        self.assertEqual(7, steady_seconds(clock)())
