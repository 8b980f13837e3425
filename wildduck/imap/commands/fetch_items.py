"""What each FETCH item needs of a message, and the value it gets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from wildduck.imap.commands import documents, parts, preview
from wildduck.imap.commands.header_fields import select
from wildduck.imap.grammar.dates import compose_date_time
from wildduck.imap.grammar.fetch import Attribute, Item, Preview, Section
from wildduck.imap.grammar.strings import compose_literal
from wildduck.limits import KIB
from wildduck.mailstore import identity
from wildduck.mailstore.content import Content
from wildduck.mailstore.store import MailStore
from wildduck.mime import narrow, native

Document: TypeAlias = Mapping[str, Any]

#: Older names of sections (RFC 3501 §6.4.5), which a response repeats.
_SECTIONS = {
    "RFC822": Section(),
    "RFC822.HEADER": Section((), "HEADER", peek=True),
    "RFC822.TEXT": Section((), "TEXT"),
}
_LAZY_PREVIEW = "PREVIEW (LAZY)"
#: Items that the session's view answers.
_FROM_VIEW = ("UID", "FLAGS", "MODSEQ")
#: Values that need no content: fields to read, and what is made of them.
_VALUES: dict[str, tuple[tuple[str, ...], Callable[[Document], bytes | None]]] = {
    "INTERNALDATE": (
        documents.DATE_FIELDS,
        lambda document: compose_date_time(documents.internal_date(document)),
    ),
    "RFC822.SIZE": (narrow.SIZE_FIELDS, lambda document: b"%d" % native.sent_length(document)),
    "ENVELOPE": (documents.ready_fields("envelope"), documents.envelope),
    "BODY": (documents.ready_fields("body"), lambda document: native.ready(document, "body")),
    "BODYSTRUCTURE": (
        documents.ready_fields("bodystructure"),
        lambda document: native.ready(document, "bodystructure"),
    ),
    "EMAILID": (identity.EMAIL_FIELDS, documents.email_id),
    "THREADID": (identity.THREAD_FIELDS, documents.thread_id),
    "SAVEDATE": (identity.SAVED_FIELDS, documents.save_date),
    "PREVIEW": (preview.FIELDS, preview.ready),
    _LAZY_PREVIEW: (preview.FIELDS, preview.lazy),
}
_EMPTY = b'""'
#: Longer ranges are read while they are sent, also those that the document holds.
_STREAMED = 64 * KIB


@dataclass(frozen=True, slots=True)
class Streamed:
    """A literal whose bytes are read while they are sent: a range of C{content}."""

    content: Content
    start: int
    end: int

    @property
    def announcement(self) -> bytes:
        return b"{%d}\r\n" % (self.end - self.start)


#: A composed value, or one to be streamed.
Value: TypeAlias = bytes | Streamed


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    One item of a FETCH.

    @ivar label: how the response names it.
    @ivar section: for a range of the content; C{None} for other values.
    """

    label: bytes
    name: str
    section: Section | None

    @property
    def from_view(self) -> bool:
        return self.name in _FROM_VIEW

    @property
    def of_root_header(self) -> bool:
        return self.section is not None and not self.section.path and self.section.what.startswith("HEADER")

    @property
    def part(self) -> tuple[int, ...]:
        """The path of the part whose body this is, empty if it is none that can be read alone."""
        section = self.section
        if section is None or section.what or len(section.path) > parts.DEEPEST:
            return ()
        return section.path

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of the document that suffice for most messages."""
        if self.from_view:
            return ()
        if self.section is None:
            return _VALUES[self.name][0]
        if self.part:
            return parts.fields(self.part)
        return narrow.HEADER_FIELDS if self.of_root_header else documents.ALL_FIELDS

    @property
    def more_fields(self) -> tuple[str, ...]:
        """Fields that are needed beside L{documents.ALL_FIELDS} where those do not suffice."""
        return preview.TEXTS if self.name == "PREVIEW" else ()


def wanted(items: Iterable[Item]) -> list[Wanted]:
    found = []
    for item in items:
        if isinstance(item, Attribute):
            found.append(Wanted(item.compose(), item.name, _SECTIONS.get(item.name)))
        elif isinstance(item, Preview):
            found.append(Wanted(b"PREVIEW", _LAZY_PREVIEW if item.lazy else "PREVIEW", None))
        else:
            found.append(Wanted(item.label(), "", item))
    return found


class Source:
    """
    One message document, which may hold no more than its projection asked for.

    @ivar document: with at least the fields of what is asked.
    @ivar whole: it has L{documents.ALL_FIELDS}, and L{Wanted.more_fields}.
    """

    def __init__(self, store: MailStore, document: Document, whole: bool) -> None:
        self.document = document
        self.whole = whole
        self._store = store
        self._content: Content | None = None
        self._headers: dict[tuple[int, int] | None, bytes | None] = {}

    async def value(self, item: Wanted) -> Value | None:
        """
        The value of an item that is not the view's.

        @return: C{None} when the document must be read again with more fields;
            never if it is whole.
        @raise ContentUnreadable: what is stored elsewhere is missing.
        """
        if item.part and not self.whole:
            return await self._part(item)
        if item.section is not None:
            return await self._section(item.section, item.of_root_header)
        found = _VALUES[item.name][1](self.document)
        if found is None and self.whole:
            return await self._from_whole(item.name)
        return found

    async def content(self) -> Content:
        if self._content is None:
            self._content = await self._store.content(self.document)
        return self._content

    async def _from_whole(self, name: str) -> bytes:
        """What is not ready, and what no header at hand gives."""
        if name == "PREVIEW":
            return await self._store.compute(preview.made, self.document)
        if name != "ENVELOPE":
            extended = name == "BODYSTRUCTURE"
            return await self._store.compute(documents.structure, self.document, extended)
        content = await self.content()
        place = content.rope.section((), "HEADER")
        header = await content.read(*(place or (0, 0)))
        return await self._store.compute(lambda _: documents.envelope_of_header(header), self.document)

    async def _part(self, item: Wanted) -> Value | None:
        assert item.section is not None
        narrowed = parts.alone(self.document, item.part)
        if narrowed is None:
            return None
        content = await self._store.content(narrowed)
        place = content.rope.section((1,), "")
        return None if place is None else _range(content, *_part(*place, item.section))

    async def _section(self, section: Section, of_root_header: bool) -> Value | None:
        if of_root_header:
            header = self._root_header()
            if header is not None:
                return _literal(_chosen(header, section), section)
        if not self.whole:
            return None
        content = await self.content()
        what = "HEADER" if section.fields else section.what
        place = content.rope.section(section.path, what)
        if place is None:
            return b"NIL"
        if section.fields:
            if place not in self._headers:
                self._headers = {place: await content.read(*place)}
            return _literal(_chosen(self._headers[place] or b"", section), section)
        return _range(content, *_part(*place, section))

    def _root_header(self) -> bytes | None:
        """Made once for all items that are asked of it."""
        if None not in self._headers:
            self._headers = {None: narrow.root_header(self.document)}
        return self._headers[None]


def _chosen(header: bytes, section: Section) -> bytes:
    if not section.fields:
        return header
    return select(header, section.fields, section.what == "HEADER.FIELDS.NOT")


def _part(start: int, end: int, section: Section) -> tuple[int, int]:
    """The range that a partial leaves of a range; empty when it begins beyond the end."""
    if section.partial is None:
        return start, end
    first, most = section.partial
    start = min(start + first, end)
    return start, min(start + most, end)


def _literal(data: bytes, section: Section) -> bytes:
    start, end = _part(0, len(data), section)
    return compose_literal(data[start:end]) if start < end else _EMPTY


def _range(content: Content, start: int, end: int) -> Value:
    if start >= end:
        return _EMPTY
    if end - start > _STREAMED:
        return Streamed(content, start, end)
    data = narrow.inline(content.rope.slice(start, end))
    return Streamed(content, start, end) if data is None else compose_literal(data)
