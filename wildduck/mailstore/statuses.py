"""
STATUS of mailboxes (RFC 3501 §6.3.10, 7162 §3.1.2, 8438, 9208 §4.1.4), of one or of all of an account.

The numbers are those that a SELECT would show: of messages up to the low-water
mark (store.md §2).  Of a mailbox that is open in this worker they are at hand.
Of all others the database is asked together, and not one by one: who wants the
STATUS of a thousand mailboxes (RFC 5819) costs as many round trips as one.

What was counted is believed as long as nobody has taken a number of the mailbox
since, where nobody could have been still at work when it was counted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from bson import ObjectId

from wildduck.errors import MailboxNotFound
from wildduck.limits import COUNTED_MAILBOXES, MAILBOXES
from wildduck.mailstore.allocation import raise_mark
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.concurrently import for_each, gather
from wildduck.mailstore.counting import SETTLED
from wildduck.mailstore.flag_table import DELETED
from wildduck.mailstore.index import MailboxIndex
from wildduck.mailstore.low_water import LowWater, has_mark
from wildduck.mailstore.open_indexes import OpenIndexes
from wildduck.mailstore.paths import composed, normal_path
from wildduck.mailstore.recent import first_recent
from wildduck.mailstore.values import MAILBOX_FIELDS, Mailbox, Status, number

#: Mailboxes whose places in journal and messages stand in one query.
_TOGETHER = 100
#: Mailboxes worked on at a time, and in one go.
_WORKERS = 8
_AT_A_STRETCH = 200


class Fact(Enum):
    """What can be asked for; see L{Status}."""

    UID_NEXT = auto()
    HIGHEST_MODSEQ = auto()
    MESSAGES = auto()
    UNSEEN = auto()
    RECENT = auto()
    DELETED = auto()
    SIZE = auto()
    DELETED_SIZE = auto()


#: What is cheap, of every mailbox.
USUAL = frozenset((Fact.UID_NEXT, Fact.HIGHEST_MODSEQ, Fact.MESSAGES, Fact.UNSEEN))

#: Bytes of a message as our faces send it.
_SENT: dict[str, Any] = {
    "$cond": [
        {
            "$and": [
                {"$eq": ["$mimeTree.native.size", "$size"]},
                {"$eq": ["$mimeTree.native.magic", "$magic"]},
            ]
        },
        {"$ifNull": ["$mimeTree.native.sent", {"$ifNull": ["$mimeTree.native.length", "$size"]}]},
        "$size",
    ]
}

#: What is counted by one pipeline each: which messages, and what is summed.  The
#: first two read an index alone.
_SUMS: tuple[tuple[dict[str, Any], dict[Fact, Any]], ...] = (
    ({}, {Fact.MESSAGES: 1}),
    ({"unseen": True}, {Fact.UNSEEN: 1}),
    ({"flags": DELETED}, {Fact.DELETED: 1, Fact.DELETED_SIZE: "$size"}),
    ({}, {Fact.SIZE: _SENT}),
)
_SUMMED = frozenset(fact for _, sums in _SUMS for fact in sums)


@dataclass(slots=True)
class _Work:
    """
    A mailbox, and what is known of it so far.

    @ivar document: as it was read, with C{settled} (L{SETTLED}).
    @ivar numbers: its counters then.
    @ivar mark: the low-water MODSEQ and UID.
    """

    document: Mapping[str, Any]
    numbers: tuple[int, int]
    mark: tuple[int, int] = (0, 1)
    counts: dict[Fact, int] = field(default_factory=dict)

    @property
    def id(self) -> ObjectId:
        id: ObjectId = self.document["_id"]
        return id

    def status(self) -> Status:
        get = self.counts.get
        messages = get(Fact.MESSAGES, 0)
        return Status(
            messages=messages,
            unseen=get(Fact.UNSEEN, 0),
            uid_next=self.mark[1],
            uid_validity=number(self.document.get("uidValidity")),
            highest_modseq=max(1, self.mark[0]),
            recent=get(Fact.RECENT, 0),
            deleted=get(Fact.DELETED, 0),
            size=get(Fact.SIZE),
            deleted_size=get(Fact.DELETED_SIZE, 0),
        )


class Statuses:
    """What one worker knows."""

    def __init__(self, backend: Backend, indexes: OpenIndexes) -> None:
        self._backend = backend
        self._indexes = indexes
        #: Counters of a mailbox, and what was counted while they were these.
        self._known: OrderedDict[ObjectId, tuple[tuple[int, int], dict[Fact, int]]] = OrderedDict()

    async def get(self, user: ObjectId, path: str, facts: Collection[Fact] = USUAL) -> tuple[Mailbox, Status]:
        """
        The mailbox of a name, and its STATUS.

        @param path: as of L{Mailboxes.get <wildduck.mailstore.mailboxes.Mailboxes.get>}.
        @raise MailboxNotFound: there is none of that name.
        """
        works = await self._find({"user": user, "path": normal_path(path)}, facts)
        if not works and composed(path) != path:
            works = await self._find({"user": user, "path": normal_path(composed(path))}, facts)
        if not works:
            raise MailboxNotFound()
        return Mailbox.from_document(works[0].document), works[0].status()

    async def one(self, mailbox: Mailbox, facts: Collection[Fact] = USUAL) -> Status:
        """@raise MailboxNotFound: it has been deleted meanwhile."""
        works = await self._find({"_id": mailbox.id}, facts)
        if not works:
            raise MailboxNotFound()
        return works[0].status()

    async def many(
        self, user: ObjectId, mailboxes: Collection[ObjectId], facts: Collection[Fact] = USUAL
    ) -> dict[ObjectId, Status]:
        """Of those that the account still has."""
        if not mailboxes:
            return {}
        works = await self._find({"user": user, "_id": {"$in": list(mailboxes)}}, facts)
        return {work.id: work.status() for work in works}

    async def total(self, user: ObjectId, fact: Fact) -> int:
        """A number summed over all mailboxes of an account, hidden ones included."""
        return sum(work.counts.get(fact, 0) for work in await self._find({"user": user}, {fact}))

    async def _find(self, filter: Mapping[str, Any], facts: Collection[Fact]) -> list[_Work]:
        documents = await self._backend.main.find(
            "mailboxes", filter, projection={**MAILBOX_FIELDS, "settled": SETTLED}, limit=10 * MAILBOXES
        )
        works = [_Work(document, _numbers(document)) for document in documents]
        if not facts:
            return works
        warm: list[tuple[_Work, MailboxIndex]] = []
        cold: list[_Work] = []
        for work in works:
            index = self._indexes.find(work.id)
            if index is None:
                cold.append(work)
            else:
                warm.append((work, index))
        gone, _ = await gather(self._ask_indexes(warm), self._find_marks(cold))
        works = [work for work in works if work.id not in gone]
        await self._count(works, facts)
        return works

    # --- mailboxes that are open here -------------------------------------------------

    async def _ask_indexes(self, warm: Iterable[tuple[_Work, MailboxIndex]]) -> set[ObjectId]:
        """@return: those that are no more."""
        gone = set()

        async def ask(item: tuple[_Work, MailboxIndex]) -> None:
            work, index = item
            try:
                if index.behind(dict(work.document)):
                    await index.catch_up()
            except MailboxNotFound:
                gone.add(work.id)
                return
            work.mark = (index.highest_modseq, index.uid_next)
            work.counts[Fact.MESSAGES] = len(index.uids)
            work.counts[Fact.UNSEEN] = index.unseen
            work.counts[Fact.RECENT] = index.count_recent()
            work.counts[Fact.DELETED] = len(index.deleted())

        await for_each(warm, ask, _WORKERS)
        return gone

    # --- the low-water mark of others ---------------------------------------------------

    async def _find_marks(self, works: Sequence[_Work]) -> None:
        behind: list[tuple[_Work, LowWater]] = []
        for place, work in enumerate(works, 1):
            if place % _AT_A_STRETCH == 0:
                await self._backend.breathe()
            mark = LowWater(self._backend.clock, self._backend.steady)
            mark.begin(work.document)
            work.mark = (mark.modseq, mark.uid)
            if work.mark != work.numbers:
                behind.append((work, mark))
        await self._follow(behind)

    async def _follow(self, behind: Sequence[tuple[_Work, LowWater]]) -> None:
        """Read what tells how far the marks may be raised, and keep them raised."""
        fields = {
            "_id": False,
            "mailbox": True,
            "command": True,
            "modseq": True,
            "uid": True,
            "created": True,
        }
        # The journal first: what its entries tell of is then in the rows.
        unmarked = [work.id for work, _ in behind if not has_mark(work.document)]
        journal = await self._since(
            "journal", [one for one in behind if has_mark(one[0].document)], fields, unmarked
        )
        for work, mark in behind:
            if not has_mark(work.document):
                # Else the rows would be all messages, to find what the journal tells.
                mark.saw((), journal.get(work.id, ()))
        fields = {"_id": False, "mailbox": True, "modseq": True, "uid": True}
        rows = await self._since(
            "messages", [one for one in behind if (one[1].modseq, one[1].uid) != one[0].numbers], fields
        )
        raised = []
        for work, mark in behind:
            if work.id in rows or has_mark(work.document):
                seen = [(number(row.get("modseq")), number(row.get("uid"))) for row in rows.get(work.id, ())]
                mark.saw(seen, journal.get(work.id, ()))
            if (mark.modseq, mark.uid) != work.mark:
                work.mark = (mark.modseq, mark.uid)
                raised.append(work)
        if raised:
            self._backend.background(self._keep(raised))

    async def _since(
        self,
        collection: str,
        behind: Sequence[tuple[_Work, LowWater]],
        fields: Mapping[str, Any],
        whole: Sequence[ObjectId] = (),
    ) -> dict[ObjectId, list[dict[str, Any]]]:
        """
        What has a MODSEQ from the mark on, by mailbox.

        @param whole: of these mailboxes all.
        """
        filters: list[dict[str, Any]] = [{"mailbox": {"$in": list(whole)}}] if whole else []
        places = [{"mailbox": work.id, "modseq": {"$gte": mark.modseq}} for work, mark in behind]
        filters += [{"$or": places[start : start + _TOGETHER]} for start in range(0, len(places), _TOGETHER)]
        found: dict[ObjectId, list[dict[str, Any]]] = {}
        for filter in filters:
            async for batch in self._backend.main.batches(collection, filter, projection=fields, slow=False):
                for row in batch:
                    found.setdefault(row["mailbox"], []).append(row)
        return found

    async def _keep(self, raised: Sequence[_Work]) -> None:
        async def keep(work: _Work) -> None:
            await raise_mark(self._backend, work.id, *work.mark)

        await for_each(raised, keep, _WORKERS)

    # --- counting -------------------------------------------------------------------------

    async def _count(self, works: Sequence[_Work], facts: Collection[Fact]) -> None:
        for work in works:
            self._remember(work)
        asked = [
            self._sum(missing, which, {fact: sums[fact] for fact in sums if fact in facts})
            for which, sums in _SUMS
            if (missing := [w for w in works if any(fact in facts and fact not in w.counts for fact in sums)])
        ]
        if Fact.RECENT in facts:
            asked.append(self._count_recent([work for work in works if Fact.RECENT not in work.counts]))
        await gather(*asked)
        for work in works:
            self._keep_counts(work)

    async def _sum(self, works: Sequence[_Work], which: dict[str, Any], sums: Mapping[Fact, Any]) -> None:
        """Sum over the messages of mailboxes; of one where there are some above the mark, up to it."""
        rows = await self._grouped({"mailbox": {"$in": [work.id for work in works]}, **which}, sums)
        over = [work for work in works if number(rows.get(work.id, {}).get("last")) >= work.mark[1]]
        if over:
            places = [{"mailbox": work.id, "uid": {"$lt": work.mark[1]}, **which} for work in over]
            for work in over:
                del rows[work.id]
            for start in range(0, len(places), _TOGETHER):
                rows.update(await self._grouped({"$or": places[start : start + _TOGETHER]}, sums))
        for work in works:
            row = rows.get(work.id, {})
            work.counts.update((fact, number(row.get(fact.name))) for fact in sums)

    async def _count_recent(self, works: Iterable[_Work]) -> None:
        """A mailbox of which it is not known what anybody was told of has none."""
        places = []
        by_id = {}
        for work in works:
            first = first_recent(work.document)
            if 0 < first < work.mark[1]:
                places.append({"mailbox": work.id, "uid": {"$gte": first, "$lt": work.mark[1]}})
                by_id[work.id] = work
        for start in range(0, len(places), _TOGETHER):
            rows = await self._grouped({"$or": places[start : start + _TOGETHER]}, {Fact.RECENT: 1})
            for id, row in rows.items():
                by_id[id].counts[Fact.RECENT] = number(row[Fact.RECENT.name])

    async def _grouped(
        self, filter: Mapping[str, Any], sums: Mapping[Fact, Any]
    ) -> dict[ObjectId, dict[str, Any]]:
        """By mailbox: the sums by their names, and the highest UID as C{last}."""
        group = {"_id": "$mailbox", "last": {"$max": "$uid"}}
        group.update((fact.name, {"$sum": what}) for fact, what in sums.items())
        rows: dict[ObjectId, dict[str, Any]] = {}
        async for batch in self._backend.main.aggregate("messages", [{"$match": filter}, {"$group": group}]):
            rows.update((row["_id"], row) for row in batch)
        return rows

    def _remember(self, work: _Work) -> None:
        known = self._known.get(work.id)
        if known is not None and known[0] == work.numbers == work.mark:
            work.counts = {**known[1], **work.counts}

    def _keep_counts(self, work: _Work) -> None:
        """Keep what was counted where it stays right until somebody takes a number."""
        if work.document.get("settled") is not True or work.mark != work.numbers:
            return
        counts = {fact: count for fact, count in work.counts.items() if fact in _SUMMED}
        self._known[work.id] = (work.numbers, counts)
        self._known.move_to_end(work.id)
        while len(self._known) > COUNTED_MAILBOXES:
            self._known.popitem(last=False)


def _numbers(document: Mapping[str, Any]) -> tuple[int, int]:
    """The writers' counters: highest MODSEQ, next UID."""
    return number(document.get("modifyIndex")), max(1, number(document.get("uidNext")))
