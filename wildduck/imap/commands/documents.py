"""
What FETCH reads of a message document, and what it makes of it.

The less is asked for the less is read: a size needs a few numbers, an envelope
its ready bytes, a header its lines, a part its body, and only the whole message
and its text need the tree with all bodies.  A document that lacks what is
usually there (WildDuck wrote it, or it is too large to be kept ready) says so
with C{None}, and is read again with more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from bson import ObjectId

from wildduck.imap.commands import enclosed, parts, preview
from wildduck.imap.grammar.dates import compose_date_time
from wildduck.mailstore import identity, zones
from wildduck.mime import (
    base64lines,
    bodystructure,
    envelope as mime_envelope,
    headers,
    layout,
    native,
    rebuild,
    rope,
)
from wildduck.mime.enclosed import leading_to
from wildduck.mime.narrow import SIZE_FIELDS, root_header

_UNKNOWN = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: Gives everything.
ALL_FIELDS = ("size", "magic", "mimeTree")


#: What L{internal_date} reads, beside C{_id}.
DATE_FIELDS = ("idate", "hdate", zones.FIELD)


def internal_date(document: Mapping[str, Any]) -> datetime:
    """
    When the message arrived, in the zone in which APPEND gave it, or what comes
    next to that where nobody knows.

    @param document: with L{DATE_FIELDS} and C{_id}.
    """
    arrived, written = document.get("idate"), document.get("hdate")
    if isinstance(arrived, datetime):
        return zones.placed(arrived, document)
    if isinstance(written, datetime):
        return written
    id = document.get("_id")
    return id.generation_time if isinstance(id, ObjectId) else _UNKNOWN


def save_date(document: Mapping[str, Any]) -> bytes:
    """
    SAVEDATE (RFC 8514 §4.2).

    @param document: with L{identity.SAVED_FIELDS}.
    """
    date = identity.saved_date(document)
    return b"NIL" if date is None else compose_date_time(date)


def email_id(document: Mapping[str, Any]) -> bytes:
    """
    EMAILID (RFC 8474 §5.3).

    @param document: with L{identity.EMAIL_FIELDS}.
    @raise TypeError: it is none of WildDuck's; NIL is no EMAILID.
    """
    id = identity.email_id(document)
    if id is None:
        raise TypeError("a message whose _id is no ObjectId")
    return b"(%b)" % id.encode("ascii")


def thread_id(document: Mapping[str, Any]) -> bytes:
    """
    THREADID (RFC 8474 §5.3).

    @param document: with L{identity.THREAD_FIELDS}.
    """
    id = identity.thread_id(document)
    return b"NIL" if id is None else b"(%b)" % id.encode("ascii")


def ready_fields(name: str) -> tuple[str, ...]:
    """@param name: C{"envelope"}, C{"body"} or C{"bodystructure"}."""
    return (*SIZE_FIELDS, f"mimeTree.native.{name}")


def projection(fields: set[str]) -> dict[str, Any]:
    """
    A field of which a parent is there as well is left out, as MongoDB demands.

    @param fields: names, also those of L{parts}, which are left out where the whole tree is there.
    """
    whole = "mimeTree" in fields
    return {
        name: _expression(name)
        for name in fields
        if not (whole and parts.is_part(name)) and not any(name.startswith(other + ".") for other in fields)
    }


def _expression(name: str) -> Any:
    """What MongoDB shall give for a field."""
    if parts.is_part(name):
        return parts.expression(name)
    return preview.EXPRESSION if name == preview.TEXTUAL else True


def envelope(document: Mapping[str, Any]) -> bytes | None:
    """
    @param document: with C{ready_fields("envelope")}, C{HEADER_FIELDS} or L{ALL_FIELDS}.
    @return: C{None} when that is not enough.
    """
    found = native.ready(document, "envelope")
    if found is not None:
        return found
    header = root_header(document)
    return None if header is None else envelope_of_header(header)


def envelope_of_header(header: bytes) -> bytes:
    return mime_envelope.wire(headers.split_header(header))


def structure(
    document: Mapping[str, Any], extended: bool, found: Sequence[enclosed.Found] | None = None
) -> bytes:
    """
    BODY or BODYSTRUCTURE from the tree.

    @param document: with L{ALL_FIELDS}.
    @param extended: with extension data, that is BODYSTRUCTURE.
    @param found: what is in each message/global, where these are told as messages.
    """
    grafted = None if found is None else enclosed.grafted(found)
    tree = document.get("mimeTree")
    if not isinstance(tree, dict):
        return bodystructure.from_tree({}, extended)
    encoded = _sent_in_base64(document, tree)
    return bodystructure.from_tree(tree, extended, lambda node: encoded.get(id(node)), grafted)


def tells_global(structure: bytes) -> bool:
    """Whether BODY or BODYSTRUCTURE has a message/global that is told as any leaf; at worst too often."""
    return b'"message" "global"' in structure.lower()


def part_structure(
    document: Mapping[str, Any],
    path: tuple[int, ...],
    decoded: tuple[int, str] | None,
    found: Sequence[enclosed.Found] | None = None,
) -> bytes | None:
    """
    BODYSTRUCTURE of one part (RFC 5524 §3.2).

    @param document: with L{ALL_FIELDS}.
    @param path: part numbers, empty for the message itself.
    @param decoded: octets of the part without its transfer encoding and what they are in
        then (L{wildduck.mime.identity_encoding}), where that is to be described.
    @param found: what is in each message/global, where the path may lead into one, or these
        are told as messages.
    @return: C{None} where there is no such part.
    """
    tree = document.get("mimeTree")
    if not isinstance(tree, dict):
        return None
    grafted = None if found is None else enclosed.grafted(found)
    root = rebuild.nodes(tree)
    node = rope.find(root, path)
    if node is None and grafted:
        last, rest = leading_to(root, path)
        held = None if last is None else grafted.get(id(last.tree))
        node = None if held is None else rope.find(rebuild.nodes(held), rest)
    if node is None:
        return None
    if decoded is not None:
        return bodystructure.of_decoded(node.tree, *decoded)
    encoded = _sent_in_base64(document, tree)
    return bodystructure.from_tree(node.tree, True, lambda node: encoded.get(id(node)), grafted)


def _sent_in_base64(document: Mapping[str, Any], tree: dict[str, Any]) -> dict[int, bodystructure.Sent]:
    """How the parts with NULs are sent (design.md §4), by the identity of their nodes."""
    additions = native.of_document(document)
    if additions is None or "layout" not in additions:
        return {}
    try:
        places, _has_nul = layout.unpack(additions["layout"])
    except ValueError:
        return {}
    nodes = rebuild.nodes(tree).walk()
    return {
        id(node.tree): bodystructure.Sent(
            base64lines.encoded_length(node.size, base64lines.LINE_LENGTH),
            base64lines.encoded_line_feeds(node.size),
            True,
        )
        for node, place in zip(nodes, places, strict=False)
        if place.as_base64
    }
