"""
The readable text of a message: plain text for search, and HTML to show.

Text and HTML parts that are not attachments are taken, in the order of the
message.  Of an attached message the parts are taken if it has several, or
lies in a multipart/digest (WildDuck's rule; a plain one is only an
attachment).  Outside a multipart/alternative each part serves for both: text
as HTML, HTML as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from wildduck import limits
from wildduck.mime import charsets, headers, html, parameters, transfer
from wildduck.mime.part import ContentType, Part

PLAIN = "plain"
HTML = "html"

_KINDS = {
    "text/plain": PLAIN,
    "text/html": HTML,
    "text/rfc822-headers": PLAIN,
    "message/delivery-status": PLAIN,
}

#: Encoded bytes of one part that can matter, by kind: text that is kept as
#: HTML, and HTML that is still converted; a byte has at most three characters
#: in quoted-printable.
READ_BYTES = {PLAIN: 3 * limits.HTML_KEPT, HTML: 3 * limits.HTML_CONVERTED + limits.KIB}

_BLANK = " \t\r\n"
_QUOTES = re.compile(r">*")


@dataclass(frozen=True, slots=True)
class TextPart:
    """
    One readable part.

    @ivar kind: L{PLAIN} or L{HTML}.
    @ivar text: decoded; lines of plain text end in LF.
    @ivar alternative: it lies in a multipart/alternative.
    """

    kind: str
    text: str
    alternative: bool = False


@dataclass(frozen=True, slots=True)
class Texts:
    """
    @ivar text: the first L{limits.TEXT_INDEXED} characters of plain text.
    @ivar footer: the rest of it, up to L{limits.TEXT_KEPT} in all.
    @ivar html: HTML parts, L{limits.HTML_KEPT} characters in all.
    """

    text: str
    footer: str
    html: list[str]


def kind_of(content_type: ContentType, disposition: str) -> str | None:
    """
    Whether a part is readable text (spec/schema.md 'External storage rule').

    @param disposition: value of Content-Disposition, C{""} without one.
    @return: L{PLAIN}, L{HTML}, or C{None} for an attachment.
    """
    if disposition.lower() not in ("", "inline"):
        return None
    return _KINDS.get(content_type.value)


def decode(content_type: ContentType, encoding: str, body: bytes, alternative: bool = False) -> TextPart:
    """
    @param encoding: Content-Transfer-Encoding.
    @param body: as it is in the message, or as much as L{READ_BYTES} says.
    """
    kind = _KINDS.get(content_type.value, PLAIN)
    text = charsets.decode(transfer.decode(body, encoding), content_type.parameters.get("charset"))
    if kind == PLAIN:
        text = text[: limits.HTML_KEPT].replace("\r\n", "\n").replace("\r", "\n")
        if content_type.parameters.get("format", "").lower() == "flowed":
            text = unflow(text, content_type.parameters.get("delsp", "").lower() == "yes")
    return TextPart(kind, text, alternative)


def collect(
    root: Part, header_of: Callable[[Part], list[bytes]], read: Callable[[Part, int], bytes]
) -> list[TextPart]:
    """
    The readable parts of a message.

    @param root: the scanned structure.
    @param header_of: gives the raw fields of a part's own header.
    @param read: gives the body of a part, at most so many bytes of it.
    """
    found: list[TextPart] = []
    room = {PLAIN: limits.TEXT_KEPT, HTML: limits.HTML_KEPT}
    stack = [(root, False, False)]
    while stack and max(room.values()) > 0:
        part, alternative, in_digest = stack.pop()
        if part.boundary is not None:
            alternative = alternative or part.content_type.subtype == "alternative"
            in_digest = part.content_type.subtype == "digest"
            stack.extend((child, alternative, in_digest) for child in reversed(part.children))
            continue
        if part.message is not None:
            if in_digest or part.message.boundary is not None:
                stack.append((part.message, alternative, False))
            continue
        if part.opaque:
            continue
        raw = headers.last(header_of(part), b"content-disposition")
        disposition = parameters.parse(raw).value if raw is not None else ""
        kind = kind_of(part.content_type, disposition)
        if kind is None:
            continue
        taken = decode(part.content_type, part.encoding, read(part, READ_BYTES[kind]), alternative)
        found.append(taken)
        for filled in (kind,) if alternative else room:
            room[filled] -= len(taken.text)
    return found


def extract(parts: Iterable[TextPart], attachments: Mapping[str, str]) -> Texts:
    """
    Put the texts of a message together.

    @param parts: as of L{collect}.
    @param attachments: attachment ids by Content-ID without angle brackets,
        for C{cid:} links.
    """
    parts = list(parts)
    plain = _Plain()
    markup = _Markup(attachments)
    # A message whose alternatives are all HTML can be searched as well.
    convert_all = not any(part.kind == PLAIN for part in parts)
    for part in parts:
        if part.kind == PLAIN:
            plain.add(part.text)
            if not part.alternative and part.text:
                markup.add(html.from_text(part.text.strip(_BLANK)[: limits.HTML_KEPT]))
        else:
            markup.add(part.text)
            if (not part.alternative or convert_all) and len(part.text) <= limits.HTML_CONVERTED:
                plain.add(html.to_text(part.text, plain.room))
    text = html.link_attachments(plain.text(), attachments)[: limits.TEXT_KEPT]
    return Texts(text[: limits.TEXT_INDEXED], text[limits.TEXT_INDEXED :], markup.kept)


class _Plain:
    """Collects plain text up to the bound."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self.room = limits.TEXT_KEPT

    def add(self, text: str) -> None:
        text = text.strip()[: self.room]
        if text:
            self._texts.append(text)
            self.room -= len(text) + 1

    def text(self) -> str:
        return "\n".join(self._texts)


class _Markup:
    """Collects HTML up to the bound."""

    def __init__(self, attachments: Mapping[str, str]) -> None:
        self._attachments = attachments
        self._room = limits.HTML_KEPT
        self.kept: list[str] = []

    def add(self, text: str) -> None:
        if self._room > 0 and text:
            text = html.link_attachments(text.strip(_BLANK), self._attachments)[: self._room]
            self._room -= len(text)
            self.kept.append(text)


def unflow(text: str, delsp: bool) -> str:
    """
    Undo format=flowed (RFC 3676 §4): join the lines of a paragraph.

    @param text: lines end in LF.
    @param delsp: the blank before a soft line break goes too (RFC 3676 §4.2).
    """
    lines: list[str] = []
    paragraph: list[str] = []
    depth = -1
    for line in text.split("\n"):
        quotes = _QUOTES.match(line).group()  # type: ignore[union-attr]
        content = line[len(quotes) :].removeprefix(" ")
        if len(quotes) != depth and paragraph:
            lines.append(_quoted(depth, paragraph))
            paragraph = []
        depth = len(quotes)
        flowed = content.endswith(" ") and content != "-- "
        paragraph.append(content[:-1] if flowed and delsp else content)
        if not flowed:
            lines.append(_quoted(depth, paragraph))
            paragraph = []
    if paragraph:
        lines.append(_quoted(depth, paragraph))
    return "\n".join(lines)


def _quoted(depth: int, paragraph: list[str]) -> str:
    text = "".join(paragraph)
    return f"{'>' * depth} {text}" if depth else text
