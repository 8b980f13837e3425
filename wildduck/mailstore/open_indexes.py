"""
The mailboxes that are open in this worker, one index each for all their sessions.

An index stays for a while when its last session has gone, because clients open
and close the same mailboxes all the time; those that were used least recently
leave first under one bound of memory.

Pings may be lost (store.md §2): every half minute the database is asked once for
the counters of all open mailboxes, and where they have moved on the account's
sessions are told to look.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bson import ObjectId
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from wildduck.errors import DomainError, MailboxNotFound
from wildduck.limits import BATCH_ROWS, INDEX_BYTES, MODSEQ_HOLE_SECONDS, POLL_SECONDS
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.index import MailboxIndex
from wildduck.mailstore.recent import Recents
from wildduck.mailstore.values import Mailbox
from wildduck.mailstore.view import View

_COUNTERS = {"modifyIndex": True, "uidNext": True, "native": True}


class _Entry:
    """
    @ivar sessions: views of this mailbox.
    @ivar again: a look is due when the hole that holds messages back may be passed.
    """

    __slots__ = ("again", "index", "sessions")

    def __init__(self, index: MailboxIndex) -> None:
        self.index = index
        self.sessions = 0
        self.again: IDelayedCall | None = None


class OpenIndexes:
    """One for each worker."""

    _log = Logger()

    def __init__(self, backend: Backend, most: int = INDEX_BYTES) -> None:
        """@param most: bytes of indexes that no session has open."""
        self._backend = backend
        self._most = most
        #: In the order of their last use.
        self._entries: dict[ObjectId, _Entry] = {}
        self._poll: IDelayedCall | None = None

    def __len__(self) -> int:
        """Number of indexes kept, with and without sessions."""
        return len(self._entries)

    async def open(self, mailbox: Mailbox, *, recents: Recents) -> View:
        """
        A view of a mailbox as it is now.

        @param recents: what the session has to do with C{\\Recent}.
        @raise MailboxNotFound: it has been deleted meanwhile.
        """
        entry = self._entries.pop(mailbox.id, None) or self._new(mailbox)
        self._entries[mailbox.id] = entry
        entry.sessions += 1
        try:
            await entry.index.catch_up(anew=True)
            view = View(entry.index, recents=recents, on_close=lambda: self._left(entry))
        except BaseException as error:
            self._forget(entry, isinstance(error, MailboxNotFound))
            raise
        try:
            await view.claim_recent()
        except BaseException:
            view.close()
            raise
        self._after_look(entry)
        self._begin_polling()
        return view

    def _new(self, mailbox: Mailbox) -> _Entry:
        entry = _Entry(MailboxIndex(self._backend, mailbox))
        entry.index.on_look = lambda: self._after_look(entry)
        return entry

    def find(self, mailbox: ObjectId) -> MailboxIndex | None:
        """The index of a mailbox that a session has open."""
        entry = self._entries.get(mailbox)
        return entry.index if entry is not None and entry.sessions else None

    def stop(self) -> None:
        """Ask no more; at shutdown."""
        _cancel(self._poll)
        self._poll = None
        for entry in self._entries.values():
            _cancel(entry.again)
            entry.again = None

    # --- coming and going ---------------------------------------------------------------

    def _left(self, entry: _Entry) -> None:
        self._backend.background(entry.index.keep_mark())
        self._forget(entry, False)

    def _forget(self, entry: _Entry, gone: bool) -> None:
        """A session has left, or could not enter."""
        entry.sessions -= 1
        if entry.sessions:
            return
        _cancel(entry.again)
        entry.again = None
        mailbox = entry.index.mailbox.id
        if self._entries.get(mailbox) is entry:
            del self._entries[mailbox]
            if not gone:
                self._entries[mailbox] = entry
                self._make_room()

    def _make_room(self) -> None:
        """Let indexes without sessions go, those first that were used least recently."""
        idle = [entry for entry in self._entries.values() if not entry.sessions]
        held = sum(entry.index.memory for entry in idle)
        for entry in idle:
            if held <= self._most:
                return
            held -= entry.index.memory
            del self._entries[entry.index.mailbox.id]

    # --- lost pings -----------------------------------------------------------------------

    def _open_entries(self) -> list[_Entry]:
        return [entry for entry in self._entries.values() if entry.sessions]

    def _begin_polling(self) -> None:
        if self._poll is None:
            self._poll = self._backend.clock.callLater(POLL_SECONDS, self._poll_now)

    def _poll_now(self) -> None:
        self._poll = None
        entries = self._open_entries()
        if entries:
            self._begin_polling()
            self._backend.background(self._ask(entries))

    async def _ask(self, entries: list[_Entry]) -> None:
        """Tell the sessions of those mailboxes that are not as their index knows them."""
        behind: dict[ObjectId, None] = {}
        for start in range(0, len(entries), BATCH_ROWS):
            some = entries[start : start + BATCH_ROWS]
            for entry in await self._behind(some):
                behind[entry.index.mailbox.user] = None
        for user in behind:
            self._backend.notifier.wake(user)

    async def _behind(self, entries: Iterable[_Entry]) -> list[_Entry]:
        by_id = {entry.index.mailbox.id: entry for entry in entries}
        try:
            documents = await self._backend.main.find(
                "mailboxes", {"_id": {"$in": list(by_id)}}, projection=_COUNTERS, limit=len(by_id)
            )
        except DomainError as error:
            self._log.info("open mailboxes could not be asked for: {error}", error=error)
            return []
        found: dict[ObjectId, dict[str, Any]] = {document["_id"]: document for document in documents}
        return [
            entry
            for mailbox, entry in by_id.items()
            # One that is missing was deleted: its sessions will find out.
            if mailbox not in found or entry.index.behind(found[mailbox])
        ]

    def _after_look(self, entry: _Entry) -> None:
        """Look again for messages that wait for a hole to be passed: no ping will tell."""
        if entry.again is None and entry.sessions and entry.index.waits:
            entry.again = self._backend.clock.callLater(MODSEQ_HOLE_SECONDS, self._passed, entry)

    def _passed(self, entry: _Entry) -> None:
        entry.again = None
        self._backend.notifier.wake(entry.index.mailbox.user)


def _cancel(call: IDelayedCall | None) -> None:
    if call is not None and call.active():
        call.cancel()
