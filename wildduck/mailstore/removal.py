"""
Taking messages out of mailboxes: EXPUNGE, expiry.

Order: a copy in C{archived} where one is kept, MODSEQs, the message, the journal
entry; then what the message held is given back.  A crash leaves at worst a
second copy in C{archived}, or reservations and references that nothing holds;
each of them the verifier finds.  After a crash before the journal entry readers
see a hole, and look for what has gone when they pass it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bson import ObjectId
from twisted.logger import Logger

from wildduck.database.shared_settings import ARCHIVE_TIME
from wildduck.errors import MailboxNotFound
from wildduck.limits import BATCH_ROWS
from wildduck.mailstore import counters
from wildduck.mailstore.allocation import Allocation, allocate, give_up
from wildduck.mailstore.attachments import Attachments
from wildduck.mailstore.backend import Backend, javascript, milliseconds
from wildduck.mailstore.flag_table import DRAFT
from wildduck.mailstore.journal import expunge_entry
from wildduck.mailstore.quota import Quota
from wildduck.mailstore.values import Mailbox, number

#: What L{Removal.remove} needs of a message document.
REMOVAL_FIELDS = dict.fromkeys(
    (
        "_id",
        "user",
        "mailbox",
        "uid",
        "thread",
        "flags",
        "unseen",
        "size",
        "magic",
        "copied",
        "userDeleted",
        "mimeTree.attachmentMap",
    ),
    True,
)

_DAY = 86_400_000
_DURABLE = {"w": "majority", "j": True}


class Removal:
    """Removes messages; one for each worker.  The caller holds the mailbox's lock."""

    _log = Logger()

    def __init__(self, backend: Backend, attachments: Attachments, quota: Quota) -> None:
        self._backend = backend
        self._attachments = attachments
        self._quota = quota

    def is_archived(self, row: dict[str, Any], archive: bool | None = None) -> bool:
        """
        Whether a message that is removed is kept in C{archived} (spec/schema.md §7).

        @param archive: C{False}: no; C{True}: also one that has been copied (the
            API's rule: all but drafts).
        """
        if archive is False or not self._backend.settings.storage.archive:
            return False
        if DRAFT in (row.get("flags") or ()) or row.get("userDeleted"):
            return False
        return archive is True or not row.get("copied")

    async def remove(
        self,
        mailbox: Mailbox | None,
        rows: list[dict[str, Any]],
        session: str | None,
        only: Mapping[str, Any] | None = None,
        *,
        archive: bool | None = None,
    ) -> list[int]:
        """
        Remove messages of one mailbox.

        @param mailbox: C{None} when it has been deleted: nobody is told.
        @param rows: at most L{BATCH_ROWS}, with L{REMOVAL_FIELDS}, in the order in
            which the clients are to be told.
        @param session: id of the session that does it and needs no telling.
        @param only: a filter; messages that no longer match it at the last moment stay.
        @param archive: see L{is_archived}.
        @return: UIDs of those that are gone.
        """
        assert len(rows) <= BATCH_ROWS
        if not rows:
            return []
        kept = {row["_id"] for row in rows if self.is_archived(row, archive)}
        archived = await self.archive([row for row in rows if row["_id"] in kept])
        rows = [row for row in rows if row["_id"] not in kept or row["_id"] in archived]
        if not rows:
            return []
        allocation = await self._allocate(mailbox, len(rows))
        deleted = await self._delete(rows, only or {})
        if deleted != len(rows):
            rows = await self._without_the_spared(rows, archived)
        if allocation is not None:
            await self._journal(allocation, rows, session)
        if deleted == len(rows):
            await self._give_back(rows, archived)
        else:
            # Somebody else removed some at the same time, we can't tell which,
            # or the command was repeated: giving back twice would harm more.
            self._log.warn("{rows} messages to remove, {deleted} removed", rows=len(rows), deleted=deleted)
        if mailbox is not None:
            self._backend.background(self.tell(mailbox, rows))
        return [number(row["uid"]) for row in rows]

    async def archive(self, rows: list[dict[str, Any]]) -> set[ObjectId]:
        """
        Copy messages to C{archived}, within the server.

        @return: ids of those that are there now.
        """
        if not rows:
            return set()
        now = self._backend.now()
        until = milliseconds(now) + self._backend.shared_settings.value(
            ARCHIVE_TIME, self._backend.settings.storage.archive_days * _DAY
        )
        mark = {"archived": now, "exp": True, "rdate": javascript(until)}
        ids = [row["_id"] for row in rows]
        uids = [row["uid"] for row in rows]
        await self._backend.main.command(
            {
                "aggregate": "messages",
                "pipeline": [
                    {"$match": {"mailbox": rows[0]["mailbox"], "uid": {"$in": uids}, "_id": {"$in": ids}}},
                    {"$set": mark},
                    # A copy that is there already is one that a crash left.
                    {"$merge": {"into": "archived", "whenMatched": "replace", "whenNotMatched": "insert"}},
                ],
                "cursor": {},
                "writeConcern": _DURABLE,
            },
            slow=True,
        )
        found = await self._backend.main.find(
            "archived", {"_id": {"$in": ids}}, projection={"_id": True}, limit=len(ids)
        )
        return {row["_id"] for row in found}

    async def _delete(self, rows: list[dict[str, Any]], only: Mapping[str, Any]) -> int:
        return await self._backend.main.delete_many("messages", {**_these(rows), **only}, durable=True)

    async def _without_the_spared(
        self, rows: list[dict[str, Any]], archived: set[ObjectId]
    ) -> list[dict[str, Any]]:
        """Those that are gone; of the others no copy stays in the archive."""
        found = await self._backend.main.find(
            "messages", _these(rows), projection={"_id": True}, limit=len(rows)
        )
        spared = {row["_id"] for row in found}
        copies = list(spared & archived)
        if copies:
            await self._backend.main.delete_many("archived", {"_id": {"$in": copies}})
        return [row for row in rows if row["_id"] not in spared]

    async def _allocate(self, mailbox: Mailbox | None, count: int) -> Allocation | None:
        """A MODSEQ for each, so that WildDuck's readers lose none that comes in a second batch."""
        while mailbox is not None:
            try:
                allocation = await allocate(self._backend, mailbox, modseqs=count)
            except MailboxNotFound:
                return None
            if not allocation.overdue(self._backend.steady()):
                return allocation
            await give_up(self._backend, allocation)
        return None

    async def _journal(self, allocation: Allocation, rows: list[dict[str, Any]], session: str | None) -> None:
        unused = allocation.modseqs - len(rows)
        if unused:
            await give_up(
                self._backend, replace(allocation, modseq=allocation.modseq + len(rows), modseqs=unused)
            )
        if rows and allocation.overdue(self._backend.steady()):
            # Readers may have passed these numbers.
            await give_up(self._backend, replace(allocation, modseqs=len(rows)))
            again = await self._allocate(allocation.mailbox, len(rows))
            if again is None:
                return
            allocation = again
        if not rows:
            return
        now = self._backend.now()
        entries = [
            expunge_entry(row, allocation.modseq + place, session, now) for place, row in enumerate(rows)
        ]
        await self._backend.main.insert_many("journal", entries, durable=True)

    async def _give_back(self, rows: list[dict[str, Any]], archived: set[ObjectId]) -> None:
        sizes: dict[ObjectId, int] = defaultdict(int)
        for row in rows:
            sizes[row["user"]] += number(row.get("size"))
        for user, size in sizes.items():
            await self._quota.release(user, size)
        await self.release_attachments([row for row in rows if row["_id"] not in archived])

    async def release_attachments(self, rows: list[dict[str, Any]]) -> None:
        """The documents of these messages are gone: their attachments have a user less."""
        await self._attachments.release_all(rows)

    async def tell(self, mailbox: Mailbox, rows: list[dict[str, Any]]) -> None:
        """Messages of a mailbox are gone."""
        await self._backend.changed(mailbox.user)
        # Which were unseen is not known: a STORE may have changed them since they were read.
        await counters.adjust(self._backend.redis, mailbox.id, -len(rows), None)


def _these(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A filter for messages of one mailbox."""
    return {
        "mailbox": rows[0]["mailbox"],
        "uid": {"$in": [row["uid"] for row in rows]},
        "_id": {"$in": [row["_id"] for row in rows]},
    }
