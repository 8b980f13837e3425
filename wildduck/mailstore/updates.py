"""
The API's change of messages: flags, expiry and metaData in one step.

By the rules of L{wildduck.mailstore.flags}: one update per message derives its
flags and all that repeats them from what is stored in that moment; MODSEQ,
journal and ping follow, whatever has changed, for other clients of the API.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import msgspec

from wildduck.database import WriteGroup
from wildduck.errors import Unavailable
from wildduck.mailstore import counters, encryption
from wildduck.mailstore.allocation import Allocation, allocate, give_up
from wildduck.mailstore.backend import Backend, javascript, milliseconds
from wildduck.mailstore.flag_table import DELETED, DRAFT, FLAGGED, SEEN, texts
from wildduck.mailstore.flags import STORED_FLAGS, UNSEARCHABLE, mirror_fields
from wildduck.mailstore.journal import flags_entry
from wildduck.mailstore.keywords import check_count
from wildduck.mailstore.selection import Selection, rows
from wildduck.mailstore.uids import uid_filter
from wildduck.mailstore.values import Mailbox, number

_ROW = dict.fromkeys(("_id", "user", "mailbox", "uid", "modseq", "flags", "thread", "unseen"), True)
#: How often a batch is tried in all, when the primary changes on the way.
_TRIES = 2


@dataclass(frozen=True, slots=True)
class Change:
    """
    What becomes of messages; C{None} leaves as it is.

    @ivar expires: C{False}: never.  Either way the mailbox's retention does not
        count for them any more (spec/schema.md §7).
    @ivar metadata: replaces what there was.
    """

    seen: bool | None = None
    deleted: bool | None = None
    flagged: bool | None = None
    draft: bool | None = None
    expires: datetime.datetime | bool | None = None
    metadata: dict[str, Any] | None = None

    @property
    def added(self) -> tuple[str, ...]:
        """Flags that are set."""
        return tuple(flag for flag, wanted in self._flags() if wanted)

    @property
    def removed(self) -> tuple[str, ...]:
        """Flags that are taken away."""
        return tuple(flag for flag, wanted in self._flags() if wanted is False)

    def _flags(self) -> tuple[tuple[str, bool | None], ...]:
        return ((SEEN, self.seen), (DELETED, self.deleted), (FLAGGED, self.flagged), (DRAFT, self.draft))

    @property
    def fields(self) -> dict[str, Any]:
        """What is set beside the flags, as expressions."""
        fields: dict[str, Any] = {}
        if self.metadata is not None:
            fields["meta.custom"] = {"$literal": msgspec.json.encode(self.metadata).decode()}
        if self.expires is None or self.expires is True:
            return fields
        fields["retention"] = "$$REMOVE"
        fields["exp"] = self.expires is not False
        fields["rdate"] = javascript(milliseconds(self.expires)) if self.expires is not False else "$$REMOVE"
        return fields

    @property
    def nothing(self) -> bool:
        """There is nothing to do."""
        return not (self.added or self.removed or self.fields)

    def flags_of(self, stored: tuple[str, ...]) -> tuple[str, ...]:
        """What becomes of a message's flags; the pipeline does the same."""
        kept = (flag for flag in stored if flag not in self.removed)
        return tuple(dict.fromkeys((*kept, *self.added)))


def _pipeline(change: Change, modseq: int, *, searchable: bool) -> list[dict[str, Any]]:
    """@param searchable: as of L{flag_update <wildduck.mailstore.flags.flag_update>}."""
    removed, added = {"$literal": list(change.removed)}, {"$literal": list(change.added)}
    kept = {"$filter": {"input": STORED_FLAGS, "cond": {"$not": {"$in": ["$$this", removed]}}}}
    missing = {"$filter": {"input": added, "cond": {"$not": {"$in": ["$$this", STORED_FLAGS]}}}}
    found: Any = {"$ifNull": ["$searchable", "$$REMOVE"]}
    undeleted = {"$cond": ["$undeleted", found, True]} if searchable else found
    flags = {"$concatArrays": [kept, missing]}
    return [
        {"$set": {"flags": flags, "modseq": {"$max": ["$modseq", modseq]}, **change.fields}},
        {"$set": mirror_fields(searchable=undeleted)},
    ]


class Updater:
    """Changes messages; one for each worker."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def update(
        self, mailbox: Mailbox, selection: Selection, change: Change, session: str | None
    ) -> int:
        """
        @return: messages that were there and are as wanted now.
        @raise CannotDo: a message in clear would cease to be a draft where messages are to be encrypted.
        @raise Unavailable: some messages may have been changed.
        """
        await self.check(mailbox, selection, change, mailbox)
        job = _Job(self._backend, mailbox, change, session)
        try:
            async for batch in rows(self._backend, mailbox, selection, _ROW):
                await job.batch(batch)
        finally:
            self._backend.background(job.tell())
        return job.count

    async def check(self, mailbox: Mailbox, selection: Selection, change: Change, target: Mailbox) -> None:
        """
        @param mailbox: where the messages are.
        @param target: where they will be.
        @raise CannotDo: see L{update}.
        """
        if change.draft is not False:
            return
        if target.encrypted or await encryption.account_encrypts(self._backend, mailbox.user):
            async for batch in rows(self._backend, mailbox, selection, {"_id": False, "uid": True}):
                found = [number(row["uid"]) for row in batch]
                await encryption.check_no_draft_in_clear(self._backend, mailbox, found)


class _Job:
    """
    One update at work, batch by batch.

    @ivar count: messages that are as wanted.
    """

    def __init__(self, backend: Backend, mailbox: Mailbox, change: Change, session: str | None) -> None:
        self.count = 0
        self._backend = backend
        self._mailbox = mailbox
        self._change = change
        self._session = session
        self._journaled = False
        self._unseen_changed = False

    async def batch(self, batch: list[dict[str, Any]]) -> None:
        """Change some messages under one MODSEQ."""
        for _ in range(_TRIES):
            pending = {number(row["uid"]): row for row in batch if self._differs(row)}
            if not pending:
                self.count += len(batch)
                return
            group = self._backend.main.group()
            there = await self._write(pending, group)
            if group.intact:
                self.count += len(batch) - len(pending) + there
                return
            # The primary changed on the way: what was written may be lost.
            batch = await self._read([number(row["uid"]) for row in batch])
        raise Unavailable()

    def _differs(self, row: dict[str, Any]) -> bool:
        stored = texts(row.get("flags"))
        wanted = self._change.flags_of(stored)
        if len(wanted) > len(stored):
            check_count(wanted)
        return bool(self._change.fields) or wanted != stored

    async def _read(self, uids: list[int]) -> list[dict[str, Any]]:
        return await self._backend.main.find(
            "messages",
            uid_filter(self._mailbox.id, uids),
            projection=_ROW,
            sort=[("uid", 1)],
            limit=len(uids),
        )

    async def _write(self, pending: dict[int, dict[str, Any]], group: WriteGroup) -> int:
        """@return: how many of these messages are there still."""
        allocation = await self._allocate(group)
        searchable = self._mailbox.special_use not in UNSEARCHABLE
        update = _pipeline(self._change, allocation.modseq, searchable=searchable)
        # A change of all fields is the same when it is done again.
        await self._backend.main.update_many(
            "messages", uid_filter(self._mailbox.id, list(pending)), update, group=group
        )
        after = await self._read(list(pending))
        if not after:
            await give_up(self._backend, allocation)
            return 0
        entries = [self._entry(pending[number(row["uid"])], row, allocation) for row in after]
        await self._backend.main.insert_many("journal", entries, durable=True, group=group)
        self._journaled = True
        return len(after)

    def _entry(self, before: dict[str, Any], row: dict[str, Any], allocation: Allocation) -> dict[str, Any]:
        flags = texts(row.get("flags"))
        unseen_change = bool(before.get("unseen")) != (SEEN not in flags)
        self._unseen_changed = self._unseen_changed or unseen_change
        return flags_entry(row, flags, allocation.modseq, unseen_change, self._session, self._backend.now())

    async def _allocate(self, group: WriteGroup) -> Allocation:
        while True:
            allocation = await allocate(self._backend, self._mailbox, group=group)
            if not allocation.overdue(self._backend.steady()):
                return allocation
            await give_up(self._backend, allocation)

    async def tell(self) -> None:
        """What nothing depends on: the ping, cached counters."""
        if not self._journaled:
            return
        await self._backend.changed(self._mailbox.user)
        if self._unseen_changed:
            await counters.adjust(self._backend.redis, self._mailbox.id, 0, None)
