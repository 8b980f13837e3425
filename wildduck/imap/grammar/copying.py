"""COPY, MOVE and their UID forms (RFC 3501 §6.4.7, RFC 6851)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.mailboxes import compose_mailbox, mailbox
from wildduck.imap.grammar.sequence import SequenceSet, sequence_set
from wildduck.imap.grammar.strings import Reading
from wildduck.imap.grammar.values import Command


@dataclass(frozen=True, slots=True)
class Copy(Command):
    """
    @ivar mailbox: where the messages shall go.
    @ivar by_uid: the set holds UIDs.
    """

    verb: ClassVar[str] = "COPY"
    numbers: SequenceSet
    mailbox: str
    by_uid: bool = False

    @property
    def name(self) -> str:
        return f"UID {self.verb}" if self.by_uid else self.verb

    def arguments(self) -> list[bytes]:
        return [self.numbers.compose(), compose_mailbox(self.mailbox, False)]


@dataclass(frozen=True, slots=True)
class Move(Copy):
    """The same, and the messages go from where they were."""

    verb: ClassVar[str] = "MOVE"


def parse_copy(cursor: Cursor) -> Reading[Copy]:
    """C{copy} = "COPY" SP sequence-set SP mailbox."""
    return Copy(*(yield from _arguments(cursor)))


def parse_uid_copy(cursor: Cursor) -> Reading[Copy]:
    return Copy(*(yield from _arguments(cursor)), by_uid=True)


def parse_move(cursor: Cursor) -> Reading[Move]:
    """C{move} = "MOVE" SP sequence-set SP mailbox."""
    return Move(*(yield from _arguments(cursor)))


def parse_uid_move(cursor: Cursor) -> Reading[Move]:
    return Move(*(yield from _arguments(cursor)), by_uid=True)


def _arguments(cursor: Cursor) -> Reading[tuple[SequenceSet, str]]:
    cursor.space()
    numbers = sequence_set(cursor)
    cursor.space()
    return numbers, (yield from mailbox(cursor))
