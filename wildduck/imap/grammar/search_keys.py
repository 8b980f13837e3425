"""
What can be searched for: the keys of SEARCH, SORT and THREAD.

RFC 3501 and 9051 §6.4.4; RFC 5032 (C{OLDER}, C{YOUNGER}), 7162 §3.1.5 (C{MODSEQ}),
8474 §6 (C{EMAILID}, C{THREADID}), 8514 §4.3 (C{SAVEDBEFORE} and others).

Keys are read without recursion: what a client nests costs it a frame on a list,
and more than L{limits.IMAP_NESTING} of them are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

from wildduck import limits
from wildduck.imap.grammar.cursor import MAX_NUMBER64, Cursor
from wildduck.imap.grammar.dates import compose_date, parse_date
from wildduck.imap.grammar.keywords import compose_keyword, keyword
from wildduck.imap.grammar.modes import PLAIN
from wildduck.imap.grammar.sequence import SequenceSet, looking_at_set, sequence_set
from wildduck.imap.grammar.strings import Reading, astring, compose_astring, compose_string

#: Keys without an argument.
STATES = (
    "ALL",
    "ANSWERED",
    "DELETED",
    "DRAFT",
    "FLAGGED",
    "NEW",
    "OLD",
    "RECENT",
    "SAVEDATESUPPORTED",
    "SEEN",
    "UNANSWERED",
    "UNDELETED",
    "UNDRAFT",
    "UNFLAGGED",
    "UNSEEN",
)
#: Of these, what IMAP4rev2 has no more (RFC 9051 Appendix E, 12).
_RECENT = ("NEW", "OLD", "RECENT")
#: Keys with a flag, with a string, with a date, with a number of octets.
KEYWORDS = ("KEYWORD", "UNKEYWORD")
TEXTS = ("BCC", "BODY", "CC", "FROM", "SUBJECT", "TEXT", "TO")
DATES = (
    *("BEFORE", "ON", "SINCE"),
    *("SAVEDBEFORE", "SAVEDON", "SAVEDSINCE"),
    *("SENTBEFORE", "SENTON", "SENTSINCE"),
)
SIZES = ("LARGER", "SMALLER")
#: Keys with a number of seconds, with an object's id.
AGES = ("OLDER", "YOUNGER")
IDS = ("EMAILID", "THREADID")
#: C{entry-type-req} (RFC 7162 §7).
ENTRY_TYPES = ("all", "priv", "shared")

_ENTRY = re.compile(rb"/flags/.", re.IGNORECASE | re.DOTALL)
_ID = re.compile(rb"[A-Za-z0-9_-]{1,255}(?![A-Za-z0-9_-])")


@dataclass(frozen=True, slots=True)
class State:
    """
    @ivar name: of L{STATES}.
    """

    name: str

    def compose(self) -> bytes:
        return self.name.encode("ascii")


@dataclass(frozen=True, slots=True)
class Keyword:
    """
    @ivar name: of L{KEYWORDS}.
    @ivar flag: as given.
    """

    name: str
    flag: str

    def compose(self) -> bytes:
        return self.name.encode("ascii") + b" " + compose_keyword(self.flag, PLAIN)


@dataclass(frozen=True, slots=True)
class Text:
    """
    @ivar name: of L{TEXTS}.
    @ivar value: in the command's charset.
    """

    name: str
    value: bytes

    def compose(self) -> bytes:
        return self.name.encode("ascii") + b" " + compose_astring(self.value, False)


@dataclass(frozen=True, slots=True)
class Header:
    """
    @ivar field: a header field's name, as given.
    @ivar value: in the command's charset; empty asks whether the field is there.
    """

    field: bytes
    value: bytes

    def compose(self) -> bytes:
        return b"HEADER " + compose_astring(self.field, False) + b" " + compose_astring(self.value, False)


@dataclass(frozen=True, slots=True)
class Day:
    """
    @ivar name: of L{DATES}.
    """

    name: str
    day: date

    def compose(self) -> bytes:
        return self.name.encode("ascii") + b" " + compose_date(self.day)


@dataclass(frozen=True, slots=True)
class Size:
    """
    @ivar name: of L{SIZES}.
    """

    name: str
    octets: int

    def compose(self) -> bytes:
        return f"{self.name} {self.octets}".encode("ascii")


@dataclass(frozen=True, slots=True)
class Age:
    """
    @ivar name: of L{AGES}.
    @ivar seconds: at least 1.
    """

    name: str
    seconds: int

    def compose(self) -> bytes:
        return f"{self.name} {self.seconds}".encode("ascii")


@dataclass(frozen=True, slots=True)
class Id:
    """
    @ivar name: of L{IDS}.
    @ivar value: C{objectid} (RFC 8474 §7).
    """

    name: str
    value: str

    def compose(self) -> bytes:
        return f"{self.name} {self.value}".encode("ascii")


@dataclass(frozen=True, slots=True)
class Modseq:
    """
    @ivar least: the lowest MODSEQ that matches.
    @ivar entry: name of a metadata item and one of L{ENTRY_TYPES}, if given.
    """

    least: int
    entry: tuple[bytes, str] | None = None

    def compose(self) -> bytes:
        pieces = [b"MODSEQ"]
        if self.entry is not None:
            pieces += (compose_string(self.entry[0], False), self.entry[1].encode("ascii"))
        return b" ".join((*pieces, b"%d" % self.least))


@dataclass(frozen=True, slots=True)
class Numbers:
    """
    @ivar by_uid: the set holds UIDs (C{UID} before it).
    """

    numbers: SequenceSet
    by_uid: bool = False

    def compose(self) -> bytes:
        return (b"UID " if self.by_uid else b"") + self.numbers.compose()


@dataclass(frozen=True, slots=True)
class Not:
    key: Key

    def compose(self) -> bytes:
        return b"NOT " + self.key.compose()


@dataclass(frozen=True, slots=True)
class Or:
    """
    @ivar keys: two or more: C{OR a OR b c} is one of three.
    """

    keys: tuple[Key, ...]

    def compose(self) -> bytes:
        pieces = [b"OR " + key.compose() for key in self.keys[:-1]]
        return b" ".join([*pieces, self.keys[-1].compose()])


@dataclass(frozen=True, slots=True)
class And:
    """Keys in parentheses."""

    keys: tuple[Key, ...]

    def compose(self) -> bytes:
        return b"(" + b" ".join(key.compose() for key in self.keys) + b")"


Key: TypeAlias = State | Keyword | Text | Header | Day | Size | Age | Id | Modseq | Numbers | Not | Or | And


def read_keys(cursor: Cursor) -> Reading[tuple[Key, ...]]:
    """
    C{search-key *(SP search-key)} up to the end of the command.

    @return: a message must match all of them.
    """
    return (yield from _Keys(cursor).read())


class _Frame:
    """
    A key that is not complete yet.

    @ivar kind: C{"("}, C{"NOT"}, C{"OR"}, or C{""} for the command itself.
    @ivar left: keys that it still takes; -1 when its own end says so.
    """

    __slots__ = ("keys", "kind", "left")

    def __init__(self, kind: str, left: int = -1) -> None:
        self.kind = kind
        self.left = left
        self.keys: list[Key] = []

    def complete(self) -> Key:
        if self.kind == "NOT":
            return Not(self.keys[0])
        return Or(tuple(self.keys)) if self.kind == "OR" else And(tuple(self.keys))


class _Keys:
    """Reads C{1*(SP search-key)} up to the end of the command."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._frames = [_Frame("")]
        self._count = 0

    def read(self) -> Reading[tuple[Key, ...]]:
        cursor = self._cursor
        while True:
            key = yield from self._next()
            if key is None:
                continue
            self._take(key)
            if cursor.at_end and len(self._frames) == 1:
                return tuple(self._frames[0].keys)
            cursor.space()

    def _next(self) -> Reading[Key | None]:
        """A key that is complete by itself, or C{None} when one was begun that holds others."""
        cursor = self._cursor
        self._count += 1
        if self._count > limits.IMAP_SEARCH_KEYS:
            raise cursor.error("too many search keys")
        if cursor.take(b"("):
            self._begin("(", -1)
            return None
        if looking_at_set(cursor):
            return Numbers(sequence_set(cursor))
        name = cursor.atom("a search key").decode("ascii").upper()
        if name in ("NOT", "OR"):
            cursor.space()
            self._begin(name, 1 if name == "NOT" else 2)
            return None
        if name in STATES and not (cursor.modes.rev2 and name in _RECENT):
            return State(name)
        reader = _READERS.get(name)
        if reader is None:
            raise cursor.error("unknown search key")
        cursor.space()
        return (yield from reader(cursor, name))

    def _begin(self, kind: str, left: int) -> None:
        outer = self._frames[-1]
        if kind == outer.kind == "OR":
            # One of three: clients chain hundreds, which is no nesting.
            outer.left += 1
            return
        if len(self._frames) > limits.IMAP_NESTING:
            raise self._cursor.error("search keys are nested too deeply")
        self._frames.append(_Frame(kind, left))

    def _take(self, key: Key) -> None:
        """Put a key where it belongs, and what it completes likewise."""
        while True:
            frame = self._frames[-1]
            frame.keys.append(key)
            frame.left -= 1
            if frame.left and not (frame.kind == "(" and self._cursor.take(b")")):
                return
            key = self._frames.pop().complete()


def _keyword(cursor: Cursor, name: str) -> Reading[Key]:
    return Keyword(name, keyword(cursor, "a keyword"))
    yield


def _text(cursor: Cursor, name: str) -> Reading[Key]:
    return Text(name, (yield from astring(cursor)))


def _header(cursor: Cursor, name: str) -> Reading[Key]:
    field = yield from astring(cursor, "a header field's name")
    cursor.space()
    return Header(field, (yield from astring(cursor)))


def _day(cursor: Cursor, name: str) -> Reading[Key]:
    return Day(name, parse_date(cursor))
    yield


def _size(cursor: Cursor, name: str) -> Reading[Key]:
    return Size(name, cursor.number("a size", MAX_NUMBER64))
    yield


def _age(cursor: Cursor, name: str) -> Reading[Key]:
    return Age(name, cursor.nz_number("a number of seconds"))
    yield


def _id(cursor: Cursor, name: str) -> Reading[Key]:
    match = cursor.match(_ID)
    if match is None:
        raise cursor.error("expected an object id")
    return Id(name, match.group().decode("ascii"))
    yield


def _modseq(cursor: Cursor, name: str) -> Reading[Key]:
    """C{"MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer}."""
    entry = None
    if cursor.looking_at(b'"'):
        label = cursor.quoted()
        if _ENTRY.match(label) is None:
            raise cursor.error("expected the name of a metadata item, as /flags/...")
        cursor.space()
        kind = cursor.atom("the type of a metadata item").decode("ascii").lower()
        if kind not in ENTRY_TYPES:
            raise cursor.error("unknown type of a metadata item")
        cursor.space()
        entry = (label, kind)
    return Modseq(cursor.number("a MODSEQ", MAX_NUMBER64), entry)
    yield


def _uid(cursor: Cursor, name: str) -> Reading[Key]:
    return Numbers(sequence_set(cursor), by_uid=True)
    yield


_READERS: dict[str, Callable[[Cursor, str], Reading[Key]]] = {
    **dict.fromkeys(KEYWORDS, _keyword),
    **dict.fromkeys(TEXTS, _text),
    **dict.fromkeys(DATES, _day),
    **dict.fromkeys(SIZES, _size),
    **dict.fromkeys(AGES, _age),
    **dict.fromkeys(IDS, _id),
    "HEADER": _header,
    "MODSEQ": _modseq,
    "UID": _uid,
}
