"""
What is in one open mailbox: UID, MODSEQ, flags and INTERNALDATE of each message, and how it changes.

One for each mailbox that is open in this worker, shared by all its sessions: it
knows nothing of any one of them.  It is brought up to date by
L{MailboxIndex.catch_up} (store.md §2), once for all who ask at the same time,
and keeps an ordered log of what became known; a session (L{View
<wildduck.mailstore.view.View>}) holds a place in that log.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from wildduck.errors import MailboxNotFound
from wildduck.limits import BATCH_ROWS
from wildduck.mailstore.access_keys import resets_of
from wildduck.mailstore.allocation import raise_mark
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.change_log import Came, Changed, ChangeLog, Event, Went
from wildduck.mailstore.columns import ROW_BYTES, Columns, Row
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.flag_table import DELETED, FlagTable
from wildduck.mailstore.loading import ROW, Loading, row_of
from wildduck.mailstore.low_water import LowWater
from wildduck.mailstore.recent import claim_recent, first_recent
from wildduck.mailstore.together import Together
from wildduck.mailstore.values import MAILBOX_FIELDS, FlagsByUid, Mailbox, number

#: The mark in the mailbox document is raised this often while it is open, in seconds.
MARK_SECONDS = 30.0

#: With a last look older than this the journal may have lost expunges (it lives
#: three hours): UID lists are compared instead.
JOURNAL_TRUSTED_SECONDS = 2 * 3600.0

#: Rows of one batch when a mailbox is loaded: some 3 ms of work.
LOAD_ROWS = 2000

#: Memory of an index without messages, and of an event in its log.
_BYTES, _EVENT_BYTES = 10_000, 80

#: The order of an index: without it mongod may go by UIDs, and look at every message for the few.
_BY_MODSEQ = (("modseq", 1), ("uid", 1))
_ENTRY = {"command": True, "uid": True, "modseq": True, "created": True}


class MailboxIndex:
    """
    The messages of a mailbox, ascending by UID, up to the low-water mark.

    @ivar mailbox: as it was at the last look.
    @ivar log: what became known.
    @ivar on_look: called after each look.
    @ivar recent: the first UID that no session had been told of at the last look,
        0 where that is not known (L{wildduck.mailstore.recent}).
    """

    def __init__(self, backend: Backend, mailbox: Mailbox) -> None:
        self._backend = backend
        self.mailbox = mailbox
        self.log = ChangeLog()
        self.on_look: Callable[[], None] = _nothing
        self.recent = 0
        #: A session is claiming the messages below this UID.
        self._claiming = 0
        self._columns = Columns(FlagTable())
        self._mark = LowWater(backend.clock, backend.steady)
        #: Messages above the mark, shown when it has passed them, by UID.
        self._waiting: dict[int, Row] = {}
        #: Changes of this worker that a load in progress may not see.
        self._meanwhile: list[Row] | None = None
        self._look = Together(self._catch_up)
        self._recount = False
        #: Numbers were passed whose messages may come after all.
        self._holes = False
        self._looked: float | None = None
        self._marked = (0, 0)
        self._marked_at = 0.0
        #: How often the key of its URLs was replaced.
        self.key_resets = 0

    # --- reading it ---------------------------------------------------------------

    @property
    def uids(self) -> array[int]:
        """C{array('I')}, ascending."""
        return self._columns.uids

    @property
    def modseqs(self) -> array[int]:
        """C{array('Q')} in the order of L{uids}."""
        return self._columns.modseqs

    @property
    def bits(self) -> array[int]:
        """Flags in the order of L{uids}, as bits of L{flag_table}."""
        return self._columns.bits

    @property
    def dates(self) -> array[int]:
        """C{array('q')} in the order of L{uids}: L{Row.date <wildduck.mailstore.columns.Row>}."""
        return self._columns.dates

    @property
    def zones(self) -> array[int]:
        """C{array('h')} in the order of L{uids}: L{Row.zone <wildduck.mailstore.columns.Row>}."""
        return self._columns.zones

    @property
    def flag_table(self) -> FlagTable:
        """Names of all flags seen."""
        return self._columns.table

    @property
    def highest_modseq(self) -> int:
        """Every change up to it is known here."""
        return max(1, self._mark.modseq)

    @property
    def uid_next(self) -> int:
        """No message will appear below it."""
        return self._mark.uid

    @property
    def unseen(self) -> int:
        """Number of messages without C{\\Seen}."""
        return self._columns.unseen

    def count_recent(self) -> int:
        """Number of messages that no session had been told of at the last look."""
        return len(self.uids) - bisect_left(self.uids, self.recent) if self.recent else 0

    @property
    def memory(self) -> int:
        """About so many bytes."""
        return _BYTES + ROW_BYTES * len(self.uids) + _EVENT_BYTES * len(self.log)

    @property
    def waits(self) -> bool:
        """Messages are there that a slow or dead writer's hole holds back."""
        return bool(self._waiting)

    def position(self, uid: int) -> int:
        """Where a UID is in L{uids}; -1 when it is not."""
        return self._columns.position(uid)

    def flags(self, uid: int) -> tuple[str, ...]:
        """The flags of a message, none when it is gone."""
        place = self._columns.position(uid)
        return () if place < 0 else self._columns.flags(place)

    def modseq(self, uid: int) -> int:
        """The MODSEQ of a message, 0 when it is gone."""
        place = self._columns.position(uid)
        return 0 if place < 0 else self._columns.modseqs[place]

    def with_flag(self, flag: str, present: bool = True) -> Iterator[int]:
        """UIDs of the messages that have a flag, or have it not, ascending."""
        return self._columns.with_flag(flag, present)

    def deleted(self) -> list[int]:
        """UIDs with C{\\Deleted}."""
        return list(self.with_flag(DELETED))

    def behind(self, document: dict[str, Any]) -> bool:
        """
        Whether a look would show something new; if not, this has been one.

        @param document: the mailbox's C{modifyIndex}, C{uidNext} and C{native} as they are now.
        """
        if self._looked is None or not self._mark.settled(document):
            return True
        self._looked = self._backend.steady()
        return False

    # --- bringing it up to date -----------------------------------------------------

    async def catch_up(self, *, anew: bool = False) -> None:
        """
        Learn what has happened until now, and log it; the first time, load everything.

        @param anew: for a new session, which shall also see what came too late
            for the others (store.md §2: of a writer that stalled).
        @raise MailboxNotFound: the mailbox is gone.
        """
        self._recount = self._recount or anew
        await self._look.ask()

    async def _catch_up(self) -> None:
        document = await self._document()
        now = self._backend.steady()
        if self._looked is None:
            await self._load(document)
        elif now - self._looked > JOURNAL_TRUSTED_SECONDS:
            await self._compare(document)
        else:
            if not self._mark.settled(document):
                await self._follow(document)
            if self._recount and (self._holes or self._mark.foreign_writers):
                await self._look_for_the_missing()
        self._recount = False
        self._settle(document)

    async def _follow(self, document: dict[str, Any]) -> None:
        """Read what has changed since the last look."""
        since, next_uid = self._mark.since, self._mark.uid
        self._mark.counted(document)
        filter = {"mailbox": self.mailbox.id}
        # The journal first: what its entries tell of is then in the rows.
        entries = await self._entries(since)
        # Arrivals by UID too: WildDuck's COPY inserts at a MODSEQ already passed.
        changed, arrived = await gather(
            self._rows({**filter, "modseq": {"$gte": since}, "uid": {"$lt": next_uid}}, _BY_MODSEQ),
            self._rows({**filter, "uid": {"$gte": next_uid}}),
        )
        await self._change(changed)
        self._mark.saw(((row.modseq, row.uid) for row in changed + arrived), entries)
        gone = _gone(entries)
        for row in changed:
            # Below the announced ones: shown at the next SELECT only.
            if row.uid not in gone:
                self._columns.insert(row)
        news: list[Event] = [Went(uid) for uid in self._columns.remove(gone)]
        self._waiting = {row.uid: row for row in arrived if row.uid not in gone}
        news += self._take_in()
        self.log.add(news)
        if self._mark.skipped:
            self._mark.skipped = False
            self._holes = True
            await self._look_for_the_missing()

    async def _change(self, rows: list[Row]) -> None:
        """Take over what others have changed, without a long stop when that is much."""
        for start in range(0, len(rows), BATCH_ROWS):
            if start:
                await self._backend.breathe()
            some = rows[start : start + BATCH_ROWS]
            self.log.add([Changed(row.uid) for row in some if self._columns.change(row)])

    async def _look_for_the_missing(self) -> None:
        """
        Compare, if messages are gone or there that no journal entry told of.

        Who removes messages takes MODSEQs first, so when he dies before his
        journal entries there is a hole, and who passes it looks here.
        """
        present = await self._backend.main.count(
            "messages", {"mailbox": self.mailbox.id, "uid": {"$lt": self._mark.uid}}
        )
        if present != len(self.uids):
            await self._compare(await self._document())

    def apply(
        self,
        changed: FlagsByUid,
        origin: object,
        expected: Callable[[tuple[str, ...]], tuple[str, ...]],
    ) -> None:
        """
        A STORE of this worker has changed flags: no need to wait for the next look.

        @param changed: flags and MODSEQ by UID.
        @param origin: the view whose session did it.
        @param expected: what the STORE makes of flags.  Where others come of it than
            those known here let expect, somebody else has changed them too, and
            the session has to be told (RFC 3501 §6.4.6), be it silent or not.
        """
        rows = [Row(uid, modseq, flags) for uid, (flags, modseq) in changed.items()]
        if self._meanwhile is not None:
            self._meanwhile += rows
        news = []
        for row in rows:
            as_expected = set(expected(self.flags(row.uid))) == set(row.flags)
            if self._columns.change(row):
                news.append(Changed(row.uid, origin if as_expected else None))
        self.log.add(news)

    async def claim_recent(self) -> range:
        """
        Let the messages that are known here be C{\\Recent} to nobody else.

        @return: UIDs of those that were to nobody before.
        """
        upto = self.uid_next
        if upto <= max(self.recent, self._claiming):
            return range(upto, upto)
        # Of many sessions that are woken by one arrival the first claims, and no other asks.
        self._claiming = upto
        try:
            first = await claim_recent(self._backend, self.mailbox.id, upto)
        finally:
            if self._claiming == upto:
                self._claiming = 0
        # Another session of this worker may have claimed them meanwhile, with a higher number.
        claimed = range(first, upto)
        self.recent = max(self.recent, upto)
        return claimed

    async def breathe(self) -> None:
        """See L{Backend.breathe}."""
        await self._backend.breathe()

    async def keep_mark(self) -> None:
        """Write the mark into the mailbox document for the next reader, if it has moved."""
        mark = (self._mark.modseq, self._mark.uid)
        if mark != self._marked:
            self._marked = mark
            self._marked_at = self._backend.steady()
            await raise_mark(self._backend, self.mailbox.id, *mark)

    # --- reading the database -------------------------------------------------------

    async def _document(self) -> dict[str, Any]:
        document = await self._backend.main.find_one(
            "mailboxes", {"_id": self.mailbox.id}, projection=MAILBOX_FIELDS
        )
        if document is None:
            raise MailboxNotFound()
        self.mailbox = Mailbox.from_document(document)
        self.recent = max(self.recent, first_recent(document))
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

    async def _rows(self, filter: dict[str, Any], sort: Sequence[tuple[str, int]] = ()) -> list[Row]:
        rows: list[Row] = []
        batches = self._backend.main.batches(
            "messages", filter, projection=ROW, sort=sort or None, slow=False
        )
        async for batch in batches:
            rows.extend(map(row_of, batch))
        return rows

    async def _load(self, document: dict[str, Any]) -> None:
        """Read the whole mailbox; nothing is logged."""
        mark = LowWater(self._backend.clock, self._backend.steady)
        mark.begin(document)
        # What was known here is not forgotten: the mark never falls.
        mark.raise_to(self._mark)
        self._meanwhile = []
        try:
            entries = await self._entries(mark.since)
            columns = await self._all_rows()
        finally:
            meanwhile, self._meanwhile = self._meanwhile, None
        mark.saw(zip(columns.modseqs, columns.uids, strict=True), entries)
        mark.skipped = self._holes = False
        self._mark, self._columns = mark, columns
        self._hold_back()
        columns.remove(_gone(entries))
        for row in meanwhile:
            columns.change(row)

    async def _all_rows(self) -> Columns:
        loading = Loading(FlagTable(self.flag_table.names))
        batches = self._backend.main.raw_batches(
            "messages",
            {"mailbox": self.mailbox.id},
            projection=ROW,
            sort=[("uid", 1)],
            batch_size=LOAD_ROWS,
        )
        async for batch in batches:
            loading.take(batch)
        return loading.columns

    # --- taking over what was read ---------------------------------------------------

    def _settle(self, document: dict[str, Any]) -> None:
        now = self._backend.steady()
        self._looked = now
        self.key_resets = resets_of(document)
        self.on_look()
        if now - self._marked_at >= MARK_SECONDS:
            native = document.get("native") or {}
            self._marked = (number(native.get("modseq")), number(native.get("uid")))
            self._marked_at = now
            self._backend.background(self.keep_mark())

    async def _compare(self, document: dict[str, Any]) -> None:
        """Load anew and log the differences: the journal can not be trusted."""
        before = dict(zip(self.uids, self.modseqs, strict=True))
        last = self.uids[-1] if self.uids else 0
        await self._load(document)
        after = dict(zip(self.uids, self.modseqs, strict=True))
        news: list[Event] = [Went(uid) for uid in before if uid not in after]
        news += [Came(uid) for uid in after if uid > last]
        news += [Changed(uid) for uid, modseq in before.items() if after.get(uid, modseq) != modseq]
        self.log.add(news)

    def _hold_back(self) -> None:
        """Let the messages that the mark has not passed wait until it has."""
        self._waiting = {}
        while self.uids and self.uids[-1] >= self._mark.uid:
            row = self._columns.pop()
            self._waiting[row.uid] = row

    def _take_in(self) -> list[Came]:
        """The arrivals that the mark has passed."""
        passed = sorted(uid for uid in self._waiting if uid < self._mark.uid)
        return [Came(uid) for uid in passed if self._columns.append(self._waiting.pop(uid))]


def _nothing() -> None:
    """Nobody wants to know."""


def _gone(entries: Iterable[dict[str, Any]]) -> set[int]:
    return {number(entry.get("uid")) for entry in entries if entry.get("command") == "EXPUNGE"}
