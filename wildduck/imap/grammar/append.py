"""
APPEND: one message or several, each as one literal or put together of pieces
(RFC 9051 §6.3.12, RFC 3502, RFC 3516 §4.4, RFC 4469, RFC 6855 §4).

The pieces of a message stream past the grammar: its parser yields each as a
L{PieceStart}, and goes on when the session has dealt with it.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from wildduck import limits
from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.dates import compose_date_time, date_time
from wildduck.imap.grammar.flags import compose_flags, flag_list
from wildduck.imap.grammar.mailboxes import compose_mailbox, given_mailbox
from wildduck.imap.grammar.strings import LiteralStart, astring, compose_astring, literal_start
from wildduck.imap.grammar.values import Command


@dataclass(frozen=True, slots=True)
class Text:
    """
    Octets that the client sends.

    @ivar literal: size and kind of their literal.
    @ivar utf8: headers among them may be in UTF-8 (RFC 6855 §4 C{utf8-literal}).
    """

    literal: LiteralStart
    utf8: bool = False


@dataclass(frozen=True, slots=True)
class Url:
    """
    Octets that are stored already (RFC 4469).

    @ivar url: as given, not looked at.
    """

    url: bytes


Piece: TypeAlias = Text | Url


@dataclass(frozen=True, slots=True)
class Options:
    """
    What is said of a message before its octets.

    @ivar flags: initial flags.
    @ivar date: INTERNALDATE, aware, or C{None} for now.
    """

    flags: tuple[str, ...] = ()
    date: datetime | None = None

    def compose(self) -> list[bytes]:
        flags = [compose_flags(self.flags)] if self.flags else []
        return flags + ([compose_date_time(self.date)] if self.date is not None else [])


@dataclass(frozen=True, slots=True)
class AppendMessage:
    """
    One message of an APPEND or REPLACE.

    @ivar pieces: in their order; without C{catenate} one L{Text}.
    @ivar catenate: they were given by C{CATENATE}.
    """

    pieces: tuple[Piece, ...]
    options: Options = Options()
    catenate: bool = False

    def compose(self) -> bytes:
        """As a client would write it, with C{x} for each octet, which went elsewhere."""
        words = self.options.compose()
        if self.catenate:
            return b" ".join([*words, b"CATENATE (" + b" ".join(map(_compose_part, self.pieces)) + b")"])
        return b" ".join([*words, *map(_compose_data, self.pieces)])


def _compose_part(piece: Piece) -> bytes:
    if isinstance(piece, Url):
        return b"URL " + compose_astring(piece.url, False)
    return _compose_data(piece) if piece.utf8 else b"TEXT " + _compose_data(piece)


def _compose_data(piece: Piece) -> bytes:
    assert isinstance(piece, Text)
    literal = piece.literal.compose() + b"x" * piece.literal.size
    return b"UTF8 (" + literal + b")" if piece.utf8 else literal


@dataclass(frozen=True, slots=True)
class Append(Command):
    """
    @ivar mailbox: decoded, as the client wrote it: INBOX in any case.
    @ivar messages: in the order sent; their octets went to the sinks that the
        session gave for them.
    """

    verb = "APPEND"
    mailbox: str
    messages: tuple[AppendMessage, ...]

    def arguments(self) -> list[bytes]:
        return [compose_mailbox(self.mailbox, False), *(message.compose() for message in self.messages)]


@dataclass(frozen=True, slots=True)
class PieceStart:
    """
    A piece of a message comes next: what the session decides on.

    @ivar command: what is known of the command: without its messages.
    @ivar options: of the message.
    @ivar piece: octets that are announced, or a URL to be read.
    @ivar first: it is the first of its message.
    @ivar catenate: it need not be the only one.
    """

    command: Command
    mailbox: str
    options: Options
    piece: Piece
    first: bool = True
    catenate: bool = False


#: A reader that meets pieces of messages, and literals.
Appending: TypeAlias = Generator["LiteralStart | PieceStart", bytes, "AppendMessage"]


def parse_append(cursor: Cursor) -> Generator[LiteralStart | PieceStart, bytes, Append]:
    """C{append} = "APPEND" SP mailbox 1*append-message."""
    cursor.space()
    name = yield from given_mailbox(cursor)
    begun = Append(name, ())
    messages: list[AppendMessage] = []
    while not messages or not cursor.at_end:
        if len(messages) == limits.IMAP_APPEND_MESSAGES:
            raise cursor.error("too many messages")
        messages.append((yield from append_message(cursor, begun, name)))
    return Append(name, tuple(messages))


def append_message(cursor: Cursor, command: Command, name: str) -> Appending:
    """
    C{append-message} = [SP flag-list] [SP date-time] SP append-data.

    @param command: that it belongs to, without its messages.
    @param name: of the mailbox that it shall go to.
    """
    cursor.next_message()
    cursor.space()
    flags: tuple[str, ...] = ()
    date = None
    if cursor.looking_at(b"("):
        flags = flag_list(cursor)
        cursor.space()
    if cursor.looking_at(b'"'):
        date = date_time(cursor)
        cursor.space()
    options = Options(flags, date)
    if cursor.looking_at(b"{") or cursor.looking_at(b"~{"):
        text = Text(literal_start(cursor))
        yield PieceStart(command, name, options, text)
        return AppendMessage((text,), options)
    kind = cursor.word("the message")
    if kind not in (b"UTF8", b"CATENATE"):
        raise cursor.error("expected the message as a literal, CATENATE or UTF8")
    cursor.space()
    cursor.expect(b"(", "a list in parentheses")
    if kind == b"UTF8":
        text = yield from _utf8(cursor, PieceStart(command, name, options, Url(b"")))
        return AppendMessage((text,), options)
    return AppendMessage((yield from _catenate(cursor, command, name, options)), options, True)


def _utf8(cursor: Cursor, start: PieceStart) -> Generator[LiteralStart | PieceStart, bytes, Text]:
    """
    C{utf8-literal} = "UTF8" SP "(" literal8 ")", from within its parentheses.

    @param start: to be given with the text as its piece.
    """
    if not cursor.looking_at(b"~{"):
        raise cursor.error("expected a literal8")
    text = Text(literal_start(cursor), True)
    yield replace(start, piece=text)
    cursor.expect(b")", "a closing parenthesis")
    return text


def _catenate(
    cursor: Cursor, command: Command, name: str, options: Options
) -> Generator[LiteralStart | PieceStart, bytes, tuple[Piece, ...]]:
    """C{cat-part *(SP cat-part) ")"}."""
    pieces: list[Piece] = []
    while not pieces or not cursor.take(b")"):
        if pieces:
            cursor.space()
        if len(pieces) == limits.IMAP_CATENATE_PIECES:
            raise cursor.error("too many pieces")
        start = PieceStart(command, name, options, Url(b""), not pieces, True)
        pieces.append((yield from _part(cursor, start)))
    return tuple(pieces)


def _part(cursor: Cursor, start: PieceStart) -> Generator[LiteralStart | PieceStart, bytes, Piece]:
    """
    C{cat-part} = "TEXT" SP literal / "URL" SP astring / utf8-literal; a literal8 is taken as well.

    @param start: to be given with the piece.
    """
    kind = cursor.word("TEXT or URL")
    cursor.space()
    if kind == b"UTF8":
        cursor.expect(b"(", "an opening parenthesis")
        return (yield from _utf8(cursor, start))
    if kind == b"TEXT":
        if not (cursor.looking_at(b"{") or cursor.looking_at(b"~{")):
            raise cursor.error("expected a literal")
        piece: Piece = Text(literal_start(cursor))
    elif kind == b"URL":
        piece = Url((yield from astring(cursor, "a URL")))
    else:
        raise cursor.error("expected TEXT or URL")
    yield replace(start, piece=piece)
    return piece
