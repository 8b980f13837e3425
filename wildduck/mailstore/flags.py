"""
STORE: changing the flags of messages (store.md §3).

One update per message, as an update pipeline, derives the new flags and all
mirror booleans from the flags that are stored at that moment, so two writers at
once lose nothing.  MODSEQ becomes max(stored, new), and UNCHANGEDSINCE is decided
in the filter of that same update.

A pipeline costs the database twice what constants do.  So messages that have the
same flags are tried with constants first, each only if its flags are still those
that were read (L{guarded_updates}); where that reaches all, all is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bson import ObjectId

from wildduck.database import WriteGroup
from wildduck.errors import BadInput, CannotDo, Unavailable
from wildduck.limits import BATCH_ROWS
from wildduck.mailstore import counters, encryption
from wildduck.mailstore.allocation import Allocation, allocate, give_up
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.flag_table import DELETED, DRAFT, FLAGGED, SEEN, canonical, keywords, texts
from wildduck.mailstore.journal import flags_entry
from wildduck.mailstore.keywords import check_count, check_keywords, remember_keywords
from wildduck.mailstore.values import FlagsByUid, Mailbox, Progress, Stored, number, unnoted

_ROW = dict.fromkeys(
    ("_id", "user", "mailbox", "uid", "modseq", "flags", "thread", "unseen", "undeleted"), True
)
#: Messages with more different flags than so many are changed by the pipeline.
_COMBINATIONS = 8

#: Mailboxes in which a message that is undeleted does not become searchable (spec/schema.md 'messages').
UNSEARCHABLE = frozenset({"\\Junk", "\\Trash"})


def changed_flags(stored: Iterable[str], mode: str, flags: Sequence[str]) -> tuple[str, ...]:
    """What a STORE makes of a message's flags; the pipeline of L{flag_update} does the same."""
    if mode == "=":
        return tuple(flags)
    if mode == "+":
        return tuple(dict.fromkeys((*stored, *flags)))
    return tuple(flag for flag in stored if flag not in flags)


def flag_update(mode: str, flags: Sequence[str], modseq: int, *, searchable: bool) -> list[dict[str, Any]]:
    """
    The pipeline for one message.

    @param mode: C{"+"}, C{"-"} or C{"="}.
    @param searchable: whether a message that loses C{\\Deleted} can be found by
        WildDuck's full text search again.
    """
    given = {"$literal": list(flags)}
    if mode == "=":
        new: Any = given
    elif mode == "+":
        new = with_flags(flags)
    else:
        new = {"$filter": {"input": STORED_FLAGS, "cond": {"$not": {"$in": ["$$this", given]}}}}
    kept = {"$ifNull": ["$searchable", "$$REMOVE"]}
    undeleted = {"$cond": ["$undeleted", kept, True]} if searchable else kept
    return [
        {"$set": {"flags": new, "modseq": {"$max": ["$modseq", modseq]}}},
        {"$set": mirror_fields(searchable=undeleted)},
    ]


def guarded_updates(
    rows: Mapping[int, Mapping[str, Any]], mode: str, flags: Sequence[str], mailbox: ObjectId, modseq: int
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """
    Filters and updates that do what L{flag_update} does, each to messages that are still as they were read.

    @param rows: by UID, C{flags} texts.
    @return: none where a pipeline must decide: C{\\Deleted} with its C{searchable},
        mirrors that are stale, too many combinations of flags.
    """
    uids: dict[tuple[str, ...], list[int]] = {}
    for uid, row in rows.items():
        if row.get("undeleted") is not True:
            return []
        uids.setdefault(row["flags"], []).append(uid)
    updates = []
    for stored, some in uids.items():
        new = changed_flags(stored, mode, flags)
        if DELETED in stored or DELETED in new or len(set(stored)) < len(stored):
            return []
        filter = {
            "mailbox": mailbox,
            "uid": {"$in": some},
            "flags": list(stored),
            "undeleted": True,
            "modseq": {"$lt": modseq},
        }
        changed = {
            "flags": list(new),
            "modseq": modseq,
            "unseen": SEEN not in new,
            "flagged": FLAGGED in new,
            "draft": DRAFT in new,
        }
        updates.append((filter, {"$set": changed}))
    return updates if len(updates) <= _COMBINATIONS else []


STORED_FLAGS = {"$cond": [{"$isArray": "$flags"}, "$flags", []]}


def with_flags(flags: Sequence[str]) -> dict[str, Any]:
    """The expression for a message's flags and these, none twice."""
    given = {"$literal": list(flags)}
    missing = {"$filter": {"input": given, "cond": {"$not": {"$in": ["$$this", STORED_FLAGS]}}}}
    return {"$concatArrays": [STORED_FLAGS, missing]}


def mirror_fields(*, searchable: Any = True) -> dict[str, Any]:
    """
    Expressions for the booleans that repeat C{flags}, which must be there.

    @param searchable: what that field is without C{\\Deleted}.
    """
    return {
        "unseen": _without(SEEN),
        "flagged": _with(FLAGGED),
        "undeleted": _without(DELETED),
        "draft": _with(DRAFT),
        "searchable": {"$cond": [_with(DELETED), "$$REMOVE", searchable]},
    }


def _with(flag: str) -> dict[str, Any]:
    return {"$in": [flag, "$flags"]}


def _without(flag: str) -> dict[str, Any]:
    return {"$not": [_with(flag)]}


class FlagStore:
    """Changes flags; one for each worker."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def store(
        self,
        mailbox: Mailbox,
        uids: Sequence[int],
        mode: str,
        flags: Iterable[str],
        *,
        unchanged_since: int | None = None,
        session: str | None = None,
        done: Callable[[FlagsByUid], None] | None = None,
        progress: Progress = unnoted,
    ) -> Stored:
        """
        Change the flags of messages.

        A message whose flags are as wanted already keeps its MODSEQ.  A row that
        another writer changed in the same moment may be given as C{modified}
        though this STORE has changed it too; a client then looks again.

        @param mode: C{"+"} adds, C{"-"} removes, C{"="} replaces.
        @param unchanged_since: change only messages with a MODSEQ up to this one
            (RFC 7162 §3.1.3).
        @param session: id of the session that does it and needs no telling.
        @param done: called with what each batch has changed.
        @raise LimitReached: a keyword is too long.
        @raise CannotDo: a message in clear would cease to be a draft where messages are to be encrypted.
        @raise Unavailable: some messages may have been changed.
        """
        if mode not in ("+", "-", "="):
            raise BadInput("Unknown STORE mode")
        wanted = canonical(flags)
        check_keywords(wanted)
        job = _Job(self._backend, mailbox, mode, wanted, unchanged_since, session)
        for start in range(0, len(uids), BATCH_ROWS):
            some = uids[start : start + BATCH_ROWS]
            progress(start, len(uids))
            await job.batch(some)
            if done is not None:
                done({uid: job.changed[uid] for uid in some if uid in job.changed})
        self._backend.background(self._tell(job))
        return Stored(job.changed, sorted(job.modified), sorted(job.missing))

    async def _tell(self, job: _Job) -> None:
        if not job.journaled:
            return
        await self._backend.changed(job.mailbox.user)
        new = [flag for flag in keywords(job.flags) if flag not in job.mailbox.keywords]
        if new and job.mode != "-":
            await remember_keywords(self._backend, job.mailbox, new)
        if job.unseen_changed:
            await counters.adjust(self._backend.redis, job.mailbox.id, 0, None)


class _Job:
    """One STORE command, batch by batch."""

    def __init__(
        self,
        backend: Backend,
        mailbox: Mailbox,
        mode: str,
        flags: tuple[str, ...],
        unchanged_since: int | None,
        session: str | None,
    ) -> None:
        self.mailbox = mailbox
        self.mode = mode
        self.flags = flags
        self.changed: FlagsByUid = {}
        self.modified: list[int] = []
        self.missing: list[int] = []
        self.journaled = False
        self.unseen_changed = False
        self._backend = backend
        self._since = unchanged_since
        self._session = session

    async def batch(self, uids: Sequence[int]) -> None:
        """Change some messages under one MODSEQ."""
        if await self._try(uids):
            return
        if self._since is not None or not await self._try(uids):
            # The primary changed on the way: what was written may be lost, and
            # with a condition a second try can't tell our change from another's.
            raise Unavailable()

    async def _try(self, uids: Sequence[int]) -> bool:
        """@return: whether what was done is there to stay."""
        rows = await self._rows(uids)
        pending = {}
        for uid in uids:
            row = rows.get(uid)
            if row is None:
                self.missing.append(uid)
                continue
            if not self._passes(row):
                self.modified.append(uid)
                continue
            flags = changed_flags(row["flags"], self.mode, self.flags)
            if flags == row["flags"]:
                self.changed[uid] = (flags, number(row["modseq"]))
            else:
                if len(flags) > len(row["flags"]):
                    check_count(flags)
                pending[uid] = row
        if not pending:
            return True
        group = self._backend.main.group()
        allocation = await self._allocate(group)
        await self._check_drafts(pending, allocation)
        entries = self._judge(pending, await self._change(pending, allocation, group), allocation)
        if not entries:
            await give_up(self._backend, allocation)
            return True
        await self._backend.main.insert_many("journal", entries, durable=True, group=group)
        self.journaled = True
        return group.intact

    async def _check_drafts(self, pending: dict[int, dict[str, Any]], allocation: Allocation) -> None:
        """@raise CannotDo: a message in clear would cease to be a draft that is to be encrypted then."""
        uids = [
            uid
            for uid, row in pending.items()
            if DRAFT in row["flags"] and DRAFT not in changed_flags(row["flags"], self.mode, self.flags)
        ]
        if not uids:
            return
        mailbox = allocation.mailbox
        if mailbox.encrypted or await encryption.account_encrypts(self._backend, mailbox.user):
            try:
                await encryption.check_no_draft_in_clear(self._backend, mailbox, sorted(uids))
            except CannotDo:
                await give_up(self._backend, allocation)
                raise

    def _passes(self, row: dict[str, Any]) -> bool:
        return self._since is None or number(row["modseq"]) <= self._since

    async def _rows(self, uids: Sequence[int]) -> dict[int, dict[str, Any]]:
        found = await self._backend.main.find(
            "messages",
            {"mailbox": self.mailbox.id, "uid": {"$in": list(uids)}},
            projection=_ROW,
            limit=len(uids),
        )
        return {number(row["uid"]): {**row, "flags": texts(row.get("flags"))} for row in found}

    async def _allocate(self, group: WriteGroup) -> Allocation:
        while True:
            allocation = await allocate(self._backend, self.mailbox, group=group)
            if not allocation.overdue(self._backend.steady()):
                return allocation
            await give_up(self._backend, allocation)

    async def _change(
        self, rows: dict[int, dict[str, Any]], allocation: Allocation, group: WriteGroup
    ) -> dict[int, dict[str, Any]]:
        """
        @param rows: as they were read before.
        @return: as they are afterwards.
        """
        main, modseq = self._backend.main, allocation.modseq
        if self._since is None:
            updates = guarded_updates(rows, self.mode, self.flags, self.mailbox.id, modseq)
            if updates:
                updated = await main.update_groups("messages", updates, group=group)
                if updated.matched == len(rows):
                    return {
                        uid: {
                            **row,
                            "flags": changed_flags(row["flags"], self.mode, self.flags),
                            "modseq": modseq,
                        }
                        for uid, row in rows.items()
                    }
        uids = list(rows)
        await self._update(uids, allocation, group)
        return await self._rows(uids)

    async def _update(self, uids: list[int], allocation: Allocation, group: WriteGroup) -> None:
        filter: dict[str, Any] = {"mailbox": self.mailbox.id, "uid": {"$in": uids}}
        if self._since is not None:
            filter["modseq"] = {"$lte": self._since}
        searchable = self.mailbox.special_use not in UNSEARCHABLE
        update = flag_update(self.mode, self.flags, allocation.modseq, searchable=searchable)
        await self._backend.main.update_many("messages", filter, update, group=group)

    def _judge(
        self,
        before: dict[int, dict[str, Any]],
        after: dict[int, dict[str, Any]],
        allocation: Allocation,
    ) -> list[dict[str, Any]]:
        """See what became of each message; @return: journal entries of those that we changed."""
        entries = []
        now = self._backend.now()
        for uid, old in before.items():
            row = after.get(uid)
            if row is None:
                self.missing.append(uid)
                continue
            flags, modseq = tuple(row["flags"]), number(row["modseq"])
            if modseq != allocation.modseq and not self._passes(row):
                self.modified.append(uid)
                continue
            self.changed[uid] = (flags, modseq)
            unseen_change = bool(old.get("unseen")) != (SEEN not in flags)
            self.unseen_changed = self.unseen_changed or unseen_change
            entries.append(flags_entry(row, flags, allocation.modseq, unseen_change, self._session, now))
        return entries
