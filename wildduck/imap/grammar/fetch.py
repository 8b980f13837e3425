"""FETCH, UID FETCH and what can be fetched (RFC 3501 §6.4.5, RFC 3516, RFC 8474, RFC 8514, RFC 8970)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from wildduck import limits
from wildduck.errors import ProtocolError
from wildduck.imap.grammar.cursor import MAX_NUMBER, MAX_NUMBER64, Cursor
from wildduck.imap.grammar.fetch_modifiers import NO_MODIFIERS, Modifiers, fetch_modifiers
from wildduck.imap.grammar.sequence import SequenceSet, sequence_set
from wildduck.imap.grammar.strings import Reading, astring, compose_astring
from wildduck.imap.grammar.values import Command

#: Items that are one word.
ATTRIBUTES = (
    "BODY",
    "BODYSTRUCTURE",
    "EMAILID",
    "ENVELOPE",
    "FLAGS",
    "INTERNALDATE",
    "MODSEQ",
    "RFC822",
    "RFC822.HEADER",
    "RFC822.SIZE",
    "RFC822.TEXT",
    "SAVEDATE",
    "THREADID",
    "UID",
)

MACROS = {
    "ALL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"),
    "FAST": ("FLAGS", "INTERNALDATE", "RFC822.SIZE"),
    "FULL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"),
}

_WORD = re.compile(rb"[A-Za-z0-9.]+")
_SECTION_WORD = re.compile(rb"[A-Za-z.]+")
_LAZY = re.compile(rb" \((?:LAZY )*LAZY\)", re.IGNORECASE)
#: Can be a field's name in a response; others would need literals there.
_FIELD = re.compile(rb"[\x20-\x7e]*\Z")
_TEXTS = ("HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT")


@dataclass(frozen=True, slots=True)
class Attribute:
    """
    @ivar name: of L{ATTRIBUTES}.
    """

    name: str

    @property
    def sets_seen(self) -> bool:
        return self.name in ("RFC822", "RFC822.TEXT")

    def compose(self) -> bytes:
        return self.name.encode("ascii")


@dataclass(frozen=True, slots=True)
class Section:
    """
    C{BODY[...]} and C{BODY.PEEK[...]}.

    @ivar path: part numbers, empty for the message itself.
    @ivar what: C{""} for the part's body (with an empty path the whole
        message), C{"HEADER"}, C{"HEADER.FIELDS"}, C{"HEADER.FIELDS.NOT"},
        C{"TEXT"} or C{"MIME"}.
    @ivar fields: header field names as given.
    @ivar peek: C{\\Seen} is left alone.
    @ivar partial: (first octet, most octets), or C{None} for all.
    """

    path: tuple[int, ...] = ()
    what: str = ""
    fields: tuple[bytes, ...] = ()
    peek: bool = False
    partial: tuple[int, int] | None = None

    @property
    def sets_seen(self) -> bool:
        return not self.peek

    def compose(self) -> bytes:
        name = b"BODY.PEEK" if self.peek else b"BODY"
        return name + self._specification() + _compose_partial(self.partial)

    def label(self) -> bytes:
        """How a response names it: no C{PEEK}, of the partial only its origin."""
        return b"BODY" + self._specification() + _origin(self.partial)

    def _specification(self) -> bytes:
        pieces = [b"%d" % number for number in self.path]
        if self.what:
            pieces.append(self.what.encode("ascii"))
        names = b" (" + b" ".join(map(compose_astring, self.fields)) + b")" if self.fields else b""
        return b"[" + b".".join(pieces) + names + b"]"


@dataclass(frozen=True, slots=True)
class Binary:
    """
    C{BINARY[...]} and C{BINARY.PEEK[...]} (RFC 3516 §4.2): a part without its transfer encoding.

    @ivar path: part numbers, empty for the whole message.
    @ivar peek: C{\\Seen} is left alone.
    @ivar partial: of the decoded bytes, as of L{Section}.
    """

    path: tuple[int, ...] = ()
    peek: bool = False
    partial: tuple[int, int] | None = None

    @property
    def sets_seen(self) -> bool:
        return not self.peek

    def compose(self) -> bytes:
        name = b"BINARY.PEEK" if self.peek else b"BINARY"
        return name + _part_numbers(self.path) + _compose_partial(self.partial)

    def label(self) -> bytes:
        """How a response names it."""
        return b"BINARY" + _part_numbers(self.path) + _origin(self.partial)


@dataclass(frozen=True, slots=True)
class BinarySize:
    """C{BINARY.SIZE[...]}: the length of what L{Binary} gives."""

    path: tuple[int, ...] = ()

    @property
    def sets_seen(self) -> bool:
        return False

    def compose(self) -> bytes:
        return b"BINARY.SIZE" + _part_numbers(self.path)

    def label(self) -> bytes:
        """How a response names it."""
        return self.compose()


@dataclass(frozen=True, slots=True)
class Preview:
    """
    C{PREVIEW} (RFC 8970).

    @ivar lazy: only if it is at hand.
    """

    lazy: bool = False

    @property
    def sets_seen(self) -> bool:
        return False

    def compose(self) -> bytes:
        return b"PREVIEW (LAZY)" if self.lazy else b"PREVIEW"


Item: TypeAlias = Attribute | Section | Binary | BinarySize | Preview


def _part_numbers(path: tuple[int, ...]) -> bytes:
    """C{section-binary} (RFC 3516 §7)."""
    return b"[" + b".".join(b"%d" % number for number in path) + b"]"


def _compose_partial(partial: tuple[int, int] | None) -> bytes:
    return b"<%d.%d>" % partial if partial is not None else b""


def _origin(partial: tuple[int, int] | None) -> bytes:
    return b"<%d>" % partial[0] if partial is not None else b""


@dataclass(frozen=True, slots=True)
class Fetch(Command):
    """
    @ivar items: macros already replaced, in the order given.
    @ivar by_uid: the set holds UIDs.
    @ivar modifiers: what else narrows the set.
    """

    verb = "FETCH"
    numbers: SequenceSet
    items: tuple[Item, ...]
    by_uid: bool = False
    modifiers: Modifiers = NO_MODIFIERS

    @property
    def name(self) -> str:
        return "UID FETCH" if self.by_uid else "FETCH"

    def arguments(self) -> list[bytes]:
        items = b"(" + b" ".join(item.compose() for item in self.items) + b")"
        return [self.numbers.compose(), items, *self.modifiers.arguments()]


def parse_fetch(cursor: Cursor, by_uid: bool = False) -> Reading[Fetch]:
    """C{fetch} (RFC 4466 §6): a set, items, and modifiers if any."""
    cursor.space()
    numbers = sequence_set(cursor)
    cursor.space()
    items = yield from _items(cursor)
    return Fetch(numbers, items, by_uid, fetch_modifiers(cursor, by_uid))


def parse_uid_fetch(cursor: Cursor) -> Reading[Fetch]:
    return parse_fetch(cursor, True)


def fetch_items(cursor: Cursor) -> Reading[tuple[Item, ...]]:
    """C{"(" fetch-att *(SP fetch-att) ")"}."""
    cursor.expect(b"(", "a list of items to fetch")
    items = [(yield from _item(cursor))]
    while cursor.take(b" "):
        cursor.another("items")
        items.append((yield from _item(cursor)))
    cursor.expect(b")", "the end of the list of items")
    return tuple(items)


def _items(cursor: Cursor) -> Reading[tuple[Item, ...]]:
    """A macro, an item or a list of items."""
    if cursor.looking_at(b"("):
        return (yield from fetch_items(cursor))
    macro = _macro(cursor)
    return macro if macro is not None else ((yield from _item(cursor)),)


def _macro(cursor: Cursor) -> tuple[Item, ...] | None:
    match = _WORD.match(cursor.line, cursor.position)
    names = MACROS.get(match.group().decode("ascii").upper()) if match is not None else None
    if match is None or names is None:
        return None
    cursor.position = match.end()
    return tuple(map(Attribute, names))


def _item(cursor: Cursor) -> Reading[Item]:
    match = cursor.match(_WORD)
    if match is None:
        raise cursor.error("expected an item to fetch")
    name = match.group().decode("ascii").upper()
    if name in ("BODY", "BODY.PEEK") and cursor.take(b"["):
        return (yield from _section(cursor, name == "BODY.PEEK"))
    if name in ("BINARY", "BINARY.PEEK", "BINARY.SIZE") and cursor.take(b"["):
        return _binary(cursor, name)
    if name == "PREVIEW":
        # In another list that follows are the modifiers of the FETCH.
        return Preview(cursor.match(_LAZY) is not None)
    if name not in ATTRIBUTES:
        raise cursor.error("unknown item to fetch")
    return Attribute(name)


def section_of(text: bytes) -> Section:
    """
    The section that stands in an IMAP URL (RFC 5092 §11 C{enc-section}).

    @param text: C{section-spec}, decoded; C{b""} for the whole message.
    @return: with C{peek}.
    @raise ProtocolError: it is none, or has a literal.
    """
    cursor = Cursor(text + b"]")
    reading = _section(cursor, True)
    try:
        next(reading)
    except StopIteration as done:
        section: Section = done.value
        if cursor.at_end and section.partial is None:
            return section
    raise ProtocolError("broken section")


def _binary(cursor: Cursor, name: str) -> Binary | BinarySize:
    path: list[int] = []
    while not cursor.looking_at(b"]"):
        if path:
            cursor.expect(b".", "a dot or the end of the section")
        _add_number(cursor, path)
    cursor.expect(b"]", "the end of the section")
    if name == "BINARY.SIZE":
        return BinarySize(tuple(path))
    return Binary(tuple(path), name == "BINARY.PEEK", _partial(cursor))


def _add_number(cursor: Cursor, path: list[int]) -> None:
    if len(path) == limits.IMAP_SECTION_DEPTH:
        raise cursor.error("the part's number is too long")
    path.append(cursor.nz_number("a part's number"))


def _section(cursor: Cursor, peek: bool) -> Reading[Section]:
    path: list[int] = []
    what = ""
    while not cursor.looking_at(b"]"):
        if path:
            cursor.expect(b".", "a dot or the end of the section")
        if cursor.line[cursor.position : cursor.position + 1].isdigit():
            _add_number(cursor, path)
        else:
            what = _section_text(cursor, bool(path))
            break
    fields: tuple[bytes, ...] = ()
    if what.startswith("HEADER.FIELDS"):
        fields = yield from _header_list(cursor)
    cursor.expect(b"]", "the end of the section")
    return Section(tuple(path), what, fields, peek, _partial(cursor))


def _section_text(cursor: Cursor, of_part: bool) -> str:
    match = cursor.match(_SECTION_WORD)
    what = match.group().decode("ascii").upper() if match is not None else ""
    if what not in _TEXTS and not (of_part and what == "MIME"):
        raise cursor.error("unknown section")
    return what


def _header_list(cursor: Cursor) -> Reading[tuple[bytes, ...]]:
    """C{header-list} = "(" header-fld-name *(SP header-fld-name) ")"."""
    cursor.space()
    cursor.expect(b"(", "a list of header fields")
    fields = [(yield from _field(cursor))]
    while cursor.take(b" "):
        cursor.another("header fields")
        fields.append((yield from _field(cursor)))
    cursor.expect(b")", "the end of the list of header fields")
    return tuple(fields)


def _field(cursor: Cursor) -> Reading[bytes]:
    name = yield from astring(cursor, "a header field's name")
    if not _FIELD.match(name):
        raise ProtocolError("a header field's name has characters that no header has")
    return name


def _partial(cursor: Cursor) -> tuple[int, int] | None:
    """C{"<" number "." nz-number ">"}, of 63 bits in IMAP4rev2 (RFC 9051 §9)."""
    if not cursor.take(b"<"):
        return None
    largest = MAX_NUMBER64 if cursor.modes.rev2 else MAX_NUMBER
    first = cursor.number("the first octet", largest)
    cursor.expect(b".", "a dot")
    most = cursor.nz_number("the number of octets", largest)
    cursor.expect(b">", "the end of the partial")
    return first, most
