"""REPLACE and UID REPLACE (RFC 8508)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from wildduck.imap.grammar.append import AppendMessage, PieceStart, append_message
from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.mailboxes import compose_mailbox, mailbox
from wildduck.imap.grammar.sequence import STAR
from wildduck.imap.grammar.strings import LiteralStart
from wildduck.imap.grammar.values import Command


@dataclass(frozen=True, slots=True)
class Replace(Command):
    """
    @ivar number: of the message that goes: a sequence number, a UID, or L{STAR}.
    @ivar mailbox: where the new one comes.
    @ivar message: C{None} until it has come.
    @ivar by_uid: the number is a UID.
    """

    verb = "REPLACE"
    number: int
    mailbox: str
    message: AppendMessage | None = None
    by_uid: bool = False

    @property
    def name(self) -> str:
        return "UID REPLACE" if self.by_uid else "REPLACE"

    def arguments(self) -> list[bytes]:
        number = b"*" if self.number == STAR else b"%d" % self.number
        message = [] if self.message is None else [self.message.compose()]
        return [number, compose_mailbox(self.mailbox, False), *message]


def parse_replace(cursor: Cursor) -> Generator[LiteralStart | PieceStart, bytes, Replace]:
    """C{replace} = "REPLACE" SP seq-number SP mailbox append-message."""
    return (yield from _parse(cursor, False))


def parse_uid_replace(cursor: Cursor) -> Generator[LiteralStart | PieceStart, bytes, Replace]:
    """C{uid} =/ "UID" SP replace."""
    return (yield from _parse(cursor, True))


def _parse(cursor: Cursor, by_uid: bool) -> Generator[LiteralStart | PieceStart, bytes, Replace]:
    cursor.space()
    number = STAR if cursor.take(b"*") else cursor.nz_number("the message's number")
    cursor.space()
    name = yield from mailbox(cursor)
    begun = Replace(number, name, None, by_uid)
    return Replace(number, name, (yield from append_message(cursor, begun, name)), by_uid)
