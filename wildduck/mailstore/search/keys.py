"""
What can be asked of a message: frozen values, without any protocol's spelling.

To add a key: a value here, and a function in the table of the step that can
answer it (L{wildduck.mailstore.search.known}, C{facts}, C{fields} or C{texts}).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Flag:
    """
    It has a flag.

    @ivar name: in any case, with the backslash of a system flag.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Recent:
    """It is C{\\Recent} to the session that asks (RFC 3501 §2.3.2)."""


@dataclass(frozen=True, slots=True)
class Uids:
    """
    Its UID is one of these.

    @ivar ranges: (first, last), inclusive.
    """

    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Arrived:
    """
    The day of its INTERNALDATE in the zone in which it is shown, UTC if it was given in none.

    @ivar since: this day or later, if not C{None}.
    @ivar before: earlier than this day, if not C{None}.
    """

    since: date | None = None
    before: date | None = None


@dataclass(frozen=True, slots=True)
class Age:
    """
    The time since its INTERNALDATE, both in whole seconds (RFC 5032 §2).

    @ivar least: so many seconds or more, if not C{None}.
    @ivar most: so many seconds or less, if not C{None}.
    """

    least: int | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """
    It came or its flags changed at this MODSEQ or later (RFC 7162 §3.1.5).

    @ivar modseq: 0 matches every message.
    """

    modseq: int


@dataclass(frozen=True, slots=True)
class Sent:
    """
    The day of its Date field as it is written there, whatever the zone; as of
    L{Arrived} where no day can be read (as RFC 5256 §2.2 has it for sorting).
    """

    since: date | None = None
    before: date | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """
    The day, in UTC, on which it came into its mailbox (RFC 8514).

    @ivar since: as of L{Arrived}.
    @ivar before: as of L{Arrived}.
    """

    since: date | None = None
    before: date | None = None


@dataclass(frozen=True, slots=True)
class EmailId:
    """It has this id, as its copies do (L{wildduck.mailstore.identity})."""

    id: str


@dataclass(frozen=True, slots=True)
class ThreadId:
    """It belongs to the conversation of this id (L{wildduck.mailstore.identity})."""

    id: str


@dataclass(frozen=True, slots=True)
class Size:
    """
    Bytes that are sent for it (RFC822.SIZE).

    @ivar above: more than these, if not C{None}.
    @ivar below: less than these, if not C{None}.
    """

    above: int | None = None
    below: int | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """
    A header field contains a text.

    @ivar name: of the field, in any case.
    @ivar text: with an empty one the field need only be there.
    @ivar shown: the text may also stand in what ENVELOPE shows of it, an address field
        (L{wildduck.mime.shown}).
    """

    name: bytes
    text: str
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """
    A part that is text contains this, or the header of a message within it does.

    @ivar text: with an empty one every message does.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """As L{Body}, or the header of the message or of one of its parts does."""

    text: str


@dataclass(frozen=True, slots=True)
class And:
    """All of these; with none of them, every message."""

    keys: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class Or:
    """Any of these."""

    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Not:
    key: Key


_Known: TypeAlias = Flag | Recent | Uids | Arrived | Age | Changed
_Read: TypeAlias = Sent | Saved | EmailId | ThreadId | Size | Field | Body | Text
Leaf: TypeAlias = _Known | _Read
Key: TypeAlias = Leaf | And | Or | Not
