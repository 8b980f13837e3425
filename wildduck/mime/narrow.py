"""
What a few fields of a message document tell, without its bodies.

A document that lacks what is usually there (WildDuck wrote it, or it is too
large to be kept ready) says so with C{None}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wildduck.mime import layout, native, rope

#: Tells whether our additions count, and gives the size.
SIZE_FIELDS = (
    "size",
    "magic",
    "mimeTree.native.v",
    "mimeTree.native.size",
    "mimeTree.native.magic",
    "mimeTree.native.length",
    "mimeTree.native.sent",
)
#: Gives the header of the message.
HEADER_FIELDS = (
    *SIZE_FIELDS,
    "mimeTree.header",
    "mimeTree.native.layout",
    "mimeTree.native.skeleton",
    "mimeTree.native.blob",
)


def root_header(document: Mapping[str, Any]) -> bytes | None:
    """
    The header of the message as it is sent, its empty line included.

    @param document: with L{HEADER_FIELDS}.
    @return: C{None} when only the whole content tells.
    """
    additions = native.of_document(document)
    if additions is not None and "layout" in additions:
        return _laid_out_header(additions)
    tree = document.get("mimeTree")
    lines = tree.get("header") if isinstance(tree, Mapping) else None
    if not isinstance(lines, list):
        return None
    bare = {"mimeTree": {"header": lines}, "size": document.get("size")}
    return inline(rope.Rope.from_document(bare).slice(0, 2**62))


def inline(segments: list[rope.Segment]) -> bytes | None:
    """The bytes of segments that are all in the document, else C{None}."""
    pieces = []
    for segment in segments:
        if not isinstance(segment, rope.Inline):
            return None
        pieces.append(segment.data)
    return b"".join(pieces)


def _laid_out_header(additions: Mapping[str, Any]) -> bytes | None:
    skeleton = additions.get("skeleton")
    if not isinstance(skeleton, bytes):
        return None
    try:
        places, _has_nul = layout.unpack(additions["layout"])
    except ValueError:
        return None
    if not places or places[0].as_base64:
        return None
    return skeleton[places[0].header_start : places[0].body_start].replace(b"\0", rope.NUL_SENT_AS)
