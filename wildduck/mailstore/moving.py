"""
MOVE: messages to another mailbox, at each moment in exactly one.

In place: mailbox, UID, MODSEQ and what the mailbox decides change in one update
of each document, which keeps its C{_id} and what it refers to, so that quota and
attachments stay as they are.  MODSEQs of the source are taken before: when we
die before its journal entries are written, readers of the source see a hole and
look for what has gone when they pass it; readers of the target find the arrivals
by their UIDs.

On a sharded collection, whose key MongoDB lets no such update change, documents
are copied and then removed (store.md §8).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bson import ObjectId

from wildduck.database import WriteGroup
from wildduck.errors import CannotDo, DuplicateKey, MailboxNotFound, Unavailable
from wildduck.limits import BATCH_ROWS, COPY_BATCH_BYTES
from wildduck.mailstore import counters, encryption
from wildduck.mailstore.allocation import Allocation, allocate_in_time, give_up, rows_stay_taken
from wildduck.mailstore.append import TRIES
from wildduck.mailstore.arrivals import ARRIVED, Arrivals, exists_entries, uid_of
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.expunge import MailboxLock, locked
from wildduck.mailstore.flag_table import SEEN
from wildduck.mailstore.journal import expunge_entry
from wildduck.mailstore.keywords import check_keywords
from wildduck.mailstore.merging import bind, merge
from wildduck.mailstore.placing import new_ids, place_stages
from wildduck.mailstore.uids import uid_filter
from wildduck.mailstore.values import Copied, Mailbox, Progress, number, unnoted

#: What is read of a message that is to be moved.
_SOURCE = {**ARRIVED, "junk": True, "bytes": {"$bsonSize": "$$ROOT"}}


class Mover:
    """Moves messages; one for each worker."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def move(
        self,
        source: Mailbox,
        uids: Sequence[int],
        target: Mailbox,
        flags: tuple[str, ...],
        session: str | None,
        *,
        ham: bool = False,
        progress: Progress = unnoted,
    ) -> Copied:
        """
        Move messages; those that are gone are left out.

        @param flags: canonical; to be added to theirs.
        @param session: id of the session that does it and needs no telling.
        @param ham: the journal says that they were no spam.
        @raise MailboxNotFound: a mailbox has been deleted meanwhile, or the
            target is another account's.
        @raise CannotDo: something would stand in clear that is to be encrypted.
        @raise InUse: another session moves or removes messages for too long.
        @raise Unavailable: each message is moved, or is where it was.
        """
        if source.user != target.user:
            raise MailboxNotFound()
        check_keywords(flags)
        wanted = sorted(set(uids))
        if not wanted:
            return Copied(target.uid_validity, (), ())
        if target.encrypted:
            await encryption.check_none_in_clear(self._backend, source, wanted)
        job = _Job(self._backend, source, target, flags, session, ham)
        try:
            async with locked(self._backend, source.id) as lock:
                await job.run(wanted, lock, progress)
        finally:
            self._backend.background(job.tell())
        return job.moved


def _batches(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Those that are moved at once: quickly enough to be in time (store.md §2)."""
    batch: list[dict[str, Any]] = []
    length = 0
    for row in rows:
        bytes = number(row.pop("bytes"))
        if batch and length + bytes > COPY_BATCH_BYTES:
            yield batch
            batch, length = [], 0
        batch.append(row)
        length += bytes
    if batch:
        yield batch


class _Move:
    """
    One message on its way.

    @ivar row: the message where it was, with L{_SOURCE}.
    @ivar id: C{_id} of its document where it goes.
    @ivar left: it is not where it was.
    @ivar arrived: it with L{ARRIVED} where it has gone, C{None} before.
    """

    __slots__ = ("arrived", "id", "left", "row")

    def __init__(self, row: dict[str, Any], id: ObjectId) -> None:
        self.row = row
        self.id = id
        self.left = False
        self.arrived: dict[str, Any] | None = None

    @property
    def uid(self) -> int:
        """Where it was."""
        return uid_of(self.row)


class _Job:
    """One MOVE at work, batch by batch."""

    def __init__(
        self,
        backend: Backend,
        source: Mailbox,
        target: Mailbox,
        flags: tuple[str, ...],
        session: str | None,
        ham: bool,
    ) -> None:
        self._backend = backend
        self._source = source
        self._target = target
        self._flags = flags
        self._session = session
        self._ham = ham
        #: No message is in clear that should not be there in clear.
        self._all_checked = target.encrypted
        self._in_place = "messages" not in backend.databases.sharded
        self._arrivals = Arrivals()
        #: Messages that have left, and how many of them were unseen.
        self._left = 0
        #: Numbers of the target that were taken for the batch in hand.
        self._taken: list[Allocation] = []

    async def run(self, uids: list[int], lock: MailboxLock, progress: Progress) -> None:
        """@raise Unavailable: a part may be moved."""
        for start in range(0, len(uids), BATCH_ROWS):
            some = uids[start : start + BATCH_ROWS]
            rows = await self._backend.main.find(
                "messages",
                uid_filter(self._source.id, some),
                projection=_SOURCE,
                sort=[("uid", 1)],
                limit=len(some),
            )
            done = start
            for batch in _batches(rows):
                progress(done, len(uids))
                await lock.keep()
                await self._batch(batch)
                done += len(batch)

    # --- one batch ------------------------------------------------------------------

    async def _batch(self, rows: list[dict[str, Any]]) -> None:
        batch = [_Move(row, row["_id"] if self._in_place else ObjectId()) for row in rows]
        self._taken = []
        try:
            group = self._backend.main.group()
            if not await self._write(batch, group):
                await self._write_again(batch, group)
        finally:
            self._note(batch)
        used = {number(move.arrived["modseq"]) for move in batch if move.arrived is not None}
        for allocation in self._taken:
            await give_up(self._backend, allocation, used)

    def _note(self, batch: list[_Move]) -> None:
        """What is known to have left, and to have arrived."""
        for move in batch:
            if move.left:
                self._left += 1
            if move.arrived is not None:
                self._arrivals.add(move.uid, move.arrived)

    async def _write_again(self, batch: list[_Move], group: WriteGroup) -> None:
        """
        Complete what was disturbed: a late answer, another primary.

        @raise Unavailable: it does not succeed.
        """
        for _ in range(TRIES - 1):
            if not group.intact:
                group = self._backend.main.group()
            await bind(self._backend, self._target, [move.id for move in batch], group)
            await self._look(batch)
            arrived = [move.arrived for move in batch if move.arrived is not None]
            await rows_stay_taken(self._backend, self._target.id, arrived, group)
            if await self._write(batch, group):
                return
        raise Unavailable()

    async def _write(self, batch: list[_Move], group: WriteGroup) -> bool:
        """
        Move what has not been moved yet, and tell of all.

        @return: whether what was moved stays so, and nothing can come later.
        """
        staying = [move for move in batch if not move.left]
        try:
            if staying:
                arrivals = await self._take(self._target, group, uids=len(staying), modseqs=len(staying))
                self._taken.append(arrivals)
                await self._check_not_in_clear(staying, arrivals)
                self._target = arrivals.mailbox
            departures = await self._take_departures(len(batch), group)
            if staying and not await self._transfer(staying, arrivals, group):
                await give_up(self._backend, departures)
                return False
            await self._journal(batch, departures, group)
        except Unavailable:
            return False
        return group.intact

    async def _check_not_in_clear(self, staying: list[_Move], arrivals: Allocation) -> None:
        """The target may have come to want encryption since it was looked up."""
        if arrivals.mailbox.encrypted and not self._all_checked:
            uids = [move.uid for move in staying]
            try:
                await encryption.check_none_in_clear(self._backend, self._source, uids)
            except CannotDo:
                await give_up(self._backend, arrivals)
                raise

    async def _take_departures(self, count: int, group: WriteGroup) -> Allocation:
        """MODSEQs for telling the source; where it has been deleted, those of the target are given up."""
        try:
            return await self._take(self._source, group, modseqs=count)
        except MailboxNotFound:
            for allocation in self._taken:
                await give_up(self._backend, allocation)
            raise

    async def _take(self, mailbox: Mailbox, group: WriteGroup, *, modseqs: int, uids: int = 0) -> Allocation:
        return await allocate_in_time(self._backend, mailbox, uids=uids, modseqs=modseqs, group=group)

    # --- moving -----------------------------------------------------------------------

    async def _transfer(self, staying: list[_Move], arrivals: Allocation, group: WriteGroup) -> bool:
        """
        Move messages, and note which are.

        @return: C{False}: what was moved can not be told.
        """
        uids = [move.uid for move in staying]
        stages = place_stages(arrivals, uids, self._flags, self._backend.now())
        if not self._in_place:
            return await self._copy_and_remove(staying, stages, group)
        these = {**uid_filter(self._source.id, uids), "_id": {"$in": [move.id for move in staying]}}
        try:
            updated = await self._backend.main.update_many("messages", these, stages, group=group)
        except (DuplicateKey, Unavailable):
            # Or an increment of uidNext was lost in a failover.
            return False
        if updated.matched == len(staying) and not group.repeated:
            for place, move in enumerate(staying):
                move.left = True
                move.arrived = self._arrived(move, arrivals, place)
        else:
            await self._look(staying)
        return True

    def _arrived(self, move: _Move, arrivals: Allocation, place: int) -> dict[str, Any]:
        """What has become of a message, without looking."""
        flags = list(dict.fromkeys((*(move.row.get("flags") or ()), *self._flags)))
        return {
            **move.row,
            "mailbox": self._target.id,
            "uid": arrivals.uid + place,
            "modseq": arrivals.modseq + place,
            "flags": flags,
            "unseen": SEEN not in flags,
        }

    async def _copy_and_remove(
        self, staying: list[_Move], stages: list[dict[str, Any]], group: WriteGroup
    ) -> bool:
        ids = new_ids([move.uid for move in staying], [move.id for move in staying])
        if not await merge(self._backend, self._source, [move.row for move in staying], [ids, *stages]):
            return False
        await self._look(staying)
        arrived = [move for move in staying if move.arrived is not None]
        if arrived:
            await self._backend.main.delete_many("messages", self._at_source(arrived), group=group)
            for move in arrived:
                move.left = True
        return True

    def _at_source(self, moves: list[_Move]) -> dict[str, Any]:
        ids = [move.row["_id"] for move in moves]
        return {**uid_filter(self._source.id, [move.uid for move in moves]), "_id": {"$in": ids}}

    async def _look(self, moves: list[_Move]) -> None:
        """See what has left and what has arrived."""
        main = self._backend.main
        there, arrived = await gather(
            main.find("messages", self._at_source(moves), projection={"_id": True}, limit=len(moves)),
            main.find(
                "messages",
                {"_id": {"$in": [move.id for move in moves]}, "mailbox": self._target.id},
                projection=ARRIVED,
                limit=len(moves),
            ),
        )
        staying = {row["_id"] for row in there}
        # Within one mailbox the UID tells.
        found = {row["_id"]: row for row in arrived if self._is_taken(uid_of(row))}
        for move in moves:
            move.arrived = found.get(move.id)
            move.left = move.row["_id"] not in staying

    def _is_taken(self, uid: int) -> bool:
        return any(taken.uid <= uid < taken.uid + taken.modseqs for taken in self._taken)

    # --- telling ------------------------------------------------------------------------

    async def _journal(self, batch: list[_Move], departures: Allocation, group: WriteGroup) -> None:
        """What has left, and what has come, in one write."""
        leaving = [move for move in batch if move.left]
        if departures.overdue(self._backend.steady()):
            # Readers may have passed these numbers.
            await give_up(self._backend, departures)
            departures = await self._take(self._source, group, modseqs=len(batch))
        now = self._backend.now()
        entries = [
            expunge_entry(move.row, departures.modseq + place, self._session, now)
            for place, move in enumerate(leaving)
        ]
        pairs = [(move.row, move.arrived) for move in leaving if move.arrived is not None]
        entries += exists_entries(self._backend, pairs, self._target, self._session, ham=self._ham)
        if entries:
            await self._backend.main.insert_many("journal", entries, durable=True, group=group)
        await give_up(self._backend, departures, range(departures.modseq, departures.modseq + len(leaving)))

    async def tell(self) -> None:
        """What nothing depends on: pings, cached counters, keywords."""
        if not self._left:
            return
        await self._backend.changed(self._source.user)
        # Which were unseen is not known: a STORE may have changed them since they were read.
        await counters.adjust(self._backend.redis, self._source.id, -self._left, None)
        await self._arrivals.tell(self._backend, self._target, seen_known=False)

    @property
    def moved(self) -> Copied:
        """What came of it."""
        return self._arrivals.copied(self._target)
