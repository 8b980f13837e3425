"""
COPY: messages a second time, in another mailbox or in the same.

Order (store.md §1): quota for all of them, attachments counted, UIDs and MODSEQs,
the copies, their journal entries.  The documents are copied within the database;
only what is counted passes through here.  C{magic} stays as it is, as in
WildDuck's COPY, so that what L{wildduck.mime.native} keeps in the tree counts for
the copy too.

A crash leaves at worst a reservation or references that nothing holds; the
verifier finds them.  A COPY that fails takes back what it has copied (RFC 3501
§6.4.7).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

from bson import ObjectId
from twisted.logger import Logger

from wildduck.database import WriteGroup
from wildduck.errors import DomainError, MailboxNotFound, Unavailable
from wildduck.limits import BATCH_ROWS, COPY_BATCH_BYTES
from wildduck.mailstore import encryption
from wildduck.mailstore.allocation import Allocation, allocate_in_time, give_up, rows_stay_taken
from wildduck.mailstore.append import TRIES
from wildduck.mailstore.arrivals import ARRIVED, Arrivals, exists_entries, uid_of
from wildduck.mailstore.attachments import Attachments
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.keywords import check_keywords
from wildduck.mailstore.merging import bind, merge
from wildduck.mailstore.placing import as_copies, new_ids, place_stages
from wildduck.mailstore.quota import Quota
from wildduck.mailstore.removal import REMOVAL_FIELDS, Removal
from wildduck.mailstore.uids import uid_filter
from wildduck.mailstore.unmade_copies import Unmade, give_back_later
from wildduck.mailstore.values import Copied, Mailbox, Progress, number, unnoted

#: What is read of a message that is to be copied.
_SOURCE = dict.fromkeys(("uid", "size", "magic", "junk", "copied", "mimeTree.attachmentMap"), True)

#: The bytes of the message, and of its document, which has copies of the text
#: beside the parts and none of the attachments.
_MEASURED = {"_id": False, "uid": True, "size": True, "bytes": {"$bsonSize": "$$ROOT"}}


class Copier:
    """Copies messages; one for each worker."""

    def __init__(self, backend: Backend, attachments: Attachments, quota: Quota, removal: Removal) -> None:
        self._backend = backend
        self._attachments = attachments
        self._quota = quota
        self._removal = removal

    async def copy(
        self,
        source: Mailbox,
        uids: Sequence[int],
        target: Mailbox,
        flags: tuple[str, ...],
        session: str | None,
        progress: Progress = unnoted,
    ) -> Copied:
        """
        Copy messages; all of those that are there, or none.

        @param flags: canonical; to be added to those of the copies.
        @param session: id of the session that does it and needs no telling.
        @raise OverQuota: they do not fit into the account's storage.
        @raise MailboxNotFound: the target has been deleted meanwhile, or is another account's.
        @raise CannotDo: something would be stored in clear that is to be encrypted.
        @raise Unavailable: some may be copied, where the database can't tell.
        """
        if source.user != target.user:
            raise MailboxNotFound()
        check_keywords(flags)
        wanted = sorted(set(uids))
        plan, encrypts = await gather(
            self._plan(source, wanted), encryption.account_encrypts(self._backend, source.user)
        )
        batches, reserved = plan
        if not batches:
            return Copied(target.uid_validity, (), ())
        if encrypts or target.encrypted:
            await encryption.check_none_in_clear(self._backend, source, wanted)
        group = self._backend.main.group()
        encrypts_now = await self._quota.reserve(source.user, reserved, group)
        job = _Job(self, source, target, flags, session, group, reserved)
        try:
            if encrypts_now and not encrypts and not target.encrypted:
                await encryption.check_none_in_clear(self._backend, source, wanted)
            done, goal = 0, sum(map(len, batches))
            for batch in batches:
                progress(done, goal)
                await job.batch(batch)
                done += len(batch)
        except Exception:
            await job.undo()
            raise
        finally:
            if job.reservation_is_sure:
                await self._quota.release(source.user, reserved - job.held)
        self._backend.background(job.tell())
        return job.copied

    async def _plan(self, source: Mailbox, uids: list[int]) -> tuple[list[array[int]], int]:
        """
        UIDs of those that are there, as they are copied at once (store.md §2), and their bytes.

        @param uids: ascending.
        """
        batches: list[array[int]] = []
        total = length = 0
        for start in range(0, len(uids), BATCH_ROWS):
            rows = await self._backend.main.find(
                "messages",
                uid_filter(source.id, uids[start : start + BATCH_ROWS]),
                projection=_MEASURED,
                sort=[("uid", 1)],
                limit=BATCH_ROWS,
            )
            for row in rows:
                total += number(row.get("size"))
                length += number(row["bytes"])
                if not batches or len(batches[-1]) >= BATCH_ROWS or length > COPY_BATCH_BYTES:
                    batches.append(array("I"))
                    length = number(row["bytes"])
                batches[-1].append(uid_of(row))
        return batches, total


class _Copy:
    """
    One message and its copy.

    @ivar row: the message, with L{_SOURCE}.
    @ivar id: C{_id} of the copy.
    @ivar arrived: the copy with L{ARRIVED}, C{None} while there is none.
    """

    __slots__ = ("arrived", "id", "row")

    def __init__(self, row: dict[str, Any]) -> None:
        self.row = row
        self.id = ObjectId()
        self.arrived: dict[str, Any] | None = None

    @property
    def uid(self) -> int:
        """Of the message."""
        return uid_of(self.row)

    @property
    def size(self) -> int:
        return number(self.row.get("size"))


class _Job:
    """
    One COPY at work, batch by batch.

    @ivar held: bytes of the reservation that copies have, or may have.
    """

    _log = Logger()

    def __init__(
        self,
        copier: Copier,
        source: Mailbox,
        target: Mailbox,
        flags: tuple[str, ...],
        session: str | None,
        group: WriteGroup,
        reserved: int,
    ) -> None:
        """
        @param group: that began with the reservation, and goes on with the first batch.
        @param reserved: bytes.
        """
        self.held = 0
        self._backend = copier._backend
        self._attachments = copier._attachments
        self._quota = copier._quota
        self._removal = copier._removal
        self._group: WriteGroup | None = group
        self._reserved = reserved
        self._source = source
        self._target = target
        self._flags = flags
        self._session = session
        #: No message is in clear that should not be there in clear.
        self._all_checked = target.encrypted
        #: Of batches that are done: what has come, and the UIDs of the messages
        #: that had no copy before.
        self._arrivals = Arrivals()
        self._newly_marked = array("I")
        #: The batch in hand once copies of it may be there, and the numbers taken for it.
        self._batch: list[_Copy] = []
        self._allocations: list[Allocation] = []
        #: It was not written at the first go.
        self._disturbed = False

    @property
    def reservation_is_sure(self) -> bool:
        """It can not have been taken back by an election, so what is left of it can be given back."""
        return self._group is None or self._group.intact

    # --- one batch ------------------------------------------------------------------

    async def batch(self, uids: Sequence[int]) -> None:
        """
        Copy some messages.

        @raise Unavailable: some may be copied.
        """
        rows = await self._backend.main.find(
            "messages",
            uid_filter(self._source.id, uids),
            projection=_SOURCE,
            sort=[("uid", 1)],
            limit=len(uids),
        )
        if not rows:
            return
        batch = [_Copy(row) for row in rows]
        group = self._group or self._backend.main.group()
        await self._attachments.refer_to_all(rows, group)
        try:
            allocation = await self._allocate(batch, group)
        except DomainError as error:
            if group.intact and not isinstance(error, Unavailable):
                await self._attachments.release_all(rows)
            # Else what was counted may have been taken back by itself.
            raise
        self._batch = batch
        self.held += sum(copy.size for copy in batch)
        self._disturbed = not await self._write(batch, group, allocation)
        if self._disturbed:
            await self._write_again(batch, group)
        self._group = None
        await self._end(batch, group)

    async def _end(self, batch: list[_Copy], group: WriteGroup) -> None:
        """A batch is done."""
        there = [copy for copy in batch if copy.arrived is not None]
        for copy in there:
            assert copy.arrived is not None
            self._arrivals.add(copy.uid, copy.arrived)
        self._newly_marked.extend(copy.uid for copy in batch if not copy.row.get("copied"))
        allocations, self._allocations, self._batch = self._allocations, [], []
        if len(there) < len(batch):
            self._log.info("{count} messages went while they were copied", count=len(batch) - len(there))
            if not self._disturbed:
                # Else what was counted for them may have been taken back by itself.
                rows = {copy.id: copy.row for copy in batch if copy.arrived is None}
                unmade = Unmade(self._target, allocations[0].modseq, rows, group)
                give_back_later(self._backend, self._attachments, self._quota, unmade)
        # Tell readers of numbers that no copy has.
        used = {number(copy.arrived["modseq"]) for copy in there if copy.arrived is not None}
        for allocation in allocations:
            await give_up(self._backend, allocation, used)

    async def _write_again(self, batch: list[_Copy], group: WriteGroup) -> None:
        """
        Complete what was disturbed: a late answer, another primary.

        @raise Unavailable: it does not succeed.
        """
        for _ in range(TRIES - 1):
            group = await self._undisturbed(batch, group)
            await bind(self._backend, self._target, [copy.id for copy in batch], group)
            await self._look(batch)
            arrived = [copy.arrived for copy in batch if copy.arrived is not None]
            await rows_stay_taken(self._backend, self._target.id, arrived, group)
            missing = [copy for copy in batch if copy.arrived is None]
            allocation = await self._allocate(missing, group) if missing else None
            if await self._write(batch, group, allocation):
                return
        raise Unavailable()

    async def _undisturbed(self, batch: list[_Copy], group: WriteGroup) -> WriteGroup:
        """
        The group to go on with: after an election a new one that begins with what may be lost.

        Storage is reserved and attachments are referred to once more.  At worst
        that leaves a reservation and references too many, which the verifier
        finds; a reference too few would delete a living attachment.
        """
        if group.intact:
            return group
        group = self._backend.main.group()
        if self._group is not None:
            await self._quota.reserve_again(self._target.user, self._reserved, group)
        await self._attachments.refer_to_all([copy.row for copy in batch], group)
        return group

    async def _allocate(self, copies: list[_Copy], group: WriteGroup) -> Allocation:
        count = len(copies)
        allocation = await allocate_in_time(
            self._backend, self._target, uids=count, modseqs=count, group=group
        )
        self._allocations.append(allocation)
        if allocation.mailbox.encrypted and not self._all_checked:
            # It has come to want encryption since it was looked up.
            uids = [copy.uid for copy in copies]
            await encryption.check_none_in_clear(self._backend, self._source, uids)
        self._target = allocation.mailbox
        return allocation

    async def _write(self, batch: list[_Copy], group: WriteGroup, allocation: Allocation | None) -> bool:
        """
        Write the copies that are not there yet, and tell of all.

        @param allocation: numbers for those that are not there yet.
        @return: whether what is there is there to stay, and nothing can come later.
        """
        try:
            if allocation is not None:
                missing = [copy for copy in batch if copy.arrived is None]
                if not await self._merge(missing, allocation):
                    return False
                await self._look(batch)
            there = [copy for copy in batch if copy.arrived is not None]
            pairs = [(copy.row, copy.arrived) for copy in there if copy.arrived is not None]
            entries = exists_entries(self._backend, pairs, self._target, self._session)
            if entries:
                await gather(
                    self._backend.main.insert_many("journal", entries, durable=True, group=group),
                    self._mark_copied(there),
                )
        except Unavailable:
            return False
        return group.intact

    async def _merge(self, missing: list[_Copy], allocation: Allocation) -> bool:
        """@return: C{False}: whether the copies were made, can not be told."""
        uids = [copy.uid for copy in missing]
        now = self._backend.now()
        stages = [
            new_ids(uids, [copy.id for copy in missing]),
            as_copies(now),
            *place_stages(allocation, uids, self._flags, now),
        ]
        return await merge(self._backend, self._source, [copy.row for copy in missing], stages)

    async def _look(self, batch: list[_Copy]) -> None:
        """See which copies are there."""
        rows = await self._backend.main.find(
            "messages",
            {"_id": {"$in": [copy.id for copy in batch]}, "mailbox": self._target.id},
            projection=ARRIVED,
            limit=len(batch),
        )
        found = {row["_id"]: row for row in rows}
        for copy in batch:
            copy.arrived = found.get(copy.id)

    async def _mark_copied(self, copies: list[_Copy]) -> None:
        """One that has a copy is not archived when it is removed (spec/schema.md §7)."""
        these = {
            **uid_filter(self._source.id, [copy.uid for copy in copies]),
            "_id": {"$in": [copy.row["_id"] for copy in copies]},
            "copied": {"$ne": True},
        }
        try:
            await self._backend.main.update_many("messages", these, {"$set": {"copied": True}})
        except DomainError:
            # At worst it is archived needlessly.
            self._log.info("messages that were copied are not marked so")

    # --- afterwards -------------------------------------------------------------------

    async def undo(self) -> None:
        """
        Take back what was copied, as far as the database can.

        What was disturbed is removed without giving anything back: what it
        holds may have been taken back by itself.
        """
        uids, doubtful = self._arrivals.target, [copy.id for copy in self._batch]
        self._newly_marked.extend(copy.uid for copy in self._batch if not copy.row.get("copied"))
        try:
            for start in range(0, len(uids), BATCH_ROWS):
                these = uid_filter(self._target.id, uids[start : start + BATCH_ROWS])
                await self._remove(these, REMOVAL_FIELDS)
            await self._remove({"_id": {"$in": doubtful}, "mailbox": self._target.id}, _WITHOUT_HOLDINGS)
            await self._unmark()
        except DomainError as error:
            self._log.warn("a COPY that failed could not be taken back: {error}", error=error)
        for allocation in self._allocations:
            await give_up(self._backend, allocation)

    async def _remove(self, these: dict[str, Any], fields: dict[str, bool]) -> None:
        """@param these: a filter for at most L{BATCH_ROWS} copies."""
        rows = await self._backend.main.find(
            "messages", these, projection=fields, sort=[("uid", 1)], limit=BATCH_ROWS
        )
        # The message itself is still there: nothing for the archive.
        await self._removal.remove(self._target, [{**row, "copied": True} for row in rows], None)

    async def _unmark(self) -> None:
        """The messages have no copy after all."""
        uids = self._newly_marked
        for start in range(0, len(uids), BATCH_ROWS):
            these = uid_filter(self._source.id, uids[start : start + BATCH_ROWS])
            await self._backend.main.update_many("messages", these, {"$set": {"copied": False}})

    async def tell(self) -> None:
        """What nothing depends on: pings, cached counters, keywords."""
        await self._backend.changed(self._target.user)
        await self._arrivals.tell(self._backend, self._target)

    @property
    def copied(self) -> Copied:
        """What came of it."""
        return self._arrivals.copied(self._target)


_WITHOUT_HOLDINGS = {
    name: True for name in REMOVAL_FIELDS if name not in ("size", "magic", "mimeTree.attachmentMap")
}
