"""
The C{attachments} list of a message document (spec/schema.md 'messages').
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from wildduck import limits
from wildduck.mime import headers, parameters, text
from wildduck.mime.part import Part
from wildduck.mime.tree import Tree

#: Extensions of made-up file names; WildDuck's where they differ from the usual ones.
_EXTENSIONS = {
    "application/gzip": "gz",
    "application/json": "json",
    "application/javascript": "js",
    "application/msword": "doc",
    "application/ogg": "ogx",
    "application/pdf": "pdf",
    "application/pgp-encrypted": "asc",
    "application/pgp-keys": "asc",
    "application/pgp-signature": "pgp",
    "application/pkcs7-mime": "p7c",
    "application/pkcs7-signature": "p7s",
    "application/postscript": "ps",
    "application/rtf": "rtf",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/x-gzip": "gz",
    "application/x-tar": "tar",
    "application/xml": "xml",
    "application/zip": "zip",
    "audio/basic": "snd",
    "audio/mp4": "mp4a",
    "audio/mpeg": "mpga",
    "audio/ogg": "oga",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/jpeg": "jpeg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/tiff": "tiff",
    "image/webp": "webp",
    "image/x-icon": "ico",
    "message/rfc822": "eml",
    "text/calendar": "ics",
    "text/css": "css",
    "text/csv": "csv",
    "text/html": "html",
    "text/plain": "txt",
    "text/x-vcard": "vcf",
    "text/vcard": "vcard",
    "text/xml": "xml",
    "video/mp4": "mp4",
    "video/mpeg": "mpeg",
    "video/quicktime": "qt",
    "video/webm": "webm",
}

#: Characters of a file name or Content-ID that are kept, and of all together;
#: names beyond that are made up.
_KEPT = 255
_KEPT_IN_ALL = 256 * limits.KIB


@dataclass(frozen=True)
class Attachments:
    """
    @ivar rows: WildDuck's list.
    @ivar by_content_id: attachment ids by Content-ID without its brackets.
    """

    rows: list[dict[str, Any]]
    by_content_id: dict[str, str]

    @property
    def has_attachments(self) -> bool:
        """WildDuck's C{ha}: there is one that belongs to no HTML."""
        return not all(row["related"] for row in self.rows)


def listed(root: Part, tree: Tree) -> Attachments:
    """
    The attachments of a message: all bodies outside the tree but for long texts.

    @param root: the scanned structure.
    @param tree: what was built of it.
    """
    rows = []
    by_content_id: dict[str, str] = {}
    left = _KEPT_IN_ALL
    for part, related in _with_relation(root):
        attachment_id = tree.nodes[id(part)].get("attachmentId")
        if attachment_id is None:
            continue
        lines = tree.lines[id(part)]
        disposition = _parsed(lines, b"content-disposition")
        kind = disposition.value.lower()
        if text.kind_of(part.content_type, kind) is not None:
            continue
        name = _file_name(part, disposition) if left > 0 else _made_up_name(part)
        left -= len(name)
        content_id = _content_id(lines)
        if content_id is not None:
            by_content_id.setdefault(content_id[1:-1], attachment_id)
        rows.append(
            {
                "id": attachment_id,
                "filename": name,
                "contentType": part.content_type.value,
                "disposition": kind or False,
                "transferEncoding": part.encoding,
                "cid": content_id,
                "related": related,
                "sizeKb": _kilobytes(part),
                "size": part.size,
            }
        )
    return Attachments(rows, by_content_id)


def _with_relation(root: Part) -> Iterable[tuple[Part, bool]]:
    """Every part, and whether it lies in a multipart/related."""
    stack = [(root, False)]
    while stack:
        part, related = stack.pop()
        yield part, related
        if part.message is not None:
            stack.append((part.message, related))
        related = related or (part.boundary is not None and part.content_type.subtype == "related")
        stack += [(child, related) for child in reversed(part.children)]


def _parsed(lines: list[bytes], name: bytes) -> parameters.Field:
    raw = headers.last(lines, name)
    return parameters.parse(raw) if raw is not None else parameters.Field()


def _content_id(lines: list[bytes]) -> str | None:
    raw = headers.last(lines, b"content-id")
    value = raw.decode("utf-8", "replace").strip()[:_KEPT] if raw is not None else ""
    if not value:
        return None
    return f"<{value.removeprefix('<').removesuffix('>')}>"


def _file_name(part: Part, disposition: parameters.Field) -> str:
    """As the sender calls it."""
    name = parameters.decoded(disposition).get("filename") or part.content_type.parameters.get("name")
    return name[:_KEPT] if name else _made_up_name(part)


def _made_up_name(part: Part) -> str:
    """A random name with the type's extension."""
    return f"{secrets.token_hex(4)}.{extension(part.content_type.value)}"


def extension(content_type: str) -> str:
    """
    What ends a made-up file name.

    @param content_type: lower case, without parameters.
    """
    return _EXTENSIONS.get(content_type, "bin")


def _kilobytes(part: Part) -> int:
    """WildDuck's estimate of the decoded size, rounded up."""
    size = part.size
    if part.encoding == "base64":
        return -(-(size - size // 78 * 2) * 3 // (4 * limits.KIB))
    return -(-size // limits.KIB)
