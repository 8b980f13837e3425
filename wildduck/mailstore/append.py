"""
Storing a message, in the order of store.md §1.

Quota, attachments, UID and MODSEQ, message, journal entry; then the answer; then
the ping.  A crash between any two leaves at worst an unused UID, a leaked
reservation or an attachment reference that no message holds.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from bson import ObjectId
from twisted.internet.defer import Deferred

from wildduck.database import Line, WriteGroup
from wildduck.errors import (
    CannotDo,
    DatabaseFailure,
    DomainError,
    DuplicateKey,
    Overloaded,
    Unavailable,
)
from wildduck.mailstore import counters, documents, encryption
from wildduck.mailstore.allocation import Allocation, allocate, give_up, stay_taken
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.building import Builder
from wildduck.mailstore.concurrently import gather, spawn
from wildduck.mailstore.flag_table import keywords
from wildduck.mailstore.journal import exists_entry
from wildduck.mailstore.keywords import check_count, check_keywords, remember_keywords
from wildduck.mailstore.prepared import Prepared
from wildduck.mailstore.quota import Quota
from wildduck.mailstore.threads import find_thread
from wildduck.mailstore.values import Appended, Mailbox, number

#: How often new numbers are taken before we give up.
TRIES = 3


class Unknown(Unavailable):
    """Whether the message is stored can not be told; nothing of it may be undone."""


class Outcome(Enum):
    """What became of writing a message."""

    #: There, with its journal entry, for good.
    STORED = "stored"
    #: There for good, perhaps without what was written before and after it.
    FOUND = "found"
    #: Not there.
    MISSING = "missing"
    #: Refused: another message has this UID.
    UID_TAKEN = "uid taken"


@dataclass(slots=True)
class _Adding:
    """One message on its way."""

    mailbox: Mailbox
    prepared: Prepared
    origin: documents.Origin
    session: str | None
    thread: ObjectId | None = None
    #: Numbers that were asked for before anything else was known.
    early: Deferred[Allocation] | None = None
    #: The document, if it was made while the database was asked.
    built: Deferred[dict[str, Any]] | None = None
    document: dict[str, Any] = field(default_factory=dict)


class Appender:
    """Adds messages; one for each worker."""

    def __init__(self, backend: Backend, builder: Builder, quota: Quota) -> None:
        self._backend = backend
        self._builder = builder
        self._quota = quota

    async def add(
        self, mailbox: Mailbox, prepared: Prepared, origin: documents.Origin, session: str | None
    ) -> Appended:
        """
        Store a message for good.

        @param session: id of the session that does it and needs no telling.
        @raise OverQuota: it does not fit into the account's storage.
        @raise MailboxNotFound: the mailbox has been deleted meanwhile.
        @raise CannotDo: it would be stored in clear where that is not wanted.
        @raise Unavailable: it may or may not be stored.
        """
        outline = prepared.outline
        check_keywords(origin.flags)
        check_count(origin.flags)
        main = self._backend.main
        group, line = main.group(), main.line(durable=False)
        # In the order of store.md §1, but the answers are not waited for one by one.  The
        # thread needs nothing of the quota, and costs nothing if that refuses.
        thread = spawn(
            find_thread(
                self._backend,
                mailbox.user,
                outline.thread_ids,
                outline.thread_subject,
                origin.follows,
                line,
            )
        )
        adding = _Adding(mailbox, prepared, origin, session)
        reserved = spawn(self._quota.reserve(mailbox.user, outline.size, group, line))
        if self._is_soon_written(adding):
            adding.early = spawn(allocate(self._backend, mailbox, uids=1, group=group, line=line))
            # The larger part of the analysis is done here, while mongod works on its own core.
            line.flush()
            adding.built = spawn(self._builder.build(prepared, origin, group))
        try:
            encrypts = await reserved
            try:
                if encrypts or mailbox.encrypted:
                    encryption.check_not_in_clear(outline.mime_tree, origin.flags)
                adding.thread = await thread
                return await self._add(adding, group)
            except Unknown:
                raise
            except Exception:
                if group.intact:
                    await self._quota.release(mailbox.user, outline.size)
                raise
        finally:
            self._backend.follow(thread)
            if adding.built is not None:
                self._backend.follow(adding.built)
            self._drop_early(adding)

    def _is_soon_written(self, adding: _Adding) -> bool:
        """
        Whether nothing but quota and thread comes before the message, and these will hardly refuse.

        Then its numbers are asked for at once.  What is refused all the same
        gives them up, which costs a journal entry.
        """
        prepared, mailbox = adding.prepared, adding.mailbox
        if prepared.outline.has_externals or prepared.message.length > documents.MEASURED_AT:
            return False
        return not (mailbox.encrypted or self._quota.is_tight(mailbox.user))

    def _drop_early(self, adding: _Adding) -> None:
        early, adding.early = adding.early, None
        if early is not None:
            self._backend.background(self._give_back(early))

    async def _give_back(self, early: Deferred[Allocation]) -> None:
        try:
            allocation = await early
        except DomainError:
            return
        await give_up(self._backend, allocation)

    async def _add(self, adding: _Adding, group: WriteGroup) -> Appended:
        begun, adding.built = adding.built, None
        adding.document = document = await (
            begun or self._builder.build(adding.prepared, adding.origin, group)
        )
        try:
            mailbox = await self._insert(adding, group)
        except Unknown:
            raise
        except Exception:
            # What may have been taken back already is not given back.
            if group.intact:
                await self._builder.release(document)
            raise
        self._backend.background(self._tell(mailbox, document))
        return Appended(
            mailbox_id=mailbox.id,
            uid_validity=mailbox.uid_validity,
            uid=document["uid"],
            modseq=document["modseq"],
            message_id=document["_id"],
            length=adding.prepared.analysis.sent,
        )

    # --- numbers, message, journal ----------------------------------------------------

    async def _insert(self, adding: _Adding, group: WriteGroup) -> Mailbox:
        """
        Give the message its numbers and write it, again if need be.

        @return: the mailbox after it.
        """
        abandoned: list[Allocation] = []
        for _ in range(TRIES):
            group = await self._undisturbed(adding, group)
            early, adding.early = adding.early, None
            allocation = await (early or allocate(self._backend, adding.mailbox, uids=1, group=group))
            if allocation.mailbox.encrypted and not adding.mailbox.encrypted:
                await self._check_not_in_clear(adding, allocation)
            now = self._backend.now()
            documents.place(adding.document, allocation, adding.thread, now)
            if allocation.overdue(self._backend.steady()):
                # Readers may soon take it for a hole (store.md §2).
                await give_up(self._backend, allocation)
                continue
            outcome = await self._write(adding, allocation, group)
            if outcome is Outcome.UID_TAKEN:
                await give_up(self._backend, allocation)
                continue
            if outcome is Outcome.FOUND:
                await self._complete(adding, group)
            if outcome is not Outcome.MISSING:
                self._backend.background(self._give_up_others([*abandoned, allocation], adding.document))
                return allocation.mailbox
            # This try may still come through; then the next one finds it.
            abandoned.append(allocation)
        raise Unknown() if abandoned else Unavailable()

    async def _check_not_in_clear(self, adding: _Adding, allocation: Allocation) -> None:
        """The mailbox has come to want encryption since it was looked up."""
        try:
            encryption.check_not_in_clear(adding.document["mimeTree"], adding.origin.flags)
        except CannotDo:
            await give_up(self._backend, allocation)
            raise

    async def _give_up_others(self, allocations: list[Allocation], document: dict[str, Any]) -> None:
        for allocation in allocations:
            if allocation.uid != document["uid"]:
                await give_up(self._backend, allocation)

    async def _write(self, adding: _Adding, allocation: Allocation, group: WriteGroup) -> Outcome:
        """
        Write the message and its journal entry.

        @raise Unknown: it may be stored.
        """
        main = self._backend.main
        line = main.line(durable=True)
        entry = exists_entry(adding.document, adding.session, self._backend.now())
        inserting = spawn(main.insert_one("messages", adding.document, group=group, line=line))
        if not line.open:
            error = await _error(inserting)
            if error is None:
                return await self._noted(adding, group, spawn(self._note(entry, group)))
            return await self._not_inserted(adding, allocation, error)
        # The message is on its way, and mongod writes nothing of this line before it.
        noting = spawn(self._note(entry, group, line))
        line.flush()
        error = await _error(inserting)
        if error is None:
            return await self._noted(adding, group, noting)
        refused = await _error(noting)
        try:
            outcome = await self._not_inserted(adding, allocation, error)
            if outcome is Outcome.FOUND and adding.document["uid"] == allocation.uid:
                if refused is None and group.intact:
                    return Outcome.STORED
        except (DatabaseFailure, Overloaded):
            await self._withdraw(entry)
            raise
        await self._withdraw(entry)
        return outcome

    async def _note(self, entry: dict[str, Any], group: WriteGroup, line: Line | None = None) -> None:
        await self._backend.main.insert_one("journal", entry, durable=True, group=group, line=line)

    async def _noted(self, adding: _Adding, group: WriteGroup, noting: Deferred[None]) -> Outcome:
        """
        The message is written; wait for its journal entry.

        @raise Unknown: whether both stay can not be told.
        """
        error = await _error(noting)
        if error is not None and not isinstance(error, DomainError):
            raise Unknown() from error
        return Outcome.STORED if error is None and group.intact else await self._look_up(adding)

    async def _not_inserted(self, adding: _Adding, allocation: Allocation, error: Exception) -> Outcome:
        """
        What became of a message whose insert failed.

        @raise Unknown: it may be stored.
        """
        if isinstance(error, DuplicateKey):
            # Of our own making: an earlier try has come through after all.  Else
            # an increment of uidNext was lost in a failover.
            return await self._look_up(adding) if error.index == "_id_" else Outcome.UID_TAKEN
        if isinstance(error, (DatabaseFailure, Overloaded)):
            await give_up(self._backend, allocation)
            raise error
        if isinstance(error, Unavailable):
            return await self._look_up(adding)
        raise Unknown() from error

    async def _withdraw(self, entry: dict[str, Any]) -> None:
        """Take back the journal entry of a message that is not there; if that fails it expires."""
        try:
            await self._backend.main.delete_one("journal", {"_id": entry["_id"]})
        except DomainError:
            return

    async def _look_up(self, adding: _Adding) -> Outcome:
        """
        Look for a message whose writing was disturbed.

        @raise Unknown: whether it is there to stay can not be told.
        """
        document = adding.document
        try:
            found = await self._backend.main.find_one_majority("messages", {"_id": document["_id"]})
        except Exception as error:
            raise Unknown() from error
        if found is None:
            return Outcome.MISSING
        document["uid"], document["modseq"] = number(found["uid"]), number(found["modseq"])
        return Outcome.FOUND

    async def _complete(self, adding: _Adding, group: WriteGroup) -> None:
        """
        Write anew what belongs to a message that is there for good.

        @raise Unknown: that failed, or was disturbed time and again.
        """
        for _ in range(TRIES):
            group = await self._undisturbed(adding, group)
            document = adding.document
            entry = exists_entry(document, adding.session, self._backend.now())
            try:
                await stay_taken(
                    self._backend, document["mailbox"], document["uid"], document["modseq"], group
                )
                await self._backend.main.insert_one("journal", entry, durable=True, group=group)
            except Exception as error:
                raise Unknown() from error
            if group.intact:
                return
        raise Unknown()

    async def _undisturbed(self, adding: _Adding, group: WriteGroup) -> WriteGroup:
        """
        The group to go on with: if this one was disturbed, a new one that begins with what may be lost.

        Storage is reserved and attachments are referred to once more.  At worst
        that leaves a reservation and a reference too many, which the verifier
        finds; a reference too few would delete a living attachment, and a
        reservation too few would let the account beyond its quota.

        @raise Unknown: that failed.
        """
        if group.intact:
            return group
        group = self._backend.main.group()
        # What was taken in an election before may be taken back.
        self._drop_early(adding)
        try:
            await self._quota.reserve_again(adding.mailbox.user, adding.prepared.outline.size, group)
            await self._builder.refer_again(adding.prepared, adding.document, group)
        except Exception as error:
            raise Unknown() from error
        return group

    # --- afterwards ---------------------------------------------------------------------

    async def _tell(self, mailbox: Mailbox, document: dict[str, Any]) -> None:
        await self._backend.answered()
        self._backend.arrived(mailbox.id, 1)
        # Side by side they go to Redis in one piece.
        await gather(
            self._backend.changed(document["user"]),
            counters.adjust(self._backend.redis, mailbox.id, 1, int(document["unseen"])),
        )
        new = [flag for flag in keywords(document["flags"]) if flag not in mailbox.keywords]
        if new:
            await remember_keywords(self._backend, mailbox, new)


async def _error(running: Deferred[Any]) -> Exception | None:
    """Wait; what was raised, if anything."""
    try:
        await running
    except Exception as error:
        return error
    return None


def internal_date(date: datetime.datetime | None, backend: Backend) -> datetime.datetime:
    """INTERNALDATE: as given, in the zone that was given, or now; one without a zone is in UTC."""
    if date is None:
        return backend.now()
    return date.replace(tzinfo=datetime.timezone.utc) if date.tzinfo is None else date
