"""
Message documents as the API shows them (spec/api.md §4).

The documents are WildDuck's too, of every version: a member may be missing or
of another type than it should.  Whatever is stored, an answer comes of it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId

from wildduck import limits
from wildduck.accounts.stored import meta_value
from wildduck.api.frame.answers import UNSET, Answer, UnsetType
from wildduck.mailstore.backend import from_milliseconds
from wildduck.mailstore.shown import member
from wildduck.mailstore.values import number as number, text as text
from wildduck.mime import addresses, native, words
from wildduck.mime.envelope import unicode_domain

Document = Mapping[str, Any]

#: Levels of an object that are shown.
_DEPTH = 20
#: Latest time that an answer can hold, in milliseconds since 1970.
_LATEST = 253_402_300_799_999


class Correspondent(Answer, kw_only=True):
    """
    An address of a header, or a group of them.

    @ivar name: display name, C{""} for none.
    @ivar address: as people read it: C{xn--} labels are decoded.
    @ivar group: members, in place of an address.
    """

    address: str | UnsetType = UNSET
    name: str
    group: list[Correspondent] | UnsetType = UNSET


class AttachmentRow(Answer, kw_only=True):
    """
    @ivar hash: SHA-256 of the encoded body, in hexadecimal digits.
    @ivar id: C{ATT00001} and so on.
    @ivar disposition: C{False} for none.
    @ivar cid: Content-ID with its angle brackets.
    @ivar related: it belongs to an HTML part.
    @ivar sizeKb: decoded, roughly.
    @ivar size: bytes in its transfer encoding.
    @ivar fileContentHash: SHA-256 of the stored content, in base64.
    """

    hash: str | UnsetType = UNSET
    id: str
    filename: str
    contentType: str
    disposition: str | bool
    transferEncoding: str
    cid: str | None
    related: bool
    sizeKb: int
    size: int | UnsetType = UNSET
    fileContentHash: str | UnsetType = UNSET


class MediaType(Answer, kw_only=True):
    """A Content-Type with its parameters."""

    value: str
    params: dict[str, str] | UnsetType = UNSET


class Indicator(Answer, kw_only=True):
    """
    A brand indicator (BIMI).

    @ivar certified: by a mark certificate.
    @ivar image: C{data:} URL.
    @ivar type: of the certificate, C{VMC} or C{CMC}.
    """

    certified: bool
    url: str
    image: str
    type: str | UnsetType = UNSET


# --- values ---------------------------------------------------------------------------


def id_text(value: Any) -> str:
    """An id as 24 hexadecimal digits; C{""} for what is none."""
    return str(value) if isinstance(value, (ObjectId, str)) else ""


def time_text(*values: Any) -> str | None:
    """The first of these that is a time, or milliseconds, as ISO 8601; a time without zone is in UTC."""
    for value in values:
        if isinstance(value, datetime):
            # All that the database gives are in UTC.
            return value.isoformat(timespec="milliseconds").partition("+")[0] + "Z"
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _LATEST:
            return time_text(from_milliseconds(int(value)))
    return None


def plain(value: Any, depth: int = _DEPTH) -> Any:
    """Any stored value as JSON can say it; levels beyond a bound are left out."""
    if value is None or isinstance(value, (str, bool, float)):
        return value
    if isinstance(value, int):
        # BSON's 64 bits are a class of their own.
        return int(value)
    if isinstance(value, datetime):
        return time_text(value)
    if depth <= 0:
        return None
    if isinstance(value, dict):
        return {str(name): plain(one, depth - 1) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one, depth - 1) for one in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "replace")
    return str(value)


_NOTHING: dict[str, Any] = {}


def header(document: Document) -> dict[str, Any]:
    """The parsed fields of the message's header."""
    found = member(document, "mimeTree", "parsedHeader")
    return found if isinstance(found, dict) else _NOTHING


# --- header fields --------------------------------------------------------------------


def correspondents(value: Any, most: int = limits.ADDRESSES) -> list[Correspondent]:
    """
    Addresses of a parsed field.

    @param value: C{{"name", "address"}} or C{{"name", "group"}} of each; text
        is read as an address list.
    @param most: so many of them, and of each group.
    """
    if not value:
        return []
    if isinstance(value, str):
        value = addresses.parse(value, most)
    elif isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        return []
    return [_correspondent(entry, most) for entry in value[:most] if isinstance(entry, dict)]


def _correspondent(entry: Document, most: int) -> Correspondent:
    group = entry.get("group")
    if isinstance(group, list):
        members = [_single(one) for one in group[:most] if isinstance(one, dict)]
        return Correspondent(name=_name(entry), group=members)
    return _single(entry)


def _single(entry: Document) -> Correspondent:
    """One address; groups do not nest."""
    address = entry.get("address")
    if not isinstance(address, str):
        address = ""
    elif "xn--" in address or "XN--" in address:
        local, at, domain = address.rpartition("@")
        address = local + at + unicode_domain(domain) if at else address
    return Correspondent(address=address, name=_name(entry))


def _name(entry: Document) -> str:
    name = entry.get("name")
    if not isinstance(name, str):
        return ""
    return words.decode(name) if "=?" in name else name


def sender(fields: Document, document: Document) -> Correspondent:
    """
    From, else Sender, else who the envelope says.

    @param fields: the header, see L{header}; likewise below.
    """
    found = correspondents(fields.get("from")) or correspondents(fields.get("sender"))
    return found[0] if found else Correspondent(name="", address=text(member(document, "meta", "from")))


def references(fields: Document, most: int = 0) -> list[str]:
    """
    The message ids in References.

    @param most: so many of them, the latest; 0 for all.
    """
    value = fields.get("references")
    if isinstance(value, list):
        value = " ".join(one for one in value if isinstance(one, str))
    if not isinstance(value, str):
        return []
    # What stands before the latest ones is left in one piece.
    return value.rsplit(None, most)[-most:] if most else value.split()


def media_type(fields: Document) -> MediaType:
    """The Content-Type of the whole message."""
    value = fields.get("content-type")
    if not isinstance(value, dict):
        return MediaType(value=text(value) or "text/plain")
    params = value.get("params")
    if not params or not isinstance(params, dict):
        return MediaType(value=text(value.get("value")) or "text/plain")
    return MediaType(
        value=text(value.get("value")) or "text/plain",
        params={name: one if isinstance(one, str) else "" for name, one in params.items()},
    )


def is_encrypted(kind: MediaType) -> bool:
    """OpenPGP (RFC 3156) or S/MIME (RFC 8551 §3.3)."""
    value = kind.value.lower()
    if value in ("application/pkcs7-mime", "application/x-pkcs7-mime"):
        params = kind.params if isinstance(kind.params, dict) else {}
        return params.get("smime-type", "enveloped-data").lower() not in ("signed-data", "certs-only")
    return value == "multipart/encrypted"


def all_headers(fields: Document) -> dict[str, Any]:
    """Every parsed field that says something."""
    return {str(name): _header_value(value) for name, value in fields.items() if value}


def _header_value(value: Any) -> Any:
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        return correspondents(value, limits.LISTED_ADDRESSES)
    return plain(value)


# --- the message ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Flags:
    """
    @ivar answered: not for a message that was forwarded.
    """

    seen: bool
    deleted: bool
    flagged: bool
    draft: bool
    answered: bool
    forwarded: bool


def flags(document: Document) -> Flags:
    """What is flagged: by the booleans that repeat the flags, or by these where one is missing."""
    stored = document.get("flags")
    stored = stored if isinstance(stored, list) else []

    def mirrored(name: str, flag: str, inverted: bool = False) -> bool:
        value = document.get(name)
        return value is not inverted if isinstance(value, bool) else flag in stored

    forwarded = "$Forwarded" in stored
    return Flags(
        seen=mirrored("unseen", "\\Seen", True),
        deleted=mirrored("undeleted", "\\Deleted", True),
        flagged=mirrored("flagged", "\\Flagged"),
        draft=mirrored("draft", "\\Draft"),
        answered="\\Answered" in stored and not forwarded,
        forwarded=forwarded,
    )


def uid(document: Document) -> int:
    """The message's id in its mailbox."""
    return number(document.get("uid"))


def size(document: Document) -> int:
    """Bytes of the message: of ours what came in, of WildDuck's what it says."""
    value = native.of_document(document)
    return int(value["length"]) if value is not None else max(0, number(document.get("size")))


def dates(document: Document) -> tuple[str, str]:
    """The Date of the header, and when it arrived; one stands for a missing other."""
    arrived, said = time_text(document.get("idate")), time_text(document.get("hdate"))
    if arrived is None and said is None:
        made = document.get("_id")
        arrived = time_text(made.generation_time) if isinstance(made, ObjectId) else time_text(0)
    return said or arrived or "", arrived or said or ""


def meta_data(document: Document) -> dict[str, Any]:
    """C{metaData}; empty where there is none that can be read."""
    stored = member(document, "meta", "custom")
    if isinstance(stored, str):
        return meta_value(stored)
    value = plain(stored)
    return value if isinstance(value, dict) else {}


def attachments(document: Document) -> list[AttachmentRow]:
    """The attachments of a message."""
    rows = document.get("attachments")
    hashes = member(document, "mimeTree", "attachmentMap")
    if not isinstance(rows, list):
        return []
    return [
        _attachment(row, hashes if isinstance(hashes, dict) else {})
        for row in rows
        if isinstance(row, dict) and isinstance(row.get("id"), str)
    ]


def _attachment(row: Document, hashes: Document) -> AttachmentRow:
    digest = hashes.get(row["id"])
    return AttachmentRow(
        hash=digest.hex() if isinstance(digest, bytes) else UNSET,
        id=row["id"],
        filename=text(row.get("filename")),
        contentType=text(row.get("contentType")) or "application/octet-stream",
        disposition=text(row.get("disposition")) or False,
        transferEncoding=text(row.get("transferEncoding")) or "7bit",
        cid=text(row.get("cid")) or None,
        related=bool(row.get("related")),
        sizeKb=max(0, number(row.get("sizeKb"))),
        size=max(0, number(row["size"])) if "size" in row else UNSET,
        fileContentHash=text(row.get("fileContentHash")) or UNSET,
    )


def indicator(document: Document, known: Mapping[ObjectId, Document]) -> Indicator | UnsetType:
    """The brand indicator of a message, if it has one."""
    id = member(document, "verificationResults", "bimi")
    return indicator_of(known.get(id) if isinstance(id, ObjectId) else None)


def indicator_of(found: Document | None) -> Indicator | UnsetType:
    """A document of C{bimi} as it is shown."""
    content = found.get("content") if found is not None else None
    if found is None or not isinstance(content, (bytes, str)):
        return UNSET
    raw = content.encode() if isinstance(content, str) else bytes(content)
    certified = found.get("type") == "authority"
    return Indicator(
        certified=certified,
        url=text(found.get("url")),
        image="data:image/svg+xml;base64," + base64.b64encode(raw).decode("ascii"),
        type=(text(member(found, "vmc", "type")) or "VMC") if certified else UNSET,
    )


def texts(values: Any) -> list[str]:
    """The texts of a list; one text alone is a list of it."""
    if isinstance(values, str):
        return [values]
    found: Iterable[Any] = values if isinstance(values, list) else ()
    return [one for one in found if isinstance(one, str)]
