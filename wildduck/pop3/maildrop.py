"""
What one session sees: the newest messages of INBOX as they were at sign-in.

A message keeps its number for the whole session, deleted or not (RFC 1939 §5),
and nothing that happens in the mailbox meanwhile changes any of it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bson import ObjectId

from wildduck.errors import DomainError
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.store import MailStore
from wildduck.mailstore.values import Mailbox
from wildduck.mime import native
from wildduck.mime.narrow import SIZE_FIELDS

INBOX = "INBOX"
SEEN = "\\Seen"

#: Gives the identity of a message and its size as it is sent.
_FIELDS = dict.fromkeys(SIZE_FIELDS, True)


class NoSuchMessage(DomainError):
    """The client names a message that it does not have, or no longer."""

    pop3_code = None
    http = (404, "MessageNotFound")
    text = "no such message"


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One message.

    @ivar number: from 1, oldest first.
    @ivar id: the unique-id: the document's C{_id}, 24 hexadecimal digits, as in WildDuck.
    @ivar size: octets that RETR sends, before dots are doubled, and without the
        CRLF that a last line may lack.
    @ivar unseen: it had no C{\\Seen} at sign-in.
    """

    number: int
    uid: int
    id: str
    size: int
    unseen: bool


class Maildrop:
    """
    @ivar mailbox: INBOX.
    @ivar entries: all messages, by number less one.
    """

    def __init__(self, mailbox: Mailbox, entries: Sequence[Entry]) -> None:
        self.mailbox = mailbox
        self.entries = entries
        self._deleted: set[int] = set()
        self._retrieved: set[int] = set()
        self._size = sum(entry.size for entry in entries)
        self._deleted_size = 0

    @property
    def count(self) -> int:
        """Messages that are not deleted."""
        return len(self.entries) - len(self._deleted)

    @property
    def size(self) -> int:
        """Octets of those."""
        return self._size - self._deleted_size

    def __str__(self) -> str:
        return f"{self.count} message{'' if self.count == 1 else 's'} ({self.size} octets)"

    def entry(self, number: int) -> Entry:
        """@raise NoSuchMessage: there is none, or it is deleted."""
        if not 1 <= number <= len(self.entries):
            raise NoSuchMessage(f"no such message, only {len(self.entries)} messages in maildrop")
        if number in self._deleted:
            raise NoSuchMessage(f"message {number} already deleted")
        return self.entries[number - 1]

    def left(self) -> Iterable[Entry]:
        """The messages that are not deleted, by number."""
        return (entry for entry in self.entries if entry.number not in self._deleted)

    def delete(self, number: int) -> None:
        """@raise NoSuchMessage: there is none, or it is deleted already."""
        self._deleted_size += self.entry(number).size
        self._deleted.add(number)

    def reset(self) -> None:
        """Nothing is deleted."""
        self._deleted.clear()
        self._deleted_size = 0

    def retrieved(self, entry: Entry) -> None:
        """All of it was sent."""
        self._retrieved.add(entry.number)

    # --- what QUIT makes of it ---------------------------------------------------

    def to_delete(self) -> list[int]:
        """UIDs of the deleted messages, ascending."""
        return [entry.uid for entry in self.entries if entry.number in self._deleted]

    def to_mark_seen(self) -> list[int]:
        """UIDs of the others that were retrieved and had not been seen, ascending."""
        return [entry.uid for entry in self.left() if entry.unseen and entry.number in self._retrieved]


async def open_maildrop(store: MailStore, user: ObjectId, most: int) -> Maildrop:
    """
    Look into INBOX.

    @param user: ObjectId of the account.
    @param most: messages to show, the newest; 0: all.  With a bound those that
        were once too old stay hidden (L{wildduck.mailstore.oldest_shown}).
    @raise MailboxNotFound: the account has no INBOX.
    """
    mailbox = await store.mailboxes.get(user, INBOX)
    view, oldest = await gather(store.open_mailbox(mailbox), store.oldest_shown(mailbox))
    try:
        first = max(len(view.uids) - most, bisect_left(view.uids, oldest)) if most else 0
        uids = view.uids[max(0, first) :]
        if first > 0 and uids and uids[0] > oldest:
            store.keep_oldest_shown(mailbox, uids[0])
        unseen = {uid for uid in uids if SEEN not in view.flags(uid)}
    finally:
        view.close()
    entries: list[Entry] = []
    async for batch in store.rows(mailbox, uids, _FIELDS):
        for row in batch:
            size = native.sent_length(row)
            entries.append(Entry(len(entries) + 1, row["uid"], str(row["_id"]), size, row["uid"] in unseen))
    return Maildrop(mailbox, entries)
