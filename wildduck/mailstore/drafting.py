"""
What a new message is made of beside its text: attachments of other messages,
files that were uploaded before (spec/api.md §6), and its composition.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any

from bson import ObjectId

from wildduck.database import GridFS
from wildduck.errors import AttachmentNotFound, FileNotStored, MessageTooBig
from wildduck.limits import KIB
from wildduck.mailstore import referenced
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.content import Content
from wildduck.mailstore.referenced import Referenced
from wildduck.mailstore.spooled import Spooled
from wildduck.mailstore.values import number, text
from wildduck.mime import headers
from wildduck.mime.compose import Attachment, Draft, compose
from wildduck.mime.message import Intake, Message
from wildduck.mime.rebuild import Node

#: GridFS bucket of files that are to become attachments (spec/schema.md §3).
STORAGE = "storage"
#: Transfer encodings in which a stored body can be taken over as it is.
_KNOWN = frozenset(("7bit", "8bit", "binary", "base64", "quoted-printable"))
_BLOCK = 256 * KIB


@dataclass(frozen=True, slots=True)
class StoredFile:
    """
    A row of the bucket C{storage}.

    @ivar cid: Content-ID without brackets, C{""} for none.
    """

    id: ObjectId
    filename: str
    content_type: str
    size: int
    cid: str
    row: dict[str, Any]

    def as_recorded(self) -> dict[str, Any]:
        """As WildDuck keeps it in C{meta.files} of the message."""
        recorded: dict[str, Any] = {
            "id": self.id,
            "filename": self.filename,
            "contentType": self.content_type,
            "size": self.size,
        }
        return {**recorded, "cid": self.cid} if self.cid else recorded


class Drafting:
    """Makes messages; one for each worker."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._storage = GridFS(backend.databases.gridfs, STORAGE)

    # --- what it refers to --------------------------------------------------------------

    async def referenced(self, user: ObjectId, mailbox: ObjectId, uid: int) -> Referenced | None:
        """See L{wildduck.mailstore.referenced.find}."""
        return await referenced.find(self._backend, user, mailbox, uid)

    async def attachments(
        self, source: Referenced, wanted: Collection[str] | None, resources: ExitStack
    ) -> list[Attachment]:
        """
        The attachments of a stored message, but for what its HTML shows.

        They keep their transfer encoding, byte for byte, so that they are stored once.

        @param wanted: ids of these only, C{None} for all.
        @param resources: closes what is held.
        @raise AttachmentNotFound: it has none of such an id.
        @raise MessageTooBig: they are more than a message may have.
        @raise ContentUnreadable: one is missing or broken.
        """
        rows = [row for row in source.document.get("attachments") or () if isinstance(row, dict)]
        if wanted is not None and not set(wanted) <= {str(row.get("id")) for row in rows}:
            raise AttachmentNotFound()
        chosen = [
            row for row in rows if (row.get("id") in wanted if wanted is not None else not row.get("related"))
        ]
        if not chosen:
            return []
        content = await Content.of(self._backend.gridfs, source.document, self._backend.mime_pool, exact=True)
        nodes = {node.attachment: node for node in content.rope.root.walk() if node.attachment}
        if any(row.get("id") not in nodes for row in chosen):
            raise AttachmentNotFound()
        parts = [(row, nodes[row["id"]]) for row in chosen]
        self._check(sum(node.body_end - node.body_start for _, node in parts))
        return [await self._attachment(row, node, content, resources) for row, node in parts]

    async def _attachment(
        self, row: dict[str, Any], node: Node, content: Content, resources: ExitStack
    ) -> Attachment:
        body = await self._spool(content.blocks(node.body_start, node.body_end), resources)
        lines = headers.lines_of(node.tree)
        encoding = headers.transfer_encoding(headers.last(lines, b"content-transfer-encoding"))
        kind = headers.last(lines, b"content-type")
        # What has an encoding that nobody knows is best left as it is.
        return Attachment(
            body.blocks,
            kind.decode("utf-8", "replace") if kind and encoding in _KNOWN else "",
            text(row.get("filename")),
            text(row.get("cid")).strip("<>"),
            "inline" if row.get("related") else "attachment",
            encoding if encoding in _KNOWN else "base64",
            encoded=encoding in _KNOWN,
        )

    # --- files that were uploaded before ----------------------------------------------------

    async def files(self, user: ObjectId, ids: Sequence[ObjectId]) -> list[StoredFile]:
        """
        @return: in this order.
        @raise FileNotStored: the account has no such file.
        """
        rows = await self._storage.rows(ids)
        found = []
        for id in dict.fromkeys(ids):
            row = rows.get(id)
            if row is None or (row.get("metadata") or {}).get("user") != user:
                raise FileNotStored()
            found.append(
                StoredFile(
                    id,
                    text(row.get("filename")),
                    text(row.get("contentType")),
                    number(row.get("length")),
                    text((row.get("metadata") or {}).get("cid")).strip("<>"),
                    row,
                )
            )
        return found

    async def file_attachments(self, files: Sequence[StoredFile], resources: ExitStack) -> list[Attachment]:
        """
        @param resources: closes what is held.
        @raise MessageTooBig: they are more than a message may have.
        @raise ContentUnreadable: one is missing or broken.
        """
        self._check(sum(file.size for file in files))
        made = []
        for file in files:
            body = await self._spool(self._storage.read(file.row), resources)
            made.append(Attachment(body.blocks, file.content_type, file.filename, file.cid))
        return made

    def _check(self, size: int) -> None:
        if size > self._backend.settings.limits.max_message_size:
            raise MessageTooBig()

    async def _spool(self, blocks: AsyncIterator[bytes], resources: ExitStack) -> Spooled:
        spooled = Spooled(self._backend.settings.spool)
        resources.callback(spooled.close)
        async for block in blocks:
            spooled.write(block)
        return spooled

    # --- the message -------------------------------------------------------------------------

    async def compose(self, make: Callable[[], Draft]) -> Message:
        """
        Compose a message, in a thread.

        @param make: makes the draft, in that thread too: what takes long is done there.
        @return: to be closed by the caller.
        @raise MessageTooBig: it is over the limit of all faces.
        @raise Overloaded: too many wait already.
        """
        return await self._backend.mime_pool.run(self._compose, make)

    def _compose(self, make: Callable[[], Draft]) -> Message:
        intake = self._intake()
        try:
            compose(make(), intake.write)
            return intake.finish()
        except BaseException:
            intake.abort()
            raise

    async def scan(self, content: IO[bytes]) -> Message:
        """
        A message as it is, read in a thread.

        @param content: read from where it is to its end; stays the caller's to close.
        @return: to be closed by the caller.
        @raise MessageTooBig: it is over the limit of all faces.
        @raise Overloaded: too many wait already.
        """
        return await self._backend.mime_pool.run(self._scan, content)

    def _scan(self, content: IO[bytes]) -> Message:
        intake = self._intake()
        try:
            while block := content.read(_BLOCK):
                intake.write(block)
            return intake.finish()
        except BaseException:
            intake.abort()
            raise

    def _intake(self) -> Intake:
        settings = self._backend.settings
        return Intake(settings.spool, settings.limits.max_message_size)
