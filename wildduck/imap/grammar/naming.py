"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE: commands on mailbox names (RFC 3501 §6.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.mailboxes import compose_mailbox, given_mailbox
from wildduck.imap.grammar.strings import Reading
from wildduck.imap.grammar.values import Command

#: C{use-attr} of RFC 6154 §6 and RFC 8457 §3, by their names in upper case.
SPECIAL_USES = {
    name.upper(): name
    for name in (
        "\\All",
        "\\Archive",
        "\\Drafts",
        "\\Flagged",
        "\\Important",
        "\\Junk",
        "\\Sent",
        "\\Trash",
    )
}


@dataclass(frozen=True, slots=True)
class OfMailbox(Command):
    """
    Base of the commands whose only argument is a mailbox.

    @ivar mailbox: decoded, as the client wrote it: INBOX in any case, of CREATE
        with the slash that may be at its end.
    """

    mailbox: str

    def arguments(self) -> list[bytes]:
        return [compose_mailbox(self.mailbox, False)]


@dataclass(frozen=True, slots=True)
class Create(OfMailbox):
    """
    @ivar uses: special uses that the mailbox is to have (RFC 6154 §3), each once, in the spelling of
        L{SPECIAL_USES} where they are of it; C{None}: C{USE} was not given.
    """

    verb = "CREATE"
    uses: tuple[str, ...] | None = None

    def arguments(self) -> list[bytes]:
        name = compose_mailbox(self.mailbox, False)
        return [name] if self.uses is None else [name, b"(USE (%b))" % " ".join(self.uses).encode("ascii")]


@dataclass(frozen=True, slots=True)
class Delete(OfMailbox):
    verb = "DELETE"


@dataclass(frozen=True, slots=True)
class Subscribe(OfMailbox):
    verb = "SUBSCRIBE"


@dataclass(frozen=True, slots=True)
class Unsubscribe(OfMailbox):
    verb = "UNSUBSCRIBE"


@dataclass(frozen=True, slots=True)
class Rename(Command):
    """
    @ivar mailbox: the name it has, decoded, as the client wrote it.
    @ivar target: the name it is to have, likewise.
    """

    verb = "RENAME"
    mailbox: str
    target: str

    def arguments(self) -> list[bytes]:
        return [compose_mailbox(self.mailbox, False), compose_mailbox(self.target, False)]


_OfMailbox = TypeVar("_OfMailbox", bound=OfMailbox)


def parser_of(command: type[_OfMailbox]) -> Callable[[Cursor], Reading[_OfMailbox]]:
    """@return: the parser of a command whose only argument is a mailbox."""

    def parse(cursor: Cursor) -> Reading[_OfMailbox]:
        cursor.space()
        return command((yield from given_mailbox(cursor)))

    return parse


def parse_create(cursor: Cursor) -> Reading[Create]:
    """C{create} of RFC 4466 §3, with the one parameter of RFC 6154 §6."""
    cursor.space()
    name = yield from given_mailbox(cursor)
    if not cursor.take(b" "):
        return Create(name)
    cursor.expect(b"(", "a list of parameters")
    if cursor.word("a parameter") != b"USE":
        raise cursor.error("unknown parameter")
    cursor.space()
    uses = _uses(cursor)
    cursor.expect(b")", "the end of the list of parameters")
    return Create(name, uses)


def _uses(cursor: Cursor) -> tuple[str, ...]:
    cursor.expect(b"(", "a list of special uses")
    uses: dict[str, str] = {}
    while not cursor.take(b")"):
        if uses:
            cursor.space()
            cursor.another("special uses")
        cursor.expect(b"\\", "a special use")
        use = "\\" + cursor.atom("a special use").decode("ascii")
        uses.setdefault(use.upper(), SPECIAL_USES.get(use.upper(), use))
    return tuple(uses.values())


def parse_rename(cursor: Cursor) -> Reading[Rename]:
    cursor.space()
    source = yield from given_mailbox(cursor)
    cursor.space()
    return Rename(source, (yield from given_mailbox(cursor)))
