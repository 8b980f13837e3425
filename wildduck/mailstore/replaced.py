"""A message that goes in the moment in which another one takes its place (RFC 8508)."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from wildduck.database import WriteGroup
from wildduck.database.transaction import Transaction
from wildduck.errors import (
    DatabaseFailure,
    DomainError,
    InUse,
    LimitReached,
    MailboxNotFound,
    MessageNotFound,
    Overloaded,
)
from wildduck.mailstore.allocation import Allocation, allocate_in_time, give_up
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.expunge import MailboxLock
from wildduck.mailstore.journal import expunge_entry
from wildduck.mailstore.removal import REMOVAL_FIELDS, Removal
from wildduck.mailstore.values import Mailbox, number

#: After these nothing was written.
REFUSED = (DatabaseFailure, Overloaded, MailboxNotFound, InUse, LimitReached)


class Replaced:
    """
    The caller holds the lock of its mailbox.

    @ivar size: bytes of storage that it gives free.
    """

    _log = Logger()

    def __init__(
        self, backend: Backend, removal: Removal, lock: MailboxLock, mailbox: Mailbox, row: dict[str, Any]
    ) -> None:
        """@param row: with L{REMOVAL_FIELDS}."""
        self.size = number(row.get("size"))
        self._backend = backend
        self._removal = removal
        self._lock = lock
        self._mailbox = mailbox
        self._row = row
        self._archived = False
        #: Whether it was us who removed it; C{None}: the answer was lost.
        self._gone: bool | None = False

    @classmethod
    async def find(
        cls, backend: Backend, removal: Removal, lock: MailboxLock, mailbox: Mailbox, uid: int
    ) -> Replaced:
        """@raise MessageNotFound: there is none of this UID any more."""
        filter = {"mailbox": mailbox.id, "uid": uid}
        row = await backend.main.find_one("messages", filter, projection=REMOVAL_FIELDS)
        if row is None:
            raise MessageNotFound()
        return cls(backend, removal, lock, mailbox, row)

    async def archive(self) -> None:
        """Keep a copy, before anybody waits for numbers that were taken; repeatable."""
        if not self._archived and self._removal.is_archived(self._row):
            self._archived = bool(await self._removal.archive([self._row]))

    async def go_with(self, transaction: Transaction, group: WriteGroup, session: str | None) -> None:
        """
        Go in a transaction, which is carried out.

        @param session: id of the session that does it and needs no telling.
        @raise DomainError: of L{REFUSED}: it stays.
        @raise Unavailable: it may have gone.
        """
        allocation = None
        self._gone = False
        try:
            allocation = await allocate_in_time(self._backend, self._mailbox, group=group)
            transaction.delete("messages", self._filter())
            entry = expunge_entry(self._row, allocation.modseq, session, self._backend.now())
            transaction.insert("journal", [entry])
            await self._lock.keep()
            self._gone = None
            counts = await transaction.commit()
        except REFUSED:
            await self._spare(allocation)
            raise
        # The delete stands before the entry, which is the last.
        self._gone = None if counts is None else counts[-2] == 1

    def has_gone(self) -> None:
        """
        The transaction is known to have been carried out.

        Where its answer was lost it is taken for us who removed it: we have the lock.
        """
        if self._gone is None:
            self._gone = True

    async def go(self, session: str | None) -> None:
        """
        Go by itself, as EXPUNGE removes a message.

        @raise DomainError: of L{REFUSED}: it stays.
        @raise Unavailable: it may have gone.
        """
        allocation = None
        try:
            await self._lock.keep()
            allocation = await allocate_in_time(self._backend, self._mailbox)
            deleted = await self._backend.main.delete_many("messages", self._filter(), durable=True)
        except REFUSED:
            await self._spare(allocation)
            raise
        if not deleted:
            await give_up(self._backend, allocation)
            return
        self._gone = True
        entry = expunge_entry(self._row, allocation.modseq, session, self._backend.now())
        try:
            await self._backend.main.insert_many("journal", [entry], durable=True)
        except DomainError:
            # Readers see a hole, and look for what has gone when they pass it.
            self._log.warn("a message that was replaced has no journal entry")

    async def give_back(self) -> bool:
        """
        It has gone: what it held is free, but for its storage, which its successor has.

        @return: C{False}: another one was faster, and has given all of it back, its storage too.
        """
        ours = self._gone is not False
        if ours:
            if not self._archived:
                await self._removal.release_attachments([self._row])
        else:
            self._log.warn("a message that was to be replaced had gone")
        self._backend.background(self._removal.tell(self._mailbox, [self._row]))
        return ours

    def _filter(self) -> dict[str, Any]:
        return {"mailbox": self._mailbox.id, "uid": self._row["uid"], "_id": self._row["_id"]}

    async def _spare(self, allocation: Allocation | None) -> None:
        """It stays where it is, and not in the archive."""
        if allocation is not None:
            await give_up(self._backend, allocation)
        await self.spare()

    async def spare(self) -> None:
        """It stays where it is, so it is not in the archive."""
        if self._archived:
            await self._backend.main.delete_many("archived", {"_id": {"$in": [self._row["_id"]]}})
            self._archived = False
