"""
What a reader may believe: the low-water mark of a mailbox (store.md §2).

MODSEQs and UIDs become visible out of order: 12 can be there before 11.  The
mark is the highest MODSEQ below which nothing is missing, and the UID below
which nothing is.  A missing number is a hole: its writer is slow, or dead.  A
hole is passed when it is certainly older than any writer may hold a number.

Pure bookkeeping: it reads no database, and only the clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from twisted.internet.interfaces import IReactorTime

from wildduck.limits import MODSEQ_HOLE_SECONDS
from wildduck.mailstore.backend import milliseconds
from wildduck.mailstore.journal import UNUSED
from wildduck.mailstore.values import number

#: Times written by other machines are believed with this much slack, in seconds.
CLOCK_SLACK = MODSEQ_HOLE_SECONDS

_LONG_AGO = float("-inf")

#: Journal commands after which no row of their UID will appear any more.
_GONE = frozenset({"EXPUNGE", UNUSED})

#: Journal commands that take no MODSEQ: theirs is the mailbox's at the time,
#: and who has taken that one may be still at work.
WITHOUT_MODSEQ = frozenset({"CREATE", "RENAME", "DELETE"})


class LowWater:
    """
    The mark of one mailbox.

    Use: L{begin} once with the mailbox document.  Then, for each look at the
    mailbox: remember L{modseq} as the place to read from, L{counted} with the
    mailbox document I{before} rows and journal entries are read, L{saw} with
    everything that was read from that place on, inclusively.

    @ivar modseq: every change up to it has been seen.  HIGHESTMODSEQ.
    @ivar uid: every message below it has been seen or never comes.  UIDNEXT.
    @ivar foreign_writers: somebody else than us was seen to take numbers.
    @ivar skipped: a MODSEQ was passed without having been seen; set back by
        who asks.  Its writer may have died after it removed a message.
    """

    def __init__(self, clock: IReactorTime, steady: Callable[[], float] | None = None) -> None:
        """
        @param clock: the wall clock, for what other machines wrote.
        @param steady: for how long ago something was noticed here, a clock
            that nobody sets; C{clock}, if not given.
        """
        self._clock = clock
        self._steady = steady or clock.seconds
        self.modseq = 0
        self.uid = 1
        self.skipped = False
        self._modseqs: set[int] = set()
        self._uids: set[int] = set()
        #: (highest MODSEQ, next UID, when first noticed), ascending.
        self._noticed: deque[tuple[int, int, float]] = deque()
        self._looked = 0.0
        self._foreign = False
        #: (the mark, when), ascending, of the last seconds in which WildDuck was writing too.
        self._left: deque[tuple[int, float]] = deque()
        self.foreign_writers = False

    @property
    def since(self) -> int:
        """
        The MODSEQ to read from, inclusively.

        WildDuck writes a long STORE in batches under one MODSEQ, each with its
        journal entries: the later ones can come when the mark has passed that
        MODSEQ already, so while WildDuck is at work what was passed in the last
        seconds is read again.
        """
        return min(self.modseq, self._left[0][0]) if self._left else self.modseq

    def begin(self, document: Mapping[str, Any]) -> None:
        """
        Start from the mark in the mailbox document.

        Where WildDuck has taken numbers since, or there is no mark yet, the
        journal of the last seconds is all that tells of writers still at work:
        the first L{saw} believes what is older to be complete.

        @param document: C{modifyIndex}, C{uidNext} and C{native} of the mailbox.
        """
        modify_index, uid_next = _counters(document)
        native = document.get("native") or {}
        if has_mark(document):
            self.modseq = min(modify_index, number(native["modseq"]))
            self.uid = min(uid_next, max(1, number(native["uid"])))
        untouched = (self.modseq, self.uid) == (modify_index, uid_next)
        # Without a mark the last number may be ours, and all before it WildDuck's.
        self._foreign = not (untouched or (has_mark(document) and _is_ours(document)))
        self._noticed.append((modify_index, uid_next, self._steady()))
        self.counted(document)
        if self._is_quiet(document):
            # So that nothing older needs to be read.
            self._pass(modify_index, uid_next)

    def raise_to(self, other: LowWater) -> None:
        """Believe what another one of this mailbox knows."""
        self._pass(other.modseq, other.uid)

    def counted(self, document: Mapping[str, Any]) -> None:
        """Take note of the writers' counters as they are now."""
        modify_index, uid_next = _counters(document)
        self._looked = self._steady()
        self._note_foreign_writer(document)
        last = self._noticed[-1] if self._noticed else (self.modseq, self.uid, 0.0)
        if modify_index > last[0] or uid_next > last[1]:
            self._noticed.append((modify_index, uid_next, self._looked))
        if self._is_quiet(document):
            self._noticed.clear()
            self._noticed.append((modify_index, uid_next, _LONG_AGO))

    def _note_foreign_writer(self, document: Mapping[str, Any]) -> None:
        """Keep the marks of the last seconds while somebody else takes numbers too."""
        foreign = not _is_ours(document)
        self.foreign_writers = self.foreign_writers or foreign or "foreign" in (document.get("native") or {})
        if not self._is_quiet(document) and (foreign or self._had_foreign_writer(document)):
            if not self._left or self._left[-1][0] < self.modseq:
                self._left.append((self.modseq, self._looked))
        overdue = self._looked - MODSEQ_HOLE_SECONDS
        # The oldest that stays was the mark at least so long ago.
        while len(self._left) > 1 and self._left[1][1] <= overdue:
            self._left.popleft()
        if self._left and self._left[-1][1] <= overdue:
            self._left.clear()

    def _had_foreign_writer(self, document: Mapping[str, Any]) -> bool:
        """Whether somebody else has taken numbers shortly before our last ones."""
        foreign = (document.get("native") or {}).get("foreign")
        return foreign is not None and not self._is_old(foreign)

    def saw(self, rows: Iterable[tuple[int, int]], journal: Sequence[Mapping[str, Any]]) -> None:
        """
        Account for what was read, the journal before the rows.

        A row shows that its message is there.  It does not show that all is
        there that its MODSEQ covers: a STORE changes many, one after the other,
        and writes its journal entries when all are changed.

        @param rows: MODSEQ and UID of message rows.
        @param journal: C{command}, C{modseq}, C{uid} and C{created} of entries.
        """
        self._uids.update(uid for _, uid in rows if uid >= self.uid)
        if self._foreign:
            self._believe(journal)
        for entry in journal:
            modseq, uid = number(entry.get("modseq")), number(entry.get("uid"))
            if modseq > self.modseq and entry.get("command") not in WITHOUT_MODSEQ:
                self._modseqs.add(modseq)
            if uid >= self.uid and entry.get("command") in _GONE:
                self._uids.add(uid)
        self._run_on()
        for entry in journal:
            if self._is_old(entry.get("created")):
                # Whatever was taken before this is older still.
                self._pass(number(entry.get("modseq")), number(entry.get("uid")))
        self._advance()

    def _believe(self, journal: Sequence[Mapping[str, Any]]) -> None:
        """Take everything for complete that is older than the journal's young entries."""
        self._foreign = False
        modseq, uid, _ = self._noticed[0] if self._noticed else (self.modseq, self.uid, 0.0)
        for entry in journal:
            if not self._is_old(entry.get("created")):
                modseq = min(modseq, number(entry.get("modseq")) - 1)
                if entry.get("command") == "EXISTS":
                    uid = min(uid, number(entry.get("uid")))
        self._pass(modseq, uid)

    def settled(self, document: Mapping[str, Any]) -> bool:
        """
        Whether another look at a mailbox with these counters can show nothing new.

        A change under the newest MODSEQ may still be arriving in batches, so
        that one must have been there for a while.
        """
        if self._noticed:
            return False
        modify_index, uid_next = _counters(document)
        return self.modseq >= modify_index and self.uid >= uid_next

    def _is_quiet(self, document: Mapping[str, Any]) -> bool:
        """Whether nobody has taken a number for longer than anybody may hold one."""
        return _is_ours(document) and self._is_old(document["native"].get("time"))

    def _is_old(self, time: Any) -> bool:
        """Whether a time that another machine wrote is older than any hole may be."""
        if time is None:
            return False
        age = self._clock.seconds() - milliseconds(time) / 1000
        return age > MODSEQ_HOLE_SECONDS + CLOCK_SLACK

    def _pass(self, modseq: int, uid: int) -> None:
        self.skipped = self.skipped or modseq > self.modseq
        self.modseq = max(self.modseq, modseq)
        self.uid = max(self.uid, uid)

    def _advance(self) -> None:
        overdue = self._looked - MODSEQ_HOLE_SECONDS
        while self._noticed and self._noticed[0][2] <= overdue:
            modseq, uid, _ = self._noticed.popleft()
            self._pass(modseq, uid)
        self._run_on()
        self._modseqs = {modseq for modseq in self._modseqs if modseq > self.modseq}
        self._uids = {uid for uid in self._uids if uid >= self.uid}

    def _run_on(self) -> None:
        """Up to the first hole."""
        while self.modseq + 1 in self._modseqs:
            self.modseq += 1
        while self.uid in self._uids:
            self.uid += 1


def _counters(document: Mapping[str, Any]) -> tuple[int, int]:
    """The writers' counters: highest MODSEQ, next UID."""
    return number(document.get("modifyIndex")), max(1, number(document.get("uidNext")))


def _is_ours(document: Mapping[str, Any]) -> bool:
    """Whether the last numbers were taken by us, and with them a note of when."""
    native = document.get("native") or {}
    return (native.get("index"), native.get("next")) == _counters(document)


def has_mark(document: Mapping[str, Any]) -> bool:
    """Whether a mailbox document has a mark of ours to start from."""
    native = document.get("native")
    return isinstance(native, Mapping) and "modseq" in native and "uid" in native
