"""Commands of the session itself (RFC 3501 §6.1; 2177, 2971, 4978, 5161, 8437)."""

from __future__ import annotations

from dataclasses import dataclass

from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.strings import (
    Reading,
    compose_string,
    nstring,
    string,
    text,
)
from wildduck.imap.grammar.values import Command

#: RFC 2971 §3.3: pairs, bytes of a field's name and of a value.
ID_PAIRS = 30
ID_NAME_BYTES = 30
ID_VALUE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Capability(Command):
    verb = "CAPABILITY"


@dataclass(frozen=True, slots=True)
class Enable(Command):
    """
    @ivar extensions: names in upper case, in the order given, each once.
    """

    verb = "ENABLE"
    extensions: tuple[str, ...]

    def arguments(self) -> list[bytes]:
        return [name.encode("ascii") for name in self.extensions]


@dataclass(frozen=True, slots=True)
class Compress(Command):
    """RFC 4978; C{DEFLATE} is the only algorithm that there is."""

    verb = "COMPRESS"

    def arguments(self) -> list[bytes]:
        return [b"DEFLATE"]


@dataclass(frozen=True, slots=True)
class Unauthenticate(Command):
    """RFC 8437."""

    verb = "UNAUTHENTICATE"


@dataclass(frozen=True, slots=True)
class Noop(Command):
    verb = "NOOP"


@dataclass(frozen=True, slots=True)
class Idle(Command):
    """RFC 2177; its end, C{DONE}, is a line that the running command asks for."""

    verb = "IDLE"


@dataclass(frozen=True, slots=True)
class Logout(Command):
    verb = "LOGOUT"


@dataclass(frozen=True, slots=True)
class StartTls(Command):
    verb = "STARTTLS"


@dataclass(frozen=True, slots=True)
class Id(Command):
    """
    @ivar parameters: (field, value or C{None}) in the order given; C{None} for NIL.
    """

    verb = "ID"
    parameters: tuple[tuple[str, str | None], ...] | None

    def arguments(self) -> list[bytes]:
        if self.parameters is None:
            return [b"NIL"]
        return [b"(" + b" ".join(_compose(item) for pair in self.parameters for item in pair) + b")"]


def parse_enable(cursor: Cursor) -> Enable:
    """C{enable} = "ENABLE" 1*(SP capability)."""
    names: dict[str, None] = {}
    while not cursor.at_end:
        cursor.space()
        if names:
            cursor.another("extensions")
        names[cursor.atom("an extension's name").decode("ascii").upper()] = None
    if not names:
        raise cursor.error("missing argument")
    return Enable(tuple(names))


def parse_compress(cursor: Cursor) -> Compress:
    """C{compress} = "COMPRESS" SP "DEFLATE"."""
    cursor.space()
    if cursor.atom("an algorithm").upper() != b"DEFLATE":
        raise cursor.error("unknown algorithm")
    return Compress()


def _compose(item: str | None) -> bytes:
    return b"NIL" if item is None else compose_string(item.encode(), False)


def parse_id(cursor: Cursor) -> Reading[Id]:
    """C{id} = "ID" SP (NIL / "(" [string SP nstring *(SP string SP nstring)] ")")."""
    cursor.space()
    if cursor.line[cursor.position :].upper() == b"NIL":
        cursor.position += 3
        return Id(None)
    cursor.expect(b"(", "a list or NIL")
    pairs: list[tuple[str, str | None]] = []
    while not cursor.take(b")"):
        if pairs:
            cursor.space()
        if len(pairs) == ID_PAIRS:
            raise cursor.error(f"more than {ID_PAIRS} fields")
        name = yield from string(cursor, "a field's name")
        cursor.space()
        value = yield from nstring(cursor, "a field's value")
        if len(name) > ID_NAME_BYTES or len(value or b"") > ID_VALUE_BYTES:
            raise cursor.error("a field is too long")
        decoded = None if value is None else text(value, "a field's value")
        pairs.append((text(name, "a field's name"), decoded))
    return Id(tuple(pairs))
