"""
What we add to WildDuck's document: one key of the tree's root (store.md §6).

WildDuck's COPY takes the whole document with it, and when it encrypts the copy
it replaces tree, size and magic.  So what stands here counts only while the
recorded size and magic are those of the document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wildduck.mime.analysis import Analysis

#: The key in the root of the tree, and that of the skeleton in attachmentMap.
KEY = "native"
BLOB = "NATIVE"

_VERSION = 1


def native_key(analysis: Analysis, *, magic: int, blob: str | None) -> dict[str, Any]:
    """
    The value of C{mimeTree[KEY]}.

    @param magic: the document's C{magic}.
    @param blob: the attachmentMap key under which the skeleton was stored,
        or C{None} to keep it in the document.
    """
    value: dict[str, Any] = {
        "v": _VERSION,
        "size": analysis.size,
        "magic": magic,
        "length": analysis.length,
    }
    if analysis.sent != analysis.length:
        value["sent"] = analysis.sent
    if analysis.layout is not None:
        value["layout"] = analysis.layout
        if blob is not None:
            value["blob"] = blob
        else:
            value["skeleton"] = analysis.skeleton
    value.update(analysis.ready)
    return value


def of_document(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """
    Our additions to a document, C{None} if there are none or they do not count.

    @param document: with C{size}, C{magic} and C{mimeTree}.
    """
    tree = document.get("mimeTree")
    value = tree.get(KEY) if isinstance(tree, Mapping) else None
    if not isinstance(value, dict) or value.get("v") != _VERSION:
        return None
    if value.get("size") != document.get("size") or value.get("magic") != document.get("magic"):
        return None
    if not isinstance(value.get("length"), int):
        return None
    return value


def sent_length(document: Mapping[str, Any]) -> int:
    """
    The length that is sent for a message: RFC822.SIZE (design.md §4).

    @param document: with C{size}, C{magic} and of C{mimeTree} at least
        C{native.v}, C{native.size}, C{native.magic}, C{native.length} and C{native.sent}.
    """
    value = of_document(document)
    if value is None:
        return _length(document.get("size"))
    return int(value.get("sent", value["length"]))


def _length(value: object) -> int:
    """A stored number of bytes; 0 where something else stands in its place."""
    if isinstance(value, (int, float)) and value == value and 0 <= value < 2**63:
        return int(value)
    return 0


def ready(document: Mapping[str, Any], name: str) -> bytes | None:
    """
    Ready bytes of a document.

    @param name: C{"envelope"}, C{"body"} or C{"bodystructure"}.
    """
    value = of_document(document)
    found = value.get(name) if value is not None else None
    return bytes(found) if isinstance(found, (bytes, bytearray)) else None
