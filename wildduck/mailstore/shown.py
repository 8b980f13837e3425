"""
What is shown beside a message document and stored elsewhere: brand indicators,
files of a draft, and what of it waits in the outgoing queue.

Message documents come from WildDuck too, of any version: a member may be
missing, or be of another type than it should.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId

from wildduck.database import Database

Document = dict[str, Any]

#: Files of one draft, and queued recipients of one message, that are shown.
_FILES = 1000
_QUEUED = 10_000


def member(document: Any, *path: str) -> Any:
    """A member of objects in one another; C{None} where there is none."""
    for name in path:
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document


def object_id(value: Any) -> ObjectId | None:
    """An id, stored as such or as text."""
    try:
        return ObjectId(value) if isinstance(value, (ObjectId, str)) else None
    except InvalidId:
        return None


async def bimi(main: Database, rows: Iterable[Mapping[str, Any]]) -> dict[ObjectId, Document]:
    """
    The brand indicators of messages.

    @param rows: with C{verificationResults.bimi}.
    @return: C{type}, C{url}, C{content} and C{vmc.type} by id.
    """
    found = (member(row, "verificationResults", "bimi") for row in rows if "verificationResults" in row)
    ids = list({id: None for id in found if isinstance(id, ObjectId)})
    if not ids:
        return {}
    fields = {"type": True, "url": True, "content": True, "vmc.type": True}
    documents = await main.find("bimi", {"_id": {"$in": ids}}, projection=fields, limit=len(ids))
    return {document["_id"]: document for document in documents}


async def files(gridfs: Database, user: ObjectId, row: Mapping[str, Any]) -> list[Document]:
    """
    The files of the account's storage that a draft refers to, in its order.

    A document may hold what is shown of them, or their ids alone.

    @param row: with C{meta.files}.
    @return: C{id}, C{filename}, C{contentType}, C{size} and C{cid}, what is known of them.
    """
    listed = member(row, "meta", "files")
    if not isinstance(listed, list):
        return []
    listed = listed[:_FILES]
    ids = [id for id in map(object_id, listed) if id is not None]
    known: dict[ObjectId, Document] = {}
    if ids:
        rows = await gridfs.find(
            "storage.files", {"_id": {"$in": ids}, "metadata.user": user}, limit=len(ids)
        )
        known = {row["_id"]: _file(row) for row in rows}
    found = (
        entry if isinstance(entry, dict) else known.get(object_id(entry) or ObjectId()) for entry in listed
    )
    return [entry for entry in found if entry]


def _file(row: Mapping[str, Any]) -> Document:
    return {
        "id": row["_id"],
        "filename": row.get("filename"),
        "contentType": row.get("contentType"),
        "size": row.get("length"),
        "cid": member(row, "metadata", "cid"),
    }


async def queued(sender: Database, row: Mapping[str, Any]) -> dict[str, list[Document]]:
    """
    What is still to be sent of a message.

    @param row: with C{outbound}.
    @return: C{seq}, C{recipient}, C{sendingZone} and C{queued} of each entry by queue id.
    """
    listed = row.get("outbound")
    ids = [id for id in listed if isinstance(id, str)] if isinstance(listed, list) else []
    if not ids:
        return {}
    fields = {"_id": False, "id": True, "seq": True, "recipient": True, "sendingZone": True, "queued": True}
    found: dict[str, list[Document]] = {}
    entries = await sender.find(
        "zone-queue", {"id": {"$in": ids[:_FILES]}}, projection=fields, sort=[("id", 1)], limit=_QUEUED
    )
    for entry in entries:
        found.setdefault(entry["id"], []).append(entry)
    return {id: found[id] for id in ids if id in found}
