"""STATUS, and its items as LIST can ask for them too (RFC 3501 §6.3.10, 5819, 9051 §6.3.11)."""

from __future__ import annotations

from dataclasses import dataclass

from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.mailboxes import compose_mailbox, mailbox
from wildduck.imap.grammar.strings import Reading
from wildduck.imap.grammar.values import Command

#: What can be asked for, and which RFC says so where it is not RFC 3501.
STATUS_ITEMS = (
    "MESSAGES",
    "RECENT",
    "UIDNEXT",
    "UIDVALIDITY",
    "UNSEEN",
    "HIGHESTMODSEQ",  # 7162 §3.1.2.1
    "APPENDLIMIT",  # 7889 §3.1
    "SIZE",  # 8438
    "MAILBOXID",  # 8474 §4.3
    "DELETED",  # 9208 §4.1.4
    "DELETED-STORAGE",  # 9208 §4.1.4
)


@dataclass(frozen=True, slots=True)
class Status(Command):
    """
    @ivar items: of L{STATUS_ITEMS}, each once, in the order given.
    """

    verb = "STATUS"
    mailbox: str
    items: tuple[str, ...]

    def arguments(self) -> list[bytes]:
        return [compose_mailbox(self.mailbox, False), compose_items(self.items)]


def compose_items(items: tuple[str, ...]) -> bytes:
    return b"(%b)" % " ".join(items).encode("ascii")


def parse_status(cursor: Cursor) -> Reading[Status]:
    cursor.space()
    name = yield from mailbox(cursor)
    cursor.space()
    return Status(name, status_items(cursor))


def status_items(cursor: Cursor) -> tuple[str, ...]:
    """C{"(" status-att *(SP status-att) ")"}: each item once."""
    cursor.expect(b"(", "a list of status items")
    items = {_status_item(cursor): None}
    while cursor.take(b" "):
        cursor.another("status items")
        items[_status_item(cursor)] = None
    cursor.expect(b")", "the end of the list of status items")
    return tuple(items)


def _status_item(cursor: Cursor) -> str:
    name = cursor.word("a status item").decode("ascii")
    # IMAP4rev2 knows nothing that is recent (RFC 9051 §6.3.11).
    if name not in STATUS_ITEMS or (name == "RECENT" and cursor.modes.rev2):
        raise cursor.error("unknown status item")
    return name
