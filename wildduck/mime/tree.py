"""
WildDuck's stored form of a message's structure (spec/schema.md 'mimeTree node').

The same keys in the same order and the same rules of what is stored outside
the tree, with these bounds and exceptions of ours (store.md §7):

  - bodies are stored as they came, bare line feeds included;
  - text in the tree is bounded over all parts, and a leaf with NULs is stored
    outside; header fields are bounded, what is left out is in the exact bytes;
  - a preamble and epilogue too long for the tree is only in the exact bytes;
  - WildDuck stores what an inner message holds a second time, and so again
    for every message around it: the copies are bounded, beyond that the inner
    nodes have no bodies (the outer body has all).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from wildduck import limits
from wildduck.mime import base64lines, fields, headers, parameters
from wildduck.mime.message import Message
from wildduck.mime.part import Part

#: Types that stay in the tree, if they are not attachments.
_INLINE_TYPES = frozenset(("text/plain", "text/html", "text/rfc822-headers", "message/delivery-status"))
#: What each part takes from the room for header fields: the document holds its
#: node, its body structure and its row of the attachments besides.
_PART_COST = 90
#: Copies of what is within inner messages, as a multiple of the message.
_INNER_COPIES = 3


@dataclass(frozen=True)
class External:
    """
    A body that is stored outside the tree.

    @ivar attachment_id: its key in attachmentMap.
    @ivar start: first byte, in offsets of the content (without the prefix).
    @ivar end: end of the body, exclusive.
    @ivar sha256: of the body in its transfer encoding.
    @ivar transfer_encoding: lower case, C{"7bit"} if the header has none.
    @ivar content_type: lower case, without parameters.
    @ivar line_length: if not C{None}, decoded base64 encodes to the same
        bytes in lines of this length (L{base64lines}).
    """

    attachment_id: str
    start: int
    end: int
    sha256: bytes
    transfer_encoding: str
    content_type: str
    line_length: int | None


@dataclass
class Tree:
    """
    @ivar root: the stored tree, without attachmentMap.
    @ivar externals: bodies that it names, in the order of the message.
    @ivar lines: for each part (by C{id}) the header fields that were kept.
    @ivar nodes: for each part (by C{id}) its node.
    """

    root: dict[str, Any]
    externals: list[External] = field(default_factory=list)
    lines: dict[int, list[bytes]] = field(default_factory=dict)
    nodes: dict[int, dict[str, Any]] = field(default_factory=dict)


def build(message: Message) -> Tree:
    """The stored form of any message; well below L{limits.DOCUMENT_BYTES} whatever it holds."""
    return _Builder(message).build()


@dataclass(slots=True)
class _Context:
    """
    Where a part stands.

    @ivar in_message: within an inner message.
    @ivar is_inner_root: the root of an inner message.
    @ivar in_multipart: directly within a multipart.
    """

    in_message: bool = False
    is_inner_root: bool = False
    in_multipart: bool = False


class _Builder:
    def __init__(self, message: Message) -> None:
        parts = sum(1 for _ in message.root.walk())
        self._message = message
        self._fields = fields.FieldBudget(limits.HEADER_BYTES - _PART_COST * parts)
        self._inline_left = limits.INLINE_TEXT_BYTES
        self._copies_left = _INNER_COPIES * message.length
        self._tree = Tree({})

    def build(self) -> Tree:
        tree = self._tree
        stack: list[tuple[Part, dict[str, Any], _Context]] = [(self._message.root, tree.root, _Context())]
        while stack:
            part, node, context = stack.pop()
            lines = self._header(part)
            tree.lines[id(part)] = lines
            tree.nodes[id(part)] = node
            if part.boundary is not None:
                children: list[dict[str, Any]] = [{} for _ in part.children]
                if children:
                    node["childNodes"] = children
                inner = _Context(in_message=context.in_message, in_multipart=True)
                stack += [(child, children[i], inner) for i, child in enumerate(part.children)][::-1]
            _describe(node, part, lines)
            if part.boundary is not None:
                self._add_multipart(node, part, context)
                continue
            # In WildDuck's order of keys; the body is decided on later.
            node["body"] = b""
            node["multipart"] = node["boundary"] = False
            if part.message is not None:
                node["message"] = {}
                stack.append((part.message, node["message"], _Context(in_message=True, is_inner_root=True)))
            self._add_body(node, part, context)
        return tree

    def _header(self, part: Part) -> list[bytes]:
        start, end = part.header_start, part.body_start
        prefix = self._message.prefix if part is self._message.root else b""

        def blocks() -> Iterator[bytes]:
            yield prefix
            yield from self._message.blocks(start, end)

        return fields.read(len(prefix) + end - start, blocks(), self._fields)

    def _add_multipart(self, node: dict[str, Any], part: Part, context: _Context) -> None:
        assert part.boundary is not None
        kind = node["parsedHeader"].get("content-type")
        subtype = kind.get("subtype") if isinstance(kind, dict) else None
        body, line_count = self._frame(part, context)
        node["body"] = body
        node["multipart"] = subtype or part.content_type.subtype
        node["boundary"] = part.boundary.decode("latin-1")
        node["lineCount"] = line_count
        node["size"] = len(body)

    def _frame(self, part: Part, context: _Context) -> tuple[bytes, int]:
        """WildDuck's body of a multipart: preamble and epilogue, ended by CRLF; its lines."""
        end = part.children[0].header_start if part.children else part.body_end
        text = self._read_bounded(part.body_start, end)
        unbroken = False
        if part.children:
            # The last line is the first delimiter.
            text = text[: text.rfind(b"\n", 0, max(0, len(text) - 1)) + 1]
            after = self._read_bounded(part.children[-1].body_end, part.body_end).lstrip(b"\r\n")
            line, line_feed, epilogue = after.partition(b"\n")
            if line.startswith(b"--%s--" % part.boundary):
                text += epilogue
                unbroken = not line_feed
        if len(text) > self._inline_left:
            return b"", 0
        self._inline_left -= len(text)
        line_count = text.count(b"\n")
        if unbroken and context.in_multipart and line_count:
            # The outer delimiter has the line break; WildDuck takes one more away.
            line_count -= 1
        return (text if not text or text.endswith(b"\r\n") else text + b"\r\n"), line_count

    def _read_bounded(self, start: int, end: int) -> bytes:
        return self._message.read(start, end) if end - start <= limits.INLINE_PART_BYTES else b""

    def _add_body(self, node: dict[str, Any], part: Part, context: _Context) -> None:
        """Put the body into the tree, or store it outside."""
        size = part.size
        inline = context.is_inner_root or _stays(node, part)
        if not size or (inline and self._fits(part)):
            node["body"] = self._message.read(part.body_start, part.body_end)
            self._inline_left -= size
        elif not context.in_message or size <= self._copies_left:
            node["body"] = False
            if context.in_message:
                self._copies_left -= size
        node["lineCount"] = part.lines
        node["size"] = size
        if node["body"] is False:
            node["attachmentId"] = self._store(part)

    def _fits(self, part: Part) -> bool:
        size = part.size
        return size <= limits.INLINE_PART_BYTES and size <= self._inline_left and not part.has_nul

    def _store(self, part: Part) -> str:
        message = self._message
        start, end = part.body_start, part.body_end
        digest = part.sha256 or message.digests.get(start)
        if not digest:
            running = hashlib.sha256()
            for block in message.blocks(start, end):
                running.update(block)
            digest = message.digests[start] = running.digest()
        line_length = None
        if part.encoding == "base64":
            if start not in message.line_lengths:
                message.line_lengths[start] = base64lines.detect(message.blocks(start, end))
            line_length = message.line_lengths[start]
        external = External(
            attachment_id=f"ATT{len(self._tree.externals) + 1:05d}",
            start=start,
            end=end,
            sha256=digest,
            transfer_encoding=part.encoding,
            content_type=part.content_type.value,
            line_length=line_length,
        )
        self._tree.externals.append(external)
        return external.attachment_id


def _describe(node: dict[str, Any], part: Part, lines: list[bytes]) -> None:
    """The header as lines and as parsed fields."""
    node["header"] = headers.stored_lines(b"\r\n".join(lines))
    parsed = node["parsedHeader"] = headers.parsed_header(lines)
    # What decided the structure is what readers must see, also when of repeated
    # fields the first counted or the field was left out.
    kinds = headers.all_of(lines, b"content-type")
    if len(kinds) > 1:
        parsed["content-type"] = parameters.stored(kinds[0])
    elif not kinds and part.content_type.value != "text/plain":
        parsed["content-type"] = parameters.stored(part.content_type.value.encode("utf-8", "replace"))
    encodings = headers.all_of(lines, b"content-transfer-encoding")
    if len(encodings) > 1 or (not encodings and part.encoding != "7bit"):
        parsed["content-transfer-encoding"] = part.encoding


def _stays(node: dict[str, Any], part: Part) -> bool:
    """Whether WildDuck's rule keeps a body in the tree: text, and what should have been a multipart."""
    if part.content_type.type == "multipart":
        return True
    disposition = node["parsedHeader"].get("content-disposition")
    kind = disposition.get("type") if isinstance(disposition, dict) else ""
    return part.content_type.value in _INLINE_TYPES and kind in ("", "inline")
