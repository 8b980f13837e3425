"""Message documents, in WildDuck's form and field order (spec/schema.md 'messages')."""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import bson
from bson import ObjectId

from wildduck.limits import DOCUMENT_BYTES, KIB
from wildduck.mailstore.allocation import Allocation
from wildduck.mailstore.attachments import Kept
from wildduck.mailstore.flag_table import DELETED, DRAFT, FLAGGED, SEEN
from wildduck.mailstore.referenced import Follows
from wildduck.mailstore.retention import stamp
from wildduck.mailstore.zones import fields_of
from wildduck.mime.analysis import Analysis
from wildduck.mime.native import BLOB, KEY, native_key

VERSION = "1.0"

#: A longer skeleton goes to GridFS (store.md §6).
SKELETON_INLINE = 256 * KIB

#: Documents of shorter messages can not come near the bound.
MEASURED_AT = 256 * KIB


def new_magic() -> int:
    """16 random bits, the message's share in C{metadata.m} of its attachments; not 0."""
    return 1 + secrets.randbelow(0xFFFF)


def mirrors(flags: tuple[str, ...]) -> dict[str, Any]:
    """The booleans that repeat system flags for the indexes."""
    return {
        "unseen": SEEN not in flags,
        "flagged": FLAGGED in flags,
        "undeleted": DELETED not in flags,
        "draft": DRAFT in flags,
    }


@dataclass(frozen=True, slots=True)
class Origin:
    """
    What is known of a message beside its bytes.

    @ivar flags: canonical, without C{\\Recent}.
    @ivar internal_date: INTERNALDATE, aware; its zone is kept beside it (L{wildduck.mailstore.zones}).
    @ivar meta: WildDuck's C{meta}: source, from, to, origin, transtype, time...
    @ivar extra: further fields of WildDuck's: filters, forwardTargets,
        outbound, verificationResults.
    @ivar follows: the conversation that it belongs to, if its subject is the same.
    """

    flags: tuple[str, ...]
    internal_date: datetime.datetime
    meta: Mapping[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict)
    follows: Follows | None = None


def build(analysis: Analysis, kept: Kept, magic: int, origin: Origin) -> dict[str, Any]:
    """The document but for what its mailbox decides (see L{place})."""
    id = ObjectId()
    extra = dict(origin.extra)
    document: dict[str, Any] = {
        "_id": id,
        "root": id,
        "v": VERSION,
        "userDeleted": False,
        "idate": origin.internal_date,
        "hdate": analysis.header_date or origin.internal_date,
        "flags": list(origin.flags),
        # Behind the flags, where L{wildduck.mailstore.loading} looks for it.
        **fields_of(origin.internal_date),
        "size": analysis.size,
        "meta": dict(origin.meta),
        "filters": extra.pop("filters", []),
        "headers": analysis.headers,
        "mimeTree": _tree(analysis, kept, magic),
        "envelope": analysis.envelope,
        "bodystructure": analysis.bodystructure,
        "msgid": analysis.message_id,
        **mirrors(origin.flags),
        "magic": magic,
        "subject": analysis.subject,
        "copied": False,
        # In their places, for what L{place} says.
        **stamp(1, origin.internal_date),
        **extra,
    }
    document.update(_texts(analysis, kept))
    return document


def _tree(analysis: Analysis, kept: Kept, magic: int) -> dict[str, Any]:
    blob = BLOB if BLOB in kept.map else None
    native = native_key(analysis, magic=magic, blob=blob)
    return {**analysis.mime_tree, "attachmentMap": kept.map, KEY: native}


def _texts(analysis: Analysis, kept: Kept) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if analysis.attachments:
        hashes = kept.content_hashes
        fields["attachments"] = [
            {**row, "fileContentHash": hashes[row["id"]]} if row.get("id") in hashes else row
            for row in analysis.attachments
        ]
    fields["ha"] = analysis.has_attachments
    if analysis.text:
        fields["text"] = analysis.text
    if analysis.text_footer:
        fields["textFooter"] = analysis.text_footer
    if analysis.text or analysis.html:
        fields["intro"] = analysis.intro
    if analysis.html:
        fields["html"] = analysis.html
    return fields


#: Fields that L{place} sets, in their order.
_PLACED = ("mailbox", "user", "uid", "modseq", "searchable", "thread", "junk")


def place(
    document: dict[str, Any], allocation: Allocation, thread: ObjectId | None, added: datetime.datetime
) -> None:
    """Set what depends on the mailbox; may be done again with other numbers."""
    mailbox = allocation.mailbox
    for name in _PLACED:
        document.pop(name, None)
    stamped = stamp(mailbox.retention, added)
    if "rdate" not in stamped:
        document.pop("rdate", None)
    document.update(stamped)
    document.update(mailbox=mailbox.id, user=mailbox.user, uid=allocation.uid, modseq=allocation.modseq)
    if document["undeleted"]:
        document["searchable"] = True
    document["thread"] = thread
    if mailbox.special_use == "\\Junk":
        document["junk"] = True


def is_too_long(document: Mapping[str, Any], length: int) -> bool:
    """
    Whether a document is beyond L{DOCUMENT_BYTES}.

    @param length: of the message; that of a short one is not measured.
    """
    return length > MEASURED_AT and len(bson.encode(document)) > DOCUMENT_BYTES


def shorten(document: dict[str, Any]) -> None:
    """
    Leave out copies that a document can do without, the largest first, until it fits.

    The tree and what makes the message exact are never touched.
    """
    for name in ("html", "textFooter", "attachments", "text", "headers"):
        if len(bson.encode(document)) <= DOCUMENT_BYTES:
            return
        if name == "headers":
            document[name] = document[name][:1000]
        else:
            document.pop(name, None)
