"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE: commands on mailbox names (RFC 3501 §6.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.mailboxes import compose_mailbox, mailbox
from wildduck.imap.grammar.strings import Reading
from wildduck.imap.grammar.values import Command


@dataclass(frozen=True, slots=True)
class OfMailbox(Command):
    """
    Base of the commands whose only argument is a mailbox.

    @ivar mailbox: decoded; of CREATE with the slash that may be at its end.
    """

    mailbox: str

    def arguments(self) -> list[bytes]:
        return [compose_mailbox(self.mailbox, False)]


@dataclass(frozen=True, slots=True)
class Create(OfMailbox):
    verb = "CREATE"


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
    @ivar mailbox: the name it has, decoded.
    @ivar target: the name it is to have, decoded.
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
        return command((yield from mailbox(cursor)))

    return parse


def parse_rename(cursor: Cursor) -> Reading[Rename]:
    cursor.space()
    source = yield from mailbox(cursor)
    cursor.space()
    return Rename(source, (yield from mailbox(cursor)))
