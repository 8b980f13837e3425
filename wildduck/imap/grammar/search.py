"""SEARCH, UID SEARCH (RFC 3501 and 9051 §6.4.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.search_keys import Key, read_keys
from wildduck.imap.grammar.search_returns import Returns, returns
from wildduck.imap.grammar.strings import Reading, astring, compose_astring
from wildduck.imap.grammar.values import Command


@dataclass(frozen=True, slots=True)
class Search(Command):
    """
    @ivar keys: a message must match all of them.
    @ivar charset: of the strings, as given; C{None} when there is none.
    @ivar returns: what to answer in an ESEARCH response; C{None} when not given.
    @ivar by_uid: the answer holds UIDs.
    """

    verb: ClassVar[str] = "SEARCH"
    keys: tuple[Key, ...]
    charset: bytes | None = None
    returns: Returns | None = None
    by_uid: bool = False

    @property
    def name(self) -> str:
        return "UID SEARCH" if self.by_uid else "SEARCH"

    def arguments(self) -> list[bytes]:
        options = [] if self.returns is None else [self.returns.compose()]
        charset = [] if self.charset is None else [b"CHARSET", compose_astring(self.charset, False)]
        return [*options, *charset, *(key.compose() for key in self.keys)]


def parse_search(cursor: Cursor, by_uid: bool = False) -> Reading[Search]:
    """C{"SEARCH" [search-return-opts] [SP "CHARSET" SP charset] 1*(SP search-key)}."""
    cursor.space()
    options = yield from returns(cursor)
    charset = None
    if cursor.rest[:8].upper() == b"CHARSET ":
        if cursor.modes.utf8:
            raise cursor.error("no charset can be given after ENABLE UTF8=ACCEPT")
        cursor.position += 8
        charset = yield from astring(cursor, "a charset")
        cursor.space()
    return Search((yield from read_keys(cursor)), charset, options, by_uid)


def parse_uid_search(cursor: Cursor) -> Reading[Search]:
    return parse_search(cursor, True)
