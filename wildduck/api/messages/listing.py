"""Listing the messages of a mailbox in pages (spec/api.md §4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId

from wildduck import limits
from wildduck.api.frame.answers import UNSET, Answer, UnsetType
from wildduck.api.frame.application import Application
from wildduck.api.frame.call import Call
from wildduck.api.frame.paging import PAGE_FIELDS, Cursor, Page, encode_cursor
from wildduck.api.frame.route import Route
from wildduck.api.frame.schema import Boolean, Choice, Id, Schema
from wildduck.api.messages import shapes
from wildduck.errors import BadInput
from wildduck.mailstore import MailStore
from wildduck.mailstore.listing import Document, Page as Found, Position, Wanted
from wildduck.mailstore.shown import member

_LIST = Schema(
    {
        "mailbox": Id(required=True, about="Id of the mailbox"),
        "unseen": Boolean(about="Only messages that are unseen, or (false) only those that are seen"),
        "metaData": Boolean(default=False, about="Show the metaData of messages"),
        "threadCounters": Boolean(default=False, about="Count the messages of each thread"),
        "includeHasDrafts": Boolean(default=False, about="Tell which messages a draft answers"),
        "collapseThreads": Boolean(default=False, about="Show the newest message of each thread only"),
        "includeHeaders": Boolean(default=False, about="Show all parsed header fields"),
        "order": Choice(values=("asc", "desc"), default="desc", about="By time of arrival"),
        **PAGE_FIELDS,
    },
    loose=True,
)


class MessageRow(Answer, kw_only=True, rename={"from_": "from"}):
    """
    A message in a list.

    @ivar id: its UID in the mailbox; in the archive 24 hexadecimal digits.
    @ivar threadMessageCount: messages of its thread in the account.
    @ivar hasDrafts: a draft answers it.
    @ivar messageId: the Message-ID.
    @ivar date: of the header.
    @ivar idate: of arrival.
    @ivar intro: the beginning of its text.
    @ivar attachments: it has some that belong to no HTML part.
    @ivar size: bytes.
    @ivar answered: not for one that was forwarded.
    """

    id: int | str
    mailbox: str
    thread: str | UnsetType = UNSET
    threadMessageCount: int | UnsetType = UNSET
    hasDrafts: bool | UnsetType = UNSET
    from_: shapes.Correspondent
    to: list[shapes.Correspondent]
    cc: list[shapes.Correspondent]
    bcc: list[shapes.Correspondent]
    messageId: str
    subject: str
    date: str
    idate: str
    intro: str
    attachments: bool
    attachmentsList: list[shapes.AttachmentRow]
    size: int
    seen: bool
    deleted: bool
    flagged: bool
    draft: bool
    answered: bool
    forwarded: bool
    references: list[str]
    bimi: shapes.Indicator | UnsetType = UNSET
    headers: dict[str, Any] | UnsetType = UNSET
    metaData: dict[str, Any] | UnsetType = UNSET
    contentType: shapes.MediaType
    encrypted: bool | UnsetType = UNSET


class MessagePage(Page, kw_only=True):
    """
    @ivar specialUse: of the mailbox, C{None} for none.
    """

    specialUse: str | None
    results: list[MessageRow]


class ListingApi:
    """C{GET} of a mailbox's messages."""

    def __init__(self, store: MailStore) -> None:
        self._store = store

    def register(self, application: Application) -> None:
        """Add the route."""
        application.add(
            Route(
                "GET",
                "/users/<user>/mailboxes/<mailbox>/messages",
                _LIST,
                MessagePage,
                self.list,
                permission=("messages", "read"),
                tag="Messages",
                summary="List the messages of a mailbox",
            )
        )

    async def list(self, call: Call) -> MessagePage:
        """@raise MailboxNotFound: the account has no such mailbox."""
        values = call.values
        next, previous = values["next"], values["previous"]
        wanted = Wanted(
            limit=values["limit"],
            ascending=values["order"] == "asc",
            after=_position("next", next),
            before=_position("previous", previous) if next is None else None,
            unseen=values["unseen"],
            by_thread=values["collapseThreads"],
            thread_counters=values["threadCounters"],
            drafts=values["includeHasDrafts"],
            meta_data=values["metaData"],
            headers=values["includeHeaders"],
        )
        found = await self._store.listing.page(call.user, values["mailbox"], wanted)
        page = _number(found, next, previous)
        return MessagePage(
            total=found.total,
            page=page,
            previousCursor=_cursor(found.previous, page - 1),
            nextCursor=_cursor(found.next, page + 1),
            specialUse=found.special_use or None,
            results=[row(document, found, wanted) for document in found.rows],
        )


def _position(name: str, cursor: Cursor | None) -> Position | None:
    """@raise BadInput: the cursor is of another list."""
    if cursor is None:
        return None
    date, id = cursor.values if len(cursor.values) == 2 else (cursor, None)
    if not isinstance(id, ObjectId) or not (date is None or isinstance(date, datetime)):
        text = f'"{name}" must be a paging cursor of this list'
        raise BadInput(text, {name: text})
    return Position(date, id)


def _number(found: Found, next: Cursor | None, previous: Cursor | None) -> int:
    """The page's number, as the cursor knows it."""
    cursor = next or previous
    return cursor.page if cursor is not None and found.previous is not None else 1


def _cursor(position: Position | None, page: int) -> str | bool:
    return encode_cursor([position.date, position.id], max(1, page)) if position is not None else False


def row(document: Document, found: Found, wanted: Wanted) -> MessageRow:
    """
    A message as a list shows it.

    @param found: the page that it is on.
    """
    fields = shapes.header(document)
    kind = shapes.media_type(fields)
    thread = document.get("thread")
    flags = shapes.flags(document)
    date, arrived = shapes.dates(document)
    return MessageRow(
        id=shapes.uid(document),
        mailbox=shapes.id_text(document.get("mailbox")),
        thread=shapes.id_text(thread) or UNSET,
        threadMessageCount=_thread_count(found.threads, thread) if wanted.thread_counters else UNSET,
        hasDrafts=document["_id"] in found.with_drafts if found.with_drafts is not None else UNSET,
        from_=shapes.sender(fields, document),
        to=shapes.correspondents(fields.get("to"), limits.LISTED_ADDRESSES),
        cc=shapes.correspondents(fields.get("cc"), limits.LISTED_ADDRESSES),
        bcc=shapes.correspondents(fields.get("bcc"), limits.LISTED_ADDRESSES),
        messageId=shapes.text(document.get("msgid")),
        subject=shapes.text(document.get("subject")),
        intro=shapes.text(document.get("intro")),
        attachments=bool(document.get("ha")),
        attachmentsList=shapes.attachments(document),
        size=shapes.size(document),
        references=shapes.references(fields, limits.LISTED_REFERENCES),
        bimi=shapes.indicator(document, found.bimi),
        metaData=shapes.meta_data(document)
        if wanted.meta_data and member(document, "meta", "custom") is not None
        else UNSET,
        headers=shapes.all_headers(fields) if wanted.headers else UNSET,
        contentType=kind,
        encrypted=True if shapes.is_encrypted(kind) else UNSET,
        date=date,
        idate=arrived,
        seen=flags.seen,
        deleted=flags.deleted,
        flagged=flags.flagged,
        draft=flags.draft,
        answered=flags.answered,
        forwarded=flags.forwarded,
    )


def _thread_count(threads: Mapping[Any, int], thread: Any) -> int:
    """A message without a thread is alone in one."""
    return threads.get(thread, 1) if isinstance(thread, ObjectId) else 1
