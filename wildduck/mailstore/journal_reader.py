"""
The journal of an account, read on and on by the ids of its entries (spec/api.md §18).

Ids begin with the second in which their writer made them, by its clock; within
it those of several processes have no order, and an entry is there some time
after its id was made.  So an entry can appear before others that were read
already.  A reader reads again what is younger than L{OVERLAP_SECONDS} before
the newest that it has seen, and leaves out what it has had; entries that come
later than that, or whose writer's clock is further behind, are missed, as
everywhere (store.md §2, 'H').
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from bson import ObjectId

from wildduck import limits
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.journal import UNUSED

Entry = dict[str, Any]

#: How far the order of ids and the order in which entries appear may be apart.
OVERLAP_SECONDS = int(limits.MODSEQ_HOLE_SECONDS)
#: Entries are there at least so long (spec/schema.md §5).
JOURNAL_SECONDS = 10_800

_LATEST = 2**32 - 1


def id_at(seconds: float) -> ObjectId:
    """The lowest id of a second since 1970."""
    return ObjectId(int(min(max(seconds, 0), _LATEST)).to_bytes(4, "big") + bytes(8))


def seconds_of(id: ObjectId) -> int:
    """When an id was made, in seconds since 1970 by its writer's clock."""
    return int.from_bytes(id.binary[:4], "big")


class JournalReader:
    """
    What one reader has had of the journal.

    Use: L{begin} once, then L{read} whenever there may be something new.
    """

    def __init__(
        self, backend: Backend, user: ObjectId, *, remembered: int = limits.UPDATES_REMEMBERED
    ) -> None:
        """@param remembered: ids of the last seconds that are kept."""
        self._backend = backend
        self._user = user
        self._most = remembered
        #: Entries up to here are done with, whatever appears there.
        self._floor = id_at(0)
        #: Ids above the floor that were given out.
        self._had: set[ObjectId] = set()
        #: Where to read again, and when: ids from there were forgotten too early.
        self._again: tuple[ObjectId, float] | None = None

    async def begin(self, last: ObjectId | None) -> bool:
        """
        @param last: the last entry that the client has had; C{None}: begin with
            what comes now.
        @return: whether entries after it may have expired.
        """
        now = self._backend.clock.seconds()
        if last is not None:
            had = min(seconds_of(last), now)
            self._floor = id_at(had - OVERLAP_SECONDS)
            return now - had > JOURNAL_SECONDS - 2 * OVERLAP_SECONDS
        newest = await self._backend.main.find_one(
            "journal", {"user": self._user}, projection={"_id": True}, sort=[("_id", -1)]
        )
        if newest is None:
            self._floor = id_at(now - OVERLAP_SECONDS)
            return False
        self._floor = id_at(min(seconds_of(newest["_id"]), now) - OVERLAP_SECONDS)
        async for _ in self.read():
            # These are there already.
            continue
        return False

    async def read(self) -> AsyncIterator[list[Entry]]:
        """
        What is new, in batches that are not empty, each in the order of ids.

        Nothing is read while a batch is not taken.
        """
        started = self._backend.clock.seconds()
        position = self._start()
        while True:
            entries = await self._backend.main.find(
                "journal",
                {"user": self._user, "_id": {"$gt": position}},
                sort=[("_id", 1)],
                limit=limits.UPDATES_BATCH,
            )
            new = [entry for entry in entries if entry["_id"] not in self._had]
            self._note(new, started)
            shown = [entry for entry in new if entry.get("command") != UNUSED]
            if shown:
                yield shown
            if len(entries) < limits.UPDATES_BATCH:
                return
            position = entries[-1]["_id"]

    def _start(self) -> ObjectId:
        if self._again is None or self._backend.steady() < self._again[1]:
            return self._floor
        position, self._again = self._again[0], None
        return position

    def _note(self, entries: Sequence[Entry], started: float) -> None:
        if not entries:
            return
        self._had.update(entry["_id"] for entry in entries if entry["_id"] > self._floor)
        # Where our clock is the slow one, others' entries of now have ids of the future.
        settled = min(seconds_of(entries[-1]["_id"]), started) - OVERLAP_SECONDS
        self._raise(id_at(settled))
        if len(self._had) > self._most:
            self._forget()

    def _raise(self, floor: ObjectId) -> None:
        if floor > self._floor:
            self._floor = floor
            self._had = {id for id in self._had if id > floor}

    def _forget(self) -> None:
        """
        Too many in too short a time: those that may still appear among the ones
        that are forgotten now are found by reading these again later, once.
        """
        if self._again is None:
            self._again = (self._floor, self._backend.steady() + OVERLAP_SECONDS)
        self._raise(sorted(self._had)[len(self._had) // 2])
