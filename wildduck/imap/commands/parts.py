"""
Reading a section of one part of a message document, without the other parts.

MongoDB finds the node of the part itself; it goes the way of
L{wildduck.mime.rope.Rope.section}, and where anything is unusual (there is no such
part, the tree alone does not give the message back) the whole tree is read after all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from wildduck.mime import enclosed, headers, layout, native
from wildduck.mime.narrow import SIZE_FIELDS
from wildduck.mime.rebuild import nodes
from wildduck.mime.rope import Rope

#: Parts that are deeper, and more parts at once, are looked for in the whole tree.
DEEPEST, MOST = 10, 4

_PREFIX = "part"
#: What is read beside the part: whether it is as it was sent, and where bodies are stored.
_BESIDE = (*SIZE_FIELDS, "mimeTree.native.layout", "mimeTree.attachmentMap")


class Piece(Enum):
    """What is wanted of a part; the values name the fields."""

    #: Its body, with all parts that it has.
    BODY = "body"
    #: The same without its transfer encoding, of a leaf.
    DATA = "data"
    #: Its own header (RFC 3501 §6.4.5 C{MIME}).
    MIME = "mime"
    #: The header and the text of the message that it is.
    HEADER = "header"
    TEXT = "text"


#: Places in an array are signed 32-bit integers for MongoDB; no array has so many.
_LAST = 2**31 - 1

#: Keys of the node that tell each.
_KEYS = {
    Piece.BODY: ("attachmentId", "boundary", "body", "childNodes", "size"),
    Piece.DATA: ("attachmentId", "boundary", "body", "header", "size"),
    Piece.MIME: ("boundary", "header", "size"),
    Piece.HEADER: (),
    Piece.TEXT: ("attachmentId", "body", "size"),
}


@dataclass(frozen=True, slots=True)
class Alone:
    """
    A section of a part by itself.

    @ivar document: one whose message is nothing but what is needed for the section.
    @ivar encoding: the part's Content-Transfer-Encoding, as written.
    @ivar is_enclosed: of C{Piece.DATA}: it is a message/global that can be looked into.
    """

    document: dict[str, Any]
    encoding: str = "7bit"
    _path: tuple[int, ...] = (1,)
    _what: str = ""
    _skipped: int = 0
    is_enclosed: bool = False

    def place(self, rope: Rope) -> tuple[int, int]:
        """
        @param rope: of the document.
        @return: start and end of the section.
        """
        start, end = rope.section(self._path, self._what) or (0, 0)
        return min(end, start + self._skipped), end


def fields(piece: Piece, path: tuple[int, ...]) -> tuple[str, ...]:
    """@param path: part numbers, at least one and at most L{DEEPEST}."""
    return (*_BESIDE, _name(piece, path))


def is_part(field: str) -> bool:
    """Whether a field is one of L{fields} that stands for a part."""
    return field.startswith(_PREFIX)


def expression(field: str) -> dict[str, Any]:
    """What MongoDB shall compute for a field for which L{is_part} holds."""
    _, kind, *numbers = field.split("_")
    found: Any = "$mimeTree"
    for step, number in enumerate(map(int, numbers)):
        found = _child(found, number, first=step == 0)
    part: dict[str, Any] = {key: f"$$part.{key}" for key in _KEYS[Piece(kind)]}
    part["composite"] = {"$isArray": "$$part.childNodes"}
    part["isMessage"] = {"$eq": [{"$type": "$$part.message"}, "object"]}
    if Piece(kind) in (Piece.HEADER, Piece.TEXT):
        part["header"] = "$$part.message.header"
    return {"$let": {"vars": {"part": found}, "in": part}}


def _name(piece: Piece, path: tuple[int, ...]) -> str:
    return "_".join((_PREFIX, piece.value, *map(str, path)))


def _child(node: Any, number: int, *, first: bool) -> dict[str, Any]:
    """
    The part of this number; nothing where there is none.

    @param node: expression of the node above it, whose message counts if it has one.
    @param first: it is the message itself, which is its own part 1 if it is no multipart.
    """
    inner = node if first else {"$ifNull": ["$$above.message", "$$above"]}
    own = number == 1 and (first or {"$eq": [{"$type": "$$above.message"}, "object"]})
    of_inner = {
        "$cond": [
            {"$isArray": "$$inner.childNodes"},
            {"$arrayElemAt": [{"$ifNull": ["$$inner.childNodes", []]}, min(number - 1, _LAST)]},
            {"$cond": [own, "$$inner", None]},
        ]
    }
    found = {"$let": {"vars": {"inner": inner}, "in": of_inner}}
    return found if first else {"$let": {"vars": {"above": node}, "in": found}}


def alone(document: Mapping[str, Any], piece: Piece, path: tuple[int, ...]) -> Alone | None:
    """
    @param document: with L{fields}.
    @return: C{None} when only the whole tree tells.
    """
    part, tree = document.get(_name(piece, path)), document.get("mimeTree")
    if not isinstance(part, dict) or not isinstance(tree, dict):
        return None
    additions = native.of_document(document)
    if additions is not None and "layout" in additions:
        # Bodies of leaves are what they are; all else may be elsewhere than the tree says.
        if piece not in (Piece.BODY, Piece.DATA) or "childNodes" in part or _has_nul(additions["layout"]):
            return None
    elif additions is None and piece in (Piece.HEADER, Piece.TEXT):
        # WildDuck's inner messages are put together on their own.
        return None
    found = _FOUND[piece](part)
    if found is None:
        return None
    beside: dict[str, Any] = {"attachmentMap": tree.get("attachmentMap")}
    if additions is not None:
        beside[native.KEY] = {key: value for key, value in additions.items() if key != "layout"}
    known = {"size": document.get("size"), "magic": document.get("magic")}
    node, *rest = found
    is_enclosed = piece is Piece.DATA and enclosed.is_enclosed(nodes(part))
    return replace(Alone({**known, "mimeTree": {**beside, **node}}, *rest), is_enclosed=is_enclosed)


#: A node that stands for the part, and what is set of L{Alone} after its document.
_Found = tuple[Any, ...]


def _body(part: dict[str, Any]) -> _Found | None:
    if not part.get("composite"):
        return _leaf(part)
    keys = ("body", "boundary", "childNodes")
    node: dict[str, Any] = {key: part[key] for key in keys if key in part}
    # WildDuck does not count the line break of an empty leaf, and cuts so much off the end.
    if any(not (one.is_composite or one.body or one.attachment) for one in nodes(node).walk()):
        return None
    return node, "7bit", (), "TEXT"


def _leaf(part: dict[str, Any]) -> _Found | None:
    # A part that is not there has none of a leaf's keys.
    if part.get("composite") or part.get("boundary") or not isinstance(part.get("size"), int):
        return None
    return ({key: part[key] for key in ("attachmentId", "body", "size") if key in part},)


def _data(part: dict[str, Any]) -> _Found | None:
    leaf = None if part.get("isMessage") else _leaf(part)
    return None if leaf is None else (*leaf, encoding(part))


def _mime(part: dict[str, Any]) -> _Found | None:
    # Without a body there may be no empty line; a multipart without parts is nobody's part 1.
    there = part.get("composite") or (part.get("size") and not part.get("boundary"))
    return _lines(part) if there else None


def _lines(part: dict[str, Any]) -> _Found | None:
    if not isinstance(part.get("header"), list):
        return None
    return {"header": part["header"], "body": b"-"}, "7bit", (), "HEADER"


def _header(part: dict[str, Any]) -> _Found | None:
    found = _lines(part)
    # A message that is nothing but its header is not given back by its tree alone.
    return found if part.get("isMessage") else None


def _text(part: dict[str, Any]) -> _Found | None:
    leaf, header = _leaf(part), _lines(part)
    if leaf is None or header is None or not part.get("isMessage"):
        return None
    start, end = Rope.from_document({"mimeTree": header[0]}).section((), "HEADER") or (0, 0)
    return (*leaf, "7bit", (1,), "", end - start)


_FOUND = {
    Piece.BODY: _body,
    Piece.DATA: _data,
    Piece.MIME: _mime,
    Piece.HEADER: _header,
    Piece.TEXT: _text,
}


def encoding(node: dict[str, Any]) -> str:
    """
    The Content-Transfer-Encoding of a stored node, as written.

    @param node: with C{header}.
    """
    return headers.transfer_encoding(headers.first(headers.lines_of(node), b"content-transfer-encoding"))


def _has_nul(packed: Any) -> bool:
    """Whether something is not sent as it is stored, or that is not known."""
    try:
        return layout.unpack(packed)[1]
    except (TypeError, ValueError):
        return True
