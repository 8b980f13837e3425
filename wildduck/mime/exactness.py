"""
Whether WildDuck's rebuild of a tree gives the message back, and what makes it
exact if not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from wildduck.mime import base64lines, layout, rebuild
from wildduck.mime.bodystructure import Sent
from wildduck.mime.layout import Place
from wildduck.mime.message import Message
from wildduck.mime.part import Part
from wildduck.mime.rebuild import Node

_IDENTITY_ENCODINGS = ("7bit", "8bit", "binary")
#: More fields than these are not cut out of a header; the part is sent with 0x80.
_CUTS = 64
#: A header longer than this is not read to change it.
_CHANGED_HEADER = 1 << 20

_ENCODING_FIELD = re.compile(
    rb"(?<=\n)[Cc][Oo][Nn][Tt][Ee][Nn][Tt]-[Tt][Rr][Aa][Nn][Ss][Ff][Ee][Rr]-[Ee][Nn][Cc][Oo][Dd][Ii][Nn][Gg]"
    rb"[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*(?:\n|$)"
)


def is_exact(message: Message, root: dict[str, Any]) -> tuple[int, bool]:
    """
    Compare what WildDuck would send for a tree with the message, piece by piece.

    @param root: the stored tree.
    @return: the size that WildDuck would announce, and whether its bytes and
        the places of all parts are those of the message.
    """
    rebuilt = rebuild.rebuild_all(top := rebuild.nodes(root))
    if rebuilt.size != message.length or not _same_places(message, top):
        return rebuilt.size, False
    position = 0
    for piece in rebuilt.pieces:
        if isinstance(piece, Node):
            position += piece.size
            continue
        end = min(position + len(piece), message.length)
        if _read(message, position, end) != piece[: end - position]:
            return rebuilt.size, False
        position = end
    return rebuilt.size, True


def _same_places(message: Message, root: Node) -> bool:
    return all(
        (node.header_start, node.body_start, node.body_end) == place
        for node, place in zip(root.walk(), _places(message), strict=True)
    )


def _places(message: Message) -> Iterator[tuple[int, int, int]]:
    """The offsets of each part, with the prefix counted."""
    shift = len(message.prefix)
    for part in message.root.walk():
        header_start = part.header_start + shift if part is not message.root else 0
        yield header_start, part.body_start + shift, part.body_end + shift


def _read(message: Message, start: int, end: int) -> bytes:
    """Bytes of prefix and content."""
    shift = len(message.prefix)
    return message.prefix[start:end] + message.read(start - shift, max(0, end - shift))


def has_nul(message: Message) -> bool:
    """Whether there is a NUL anywhere in the message."""
    return b"\0" in message.prefix or any(part.has_nul or part.header_has_nul for part in message.root.walk())


def skeleton(message: Message) -> bytes:
    """All bytes outside the bodies of leaves and inner messages, in order."""
    pieces = [message.prefix]
    position = 0
    for part in leaves(message.root):
        pieces.append(message.read(position, part.body_start))
        position = part.body_end
    pieces.append(message.read(position, message.length - len(message.prefix)))
    return b"".join(pieces)


def leaves(root: Part) -> Iterator[Part]:
    """The parts whose bodies are stored, an inner message as one; in order."""
    stack = [root]
    while stack:
        part = stack.pop()
        if part.boundary is None:
            yield part
        else:
            stack.extend(reversed(part.children))


def places(message: Message) -> list[Place]:
    """
    Where every part lies, and which are sent in base64 (design.md §4).

    A leaf with NULs is, unless its header names an encoding that would be
    lost, or it is a composite kept as one piece.
    """
    found = []
    for part, (header_start, body_start, body_end) in zip(message.root.walk(), _places(message), strict=True):
        place = Place(header_start, body_start, body_end)
        if part.has_nul and _may_be_encoded(part) and body_start - header_start <= _CHANGED_HEADER:
            cuts = _cuts(message, part, body_start - header_start)
            if len(cuts) <= _CUTS:
                place.as_base64 = True
                place.cuts = cuts
        found.append(place)
    return found


def _may_be_encoded(part: Part) -> bool:
    return (
        part.is_leaf
        and part.encoding in _IDENTITY_ENCODINGS
        and part.content_type.type != "multipart"
        and part.content_type.value != "message/rfc822"
    )


def _cuts(message: Message, part: Part, length: int) -> tuple[tuple[int, int], ...]:
    """
    The Content-Transfer-Encoding fields of a header.

    If there is none, an empty range where the new one shall stand: at the
    beginning, but after the prefix.
    """
    before = len(message.prefix) if part is message.root else 0
    own = message.read(part.header_start, part.body_start)
    cuts = tuple(
        (match.start() - 1 + before, match.end() - 1 + before)
        for match in _ENCODING_FIELD.finditer(b"\n" + own)
    )
    return cuts or ((before, before),)


def forms(message: Message, found: list[Place]) -> dict[int, Sent]:
    """
    How each part is sent that is sent in another form, or holds such a one.

    @param found: as of L{places}.
    @return: by C{id} of the part.
    """
    changed: dict[int, Sent] = {}
    # (how many octets, how many lines more) by the order of the parts.
    differences: list[tuple[int, int]] = []
    parts = list(message.root.walk())
    for part, place in zip(parts, found, strict=True):
        if not place.as_base64:
            differences.append((0, 0))
            continue
        octets = base64lines.encoded_length(part.size, base64lines.LINE_LENGTH)
        lines = base64lines.encoded_line_feeds(part.size)
        changed[id(part)] = Sent(octets, lines, True)
        header_octets, header_lines = _header_difference(message, part, place)
        differences.append((octets - part.size + header_octets, lines - part.lines + header_lines))
    if changed:
        _add_around(parts, differences, changed)
    return changed


def _header_difference(message: Message, part: Part, place: Place) -> tuple[int, int]:
    octets = len(layout.BASE64_FIELD)
    lines = 1
    for start, end in place.cuts:
        octets -= end - start
        lines -= _read(message, place.header_start + start, place.header_start + end).count(b"\n")
    return octets, lines


def _add_around(parts: list[Part], differences: list[tuple[int, int]], changed: dict[int, Sent]) -> None:
    """Inner messages and multiparts change with what they hold."""
    # From the last part to the first: what is within a part comes before it.
    inner: dict[int, tuple[int, int]] = {}
    for part, (octets, lines) in zip(reversed(parts), reversed(differences), strict=True):
        within = list(part.children)
        if part.message is not None:
            within.append(part.message)
        within_octets = sum(inner[id(child)][0] for child in within)
        within_lines = sum(inner[id(child)][1] for child in within)
        if within and (within_octets or within_lines):
            changed[id(part)] = Sent(part.size + within_octets, part.lines + within_lines)
        inner[id(part)] = octets + within_octets, lines + within_lines


def sent_length(message: Message, changed: dict[int, Sent], found: list[Place]) -> int:
    """
    Bytes of the message as it is sent.

    @param changed: as of L{forms}.
    @param found: as of L{places}.
    """
    root = message.root
    form = changed.get(id(root))
    if form is None:
        return message.length
    length = message.length - root.size + form.octets
    if form.as_base64:
        length += _header_difference(message, root, found[0])[0]
    return length
