"""
What is in one open mailbox: UID, MODSEQ and flags of each message, and how it changes.

This is the part that many sessions of a worker can share: it knows nothing of
any one session.  It is brought up to date by L{MailboxIndex.catch_up} (store.md
§2) and keeps an ordered log of what became known; a session (L{View
<wildduck.mailstore.view.View>}) holds a position in that log.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, DeferredLock

from wildduck.errors import MailboxNotFound
from wildduck.limits import MAX_UID
from wildduck.mailstore.allocation import raise_mark
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.flag_table import DELETED, SEEN, FlagTable, new_bits
from wildduck.mailstore.low_water import LowWater
from wildduck.mailstore.values import MAILBOX_FIELDS, Mailbox, number

#: The mark in the mailbox document is raised this often while it is open, in seconds.
MARK_SECONDS = 30.0

#: With a last look older than this the journal may have lost expunges (it lives
#: three hours): UID lists are compared instead.
JOURNAL_TRUSTED_SECONDS = 2 * 3600.0

#: Rows of one batch when a mailbox is loaded.
LOAD_ROWS = 5000

_ROW = {"_id": False, "uid": True, "modseq": True, "flags": True}
_ENTRY = {"command": True, "uid": True, "modseq": True, "created": True}


@dataclass(frozen=True, slots=True)
class Came:
    """A message is there."""

    uid: int


@dataclass(frozen=True, slots=True)
class Went:
    """A message is gone."""

    uid: int


@dataclass(frozen=True, slots=True)
class Changed:
    """
    The flags of a message are others.

    @ivar origin: the session that did it and knows.
    """

    uid: int
    origin: object = None


Event = Came | Went | Changed


class _Row(NamedTuple):
    """A message as it was read."""

    uid: int
    modseq: int
    flags: Sequence[str]


class MailboxIndex:
    """
    The messages of a mailbox, ascending by UID, up to the low-water mark.

    @ivar mailbox: as it was at the last look.
    @ivar uids: C{array('I')}.
    @ivar flag_table: names of all flags seen.
    """

    def __init__(self, backend: Backend, mailbox: Mailbox) -> None:
        self._backend = backend
        self.mailbox = mailbox
        self.uids: array[int] = array("I")
        self.flag_table = FlagTable()
        self._modseqs: array[int] = array("Q")
        self._bits = new_bits()
        self._mark = LowWater(backend.clock)
        #: Messages above the mark, shown when it has passed them, by UID.
        self._waiting: dict[int, _Row] = {}
        self._turn = DeferredLock()
        self._log: list[Event] = []
        self._log_start = 0
        self._looked = 0.0
        self._marked = (0, 0)
        self._marked_at = 0.0

    # --- reading it ---------------------------------------------------------------

    @property
    def highest_modseq(self) -> int:
        """Every change up to it is known here."""
        return max(1, self._mark.modseq)

    @property
    def uid_next(self) -> int:
        """No message will appear below it."""
        return self._mark.uid

    @property
    def bits(self) -> array[int]:
        """Flags in the order of L{uids}, as bits of L{flag_table}."""
        return self._bits

    def position(self, uid: int) -> int:
        """Where a UID is in L{uids}; -1 when it is not."""
        place = bisect_left(self.uids, uid)
        return place if place < len(self.uids) and self.uids[place] == uid else -1

    def flags(self, uid: int) -> tuple[str, ...]:
        """The flags of a message, none when it is gone."""
        place = self.position(uid)
        return () if place < 0 else self.flag_table.unpack(uid, self._bits[place])

    def modseq(self, uid: int) -> int:
        """The MODSEQ of a message, 0 when it is gone."""
        place = self.position(uid)
        return 0 if place < 0 else self._modseqs[place]

    def with_flag(self, flag: str, present: bool = True) -> Iterator[int]:
        """UIDs of the messages that have a flag, or have it not, ascending."""
        bit = self.flag_table.learn(flag)
        for uid, bits in zip(self.uids, self._bits, strict=True):
            has = bool(bits & bit) if bit else flag in self.flag_table.unpack(uid, bits)
            if has == present:
                yield uid

    def first_unseen(self) -> int:
        """The lowest UID without C{\\Seen}, 0 when there is none."""
        return next(self.with_flag(SEEN, False), 0)

    def deleted(self) -> list[int]:
        """UIDs with C{\\Deleted}."""
        return list(self.with_flag(DELETED))

    # --- the log ------------------------------------------------------------------

    @property
    def log_end(self) -> int:
        """The position after the last event."""
        return self._log_start + len(self._log)

    def events(self, position: int) -> list[Event]:
        """What became known since C{position}."""
        return self._log[position - self._log_start :]

    def forget_events(self, position: int) -> None:
        """All sessions have passed this position."""
        del self._log[: position - self._log_start]
        self._log_start = position

    # --- bringing it up to date -----------------------------------------------------

    async def load(self) -> None:
        """
        Read the whole mailbox; nothing is logged.

        @raise MailboxNotFound: it is gone.
        """
        document = await self._document()
        mark = LowWater(self._backend.clock)
        mark.begin(document)
        # What was known here is not forgotten: the mark never falls.
        mark.raise_to(self._mark)
        self.uids, self._modseqs, self._bits = array("I"), array("Q"), new_bits()
        entries = await self._entries(mark.modseq)
        await self._load_rows()
        mark.saw(zip(self._modseqs, self.uids, strict=True), entries)
        mark.skipped = False
        self._mark = mark
        self._hold_back(mark.uid)
        self._remove(_gone(entries))
        self._settle(document)

    async def catch_up(self) -> None:
        """
        Learn what has happened since the last look, and log it.

        @raise MailboxNotFound: the mailbox is gone.
        """
        await self._turn.run(Deferred.fromCoroutine, self._catch_up())

    async def _catch_up(self) -> None:
        document = await self._document()
        if self._backend.clock.seconds() - self._looked > JOURNAL_TRUSTED_SECONDS:
            await self._compare()
            return
        if self._mark.settled(document):
            self._settle(document)
            return
        since, next_uid = self._mark.modseq, self._mark.uid
        self._mark.counted(document)
        filter = {"mailbox": self.mailbox.id}
        # The journal first: what its entries tell of is then in the rows.
        entries = await self._entries(since)
        # Arrivals by UID too: WildDuck's COPY inserts at a MODSEQ already passed.
        changed, arrived = await gather(
            self._rows({**filter, "modseq": {"$gte": since}, "uid": {"$lt": next_uid}}),
            self._rows({**filter, "uid": {"$gte": next_uid}}),
        )
        self._mark.saw(((row.modseq, row.uid) for row in changed + arrived), entries)
        for row in changed:
            # One that is not known is shown at the next SELECT.
            self._change(row.uid, row.modseq, row.flags, None)
        gone = _gone(entries)
        self._log.extend(Went(uid) for uid in self._remove(gone))
        self._waiting = {row.uid: row for row in arrived if row.uid not in gone}
        self._announce()
        if self._mark.skipped:
            self._mark.skipped = False
            await self._look_for_the_missing()
        self._settle(document)

    async def _look_for_the_missing(self) -> None:
        """
        Compare, if messages are gone that no journal entry told of.

        Who removes messages takes MODSEQs first, so when he dies before his
        journal entries there is a hole, and who passes it looks here.
        """
        present = await self._backend.main.count(
            "messages", {"mailbox": self.mailbox.id, "uid": {"$lt": self._mark.uid}}
        )
        if present < len(self.uids):
            await self._compare()

    def apply(self, changed: dict[int, tuple[tuple[str, ...], int]], origin: object) -> None:
        """
        A STORE of this worker has changed flags: no need to wait for the next look.

        @param changed: flags and MODSEQ by UID.
        @param origin: the session that did it.
        """
        for uid, (flags, modseq) in changed.items():
            self._change(uid, modseq, flags, origin)

    async def keep_mark(self) -> None:
        """Write the mark into the mailbox document for the next reader, if it has moved."""
        mark = (self._mark.modseq, self._mark.uid)
        if mark != self._marked:
            self._marked = mark
            self._marked_at = self._backend.clock.seconds()
            await raise_mark(self._backend, self.mailbox.id, *mark)

    # --- reading the database -------------------------------------------------------

    async def _document(self) -> dict[str, Any]:
        document = await self._backend.main.find_one(
            "mailboxes", {"_id": self.mailbox.id}, projection=MAILBOX_FIELDS
        )
        if document is None:
            raise MailboxNotFound()
        self.mailbox = Mailbox.from_document(document)
        for keyword in self.mailbox.keywords:
            self.flag_table.learn(keyword)
        return document

    async def _entries(self, since: int) -> list[dict[str, Any]]:
        """Journal entries from a MODSEQ on, inclusively."""
        entries: list[dict[str, Any]] = []
        filter = {"mailbox": self.mailbox.id, "modseq": {"$gte": since}}
        async for batch in self._backend.main.batches("journal", filter, projection=_ENTRY, slow=False):
            entries.extend(batch)
        return entries

    async def _rows(self, filter: dict[str, Any]) -> list[_Row]:
        rows: list[_Row] = []
        async for batch in self._backend.main.batches("messages", filter, projection=_ROW, slow=False):
            rows.extend(map(_row, batch))
        return rows

    async def _load_rows(self) -> None:
        batches = self._backend.main.batches(
            "messages",
            {"mailbox": self.mailbox.id},
            projection=_ROW,
            sort=[("uid", 1)],
            batch_size=LOAD_ROWS,
            prefetch=True,
        )
        async for batch in batches:
            for row in map(_row, batch):
                # One without a UID can not be shown.
                if 0 < row.uid <= MAX_UID:
                    self._append(row)

    # --- taking over what was read ---------------------------------------------------

    def _settle(self, document: dict[str, Any]) -> None:
        now = self._backend.clock.seconds()
        self._looked = now
        if now - self._marked_at >= MARK_SECONDS:
            native = document.get("native") or {}
            self._marked = (number(native.get("modseq")), number(native.get("uid")))
            self._marked_at = now
            self._backend.background(self.keep_mark())

    async def _compare(self) -> None:
        """Load anew and log the differences: the journal can not be trusted."""
        before = dict(zip(self.uids, self._modseqs, strict=True))
        last = self.uids[-1] if self.uids else 0
        await self.load()
        after = dict(zip(self.uids, self._modseqs, strict=True))
        self._log.extend(Went(uid) for uid in before if uid not in after)
        self._log.extend(Came(uid) for uid in after if uid > last)
        self._log.extend(Changed(uid) for uid, modseq in before.items() if after.get(uid, modseq) != modseq)

    def _hold_back(self, next_uid: int) -> None:
        """Let the messages from a UID on wait until the mark has passed them."""
        self._waiting = {}
        while self.uids and self.uids[-1] >= next_uid:
            uid, modseq, bits = self.uids.pop(), self._modseqs.pop(), self._bits.pop()
            self._waiting[uid] = _Row(uid, modseq, self.flag_table.unpack(uid, bits))

    def _announce(self) -> None:
        """Take in the arrivals that the mark has passed."""
        for uid in sorted(uid for uid in self._waiting if uid < self._mark.uid):
            row = self._waiting.pop(uid)
            if not self.uids or uid > self.uids[-1]:
                self._append(row)
                self._log.append(Came(uid))

    def _remove(self, gone: set[int]) -> list[int]:
        """@return: those that were there, ascending."""
        known = sorted(uid for uid in gone if self.position(uid) >= 0)
        if known:
            removed = set(known)
            kept = [place for place, uid in enumerate(self.uids) if uid not in removed]
            self.uids = array("I", (self.uids[place] for place in kept))
            self._modseqs = array("Q", (self._modseqs[place] for place in kept))
            self._bits = array("Q", (self._bits[place] for place in kept))
        for uid in known:
            self.flag_table.forget(uid)
        return known

    def _append(self, row: _Row) -> None:
        self.uids.append(row.uid)
        self._modseqs.append(row.modseq)
        self._bits.append(self.flag_table.pack(row.uid, row.flags))

    def _change(self, uid: int, modseq: int, flags: Iterable[str], origin: object) -> None:
        place = self.position(uid)
        # The same MODSEQ can come with other flags: a STORE with a lower one that
        # was still on its way leaves it as it is (store.md §3).
        if place < 0 or modseq < self._modseqs[place]:
            return
        before = self.flag_table.unpack(uid, self._bits[place])
        self._modseqs[place] = modseq
        self._bits[place] = self.flag_table.pack(uid, flags)
        if before != self.flag_table.unpack(uid, self._bits[place]):
            self._log.append(Changed(uid, origin))


def _row(document: dict[str, Any]) -> _Row:
    return _Row(
        number(document.get("uid")), max(0, number(document.get("modseq"))), document.get("flags") or ()
    )


def _gone(entries: Iterable[dict[str, Any]]) -> set[int]:
    return {number(entry.get("uid")) for entry in entries if entry.get("command") == "EXPUNGE"}
