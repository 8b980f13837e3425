"""
Messages that come together, all or none (RFC 3502), and one that takes the place of another (RFC 8508).

Order, as for a single message (store.md §1): quota for all, attachments, UIDs
and MODSEQs in one step; then all messages, what becomes of the one that is
replaced, and the journal entries.  On a replica set this last step is one
transaction: a crash leaves all or nothing.  Elsewhere (a standalone server,
a sharded cluster) the messages are one insert, and are removed again where
that, or the step after it, fails; a crash of ours in between leaves all of
them, and beside them the one that was to be replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from wildduck.database import WriteGroup
from wildduck.database.codec import encode
from wildduck.errors import CannotDo, DuplicateKey, LimitReached, MailboxNotFound, Unavailable
from wildduck.interfaces import IMailAccount
from wildduck.limits import APPEND_DOCUMENTS_BYTES
from wildduck.mailstore import counters, documents, encryption
from wildduck.mailstore.allocation import Allocation, allocate, give_up, stay_taken
from wildduck.mailstore.append import TRIES, Outcome, Unknown, internal_date
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.building import Builder
from wildduck.mailstore.expunge import locked
from wildduck.mailstore.flag_table import canonical, in_one_spelling, keywords
from wildduck.mailstore.journal import exists_entry
from wildduck.mailstore.keywords import check_count, check_keywords, remember_keywords
from wildduck.mailstore.mailboxes import Mailboxes
from wildduck.mailstore.prepared import Prepared, prepare
from wildduck.mailstore.quota import Quota
from wildduck.mailstore.removal import REMOVAL_FIELDS, Removal
from wildduck.mailstore.replaced import REFUSED, Replaced
from wildduck.mailstore.threads import find_thread
from wildduck.mailstore.values import Appended, Mailbox, NewMessage, Progress, number, unnoted

#: Of a message that is removed because it should not have come: what it holds is given back by who knows.
_WITHOUT_HOLDINGS = {
    name: True for name in REMOVAL_FIELDS if name not in ("size", "magic", "mimeTree.attachmentMap")
}


@dataclass(slots=True)
class Coming:
    """
    One message on its way.

    @ivar document: once it is built.
    """

    prepared: Prepared
    origin: documents.Origin
    thread: ObjectId | None = None
    document: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Means:
    """What a worker does it with."""

    backend: Backend
    builder: Builder
    quota: Quota
    removal: Removal
    mailboxes: Mailboxes


class AllAtOnce:
    """Stores and replaces messages; one for each worker."""

    def __init__(self, means: Means) -> None:
        self._means = means

    async def add(
        self,
        account: IMailAccount,
        mailbox: Mailbox,
        messages: Iterable[NewMessage],
        *,
        session: str | None = None,
        progress: Progress = unnoted,
    ) -> list[Appended]:
        """
        Store messages, all or none (RFC 3502).

        @param session: id of the session that does it; it needs no telling.
        @return: in their order, which is that of their UIDs.
        @raise LimitReached: they are more than can be stored at once, or a keyword is too long.
        @raise DomainError: as of L{MailStore.add <wildduck.mailstore.store.MailStore.add>}; of
            L{Unavailable <wildduck.errors.Unavailable>}: none or all are stored.
        """
        if account.id != mailbox.user:
            raise MailboxNotFound()
        coming = []
        for message in messages:
            coming.append(await self._coming(message))
            await self._means.backend.breathe()
        try:
            return await AtOnce(self._means, mailbox, coming, session).run(progress)
        except MailboxNotFound:
            now = await self._means.mailboxes.again(mailbox)
        return await AtOnce(self._means, now, coming, session).run(progress)

    async def replace(
        self,
        account: IMailAccount,
        mailbox: Mailbox,
        uid: int,
        target: Mailbox,
        message: NewMessage,
        *,
        session: str | None = None,
    ) -> Appended:
        """
        Store a message, and remove another one as EXPUNGE does (RFC 8508).

        Both or none, as far as the database can.  Of the storage only the difference counts.

        @param uid: of the message that goes, in C{mailbox}.
        @param target: where the new one comes; may be the same.
        @param session: as of L{add}.
        @raise MessageNotFound: that one has gone already.
        @raise InUse: another session moves or removes messages for too long.
        @raise DomainError: as of L{add}.
        """
        if not account.id == mailbox.user == target.user:
            raise MailboxNotFound()
        backend, removal = self._means.backend, self._means.removal
        coming = [await self._coming(message)]
        async with locked(backend, mailbox.id) as lock:
            going = await Replaced.find(backend, removal, lock, mailbox, uid)
            try:
                [added] = await AtOnce(self._means, target, coming, session, going).run()
            except MailboxNotFound:
                now = await self._means.mailboxes.again(target)
                [added] = await AtOnce(self._means, now, coming, session, going).run()
        return added

    async def _coming(self, new: NewMessage) -> Coming:
        backend = self._means.backend
        date = internal_date(new.internal_date, backend)
        flags = in_one_spelling(canonical(new.flags))
        origin = documents.Origin(flags, date, new.meta)
        return Coming(await prepare(backend, new.message), origin)


class AtOnce:
    """Messages that come into one mailbox together."""

    def __init__(
        self,
        means: Means,
        mailbox: Mailbox,
        coming: Sequence[Coming],
        session: str | None,
        replaced: Replaced | None = None,
    ) -> None:
        """
        @param session: id of the session that does it and needs no telling.
        @param replaced: a message that goes with it.
        """
        self._means = means
        self._backend = means.backend
        self._mailbox = mailbox
        self._coming = coming
        self._session = session
        self._replaced = replaced
        self._abandoned: list[Allocation] = []
        freed = replaced.size if replaced is not None else 0
        #: Bytes more than are taken now; may be negative.
        self._more = sum(one.prepared.outline.size for one in coming) - freed

    async def run(self, progress: Progress = unnoted) -> list[Appended]:
        """
        Do it, for good.

        @raise OverQuota: they do not fit into the account's storage.
        @raise MailboxNotFound: the mailbox has been deleted meanwhile.
        @raise CannotDo: something would be stored in clear where that is not wanted.
        @raise LimitReached: a keyword is too long, or the documents are more than one step can take.
        @raise Unavailable: nothing may have been done, or all.
        """
        for one in self._coming:
            check_keywords(one.origin.flags)
            check_count(one.origin.flags)
        group = self._backend.main.group()
        encrypts = await self._reserve(group)
        try:
            if encrypts or self._mailbox.encrypted:
                self._check_not_in_clear()
            await self._build(group, progress)
            mailbox = await self._insert(group)
        except Unknown:
            raise
        except Exception:
            if self._replaced is not None:
                await self._replaced.spare()
            # What may have been taken back already is not given back.
            if group.intact:
                await self._give_back()
            raise
        await self._settle()
        self._backend.background(self._tell(mailbox))
        return [self._appended(mailbox, one) for one in self._coming]

    async def _settle(self) -> None:
        """Give back what is free now that all is there."""
        user, more = self._mailbox.user, self._more
        if self._replaced is not None and not await self._replaced.give_back():
            # So the new one needs storage of its own, beside what was reserved.
            await self._means.quota.take(user, self._replaced.size + min(0, more))
        elif more < 0:
            await self._means.quota.release(user, -more)

    def _appended(self, mailbox: Mailbox, one: Coming) -> Appended:
        return Appended(
            mailbox_id=mailbox.id,
            uid_validity=mailbox.uid_validity,
            uid=one.document["uid"],
            modseq=one.document["modseq"],
            message_id=one.document["_id"],
            length=one.prepared.analysis.sent,
        )

    # --- before the numbers ---------------------------------------------------------

    async def _reserve(self, group: WriteGroup) -> bool:
        """@return: whether the account wants its messages encrypted."""
        if self._more > 0:
            return await self._means.quota.reserve(self._mailbox.user, self._more, group)
        return await encryption.account_encrypts(self._backend, self._mailbox.user)

    async def _give_back(self) -> None:
        if self._more > 0:
            await self._means.quota.release(self._mailbox.user, self._more)
        for one in self._coming:
            document, one.document = one.document, {}
            if document:
                await self._means.builder.release(document)

    def _check_not_in_clear(self) -> None:
        for one in self._coming:
            encryption.check_not_in_clear(one.prepared.outline.mime_tree, one.origin.flags)

    async def _build(self, group: WriteGroup, progress: Progress) -> None:
        """One after the other: a message may belong to the thread of the one before it."""
        size = 0
        for place, one in enumerate(self._coming):
            progress(place, len(self._coming))
            outline = one.prepared.outline
            one.thread = await find_thread(
                self._backend,
                self._mailbox.user,
                outline.thread_ids,
                outline.thread_subject,
                one.origin.follows,
            )
            one.document = await self._means.builder.build(one.prepared, one.origin, group)
            if len(self._coming) > 1:
                size += len(encode(one.document))
                await self._backend.breathe()
            if size > APPEND_DOCUMENTS_BYTES:
                raise LimitReached("These are too many messages at once")

    # --- numbers, messages, journal -------------------------------------------------

    async def _insert(self, group: WriteGroup) -> Mailbox:
        """
        Give the messages their numbers and write them, again if need be.

        @return: the mailbox after it.
        """
        for _ in range(TRIES):
            group = await self._undisturbed(group)
            if self._replaced is not None:
                # This may take long: not with numbers in the hand.
                await self._replaced.archive()
            count = len(self._coming)
            allocation = await allocate(self._backend, self._mailbox, uids=count, modseqs=count, group=group)
            rows = await self._place(allocation)
            if allocation.overdue(self._backend.steady()):
                # Readers may soon take it for a hole (store.md §2).
                await give_up(self._backend, allocation)
                continue
            outcome = await self._write(rows, allocation, group)
            if outcome is Outcome.UID_TAKEN:
                await give_up(self._backend, allocation)
                continue
            self._abandoned.append(allocation)
            if outcome is Outcome.FOUND:
                if self._replaced is not None:
                    self._replaced.has_gone()
                await self._complete(group)
            if outcome is not Outcome.MISSING:
                self._backend.background(self._give_up_others())
                return allocation.mailbox
            # This try may still come through; then the next one finds it.
        raise Unknown() if self._abandoned else Unavailable()

    async def _place(self, allocation: Allocation) -> list[RawBSONDocument]:
        """
        @return: the documents, encoded here one by one, so that nothing takes long later.
        @raise CannotDo: the mailbox has come to want encryption since it was looked up.
        """
        if allocation.mailbox.encrypted and not self._mailbox.encrypted:
            try:
                self._check_not_in_clear()
            except CannotDo:
                await give_up(self._backend, allocation)
                raise
        rows = []
        now = self._backend.now()
        for place, one in enumerate(self._coming):
            numbers = replace(allocation, uid=allocation.uid + place, modseq=allocation.modseq + place)
            documents.place(one.document, numbers, one.thread, now)
            rows.append(RawBSONDocument(encode(one.document)))
            if place:
                await self._backend.breathe()
        return rows

    def _entries(self) -> list[dict[str, Any]]:
        now = self._backend.now()
        return [exists_entry(one.document, self._session, now) for one in self._coming]

    async def _write(self, rows: list[RawBSONDocument], allocation: Allocation, group: WriteGroup) -> Outcome:
        """
        Write everything.

        @raise Unknown: it may be stored.
        """
        together = self._backend.main.has_transactions
        try:
            if together:
                await self._in_one(rows, group)
            else:
                await self._one_by_one(rows, group)
        except DuplicateKey as error:
            # Of our own making: an earlier try has come through after all.  Else
            # an increment of uidNext was lost in a failover.
            found = together and error.index == "_id_"
            return await self._look_up() if found else Outcome.UID_TAKEN
        except REFUSED:
            await give_up(self._backend, allocation)
            raise
        except Unknown:
            raise
        except Unavailable:
            return await self._look_up()
        except Exception as error:
            raise Unknown() from error
        return Outcome.STORED if group.intact else await self._look_up()

    async def _in_one(self, rows: list[RawBSONDocument], group: WriteGroup) -> None:
        transaction = self._backend.main.transaction(group)
        transaction.insert("messages", rows)
        transaction.insert("journal", self._entries())
        if self._replaced is None:
            await transaction.commit()
        else:
            await self._replaced.go_with(transaction, group, self._session)

    async def _one_by_one(self, rows: list[RawBSONDocument], group: WriteGroup) -> None:
        """@raise Unknown: they may be stored, all or some of them."""
        main = self._backend.main
        try:
            await main.insert_many("messages", rows, group=group)
            await main.insert_many("journal", self._entries(), durable=True, group=group)
            if self._replaced is not None:
                await self._replaced.go(self._session)
        except Unknown:
            raise
        except REFUSED:
            await self._undo()
            raise
        except Exception as error:
            # It may still come through after we have looked.
            raise Unknown() from error

    async def _undo(self) -> None:
        """
        Remove what has come of it.

        @raise Unknown: that did not succeed.
        """
        ids = [one.document["_id"] for one in self._coming]
        these = {"_id": {"$in": ids}, "mailbox": self._mailbox.id}
        try:
            rows = await self._backend.main.find(
                "messages", these, projection=_WITHOUT_HOLDINGS, sort=[("uid", 1)], limit=len(ids)
            )
            await self._means.removal.remove(self._mailbox, rows, None, archive=False)
        except Exception as error:
            raise Unknown() from error

    async def _look_up(self) -> Outcome:
        """
        Look for messages whose writing was disturbed.

        What was written in one is all there if one of it is; else each is looked for.

        @raise Unknown: whether they are there to stay can not be told, or only some are.
        """
        main = self._backend.main
        looked = self._coming[:1] if main.has_transactions else self._coming
        found: list[dict[str, Any]] = []
        try:
            for one in looked:
                row = await main.find_one_majority("messages", {"_id": one.document["_id"]})
                if row is not None:
                    found.append(row)
        except Exception as error:
            raise Unknown() from error
        if not found:
            return Outcome.MISSING
        if len(found) < len(looked):
            raise Unknown()
        first = found[0]
        for place, one in enumerate(self._coming):
            one.document["uid"] = number(first["uid"]) + place
            one.document["modseq"] = number(first["modseq"]) + place
        return Outcome.FOUND

    async def _complete(self, group: WriteGroup) -> None:
        """
        Write anew what belongs to messages that are there for good.

        @raise Unknown: that failed, or was disturbed time and again.
        """
        for _ in range(TRIES):
            group = await self._undisturbed(group)
            last = self._coming[-1].document
            try:
                await stay_taken(self._backend, last["mailbox"], last["uid"], last["modseq"], group)
                await self._backend.main.insert_many("journal", self._entries(), durable=True, group=group)
            except Exception as error:
                raise Unknown() from error
            if group.intact:
                return
        raise Unknown()

    async def _undisturbed(self, group: WriteGroup) -> WriteGroup:
        """As L{Appender._undisturbed <wildduck.mailstore.append.Appender._undisturbed>}."""
        if group.intact:
            return group
        group = self._backend.main.group()
        try:
            if self._more > 0:
                await self._means.quota.reserve_again(self._mailbox.user, self._more, group)
            for one in self._coming:
                await self._means.builder.refer_again(one.prepared, one.document, group)
        except Exception as error:
            raise Unknown() from error
        return group

    # --- afterwards -------------------------------------------------------------------

    async def _give_up_others(self) -> None:
        first = self._coming[0].document["uid"]
        for allocation in self._abandoned:
            if allocation.uid != first:
                await give_up(self._backend, allocation)

    async def _tell(self, mailbox: Mailbox) -> None:
        unseen = sum(bool(one.document["unseen"]) for one in self._coming)
        self._backend.arrived(mailbox.id, len(self._coming))
        await self._backend.changed(mailbox.user)
        await counters.adjust(self._backend.redis, mailbox.id, len(self._coming), unseen)
        used = dict.fromkeys(flag for one in self._coming for flag in keywords(one.document["flags"]))
        new = [flag for flag in used if flag not in mailbox.keywords]
        if new:
            await remember_keywords(self._backend, mailbox, new)
