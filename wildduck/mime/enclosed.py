"""
Messages of the type message/global within messages (RFC 6532 §3.7), looked into afterwards.

WildDuck knows no such messages, so in stored trees they are leaves.  What is
found in one takes the forms that a stored tree has for message/rfc822, so
that all that reads those can read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wildduck.mime import fields, headers
from wildduck.mime.part import Part
from wildduck.mime.rebuild import Node, nodes
from wildduck.mime.rope import find

TYPE = "message/global"
#: Others are undone by nobody before the message within is looked at.
_IDENTITY = ("7bit", "8bit", "binary")


def is_enclosed(node: Node) -> bool:
    """Whether a node of a stored tree is a message/global that can be looked into."""
    if node.is_composite or node.message is not None:
        return False
    lines = headers.lines_of(node.tree)
    raw = headers.first(lines, b"content-type")
    if raw is None or headers.content_type(raw).value != TYPE:
        return False
    return headers.transfer_encoding(headers.first(lines, b"content-transfer-encoding")).lower() in _IDENTITY


def leading_to(root: Node, path: tuple[int, ...]) -> tuple[Node | None, tuple[int, ...]]:
    """
    The message/global of a stored tree that a path leads to or into, and the rest of the path.

    @return: C{None} where it leads to none.
    """
    last = None
    length = 0
    while length < len(path):
        node = find(root, path[: length + 1])
        if node is None:
            break
        last, length = node, length + 1
    return (None, ()) if last is None or not is_enclosed(last) else (last, path[length:])


def all_in(document: Mapping[str, Any]) -> frozenset[int]:
    """
    The nodes of a message document for which L{is_enclosed} holds, by the identity of their trees.

    @param document: with C{mimeTree}.
    """
    tree = document.get("mimeTree")
    top = nodes(tree if isinstance(tree, dict) else {})
    return frozenset(id(node.tree) for node in top.walk() if is_enclosed(node))


def placed(root: Part, start: int) -> Node:
    """
    The nodes of a message with their places.

    @param root: as it was scanned by itself.
    @param start: offset of its first byte.
    """
    top = nodes(_tree(root, {}))
    for node, part in zip(top.walk(), root.walk(), strict=True):
        node.header_start = start + part.header_start
        node.body_start = start + part.body_start
        node.body_end = start + part.body_end
    return top


def fields_of(part: Part, header: bytes, budget: fields.FieldBudget) -> list[bytes]:
    """
    The fields of a part's header, as far as there is room; its type and encoding are among them.

    @param header: may be cut off.
    """
    budget.lost = len(header) < part.body_start - part.header_start
    found = fields.read(len(header), (header,), budget)
    if budget.lost and not headers.all_of(found, b"content-type"):
        found.append(b"Content-Type: " + part.content_type.value.encode("utf-8", "replace"))
    if budget.lost and not headers.all_of(found, b"content-transfer-encoding"):
        found.append(_encoding(part))
    return found


def _encoding(part: Part) -> bytes:
    return b"Content-Transfer-Encoding: " + part.encoding.encode("utf-8", "replace")


def tree(root: Part, kept: Mapping[int, list[bytes]]) -> dict[str, Any]:
    """
    What a structure is made of (L{wildduck.mime.bodystructure.from_tree}), in the form of a stored tree.

    @param root: as it was scanned.
    @param kept: L{fields_of} of each part by the offset of its first byte.
    """
    return _tree(root, kept)


def _tree(root: Part, kept: Mapping[int, list[bytes]]) -> dict[str, Any]:
    top: dict[str, Any] = {}
    stack = [(root, top)]
    while stack:
        part, node = stack.pop()
        node["header"] = headers.stored(kept.get(part.header_start, [_encoding(part)]))
        # Of several fields the first was read.
        node["parsedHeader"] = {"content-type": {"value": part.content_type.value}}
        node["size"], node["lineCount"] = part.size, part.lines
        if part.boundary is not None:
            node["boundary"] = part.boundary.decode("latin-1")
            node["childNodes"] = [{} for _ in part.children]
            stack += zip(part.children, node["childNodes"], strict=True)
        if part.message is not None:
            node["message"] = {}
            stack.append((part.message, node["message"]))
    return top
