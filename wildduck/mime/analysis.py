"""
Everything that is stored of a message, found in one go or in two.

Pure computation: it reads the message, and changes nothing.  For a long
message it takes as long as decoding its base64 attachments; the caller decides
on a thread.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wildduck import limits
from wildduck.mime import (
    attachments,
    bodystructure,
    conversation,
    dates,
    envelope,
    exactness,
    headers,
    intro,
    layout,
    text,
    tree,
)
from wildduck.mime.bodystructure import Sent
from wildduck.mime.message import Message
from wildduck.mime.part import Part
from wildduck.mime.tree import External, Tree

__all__ = ["Analysis", "External", "Outline", "analyse", "complete", "outline"]

#: Bytes of BODY that each part has at least.
_SHORTEST_BODY = 60
#: Characters of a subject that are kept beside the header.
_SUBJECT = 16 * limits.KIB


@dataclass(frozen=True)
class Analysis:
    """
    A message as it is stored.

    @ivar mime_tree: WildDuck's tree, without attachmentMap and our own key.
    @ivar externals: the bodies that it names, to be stored.
    @ivar size: bytes that WildDuck rebuilds from the tree, the document's C{size}.
    @ivar length: bytes of the exact message.
    @ivar sent: bytes of the message as it is sent; not C{length} only if there
        are NULs (design.md §4 'Byte-exact').
    @ivar skeleton: all bytes outside the stored bodies, in order; C{None} if
        WildDuck's rebuild is exact.
    @ivar layout: where the parts are, goes with the skeleton.
    @ivar ready: what IMAP sends for C{envelope}, C{body} and C{bodystructure},
        but for those longer than L{limits.READY_BYTES}.
    @ivar envelope: WildDuck's stored form.
    @ivar bodystructure: WildDuck's stored form.
    @ivar headers: WildDuck's list of fields that can be searched for.
    @ivar message_id: Message-ID as written; made up if there is none.
    @ivar subject: decoded.
    @ivar header_date: the Date field, if it can be read.
    @ivar thread_ids: hashes of the ids that link it to others.
    @ivar thread_subject: the subject without prefixes and tags.
    @ivar text: first part of the plain text, which is searched.
    @ivar text_footer: the rest of the plain text that is kept.
    @ivar html: HTML parts.
    @ivar intro: preview of one line.
    @ivar attachments: WildDuck's list, without content hashes.
    @ivar has_attachments: there is an attachment that belongs to no HTML.
    """

    mime_tree: dict[str, Any]
    externals: tuple[External, ...]
    size: int
    length: int
    sent: int
    skeleton: bytes | None
    layout: bytes | None
    ready: dict[str, bytes]
    envelope: list[Any]
    bodystructure: list[Any]
    headers: list[dict[str, str]]
    message_id: str
    subject: str
    header_date: datetime | None
    thread_ids: list[str]
    thread_subject: str
    text: str
    text_footer: str
    html: list[str]
    intro: str
    attachments: list[dict[str, Any]]
    has_attachments: bool


@dataclass(frozen=True)
class _Exactness:
    """How the exact message differs from what WildDuck rebuilds, and from what is sent."""

    size: int
    sent: int
    skeleton: bytes | None
    layout: bytes | None
    forms: dict[int, Sent]


@dataclass(frozen=True)
class Outline:
    """
    The first half of an analysis, a third of the work: what a message asks of the account.

    @ivar tree: the stored tree and what it was made of.
    @ivar subject: as L{Analysis.subject}, and so on.
    """

    tree: Tree
    exactness: _Exactness
    subject: str
    thread_ids: list[str]
    thread_subject: str

    @property
    def size(self) -> int:
        """As L{Analysis.size}."""
        return self.exactness.size

    @property
    def mime_tree(self) -> dict[str, Any]:
        """As L{Analysis.mime_tree}."""
        return self.tree.root

    @property
    def has_externals(self) -> bool:
        """Whether there are bodies to be stored outside the tree."""
        return bool(self.tree.externals)


def analyse(message: Message) -> Analysis:
    """
    @param message: any bytes at all.
    """
    return complete(message, outline(message))


def outline(message: Message) -> Outline:
    """
    @param message: any bytes at all.
    """
    built = tree.build(message)
    subject = headers.subject(built.lines[id(message.root)])[:_SUBJECT]
    return Outline(
        tree=built,
        exactness=_exactness(message, built),
        subject=subject,
        thread_ids=conversation.ids(built.root["parsedHeader"]),
        thread_subject=conversation.subject(subject),
    )


def complete(message: Message, known: Outline) -> Analysis:
    """
    @param known: of this very message.
    """
    built, exact = known.tree, known.exactness
    root_lines = built.lines[id(message.root)]
    parsed = built.root["parsedHeader"]
    listed = attachments.listed(message.root, built)
    texts = text.extract(_texts(message, built), listed.by_content_id)
    return Analysis(
        mime_tree=built.root,
        externals=tuple(built.externals),
        size=exact.size,
        length=message.length,
        sent=exact.sent,
        skeleton=exact.skeleton,
        layout=exact.layout,
        ready=_ready(message.root, built, exact.forms),
        envelope=envelope.stored(parsed),
        bodystructure=bodystructure.stored(built.root),
        headers=headers.indexed(root_lines),
        message_id=_message_id(parsed),
        subject=known.subject,
        header_date=_date(parsed),
        thread_ids=known.thread_ids,
        thread_subject=known.thread_subject,
        text=texts.text,
        text_footer=texts.footer,
        html=texts.html,
        intro=intro.make(texts.text + texts.footer, texts.html),
        attachments=listed.rows,
        has_attachments=listed.has_attachments,
    )


def _exactness(message: Message, built: Tree) -> _Exactness:
    size, exact = exactness.is_exact(message, built.root)
    has_nul = exactness.has_nul(message)
    if exact and not has_nul:
        return _Exactness(size, message.length, None, None, {})
    places = exactness.places(message)
    forms = exactness.forms(message, places)
    return _Exactness(
        size,
        exactness.sent_length(message, forms, places),
        exactness.skeleton(message),
        layout.pack(places, has_nul),
        forms,
    )


def _texts(message: Message, built: Tree) -> list[text.TextPart]:
    def read(part: Part, length: int) -> bytes:
        return message.read(part.body_start, min(part.body_end, part.body_start + length))

    return text.collect(message.root, lambda part: built.lines[id(part)], read)


def _ready(root: Part, built: Tree, forms: dict[int, Sent]) -> dict[str, bytes]:
    def header_of(part: Part) -> list[bytes]:
        return built.lines[id(part)]

    def sent(part: Part) -> Sent | None:
        return forms.get(id(part))

    made = {"envelope": envelope.wire(header_of(root))}
    if len(built.nodes) * _SHORTEST_BODY < limits.READY_BYTES:
        made["body"], made["bodystructure"] = bodystructure.both(root, header_of, sent)
    return {name: data for name, data in made.items() if len(data) <= limits.READY_BYTES}


def _last(parsed: dict[str, Any], name: str) -> str:
    return envelope.last(parsed.get(name))


def _message_id(parsed: dict[str, Any]) -> str:
    return _last(parsed, "message-id")[: limits.KIB] or f"<{uuid.uuid4()}@wildduck.email>"


def _date(parsed: dict[str, Any]) -> datetime | None:
    value = _last(parsed, "date")
    return dates.parse(value) if value else None
