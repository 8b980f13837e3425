"""STATUS, CLOSE, UNSELECT, CHECK: commands on mailboxes (RFC 3501 §6.3, §6.4, RFC 3691)."""

from __future__ import annotations

from dataclasses import dataclass

from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.mailboxes import compose_mailbox, mailbox
from wildduck.imap.grammar.strings import Reading
from wildduck.imap.grammar.values import Command

#: What STATUS can be asked for.  APPENDLIMIT: RFC 7889 §3.1.
STATUS_ITEMS = ("MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "APPENDLIMIT")


@dataclass(frozen=True, slots=True)
class Status(Command):
    """
    @ivar items: of L{STATUS_ITEMS}, each once, in the order given.
    """

    verb = "STATUS"
    mailbox: str
    items: tuple[str, ...]

    def arguments(self) -> list[bytes]:
        return [compose_mailbox(self.mailbox, False), b"(%b)" % " ".join(self.items).encode("ascii")]


@dataclass(frozen=True, slots=True)
class Close(Command):
    verb = "CLOSE"


@dataclass(frozen=True, slots=True)
class Unselect(Command):
    verb = "UNSELECT"


@dataclass(frozen=True, slots=True)
class Check(Command):
    verb = "CHECK"


def parse_status(cursor: Cursor) -> Reading[Status]:
    cursor.space()
    name = yield from mailbox(cursor)
    cursor.space()
    cursor.expect(b"(", "a list of status items")
    items = {_status_item(cursor): None}
    while cursor.take(b" "):
        items[_status_item(cursor)] = None
    cursor.expect(b")", "the end of the list of status items")
    return Status(name, tuple(items))


def _status_item(cursor: Cursor) -> str:
    name = cursor.word("a status item").decode("ascii")
    if name not in STATUS_ITEMS:
        raise cursor.error("unknown status item")
    return name
