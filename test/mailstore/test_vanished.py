"""What a client that comes back is told to be gone (RFC 7162 §3.2.5, §3.2.6)."""

from __future__ import annotations

import datetime
from array import array
from collections.abc import Iterable

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.mailstore.support import message
from test.mailstore.test_view import ViewCase
from test.support.chance import by_chance
from wildduck.limits import VANISHED_MODSEQS
from wildduck.mailstore import vanished, view as views
from wildduck.mailstore.allocation import give_up
from wildduck.mailstore.index import JOURNAL_TRUSTED_SECONDS
from wildduck.mailstore.vanished import Range
from wildduck.mailstore.view import View

uid_sets = st.sets(st.integers(1, 60), max_size=40)


def spread(ranges: Iterable[Range]) -> list[int]:
    """The numbers of some ranges."""
    return [number for first, last in ranges for number in range(first, last + 1)]


def as_ranges(numbers: Iterable[int]) -> list[Range]:
    return list(vanished.runs(sorted(numbers)))


class RangeTests(SynchronousTestCase):
    """Each against sets of single numbers."""

    @by_chance(100)
    @given(uid_sets, uid_sets, st.integers(0, 60), st.integers(1, 70))
    def test_missing(self, there: set[int], known: set[int], first: int, end: int) -> None:
        """What is asked for and not there, within the bounds, ascending, each once."""
        found = list(vanished.missing(array("I", sorted(there)), as_ranges(known), first, end))
        self.assertEqual(
            spread(found), sorted(uid for uid in known if uid not in there and first <= uid < end)
        )

    def test_missing_of_everything(self) -> None:
        """A long run without a gap is passed in one step."""
        there = array("I", [*range(1, 200_001), *range(200_010, 400_000)])
        found = list(vanished.missing(there, [(1, 4_294_967_295)], 0, 400_001))
        self.assertEqual([(200_001, 200_009), (400_000, 400_000)], found)

    @by_chance(100)
    @given(uid_sets, uid_sets)
    def test_common(self, one: set[int], other: set[int]) -> None:
        self.assertEqual(
            spread(vanished.common(as_ranges(one), as_ranges(other))), sorted(one.intersection(other))
        )

    @by_chance(170)
    @given(uid_sets, st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=30))
    def test_last_match(self, there: set[int], pairs: list[tuple[int, int]]) -> None:
        """The highest pair that is right, as if each was looked at alone."""
        uids = sorted(there)
        numbers = sorted({number for number, _ in pairs})
        known = sorted({uid for _, uid in pairs})
        count = min(len(numbers), len(known))
        numbers, known = numbers[:count], known[:count]
        right = [
            uid
            for number, uid in zip(numbers, known, strict=True)
            if number <= len(uids) and uids[number - 1] == uid
        ]
        self.assertEqual(
            vanished.last_match(uids, as_ranges(numbers), as_ranges(known)), max(right, default=0)
        )

    def test_last_match_of_many(self) -> None:
        """Four billion remembered messages take no longer than one."""
        everything = [(1, 4_294_967_295)]
        self.assertEqual(9, vanished.last_match(array("I", range(1, 10)), everything, everything))
        self.assertEqual(4, vanished.last_match(array("I", [1, 2, 3, 4, 6, 7]), everything, everything))


class VanishedCase(ViewCase):
    async def gone(
        self, view: View, modseq: int, known: Iterable[Range] = ((1, 100),), after: int = 0
    ) -> list[int]:
        found: list[int] = []
        async for ranges in self.store.vanished(view, list(known), modseq, after):
            found += spread(ranges)
        return found


class WritersTests(VanishedCase):
    """By the server's own writers, which take their time."""

    own_clock = False

    async def test_every_way_to_go(self) -> None:
        """Expunged, moved, removed over the API: by our own writers, beside whom others write."""
        for n in range(6):
            await self.add(message(n), flags=["\\Deleted"] if n < 2 else [])
        view = await self.open()
        before = view.highest_modseq
        trash = await self.store.mailboxes.get(self.account.id, "Trash")
        await self.store.expunge(self.mailbox, [1, 2])
        await self.store.move(self.mailbox, [3], trash)
        await self.store.store_flags(self.mailbox, [5, 6], "+", ["\\Seen"])
        await self.store.copy(self.mailbox, [5], self.mailbox)
        await view.refresh(may_expunge=True)
        between = view.highest_modseq
        self.assertEqual([1, 2, 3], await self.gone(view, before))
        self.assertEqual([], await self.gone(view, between))
        await self.store.clear(await self.inbox())
        await view.refresh(may_expunge=True)
        self.assertEqual([4, 5, 6, 7], await self.gone(view, between))

    async def test_long_answers(self) -> None:
        """Others have their turn between the parts of a long answer."""
        self.patch(vanished, "_RANGES", 3)
        rows = [await self.arrive() for _ in range(20)]
        for row in rows[::2]:
            await self.go(row)
        view = await self.open()
        self.assertEqual(list(range(1, 21, 2)), await self.gone(view, 1))
        self.patch(views, "_SCANNED", 4)
        self.assertEqual(list(view.uids), list(await view.changed_since(view.uids, 1)))


class VanishedTests(VanishedCase):
    """Narrowed down by the journal, where that tells all."""

    async def test_since(self) -> None:
        """What was expunged after a MODSEQ, and nothing else."""
        rows = [await self.arrive() for _ in range(6)]
        await self.go(rows[1])
        await self.go(rows[4])
        view = await self.open()
        self.assertEqual(9, view.highest_modseq)
        self.assertEqual([2, 5], await self.gone(view, 7))
        self.assertEqual([5], await self.gone(view, 8))
        self.assertEqual([], await self.gone(view, 9))
        self.assertEqual([], await self.gone(view, 2**63 - 1))
        self.assertEqual([2], await self.gone(view, 1, [(2, 3), (6, 6)]))
        self.assertEqual([5], await self.gone(view, 1, after=2))

    async def test_expired_journal(self) -> None:
        """Who was away for a month is told of all that is not there."""
        rows = [await self.arrive() for _ in range(5)]
        await self.go(rows[1])
        view = await self.open()
        await self.go(rows[3])
        await view.refresh(may_expunge=True)
        self.assertEqual([4], await self.gone(view, 7))
        self.db.journal.delete_many({"modseq": {"$lte": 8}})
        self.assertEqual([2, 4], await self.gone(view, 7))
        # And if one is about to expire: it might be the rest of what stood under its MODSEQ.
        await self.arrive()
        await view.refresh(may_expunge=True)
        self.assertEqual([], await self.gone(view, 8))
        old = self.store._backend.now() - datetime.timedelta(seconds=JOURNAL_TRUSTED_SECONDS + 1)
        self.db.journal.update_many({"modseq": 9}, {"$set": {"created": old}})
        self.assertEqual([2, 4], await self.gone(view, 8))

    async def test_hole(self) -> None:
        """A writer that died between a removal and its journal entry: the journal is not believed."""
        rows = [await self.arrive() for _ in range(3)]
        await self.take(0)
        self.db.messages.delete_one({"_id": rows[1]["_id"]})
        await self.arrive()
        self.clock.advance(3600)
        view = await self.open()
        self.assertEqual(([1, 3, 4], 6), (list(view.uids), view.highest_modseq))
        self.assertEqual([2], await self.gone(view, 4))
        # What another has given up is no hole.
        await self.arrive()
        await give_up(self.store._backend, await self.take(0))
        await view.refresh(may_expunge=True)
        self.assertEqual([], await self.gone(view, 6))

    async def test_many_changes(self) -> None:
        """Where too many entries would have to be read they are not."""
        await self.go(await self.arrive())
        view = await self.open()
        self.db.journal.delete_many({})
        self.db.mailboxes.update_one(
            {"_id": self.mailbox.id}, {"$inc": {"modifyIndex": VANISHED_MODSEQS + 1}}
        )
        await view.refresh(may_expunge=True)
        self.clock.advance(3600)
        await view.refresh(may_expunge=True)
        self.assertGreater(view.highest_modseq, VANISHED_MODSEQS)
        self.assertEqual([1], await self.gone(view, 3))

    async def test_what_is_not_told_yet(self) -> None:
        """What has come since the client was told of arrivals is not taken for gone."""
        await self.arrive()
        view, other = await self.open(), await self.open()
        await self.arrive()
        await other.refresh(may_expunge=True)
        self.db.journal.delete_many({})
        self.assertEqual((2, 3), (view.uid_next, view.highest_modseq + 1))
        self.assertEqual([], await self.gone(view, 1))


class ToldTests(ViewCase):
    """HIGHESTMODSEQ and UIDNEXT are those of what this client was told (RFC 7162 §6)."""

    async def test_another_session_looks(self) -> None:
        """What another session's look has shown is not told to this client yet."""
        await self.arrive()
        view, other = await self.open(), await self.open()
        await self.arrive("\\Seen")
        await self.store.store_flags(self.mailbox, [1], "+", ["\\Flagged"])
        await other.refresh(may_expunge=True)
        self.assertEqual((3, 4), (other.uid_next, other.highest_modseq))
        self.assertEqual((2, 2), (view.uid_next, view.highest_modseq))
        await view.refresh(may_expunge=True)
        self.assertEqual((3, 4), (view.uid_next, view.highest_modseq))

    async def test_expunge_that_waits(self) -> None:
        """Until what is gone is told HIGHESTMODSEQ stays below it, whatever else is."""
        rows = [await self.arrive() for _ in range(2)]
        view = await self.open()
        await self.go(rows[0])
        await self.store.store_flags(self.mailbox, [2], "+", ["\\Flagged"])
        await view.refresh(may_expunge=False)
        self.assertEqual(3, view.highest_modseq)
        await view.refresh(may_expunge=False)
        self.assertEqual(3, view.highest_modseq)
        await view.refresh(may_expunge=True)
        self.assertEqual(5, view.highest_modseq)

    async def test_changed_since(self) -> None:
        """Of the messages that are named those with a higher MODSEQ."""
        for _ in range(30):
            await self.arrive()
        view = await self.open()
        await self.store.store_flags(self.mailbox, [3, 7, 8, 29], "+", ["\\Flagged"])
        await view.refresh(may_expunge=True)
        self.assertEqual([3, 7, 8, 29], list(await view.changed_since(view.uids, 31)))
        self.assertEqual([7, 8], list(await view.changed_since(array("I", [4, 5, 7, 8, 9]), 31)))
        self.assertEqual([3, 7, 8, 29, 30], list(await view.changed_since(view.uids, 30)))
        self.assertEqual([], list(await view.changed_since(view.uids, 32)))
        self.assertEqual(30, len(await view.changed_since(view.uids, 0)))
