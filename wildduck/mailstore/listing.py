"""
Pages of a mailbox by date, as the API shows them (spec/api.md §4).

A page is read from where another one ended: at the INTERNALDATE and C{_id} of
a row.  Rows hold what a list shows and never a body.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId

from wildduck import limits
from wildduck.database.weights import fitting, weight_of
from wildduck.errors import MailboxNotFound
from wildduck.mailstore import shown
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.counting import COUNTED_FIELDS, Counting
from wildduck.mime.headers import ADDRESS_FIELDS

Document = dict[str, Any]

#: Drafts that are looked at to tell which messages have one.
_DRAFTS = 1000

#: What a list shows of a message.  The size is ours where the document has it.
_FIELDS = (
    *("uid", "mailbox", "thread", "idate", "hdate", "msgid", "subject", "intro", "ha", "attachments"),
    *("size", "magic", "flags", "unseen", "undeleted", "flagged", "draft", "meta.from"),
    *("verificationResults.bimi", "mimeTree.attachmentMap"),
    *(f"mimeTree.native.{name}" for name in ("v", "size", "magic", "length")),
)
_MAILBOX = {"specialUse": True, **COUNTED_FIELDS}
_HEADERS = ("from", "sender", "to", "cc", "bcc", "references", "content-type")


@dataclass(frozen=True, slots=True)
class Position:
    """
    Where a page begins or ends: at a row, without it.

    @ivar date: the row's C{idate}; C{None} where it has none.
    @ivar id: its C{_id}.
    """

    date: datetime.datetime | None
    id: ObjectId

    @classmethod
    def of(cls, row: Mapping[str, Any], id: str = "_id") -> Position:
        """The position of a row."""
        date = row.get("idate")
        return cls(date if isinstance(date, datetime.datetime) else None, row[id])


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What is asked for.

    @ivar limit: rows of a page, at least 1.
    @ivar ascending: the oldest first.
    @ivar after: the page that follows this position.
    @ivar before: the page that comes before it; only without C{after}.
    @ivar unseen: only unseen messages, or only seen ones; C{None}: all.
    @ivar by_thread: of each thread only its newest message in the mailbox.
    @ivar thread_counters: count the messages of the threads.
    @ivar drafts: tell for which messages there are drafts.
    @ivar meta_data: read C{meta.custom}.
    @ivar headers: read all parsed header fields.
    """

    limit: int
    ascending: bool = False
    after: Position | None = None
    before: Position | None = None
    unseen: bool | None = None
    by_thread: bool = False
    thread_counters: bool = False
    drafts: bool = False
    meta_data: bool = False
    headers: bool = False

    @property
    def projection(self) -> dict[str, Any]:
        """The fields to read."""
        fields: dict[str, Any] = dict.fromkeys(_FIELDS, True)
        fields["attachments"] = {"$slice": limits.LISTED_ATTACHMENTS}
        if self.meta_data:
            fields["meta.custom"] = True
        if self.headers:
            fields["mimeTree.parsedHeader"] = True
            return fields
        for name in _HEADERS:
            value = {"$slice": limits.LISTED_ADDRESSES} if name in ADDRESS_FIELDS else True
            fields[f"mimeTree.parsedHeader.{name}"] = value
        return fields

    @property
    def weight(self) -> Document | None:
        """A projection to the bytes of what can be long in a row; C{None}: nothing of it is read."""
        long = {"meta.custom": self.meta_data, "mimeTree.parsedHeader": self.headers}
        return weight_of([name for name, read in long.items() if read]) if any(long.values()) else None

    def filter(self, mailbox: ObjectId) -> Document:
        """All messages that are listed."""
        filter: Document = {"mailbox": mailbox}
        if self.unseen is not None:
            # An old document may lack the field.
            filter["unseen"] = True if self.unseen else {"$ne": True}
        return filter


@dataclass(frozen=True, slots=True)
class Page:
    """
    @ivar special_use: of the mailbox, C{""} for none.
    @ivar total: rows of all pages.
    @ivar rows: message documents.
    @ivar previous: the position before which more is; C{None} at the beginning.
    @ivar next: the position after which more is; C{None} at the end.
    @ivar threads: messages of an account in each thread, if it was asked for.
    @ivar with_drafts: C{_id}s of rows that a draft answers, if it was asked for.
    @ivar bimi: documents of C{bimi} that rows refer to.
    """

    special_use: str
    total: int
    rows: list[Document]
    previous: Position | None = None
    next: Position | None = None
    threads: Mapping[Any, int] = field(default_factory=dict)
    with_drafts: frozenset[ObjectId] | None = None
    bimi: Mapping[ObjectId, Document] = field(default_factory=dict)


class Listing:
    """Reads pages; one for each worker."""

    def __init__(self, backend: Backend, counting: Counting) -> None:
        self._main = backend.main
        self._counting = counting

    async def page(self, user: ObjectId, mailbox: ObjectId, wanted: Wanted) -> Page:
        """@raise MailboxNotFound: the account has no such mailbox."""
        read = self._by_thread if wanted.by_thread else self._by_message
        found, (rows, more, counted) = await gather(
            self._main.find_one("mailboxes", {"_id": mailbox, "user": user}, projection=_MAILBOX),
            read(mailbox, wanted),
        )
        if found is None:
            raise MailboxNotFound()
        backwards = wanted.after is None and wanted.before is not None
        if backwards:
            rows.reverse()
        before = more if backwards else wanted.after is not None
        after = backwards or more
        whole = wanted.after is None and wanted.before is None and not more
        total, threads, drafts, bimi = await gather(
            self._total(found, wanted, len(rows) if whole else counted),
            self._threads(user, rows if wanted.thread_counters else ()),
            self._with_drafts(user, rows) if wanted.drafts else _nothing(),
            shown.bimi(self._main, rows),
        )
        return Page(
            special_use=str(found.get("specialUse") or ""),
            total=total,
            rows=rows,
            previous=Position.of(rows[0]) if before and rows else None,
            next=Position.of(rows[-1]) if after and rows else None,
            threads=threads,
            with_drafts=drafts,
            bimi=bimi,
        )

    # --- rows ---------------------------------------------------------------------------

    async def _by_message(self, mailbox: ObjectId, wanted: Wanted) -> tuple[list[Document], bool, int | None]:
        """Rows in the order of reading, and whether there are more."""
        ascending, position = _direction(wanted)
        filter = {**wanted.filter(mailbox), **beyond(position, ascending)}
        order = 1 if ascending else -1
        weight = wanted.weight
        rows = await self._main.find(
            "messages",
            filter,
            projection=wanted.projection if weight is None else weight,
            sort=[("idate", order), ("_id", order)],
            limit=wanted.limit + 1,
        )
        if weight is None:
            return rows[: wanted.limit], len(rows) > wanted.limit, None
        ids = [row["_id"] for row in rows]
        these = ids[: fitting(rows[: wanted.limit])]
        return await self._these(mailbox, these, wanted), len(ids) > len(these), None

    async def _by_thread(self, mailbox: ObjectId, wanted: Wanted) -> tuple[list[Document], bool, int | None]:
        """As L{_by_message}, of each thread the newest; and the number of threads."""
        ascending, position = _direction(wanted)
        order = 1 if ascending else -1
        newest = {"$first": "$idate"}
        pipeline = [
            {"$match": wanted.filter(mailbox)},
            {"$sort": {"idate": -1, "_id": -1}},
            {"$group": {"_id": {"$ifNull": ["$thread", "$_id"]}, "idate": newest, "id": {"$first": "$_id"}}},
            {
                "$facet": {
                    "threads": [{"$count": "n"}],
                    "rows": [
                        {"$match": beyond(position, ascending, "id")},
                        {"$sort": {"idate": order, "id": order}},
                        {"$limit": wanted.limit + 1},
                    ],
                }
            },
        ]
        answer: Document = {}
        async for batch in self._main.aggregate("messages", pipeline):
            answer = batch[0]
        ids = [row["id"] for row in answer.get("rows", ())]
        counted = sum(row["n"] for row in answer.get("threads", ()))
        these = ids[: wanted.limit]
        if wanted.weight is not None:
            weighed = await self._these(mailbox, these, wanted, wanted.weight)
            these = these[: fitting(weighed)]
        return await self._these(mailbox, these, wanted), len(ids) > len(these), counted

    async def _these(
        self, mailbox: ObjectId, ids: list[ObjectId], wanted: Wanted, projection: Document | None = None
    ) -> list[Document]:
        """
        Rows in the order of their ids; those that have gone are left out.

        @param projection: if not that of the list.
        """
        if not ids:
            return []
        rows = await self._main.find(
            "messages",
            {"_id": {"$in": ids}, "mailbox": mailbox},
            projection=projection or wanted.projection,
            limit=len(ids),
        )
        places = {id: place for place, id in enumerate(ids)}
        rows.sort(key=lambda row: places[row["_id"]])
        return rows

    # --- what belongs to them -----------------------------------------------------------

    async def _total(self, mailbox: Document, wanted: Wanted, known: int | None) -> int:
        """@param known: rows of all pages, where these have been counted."""
        if known is not None:
            return known
        counts = (await self._counting.counts([mailbox]))[mailbox["_id"]]
        if wanted.unseen is None:
            return counts.total
        return counts.unseen if wanted.unseen else max(0, counts.total - counts.unseen)

    async def _threads(self, user: ObjectId, rows: Iterable[Mapping[str, Any]]) -> dict[Any, int]:
        ids = _threads_of(rows)
        if not ids:
            return {}
        pipeline: list[Document] = [
            {"$match": {"user": user, "thread": {"$in": ids}}},
            {"$group": {"_id": "$thread", "n": {"$sum": 1}}},
        ]
        batches = self._main.aggregate("messages", pipeline)
        return {row["_id"]: row["n"] async for batch in batches for row in batch}

    async def _with_drafts(self, user: ObjectId, rows: Sequence[Mapping[str, Any]]) -> frozenset[ObjectId]:
        """The rows that a draft of the same thread answers or forwards."""
        ids = _threads_of(rows)
        if not ids:
            return frozenset()
        drafts = await self._main.find(
            "messages",
            {"user": user, "thread": {"$in": ids}, "draft": True},
            projection={"meta.reference": True, "mimeTree.parsedHeader.in-reply-to": True},
            limit=_DRAFTS,
        )
        referred: set[Any] = set()
        for draft in drafts:
            reference = shown.member(draft, "meta", "reference")
            if isinstance(reference, Mapping):
                referred.add((str(reference.get("mailbox")), str(reference.get("id"))))
            answered = shown.member(draft, "mimeTree", "parsedHeader", "in-reply-to")
            if isinstance(answered, str) and answered:
                referred.add(answered.strip())
        return frozenset(
            row["_id"]
            for row in rows
            if (str(row.get("mailbox")), str(row.get("uid"))) in referred
            or (isinstance(row.get("msgid"), str) and row["msgid"] in referred)
        )


async def _nothing() -> None:
    return None


def _direction(wanted: Wanted) -> tuple[bool, Position | None]:
    """The order in which the index is read, and the position to begin after."""
    if wanted.after is None and wanted.before is not None:
        return not wanted.ascending, wanted.before
    return wanted.ascending, wanted.after


def beyond(position: Position | None, ascending: bool, id: str = "_id") -> Document:
    """
    The filter of what comes after a position.

    Rows without a date come before all others when the order is ascending.
    The first condition bounds the index, the second one decides for rows of the same time.
    """
    if position is None:
        return {}
    sign, same = ("$gt", "$lte") if ascending else ("$lt", "$gte")
    date = position.date
    if date is None:
        undated = {"idate": None, id: {sign: position.id}}
        return {"$or": [undated, {"idate": {"$ne": None}}]} if ascending else undated
    bound: Document = {"$gte": date} if ascending else {"$not": {"$gt": date}}
    return {"idate": bound, "$nor": [{"idate": date, id: {same: position.id}}]}


def _threads_of(rows: Iterable[Mapping[str, Any]]) -> list[ObjectId]:
    return list({row["thread"]: None for row in rows if isinstance(row.get("thread"), ObjectId)})
