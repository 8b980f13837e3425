"""Whether working on a stored tree takes long enough to be done in a thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Parts, and bytes of header, beyond which a tree takes some 10 ms.
NODES = 100
HEADER_LENGTH = 64 * 1024


def takes_long(tree: Any) -> bool:
    """
    Look at a tree (spec/schema.md 'mimeTree node') until it is known to be large.

    @param tree: anything; what is no tree takes no time.
    """
    nodes = length = 0
    stack = [tree]
    while stack:
        node = stack.pop()
        if not isinstance(node, Mapping):
            continue
        nodes += 1
        lines = node.get("header")
        if isinstance(lines, list):
            length += sum(len(line) for line in lines if isinstance(line, str))
        if nodes > NODES or length > HEADER_LENGTH:
            return True
        children = node.get("childNodes")
        if isinstance(children, list):
            # One more than the bound is enough to know.
            stack.extend(children[: NODES + 1])
        stack.append(node.get("message"))
    return False
