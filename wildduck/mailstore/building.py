"""Message documents together with the attachments that they refer to."""

from __future__ import annotations

from typing import Any

from wildduck.database import WriteGroup
from wildduck.mailstore import documents
from wildduck.mailstore.attachments import Attachments
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.prepared import Prepared
from wildduck.mime.native import BLOB as NATIVE_KEY


class Builder:
    """Stores what a message keeps outside its document, and builds that; one for each worker."""

    def __init__(self, backend: Backend, attachments: Attachments) -> None:
        self._backend = backend
        self._attachments = attachments

    async def build(self, prepared: Prepared, origin: documents.Origin, group: WriteGroup) -> dict[str, Any]:
        """
        Store the attachments and build the document that refers to them.

        @return: the document but for what L{documents.place} sets.
        """
        magic = documents.new_magic()
        message, analysis = prepared.message, prepared.analysis
        skeleton = analysis.skeleton
        apart = skeleton if skeleton is not None and len(skeleton) > documents.SKELETON_INLINE else None
        kept = await self._attachments.keep(message, analysis.externals, apart, magic, group)
        document = documents.build(analysis, kept, magic, origin)
        if not documents.is_too_long(document, message.length):
            return document
        if skeleton is not None and apart is None:
            more = await self._attachments.keep(message, (), skeleton, magic, group)
            kept.map.update(more.map)
            document = documents.build(analysis, kept, magic, origin)
        documents.shorten(document)
        return document

    async def release(self, document: dict[str, Any]) -> None:
        """A document that was built will not be stored."""
        await self._attachments.release(document["mimeTree"]["attachmentMap"], document["magic"])

    async def refer_again(self, prepared: Prepared, document: dict[str, Any], group: WriteGroup) -> None:
        """
        Refer to the attachments once more, for the first time may have been taken back.

        @param document: as it is stored, if it is.
        """
        tree = document["mimeTree"]
        before = tree["attachmentMap"]
        if not before:
            return
        analysis = prepared.analysis
        skeleton = analysis.skeleton if NATIVE_KEY in before else None
        kept = await self._attachments.keep(
            prepared.message, analysis.externals, skeleton, document["magic"], group
        )
        if kept.map != before:
            tree["attachmentMap"] = kept.map
            await self._backend.main.update_one(
                "messages",
                {"_id": document["_id"], "mailbox": document["mailbox"], "uid": document["uid"]},
                {"$set": {"mimeTree.attachmentMap": kept.map}},
                durable=True,
                idempotent=True,
            )
