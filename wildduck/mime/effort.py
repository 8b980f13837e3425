"""Whether working on a stored tree takes long enough to be done in a thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Parts, and bytes of header, beyond which a tree takes some 10 ms.
NODES = 100
HEADER_LENGTH = 64 * 1024
#: Lines and bytes of a header of which to decode all fields may take some 20 ms.
DECODED_LINES = 500
DECODED_LENGTH = 8 * 1024
#: Bytes of fields with addresses of which to read them may take 5 ms.
ADDRESSES_LENGTH = 1024
_ADDRESSES = ("fr", "to", "cc", "bc")


def takes_long(tree: Any, header_length: int = HEADER_LENGTH) -> bool:
    """
    Look at a tree (spec/schema.md 'mimeTree node') until it is known to be large.

    @param tree: anything; what is no tree takes no time.
    @param header_length: bytes of all headers that are many.
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
        if nodes > NODES or length > header_length:
            return True
        children = node.get("childNodes")
        if isinstance(children, list):
            # One more than the bound is enough to know.
            stack.extend(children[: NODES + 1])
        stack.append(node.get("message"))
    return False


def decoding_takes_long(lines: Any) -> bool:
    """
    The same for decoding a header's fields, which takes longer than taking them apart.

    @param lines: C{header} of a tree, or anything.
    """
    if not isinstance(lines, list):
        return False
    length = sum(len(line) for line in lines if isinstance(line, str))
    return len(lines) > DECODED_LINES or length > DECODED_LENGTH


def reading_addresses_takes_long(lines: Any) -> bool:
    """
    The same for reading the addresses in From, To, Cc and Bcc.

    @param lines: as of L{decoding_takes_long}.
    """
    if not isinstance(lines, list):
        return False
    of_addresses = (line for line in lines if isinstance(line, str) and line[:2].lower() in _ADDRESSES)
    return sum(map(len, of_addresses)) > ADDRESSES_LENGTH
