"""
One message, as the API shows it: its document, its source, its attachments (spec/api.md §4).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from wildduck.errors import AttachmentNotFound, ContentUnreadable, MailboxNotFound, MessageNotFound
from wildduck.mailstore import shown
from wildduck.mailstore.attachments import MARKER_LENGTH, exact_key, references_of
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.content import CONTENT_FIELDS, Content
from wildduck.mailstore.flag_table import SEEN
from wildduck.mailstore.flags import FlagStore
from wildduck.mailstore.mailboxes import Mailboxes
from wildduck.mailstore.shown import member
from wildduck.mailstore.values import number, text
from wildduck.mime import headers
from wildduck.mime.rebuild import Node, nodes
from wildduck.mime.transfer import decoder

Document = dict[str, Any]

_HEADERS = (
    *("from", "sender", "to", "cc", "bcc", "reply-to", "references", "content-type"),
    *("list-id", "list-unsubscribe"),
)
_FIELDS = dict.fromkeys(
    (
        *("uid", "mailbox", "user", "thread", "idate", "hdate", "exp", "rdate", "msgid", "subject"),
        *("size", "magic", "flags", "unseen", "undeleted", "flagged", "draft", "meta"),
        *("html", "text", "textFooter", "attachments", "forwardTargets", "outbound", "verificationResults"),
        "mimeTree.attachmentMap",
        *(f"mimeTree.native.{name}" for name in ("v", "size", "magic", "length")),
        *(f"mimeTree.parsedHeader.{name}" for name in _HEADERS),
    ),
    True,
)

#: Levels of the tree whose inline bodies are not read for a look at the headers of a part.
_LEVELS = 6
_WITHOUT_BODIES = {
    **dict.fromkeys(("headers", "envelope", "bodystructure", "html", "text", "textFooter", "meta"), False),
    "mimeTree.native": False,
    **{f"mimeTree.{'childNodes.' * level}body": False for level in range(_LEVELS)},
}


@dataclass(frozen=True, slots=True)
class Shown:
    """
    @ivar document: of the message, with its text.
    @ivar files: of a draft, see L{shown.files}.
    @ivar queued: see L{shown.queued}.
    @ivar bimi: of the sender, C{None} for none.
    """

    document: Document
    files: list[Document]
    queued: dict[str, list[Document]]
    bimi: Document | None


@dataclass(frozen=True, slots=True)
class Attachment:
    """
    @ivar content_type: lower case, for example C{text/plain}.
    @ivar charset: as declared, C{""} for none.
    @ivar disposition: C{attachment}, C{inline} or another word, C{""} for none.
    @ivar filename: as declared or made up, C{""} for none.
    @ivar length: bytes, C{None} where that is not known before they are decoded.
    @ivar blocks: the decoded bytes.
    """

    content_type: str
    charset: str
    disposition: str
    filename: str
    length: int | None
    blocks: AsyncIterator[bytes]


class Reading:
    """Reads single messages; one for each worker."""

    def __init__(self, backend: Backend, mailboxes: Mailboxes, flags: FlagStore) -> None:
        self._backend = backend
        self._mailboxes = mailboxes
        self._flags = flags

    async def show(self, user: ObjectId, mailbox: ObjectId, uid: int, *, mark_as_seen: bool = False) -> Shown:
        """
        @param mark_as_seen: set C{\\Seen}, if it is not.
        @raise MessageNotFound: there is none, or it is another account's.
        """
        document = await self._document(user, mailbox, uid, _FIELDS)
        databases = self._backend.databases
        files, queued, bimi, _ = await gather(
            shown.files(databases.gridfs, user, document),
            shown.queued(databases.sender, document),
            shown.bimi(databases.main, (document,)),
            self._mark(user, mailbox, document, mark_as_seen),
        )
        return Shown(document, files, queued, next(iter(bimi.values()), None))

    async def _mark(self, user: ObjectId, mailbox: ObjectId, document: Document, wanted: bool) -> None:
        if not wanted or document.get("unseen") is False:
            return
        try:
            found = await self._mailboxes.get_by_id(user, mailbox)
        except MailboxNotFound:
            raise MessageNotFound() from None
        stored = await self._flags.store(found, [document["uid"]], "+", [SEEN])
        for flags, _modseq in stored.changed.values():
            document.update(flags=list(flags), unseen=False)

    async def source(self, user: ObjectId, mailbox: ObjectId, uid: int) -> Content:
        """
        The message as it came in; what it needs is there.

        @raise MessageNotFound: there is none, or it is another account's.
        @raise ContentUnreadable: something of it is missing.
        """
        document = await self._document(user, mailbox, uid, CONTENT_FIELDS)
        content = await Content.of(self._backend.gridfs, document, self._backend.mime_pool, exact=True)
        await content.prepare()
        return content

    async def attachment(self, user: ObjectId, mailbox: ObjectId, uid: int, id: str) -> Attachment:
        """
        @param id: C{ATT00001} and so on.
        @raise MessageNotFound: there is none, or it is another account's.
        @raise AttachmentNotFound: it has no such attachment.
        """
        document = await self._document(user, mailbox, uid, _WITHOUT_BODIES)
        references = references_of(document)
        exact = references.get(exact_key(id))
        digest = exact if isinstance(exact, bytes) else references.get(id)
        row = await self._backend.gridfs.file_row(digest) if digest is not None else None
        if row is None:
            raise AttachmentNotFound()
        return self._described(document, id, row, MARKER_LENGTH if digest is exact else 0)

    def _described(self, document: Document, id: str, row: Document, start: int) -> Attachment:
        listed = _listed(document, id)
        node = _node(document, id)
        kind = (
            headers.content_type(headers.last(headers.lines_of(node.tree), b"content-type")) if node else None
        )
        content_type = text(listed.get("contentType")) or (kind.value if kind is not None else "")
        encoding = text(listed.get("transferEncoding"))
        if not encoding:
            encoding = text(member(row, "metadata", "transferEncoding"))
        length = max(0, number(row.get("length")) - start)
        as_stored = bool(member(row, "metadata", "decoded")) or not _is_encoded(encoding)
        blocks = self._stored(row, start, length)
        return Attachment(
            content_type=content_type or text(row.get("contentType")) or "application/octet-stream",
            charset=kind.parameters.get("charset", "") if kind is not None else "",
            disposition=text(listed.get("disposition")),
            filename=text(listed.get("filename")),
            length=length if as_stored else None,
            blocks=blocks if as_stored else _decoded(blocks, encoding),
        )

    async def _stored(self, row: Document, start: int, length: int) -> AsyncIterator[bytes]:
        try:
            async for block in self._backend.gridfs.read(row, start, start + length):
                yield block
        except (KeyError, TypeError, ValueError):
            # A row of another form than GridFS's.
            raise ContentUnreadable() from None

    async def _document(
        self, user: ObjectId, mailbox: ObjectId, uid: int, projection: Mapping[str, Any]
    ) -> Document:
        filter = {"mailbox": mailbox, "uid": uid, "user": user}
        document = await self._backend.main.find_one("messages", filter, projection=projection)
        if document is None:
            raise MessageNotFound()
        return document


def _is_encoded(encoding: str) -> bool:
    return encoding.strip().lower() in ("base64", "quoted-printable")


async def _decoded(blocks: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    output = decoder(encoding)
    async for block in blocks:
        data = output.feed(block)
        if data:
            yield data
    rest = output.finish()
    if rest:
        yield rest


def _listed(document: Document, id: str) -> Mapping[str, Any]:
    """The row of a message's list of attachments; empty for a text that is stored outside it."""
    rows = document.get("attachments")
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Mapping) and row.get("id") == id:
            return row
    return {}


def _node(document: Document, id: str) -> Node | None:
    tree = document.get("mimeTree")
    if not isinstance(tree, dict):
        return None
    return next((node for node in nodes(tree).walk() if node.attachment == id), None)
