"""
What of a stored message is searched as text: header fields as people read them,
and every part that is text, whether it is shown or attached.

Nothing here reads what is stored elsewhere: L{Leaf.body} is then C{None}.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wildduck import limits
from wildduck.mime import charsets, headers, transfer, words
from wildduck.mime.rebuild import Node

#: Whose header it is: the message's, that of a message within it, a part's.
ROOT = "root"
MESSAGE = "message"
PART = "part"

#: Leaves that are text; those of the latter two could not be taken apart.
_TEXT_TYPES = frozenset(("text", "message", "multipart"))

# One blank for a fold; the look-behind keeps a long run of blanks from being
# scanned from each of them.
_FOLD = re.compile(rb"(?<![ \t\r])[ \t]*\r*\n[ \t]+")


@dataclass(frozen=True, slots=True)
class Leaf:
    """
    A part that is text.

    @ivar node: of the stored tree.
    @ivar encoding: its transfer encoding.
    @ivar charset: as declared, C{None} without.
    @ivar body: in its transfer encoding, C{None} when it is not in the tree.
    """

    node: Node
    encoding: str
    charset: str | None
    body: bytes | None

    def text(self) -> str:
        """The decoded body, which must be there."""
        return charsets.decode(transfer.decode(self.body or b"", self.encoding), self.charset)


def walk(root: Node) -> Iterator[tuple[Node, str]]:
    """Every node with whose header it has, in the order of the message."""
    stack = [(root, ROOT)]
    while stack:
        node, role = stack.pop()
        yield node, role
        if node.message is not None:
            stack.append((node.message, MESSAGE))
        stack.extend((child, PART) for child in reversed(node.children))


def leaf(node: Node) -> Leaf | None:
    """C{None} for what is no text, or holds other parts."""
    if node.is_composite or node.message is not None:
        return None
    parsed = node.tree.get("parsedHeader")
    parsed = parsed if isinstance(parsed, Mapping) else {}
    kind = parsed.get("content-type")
    kind = kind if isinstance(kind, Mapping) else {}
    major, _minor = headers.media_type(str(kind.get("value") or "")) or ("text", "plain")
    if major.lower() not in _TEXT_TYPES:
        return None
    return Leaf(node, _encoding(parsed), _charset(kind), _body(node))


def _encoding(parsed: Mapping[str, Any]) -> str:
    value = parsed.get("content-transfer-encoding")
    return headers.transfer_encoding(value.encode("latin-1", "replace")) if isinstance(value, str) else "7bit"


def _charset(kind: Mapping[str, Any]) -> str | None:
    params = kind.get("params")
    value = params.get("charset") if isinstance(params, Mapping) else None
    # One in RFC 2231's form is kept as an encoded-word.
    return words.decode(value) if isinstance(value, str) else None


def _body(node: Node) -> bytes | None:
    body = node.body
    if node.attachment is not None:
        return None
    size = node.tree.get("size")
    return body if not isinstance(size, (int, float)) or size == len(body) else None


def text_of_header(lines: Sequence[bytes]) -> str:
    """
    Fields as text: unfolded, encoded-words decoded, one line each.

    @param lines: as of L{headers.split_header}.
    """
    joined = b"\n".join(lines)
    if joined.isascii() and b"=?" not in joined:
        return unfolded(joined).decode("ascii")
    return "\n".join(words.decode(unfolded(line)) for line in lines)


def values(lines: Iterable[bytes], name: bytes) -> list[str]:
    """The decoded bodies of every field of a name, which may be in any case."""
    return [words.decode(unfolded(value[: limits.HEADER_BYTES])) for value in headers.all_of(lines, name)]


def unfolded(raw: bytes) -> bytes:
    """A fold is one blank, whichever stands there."""
    return _FOLD.sub(b" ", raw) if b"\n" in raw else raw
