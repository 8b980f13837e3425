"""
Reading the body of one part of a message document, without those of the others.

MongoDB finds the node of the part itself; it goes the way of
L{wildduck.mime.rope.Rope.section}, and where anything is unusual (the part has
parts of its own, there is none, WildDuck wrote the document) the whole tree is read
after all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wildduck.mime import layout, native
from wildduck.mime.narrow import SIZE_FIELDS

#: Parts that are deeper, and more parts at once, are looked for in the whole tree.
DEEPEST, MOST = 10, 4

_PREFIX = "part"
#: What is read beside the part: whether it is as it was sent, and where bodies are stored.
_BESIDE = (*SIZE_FIELDS, "mimeTree.native.layout", "mimeTree.attachmentMap")
#: Keys of a leaf that tell its body; no header, no inner message.
_LEAF = ("attachmentId", "boundary", "body", "size")


def fields(path: tuple[int, ...]) -> tuple[str, ...]:
    """@param path: part numbers, at most L{DEEPEST}."""
    return (*_BESIDE, _name(path))


def is_part(field: str) -> bool:
    """Whether a field is one of L{fields} that stands for a part's body."""
    return field.startswith(_PREFIX)


def expression(field: str) -> dict[str, Any]:
    """What MongoDB shall compute for a field for which L{is_part} holds."""
    found: Any = "$mimeTree"
    for step, number in enumerate(map(int, field.removeprefix(_PREFIX).split("_"))):
        found = _child(found, number, first=step == 0)
    leaf: dict[str, Any] = {key: f"$$leaf.{key}" for key in _LEAF}
    leaf["body"] = {"$cond": [{"$isArray": "$$leaf.childNodes"}, None, "$$leaf.body"]}
    leaf["composite"] = {"$isArray": "$$leaf.childNodes"}
    return {"$let": {"vars": {"leaf": found}, "in": leaf}}


def _name(path: tuple[int, ...]) -> str:
    return _PREFIX + "_".join(map(str, path))


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
            {"$arrayElemAt": [{"$ifNull": ["$$inner.childNodes", []]}, number - 1]},
            {"$cond": [own, "$$inner", None]},
        ]
    }
    found = {"$let": {"vars": {"inner": inner}, "in": of_inner}}
    return found if first else {"$let": {"vars": {"above": node}, "in": found}}


def alone(document: Mapping[str, Any], path: tuple[int, ...]) -> dict[str, Any] | None:
    """
    A document whose message is nothing but this part, so that its part 1 has the bytes that are sent.

    @param document: with L{fields}.
    @return: C{None} when only the whole tree tells.
    """
    additions = native.of_document(document)
    leaf = document.get(_name(path))
    if additions is None or not isinstance(leaf, dict) or not _is_leaf(leaf):
        return None
    if "layout" in additions and _has_nul(additions["layout"]):
        return None
    tree = {
        "attachmentMap": document["mimeTree"].get("attachmentMap"),
        native.KEY: {key: value for key, value in additions.items() if key != "layout"},
        **{key: leaf[key] for key in ("attachmentId", "body", "size") if key in leaf},
    }
    return {"size": document.get("size"), "magic": document.get("magic"), "mimeTree": tree}


def _is_leaf(leaf: Mapping[str, Any]) -> bool:
    # A part that is not there has none of a leaf's keys.
    return leaf.get("composite") is False and not leaf.get("boundary") and isinstance(leaf.get("size"), int)


def _has_nul(packed: Any) -> bool:
    """Whether something is not sent as it is stored, or that is not known."""
    try:
        return layout.unpack(packed)[1]
    except (TypeError, ValueError):
        return True
