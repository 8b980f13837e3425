"""
BODY and BODYSTRUCTURE: as WildDuck stores it, and as IMAP sends it
(RFC 3501 §7.4.2).

Both walk the structure with a stack of their own, never by recursion.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from wildduck.mime import envelope, headers, parameters, words
from wildduck.mime.part import ContentType, Part
from wildduck.mime.wire import NIL, nstring, parenthesized, string, strings

_LANGUAGE = re.compile(rb"[A-Za-z0-9]{1,8}(?:-[A-Za-z0-9]{1,8})*")
_GLOBAL = "message/global"
_BLANKS = re.compile(r"[\s,]+")


@dataclass(slots=True)
class Node:
    """
    What a body structure says of one part.

    @ivar lines: its header's raw fields.
    @ivar raw_type: the Content-Type that C{content_type} was read from.
    @ivar content_type: as the structure was read.
    @ivar octets: bytes of the body as it is sent.
    @ivar line_count: line feeds of the body as it is sent.
    @ivar encoding: what it is sent with, where that is not what its header
        says (a NUL part in base64).
    @ivar children: parts of a multipart.
    @ivar message: what a message/rfc822 holds, or a message/global that is told as a message.
    @ivar basic: L{_basic}, once it is known.
    """

    lines: list[bytes] = field(default_factory=list)
    raw_type: bytes | None = None
    content_type: ContentType = field(default_factory=ContentType)
    octets: int = 0
    line_count: int = 0
    encoding: bytes | None = None
    children: list[Node] = field(default_factory=list)
    message: Node | None = None
    basic: bytes = b""

    @property
    def is_multipart(self) -> bool:
        return self.content_type.type == "multipart"

    @property
    def is_message(self) -> bool:
        kind = self.content_type.value
        return kind == "message/rfc822" or (kind == _GLOBAL and self.message is not None)

    def take_type(self, content_type: ContentType, split: bool, opaque: bool) -> None:
        """
        @param split: a multipart was split at its boundary.
        @param opaque: it is one leaf because a bound was met.
        """
        self.content_type = content_type
        if opaque:
            self.content_type, self.raw_type = ContentType("application", "octet-stream"), None
        elif self.is_multipart and not split:
            # Without its boundary the field is invalid: RFC 2045 §5.2.
            self.content_type, self.raw_type = ContentType(), None

    def take_form(self, form: Form) -> None:
        self.octets, self.line_count = form.octets, form.lines
        self.encoding = b"base64" if form.as_base64 else None


class Form(Protocol):
    """How a part's body is sent."""

    @property
    def octets(self) -> int:
        """Its bytes."""

    @property
    def lines(self) -> int:
        """Its line feeds."""

    @property
    def as_base64(self) -> bool:
        """It is sent in base64, whatever its header says (design.md §4)."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A L{Form}."""

    octets: int
    lines: int
    as_base64: bool = False


def wire(
    root: Part,
    header_of: Callable[[Part], list[bytes]],
    extended: bool,
    sent: Callable[[Part], Form | None] = lambda part: None,
) -> bytes:
    """
    BODYSTRUCTURE, or BODY.

    @param root: the scanned structure of the message.
    @param header_of: gives the raw fields of a part's own header.
    @param extended: with extension data, that is BODYSTRUCTURE.
    @param sent: how the body of a part is sent, C{None}: as it is.
    """
    return encode(_node_of_part(root, header_of, sent), extended)


def both(
    root: Part,
    header_of: Callable[[Part], list[bytes]],
    sent: Callable[[Part], Form | None] = lambda part: None,
) -> tuple[bytes, bytes]:
    """As L{wire}: BODY and BODYSTRUCTURE, for little more than one of them costs."""
    top = _node_of_part(root, header_of, sent)
    return encode(top, False), encode(top, True)


def _node_of_part(
    root: Part, header_of: Callable[[Part], list[bytes]], sent: Callable[[Part], Form | None]
) -> Node:
    top = Node()
    stack = [(root, top)]
    while stack:
        part, node = stack.pop()
        node.lines = header_of(part)
        node.raw_type = headers.first(node.lines, b"content-type")
        node.take_type(part.content_type, part.boundary is not None, part.opaque)
        node.take_form(sent(part) or Sent(part.size, part.lines))
        if part.message is not None:
            node.message = Node()
            stack.append((part.message, node.message))
        for child in part.children:
            node.children.append(Node())
            stack.append((child, node.children[-1]))
    return top


def from_tree(
    mime_tree: dict[str, Any],
    extended: bool,
    sent: Callable[[dict[str, Any]], Form | None] = lambda node: None,
    enclosed: Mapping[int, dict[str, Any]] | None = None,
) -> bytes:
    """
    L{wire} for a stored tree, as WildDuck writes it.

    @param mime_tree: a document's mimeTree.
    @param enclosed: what a message/global holds (L{wildduck.mime.enclosed.tree}) by the identity of
        its node, an empty message where it is not there; C{None}: that is told as any leaf.
    @param sent: how the body of a node is sent, C{None}: as the node's
        C{size} and C{lineCount} say.
    """
    return encode(_node_of_tree(mime_tree, sent, enclosed), extended)


def of_decoded(tree: dict[str, Any], octets: int, encoding: str) -> bytes:
    """
    BODYSTRUCTURE of a part without its transfer encoding (RFC 5524 §3.2).

    A text's lines are told as 0: those that RFC 3501 §7.4.2 asks for are lines of the
    encoded body, and what is decoded may "not be formed from textual lines" (§3.1).

    @param tree: its node of a mimeTree, which has no parts.
    @param octets: of its decoded body.
    @param encoding: that of the decoded body (L{wildduck.mime.identity_encoding}).
    """
    top = _node_of_tree(tree, lambda node: None)
    top.octets, top.line_count, top.encoding = octets, 0, encoding.encode("ascii")
    return encode(top, True)


def _node_of_tree(
    root: dict[str, Any],
    sent: Callable[[dict[str, Any]], Form | None],
    enclosed: Mapping[int, dict[str, Any]] | None = None,
) -> Node:
    top = Node()
    stack = [(root, top, False)]
    while stack:
        tree, node, in_digest = stack.pop()
        node.lines = headers.lines_of(tree)
        node.raw_type = _raw_type(tree, node.lines)
        content_type = headers.content_type(node.raw_type, in_digest)
        node.take_type(content_type, isinstance(tree.get("boundary"), str), False)
        node.take_form(sent(tree) or Sent(_number(tree.get("size")), _number(tree.get("lineCount"))))
        message, children = tree.get("message"), tree.get("childNodes")
        if enclosed is not None and node.content_type.value == _GLOBAL:
            held = message if isinstance(message, dict) else enclosed.get(id(tree), {})
            node.message = Node()
            stack.append((held, node.message, False))
        elif isinstance(message, dict):
            # WildDuck took it as one, whatever the header says.
            node.content_type = ContentType("message", "rfc822", node.content_type.parameters)
            node.message = Node()
            stack.append((message, node.message, False))
        elif node.raw_type is None and node.is_message:
            # WildDuck does not know the default of a multipart/digest.
            node.content_type = ContentType()
        for child in children if isinstance(children, list) else ():
            if isinstance(child, dict):
                node.children.append(Node())
                stack.append((child, node.children[-1], node.content_type.subtype == "digest"))
    return top


def _raw_type(tree: dict[str, Any], lines: Sequence[bytes]) -> bytes | None:
    """Of several Content-Type fields the one that the tree was built by, else the last."""
    found = headers.all_of(lines, b"content-type")
    kind = _header(tree, "content-type")
    value = str(kind.get("value", "")).lower() if isinstance(kind, dict) else ""
    for raw in found if len(found) > 1 else ():
        if parameters.parse(raw).value.lower() == value:
            return raw
    return found[-1] if found else None


def _number(value: object) -> int:
    """A stored number; documents of others may have anything in its place."""
    if isinstance(value, (int, float)) and value == value and abs(value) < 2**63:
        return max(0, int(value))
    return 0


def encode(root: Node, extended: bool) -> bytes:
    """
    @return: the C{body} of RFC 3501 §9 for a node and all below it.
    """
    encoded: list[bytes] = []
    # What is still to be written, the next on top.
    stack: list[Node | bytes] = [root]
    while stack:
        item = stack.pop()
        if isinstance(item, bytes):
            encoded.append(item)
        elif item.is_multipart:
            stack.append(b" " + b" ".join(_multipart(item, extended)) + b")")
            stack.extend(reversed(item.children or [Node()]))
            stack.append(b"(")
        elif item.is_message:
            inner = item.message or Node()
            stack.append(b" %d%s)" % (item.line_count, _extension(item, extended)))
            stack.append(inner)
            stack.append(b"(%s %s " % (_basic(item), envelope.wire(inner.lines)))
        else:
            lines = b" %d" % item.line_count if item.content_type.type == "text" else b""
            encoded.append(b"(%s%s%s)" % (_basic(item), lines, _extension(item, extended)))
    return b"".join(encoded)


def _multipart(node: Node, extended: bool) -> Iterator[bytes]:
    """RFC 3501 §9 body-type-mpart after its bodies."""
    yield string(_media_type(node)[1])
    if extended:
        yield _parameters(node.raw_type)
        yield _disposition(node)
        yield _language(node)
        yield nstring(_value(node, b"content-location"))


def _basic(node: Node) -> bytes:
    """RFC 3501 §9 media type and body-fields."""
    if not node.basic:
        fields = (
            *map(string, _media_type(node)),
            _parameters(node.raw_type, default_charset=node.content_type.type == "text"),
            nstring(_value(node, b"content-id")),
            nstring(_value(node, b"content-description")),
            string(node.encoding or _encoding(node)),
            b"%d" % node.octets,
        )
        node.basic = b" ".join(fields)
    return node.basic


def _extension(node: Node, extended: bool) -> bytes:
    """RFC 3501 §9 body-ext-1part, with the blank before it."""
    if not extended:
        return b""
    md5 = nstring(_value(node, b"content-md5"))
    location = nstring(_value(node, b"content-location"))
    return b" " + b" ".join((md5, _disposition(node), _language(node), location))


def _media_type(node: Node) -> tuple[bytes, bytes]:
    """Type and subtype, written as the header has them where it has them."""
    kind = node.content_type
    if node.raw_type is not None and not node.is_message:
        written = headers.media_type(parameters.parse(node.raw_type).value)
        if written is not None and f"{written[0]}/{written[1]}".lower() == kind.value:
            return written[0].encode("latin-1"), written[1].encode("latin-1")
    return kind.type.encode("utf-8", "replace"), kind.subtype.encode("utf-8", "replace")


def _parameters(raw: bytes | None, default_charset: bool = False) -> bytes:
    pairs = parameters.merged(parameters.parse((raw or b"").replace(b"\0", b"\x80"), strict=True))
    if default_charset and not any(name.lower() in ("charset", "charset*") for name, _ in pairs):
        # RFC 2046 §4.1.2: the default, spelt out for clients that know another.
        pairs.append(("charset", "us-ascii"))
    return strings(text.encode("latin-1") for pair in pairs for text in pair)


def _encoding(node: Node) -> bytes:
    raw = headers.first(node.lines, b"content-transfer-encoding")
    return headers.transfer_encoding(raw).encode("latin-1")


def _value(node: Node, name: bytes) -> bytes | None:
    raw = headers.first(node.lines, name)
    return envelope.field_value(raw) or None if raw is not None else None


def _disposition(node: Node) -> bytes:
    """RFC 3501 §9 body-fld-dsp."""
    raw = headers.last(node.lines, b"content-disposition")
    if raw is None:
        return NIL
    value = headers.token(parameters.parse(raw).value.encode("latin-1"))
    return parenthesized((string(value.encode("latin-1")), _parameters(raw))) if value else NIL


def _language(node: Node) -> bytes:
    """RFC 3501 §9 body-fld-lang: the tags of Content-Language (RFC 3282 §2)."""
    raw = headers.first(node.lines, b"content-language")
    if raw is None:
        return NIL
    value = parameters.without_comments(envelope.field_value(raw).decode("latin-1"))
    tags = (tag.strip().encode("latin-1") for tag in value.split(","))
    return strings(tag for tag in tags if _LANGUAGE.fullmatch(tag))


# --- the stored form ---


def stored(tree: dict[str, Any]) -> list[Any]:
    """
    WildDuck's stored BODYSTRUCTURE: values decoded, parameter values as UTF-8 bytes.

    @param tree: a mimeTree, or a node of one.
    """
    result: list[Any] = []
    # Nodes still to be done, each with the list that it goes into.
    stack: list[tuple[dict[str, Any], list[Any]]] = [(tree, result)]
    while stack:
        node, target = stack.pop()
        children = node.get("childNodes")
        message = node.get("message")
        if node.get("multipart"):
            # RFC 3501 wants a body in a multipart, be there one or not.
            bodies: list[Any] = [[] for _ in children] if children else [_stored_leaf({})]
            target += bodies + _stored_multipart(node)
            stack += [(child, bodies[index]) for index, child in enumerate(children or ())]
        elif isinstance(message, dict):
            target += _stored_basic(node)
            body: list[Any] = []
            header = message.get("parsedHeader", {})
            target += [envelope.stored(header), body, _number(node.get("lineCount"))]
            target += _stored_extension(node)
            stack.append((message, body))
        else:
            target += _stored_leaf(node)
    return result


def _stored_leaf(node: dict[str, Any]) -> list[Any]:
    kind = _header(node, "content-type")
    leaf = _stored_basic(node)
    if (leaf[0], leaf[1]) == ("MESSAGE", "RFC822"):
        # It is there, but could not be read: an empty message stands for it.
        empty: list[Any] = _stored_leaf({})
        leaf += [envelope.stored({}), empty, _number(node.get("lineCount"))]
    elif not isinstance(kind, dict) or kind.get("type") == "text":
        leaf.append(_number(node.get("lineCount")))
    return leaf + _stored_extension(node)


def _stored_basic(node: dict[str, Any]) -> list[Any]:
    kind = _header(node, "content-type")
    kind = kind if isinstance(kind, dict) else {}
    return [
        (kind.get("type") or "text").upper(),
        (kind.get("subtype") or "plain").upper(),
        _stored_parameters(kind),
        _header(node, "content-id") or None,
        _header(node, "content-description") or None,
        (_header(node, "content-transfer-encoding") or "7bit").upper(),
        _number(node.get("size")),
    ]


def _stored_extension(node: dict[str, Any]) -> list[Any]:
    return [_header(node, "content-md5") or None, *_stored_common(node)]


def _stored_multipart(node: dict[str, Any]) -> list[Any]:
    kind = _header(node, "content-type")
    parameters_of = _stored_parameters(kind) if isinstance(kind, dict) else None
    return [str(node["multipart"]).upper(), parameters_of, *_stored_common(node)]


def _stored_common(node: dict[str, Any]) -> list[Any]:
    """Disposition, language, location."""
    disposition = _header(node, "content-disposition")
    languages = [tag for tag in _BLANKS.split(str(_header(node, "content-language") or "")) if tag]
    return [
        [str(disposition.get("value", "")).upper(), _stored_parameters(disposition)]
        if isinstance(disposition, dict)
        else None,
        languages or None,
        _header(node, "content-location") or None,
    ]


def _stored_parameters(value: dict[str, Any]) -> list[str | bytes] | None:
    params = value.get("params")
    if not isinstance(params, dict) or not params:
        return None
    pairs: list[str | bytes] = []
    for name, text in params.items():
        pairs += (name.upper(), words.decode(str(text)).encode("utf-8", "replace"))
    return pairs


def _header(node: dict[str, Any], name: str) -> Any:
    parsed = node.get("parsedHeader")
    return parsed.get(name) if isinstance(parsed, dict) else None
