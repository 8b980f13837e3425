"""
How WildDuck puts a message together again from its stored tree.

WildDuck joins header, body, delimiters and children with CRLF and announces a
C{size}; what it sends is cut to that size.  Seen on WildDuck 1.51 with 300
messages:

  - a header is its lines joined by CRLF, with a CRLF at the end;
  - the empty line is the joint before the body, or before the first delimiter;
  - a multipart's body (its preamble) is sent without its last CRLF;
  - an empty leaf gets a joint that C{size} does not count;
  - of a message/rfc822 only the body counts, its tree is for look-ups.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class Node:
    """
    A node of a stored tree with the place of its part in the message.

    @ivar tree: the stored node.
    @ivar header_start: as in L{wildduck.mime.part.Part}, in the coordinates
        of the rebuilt message; likewise C{body_start} and C{body_end}.
    """

    tree: dict[str, Any]
    header_start: int = 0
    body_start: int = 0
    body_end: int = 0
    children: list[Node] = field(default_factory=list)
    message: Node | None = None

    @property
    def attachment(self) -> str | None:
        """The attachmentMap key of a body that is stored outside the tree."""
        key = self.tree.get("attachmentId")
        return key if isinstance(key, str) and key else None

    @property
    def body(self) -> bytes:
        """The body in the tree, empty if it is elsewhere."""
        body = self.tree.get("body")
        return bytes(body) if isinstance(body, (bytes, bytearray, memoryview)) else b""

    @property
    def boundary(self) -> str | None:
        boundary = self.tree.get("boundary")
        return boundary if isinstance(boundary, str) and boundary else None

    @property
    def is_composite(self) -> bool:
        return bool(self.children) or self.boundary is not None

    @property
    def size(self) -> int:
        """Bytes of a leaf's body."""
        size = self.tree.get("size")
        if self.attachment is None or not isinstance(size, (int, float)) or not math.isfinite(size):
            return len(self.body)
        return max(0, int(size))

    def walk(self) -> Iterator[Node]:
        """This node and all below it, in the order of the message."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            if node.message is not None:
                stack.append(node.message)
            stack.extend(reversed(node.children))


def nodes(tree: dict[str, Any]) -> Node:
    """The nodes of a stored tree; no offsets are filled in."""
    root = Node(tree)
    stack = [root]
    while stack:
        node = stack.pop()
        children = node.tree.get("childNodes")
        if isinstance(children, list):
            node.children = [Node(child) for child in children if isinstance(child, dict)]
            stack.extend(node.children)
        message = node.tree.get("message")
        if isinstance(message, dict):
            node.message = Node(message)
            stack.append(node.message)
    return root


class Rebuilt:
    """
    The pieces of a message as WildDuck sends it.

    @ivar pieces: bytes, and nodes whose external body stands there.
    @ivar size: what WildDuck announces; the pieces may be longer.
    @ivar messages: message/rfc822 nodes, whose inner nodes have no offsets yet.
    """

    def __init__(self, root: Node, start: int = 0, limit: int | None = None) -> None:
        """
        @param root: of the nodes to rebuild; their offsets are filled in.
        @param start: offset of the first byte.
        @param limit: the size to cut to, where it is known.
        """
        self.pieces: list[bytes | Node] = []
        self.messages: list[Node] = []
        self._start = start
        self._position = start
        self._counted = 0
        self._visited: list[Node] = []
        self._rebuild(root)
        self.size = self._counted if limit is None else min(limit, self._position - start)
        self._clip(start + self.size)

    def _rebuild(self, root: Node) -> None:
        # Frames of (node, index of the next child); no recursion.
        stack = [(root, 0)]
        while stack:
            node, index = stack.pop()
            if index == 0:
                self._begin(node)
            if index < len(node.children):
                if index:
                    self._delimiter(node, b"")
                stack.append((node, index + 1))
                stack.append((node.children[index], 0))
                continue
            if node.boundary is not None:
                self._delimiter(node, b"--\r\n")
            node.body_end = self._position

    def _begin(self, node: Node) -> None:
        self._visited.append(node)
        if node.message is not None:
            self.messages.append(node)
        lines = node.tree.get("header")
        lines = [line for line in lines if isinstance(line, str)] if isinstance(lines, list) else []
        joined = self._append(_binary("\r\n".join(lines) + "\r\n"))
        node.header_start = self._position - joined
        node.body_start = self._position + 2
        body = node.body
        if node.boundary is not None:
            if body:
                self._append(body[:-2] if body.endswith(b"\r\n") else body)
            self._delimiter(node, b"")
        elif node.attachment is not None:
            self._append(b"")
            self.pieces.append(node)
            self._position += node.size
            self._counted += node.size
        elif body:
            self._append(body)
        else:
            self._append(b"")
            self._counted -= 2

    def _delimiter(self, node: Node, end: bytes) -> None:
        self._append(b"--" + _binary(node.boundary or "") + end)

    def _append(self, data: bytes) -> int:
        """
        Join a piece with CRLF.

        @return: the length of the piece.
        """
        joined = b"\r\n" + data if self.pieces else data
        self.pieces.append(joined)
        self._position += len(joined)
        self._counted += len(joined)
        return len(data)

    def _clip(self, end: int) -> None:
        for node in self._visited:
            node.header_start = min(node.header_start, end)
            node.body_start = min(node.body_start, end)
            node.body_end = max(node.body_start, min(node.body_end, end))


def rebuild_all(root: Node) -> Rebuilt:
    """
    Rebuild a message, and within it every message/rfc822 at its place.

    Offsets in an inner message are right if its tree gives back its bytes.
    """
    rebuilt = Rebuilt(root)
    pending = list(rebuilt.messages)
    while pending:
        node = pending.pop()
        if node.message is not None:
            inner = Rebuilt(node.message, node.body_start, node.body_end - node.body_start)
            pending += inner.messages
    return rebuilt


def _binary(text: str) -> bytes:
    """The bytes of a text as Node.js's C{binary} encoding gives them."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass")[::2]
