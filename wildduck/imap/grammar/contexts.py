"""CANCELUPDATE (RFC 5267 §4.3.5)."""

from __future__ import annotations

from dataclasses import dataclass

from wildduck import limits
from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.strings import compose_string
from wildduck.imap.grammar.values import Command


@dataclass(frozen=True, slots=True)
class CancelUpdate(Command):
    """
    @ivar tags: of searches with C{UPDATE}.
    """

    verb = "CANCELUPDATE"
    tags: tuple[bytes, ...]

    def arguments(self) -> list[bytes]:
        return [compose_string(tag, False) for tag in self.tags]


def parse_cancel_update(cursor: Cursor) -> CancelUpdate:
    """C{"CANCELUPDATE" 1*(SP quoted)}."""
    tags: list[bytes] = []
    while not tags or not cursor.at_end:
        cursor.space()
        if not cursor.looking_at(b'"'):
            raise cursor.error("expected a tag in quotes")
        if len(tags) == limits.IMAP_CANCELLED_CONTEXTS:
            raise cursor.error("too many tags")
        tags.append(cursor.quoted())
    return CancelUpdate(tuple(tags))
