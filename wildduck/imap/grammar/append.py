"""APPEND, whose message streams past the grammar (RFC 3501 §6.3.11)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime

from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.dates import compose_date_time, date_time
from wildduck.imap.grammar.flags import compose_flags, flag_list
from wildduck.imap.grammar.mailboxes import compose_mailbox, mailbox
from wildduck.imap.grammar.strings import LiteralStart, literal_start
from wildduck.imap.grammar.values import Command


@dataclass(frozen=True, slots=True)
class AppendMessage:
    """
    What precedes one message.

    @ivar flags: initial flags.
    @ivar date: INTERNALDATE, aware, or C{None} for now.
    @ivar literal: size and kind of the message's literal.
    """

    literal: LiteralStart
    flags: tuple[str, ...] = ()
    date: datetime | None = None


@dataclass(frozen=True, slots=True)
class Append(Command):
    """
    @ivar messages: in the order sent; their bytes went to the sinks that the
        session gave for them.
    """

    verb = "APPEND"
    mailbox: str
    messages: tuple[AppendMessage, ...]

    def arguments(self) -> list[bytes]:
        """Without the messages' bytes: each piece but the last ends where its message must follow."""
        pieces = [compose_mailbox(self.mailbox, False)]
        for message in self.messages:
            if message.flags:
                pieces.append(compose_flags(message.flags))
            if message.date is not None:
                pieces.append(compose_date_time(message.date))
            pieces.append(message.literal.compose())
        return pieces


@dataclass(frozen=True, slots=True)
class MessageStart:
    """
    The literal of a message was announced: what the session decides on.

    @ivar command: name of the command it belongs to.
    @ivar mailbox: where it shall go.
    """

    command: str
    mailbox: str
    message: AppendMessage


def parse_append(cursor: Cursor) -> Generator[LiteralStart | MessageStart, bytes, Append]:
    """C{append} = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal."""
    cursor.space()
    name = yield from mailbox(cursor)
    cursor.space()
    flags: tuple[str, ...] = ()
    date = None
    if cursor.looking_at(b"("):
        flags = flag_list(cursor)
        cursor.space()
    if cursor.looking_at(b'"'):
        date = date_time(cursor)
        cursor.space()
    if not cursor.looking_at(b"{"):
        raise cursor.error("expected the message as a literal")
    message = AppendMessage(literal_start(cursor), flags, date)
    yield MessageStart(Append.verb, name, message)
    return Append(name, (message,))
