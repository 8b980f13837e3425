"""
What of a stored message is searched as text: header fields as people read them,
and every part that is text, whether it is shown or attached.

Nothing here reads what is stored elsewhere: L{Leaf.body} is then C{None}.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
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
#: Characters of a Content-Type that are looked at.
_TYPE_SEARCHED = 256
#: Transfer encodings that leave everything as it is.
_PLAIN = frozenset(("7bit", "8bit"))
_BLANK = b" \t\r"


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
    parsed = parsed if isinstance(parsed, dict) else {}
    kind = parsed.get("content-type")
    kind = kind if isinstance(kind, dict) else {}
    if not _is_text(str(kind.get("value") or "")[:_TYPE_SEARCHED]):
        return None
    return Leaf(node, _encoding(parsed), _charset(kind), _body(node))


@lru_cache(maxsize=512)
def _is_text(value: str) -> bool:
    """@param value: of a Content-Type, without parameters."""
    major, _minor = headers.media_type(value) or ("text", "plain")
    return major.lower() in _TEXT_TYPES


def _encoding(parsed: dict[str, Any]) -> str:
    value = parsed.get("content-transfer-encoding")
    if not isinstance(value, str) or value in _PLAIN:
        return "7bit"
    return headers.transfer_encoding(value.encode("latin-1", "replace"))


def _charset(kind: dict[str, Any]) -> str | None:
    params = kind.get("params")
    value = params.get("charset") if isinstance(params, dict) else None
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

    After the name and the colon of a field comes what L{values} has of it.

    @param lines: as of L{headers.split_header}.
    """
    bare = [unfolded(line[: limits.HEADER_BYTES]) for line in lines]
    joined = b"\n".join(bare)
    if joined.isascii() and b"=?" not in joined:
        return joined.decode("ascii")
    return "\n".join(map(words.decode, bare))


def values(lines: Iterable[bytes], name: bytes) -> list[str]:
    """The decoded bodies of every field of a name, which may be in any case."""
    return [decoded(value) for value in bodies(lines, name)]


def bodies(lines: Iterable[bytes], name: bytes) -> list[bytes]:
    """The same as they are written, as much of them as is looked at."""
    return headers.all_of((line[: limits.HEADER_BYTES] for line in lines), name)


def bodies_by_name(lines: Iterable[bytes], names: Container[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """
    What L{bodies} says of each of several names, in the order of the header.

    @param names: in lower case, without blanks and colons.
    """
    for line in lines:
        name, colon, value = line[: limits.HEADER_BYTES].partition(b":")
        name = name.rstrip(headers.BLANK).lower()
        if colon and name in names:
            yield name, value


def decoded(body: bytes) -> str:
    """The body of one field as people read it."""
    return words.decode(unfolded(body))


def unfolded(line: bytes) -> bytes:
    """
    A fold is one blank, whatever stands there.

    @param line: one field.
    """
    if b"\n" not in line:
        return line
    first, *others = line.split(b"\n")
    return b" ".join((first.rstrip(_BLANK), *(other.strip(_BLANK) for other in others)))
