"""What each FETCH item needs of a message, and the value it gets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from wildduck.imap.commands import binary, documents, parts, preview
from wildduck.imap.commands.binary import StreamedDecoded
from wildduck.imap.commands.enclosed import Enclosed, Found
from wildduck.imap.commands.header_fields import select
from wildduck.imap.commands.parts import Piece
from wildduck.imap.grammar.dates import compose_date_time
from wildduck.imap.grammar.fetch import Attribute, Binary, BinarySize, Item, Preview, Section
from wildduck.imap.grammar.strings import compose_literal
from wildduck.limits import KIB
from wildduck.mailstore import identity
from wildduck.mailstore.content import Content
from wildduck.mailstore.store import MailStore
from wildduck.mime import narrow, native
from wildduck.mime.enclosed import all_in

Document: TypeAlias = Mapping[str, Any]
_T = TypeVar("_T")

#: Older names of sections (RFC 3501 §6.4.5), which a response repeats.
_SECTIONS = {
    "RFC822": Section(),
    "RFC822.HEADER": Section((), "HEADER", peek=True),
    "RFC822.TEXT": Section((), "TEXT"),
}
_STRUCTURES = ("BODY", "BODYSTRUCTURE")
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
#: By what is asked of a part.
_PIECES = {
    "": Piece.BODY,
    "MIME": Piece.MIME,
    "HEADER": Piece.HEADER,
    "HEADER.FIELDS": Piece.HEADER,
    "HEADER.FIELDS.NOT": Piece.HEADER,
    "TEXT": Piece.TEXT,
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

    async def prepare(self) -> None:
        """@raise ContentUnreadable: something of it is missing."""
        await self.content.prepare(self.start, self.end)

    def blocks(self) -> AsyncIterator[bytes]:
        """As of L{Content.blocks}."""
        return self.content.blocks(self.start, self.end)


#: A composed value, or one to be streamed.
Value: TypeAlias = bytes | Streamed | StreamedDecoded


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    One item of a FETCH.

    @ivar label: how the response names it.
    @ivar section: for a range of the content; C{None} for other values.
    @ivar binary: for what is decoded of the content.
    """

    label: bytes
    name: str
    section: Section | None = None
    binary: Binary | BinarySize | None = None

    @property
    def from_view(self) -> bool:
        return self.name in _FROM_VIEW

    @property
    def of_root_header(self) -> bool:
        return self.section is not None and not self.section.path and self.section.what.startswith("HEADER")

    @property
    def is_body(self) -> bool:
        """Whether it sends bytes of the message beside its header."""
        if self.section is not None:
            return not self.of_root_header
        return isinstance(self.binary, Binary)

    @property
    def part(self) -> tuple[Piece, tuple[int, ...]] | None:
        """What of which part this is, if it can be read alone."""
        asked = self.section or self.binary
        if asked is None or not 0 < len(asked.path) <= parts.DEEPEST:
            return None
        return _PIECES[asked.what] if isinstance(asked, Section) else Piece.DATA, asked.path

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of the document that suffice for most messages."""
        if self.from_view:
            return ()
        if self.part is not None:
            return parts.fields(*self.part)
        if self.section is None:
            return documents.ALL_FIELDS if self.binary is not None else _VALUES[self.name][0]
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
            found.append(Wanted(b"PREVIEW", _LAZY_PREVIEW if item.lazy else "PREVIEW"))
        elif isinstance(item, (Binary, BinarySize)):
            found.append(Wanted(item.label(), "", binary=item))
        else:
            found.append(Wanted(item.label(), "", section=item))
    return found


class Source:
    """
    One message document, which may hold no more than its projection asked for.

    @ivar document: with at least the fields of what is asked.
    @ivar whole: it has L{documents.ALL_FIELDS}, and L{Wanted.more_fields}.
    """

    def __init__(
        self, store: MailStore, document: Document, whole: bool, *, leaves_only: bool, global_messages: bool
    ) -> None:
        """
        @param leaves_only: as of L{binary.of_whole}.
        @param global_messages: the session sees into message/global (L{Enclosed}).
        """
        self.document = document
        self.whole = whole
        self._leaves_only = leaves_only
        self._global = global_messages
        self._inside: dict[Content, Enclosed] = {}
        self._store = store
        self._content: Content | None = None
        self._exact: Content | None = None
        self._headers: dict[tuple[int, int] | None, bytes | None] = {}

    def at_hand(self, item: Wanted) -> bytes | None:
        """The value of an item that needs no content, if what was read of the document tells it."""
        if item.section is not None or item.binary is not None:
            return None
        found = _VALUES[item.name][1](self.document)
        if self._global and found is not None and item.name in _STRUCTURES and documents.tells_global(found):
            return None
        return found

    async def value(self, item: Wanted) -> Value | None:
        """
        The value of an item that is not the view's, nor L{at_hand}.

        @return: C{None} when the document must be read again with more fields;
            never if it is whole.
        @raise ContentUnreadable: what is stored elsewhere is missing.
        @raise CannotDo: it is something that can not be decoded.
        @raise UnknownEncoding: it is in an encoding that nobody knows.
        """
        if item.binary is not None:
            return await self._binary(item.binary, item.part)
        if item.section is None:
            return await self._from_whole(item.name) if self.whole else None
        if item.part is not None and not self.whole:
            return await self._part(*item.part, item.section)
        return await self._section(item.section, item.of_root_header)

    async def content(self) -> Content:
        if self._content is None:
            self._content = await self._store.content(self.document)
        return self._content

    async def _found(self) -> list[Found]:
        """What is in each message/global; a message without one is read no further."""
        trees = await self._store.compute(all_in, self.document)
        return await self._enclosed(await self.content()).found(trees) if trees else []

    def _enclosed(self, content: Content) -> Enclosed:
        """Made once, so that nothing is scanned twice for one message."""
        if content not in self._inside:
            self._inside[content] = Enclosed(content, self._in_thread)
        return self._inside[content]

    async def _in_thread(self, function: Callable[..., _T], *arguments: Any) -> _T:
        return await self._store.compute(lambda _: function(*arguments), self.document, in_thread=True)

    async def _from_whole(self, name: str) -> bytes:
        """What is not ready, and what no header at hand gives."""
        if name == "PREVIEW":
            return await self._store.compute(preview.made, self.document)
        if name != "ENVELOPE":
            extended = name == "BODYSTRUCTURE"
            found = await self._found() if self._global else None
            return await self._store.compute(
                documents.structure, self.document, extended, found, in_thread=bool(found)
            )
        content = await self.content()
        place = content.rope.section((), "HEADER")
        header = await content.read(*(place or (0, 0)))
        return await self._store.compute(lambda _: documents.envelope_of_header(header), self.document)

    async def _part(self, piece: Piece, path: tuple[int, ...], section: Section) -> Value | None:
        alone = parts.alone(self.document, piece, path)
        if alone is None:
            return None
        content = await self._store.content(alone.document)
        place = alone.place(content.rope)
        if section.fields:
            return _literal(_chosen(await content.read(*place), section), section)
        return _range(content, *_part(*place, section))

    async def _binary(
        self, item: Binary | BinarySize, part: tuple[Piece, tuple[int, ...]] | None
    ) -> Value | None:
        if self.whole:
            if self._exact is None:
                self._exact = await self._store.content(self.document, exact=True)
            inside = self._enclosed(self._exact) if self._global else None
            decoded = await binary.of_whole(
                self._exact, item.path, leaves_only=self._leaves_only, inside=inside
            )
            return await binary.value(item, decoded)
        alone = None if part is None else parts.alone(self.document, *part)
        if alone is None or (self._leaves_only and alone.is_enclosed):
            return None
        content = await self._store.content(alone.document, exact=True)
        return await binary.value(item, binary.of_part(content, alone))

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
        if place is None and self._global:
            place = await self._enclosed(content).section(section.path, what)
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
