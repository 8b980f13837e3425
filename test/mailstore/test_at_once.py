"""Messages that come together, all or none, and one that takes another's place."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from test.mailstore.faults import Killer
from test.mailstore.support import META, StoreCase, message, with_attachment
from test.mailstore.test_attachments import encoded
from wildduck import limits
from wildduck.database import WriteGroup
from wildduck.database.transaction import Transaction
from wildduck.errors import (
    CannotDo,
    DatabaseFailure,
    DuplicateKey,
    LimitReached,
    MailboxNotFound,
    MessageNotFound,
    OverQuota,
    Unavailable,
)
from wildduck.limits import KIB
from wildduck.mailstore import at_once, replaced
from wildduck.mailstore.allocation import allocate_in_time
from wildduck.mailstore.store import MailStore
from wildduck.mailstore.values import Appended, Mailbox, NewMessage
from wildduck.mime.message import scan


class AtOnceCase(StoreCase):
    """With transactions; subclasses without."""

    transactions = True

    async def _start(self) -> None:
        await super()._start()
        self.killer = Killer(self.node.databases, transactions=self.transactions)
        from twisted.internet import reactor

        self.mortal = self.node.new_store(reactor, self.killer.databases())

    async def all_of(
        self, *contents: bytes, store: MailStore | None = None, flags: tuple[str, ...] = (), **options: Any
    ) -> list[Appended]:
        """Add messages at once."""
        made = [NewMessage(scan(data), flags, None, META) for data in contents]
        mailbox = options.pop("mailbox", None) or await self.inbox()
        store = store or self.mortal
        try:
            return await store.at_once.add(self.account, mailbox, made, **options)
        finally:
            await store.settle()
            for new in made:
                new.message.close()

    async def instead(
        self,
        uid: int,
        data: bytes,
        target: Mailbox | None = None,
        *flags: str,
        store: MailStore | None = None,
    ) -> Appended:
        """Replace a message of INBOX."""
        inbox = await self.inbox()
        new = NewMessage(scan(data), flags, None, META)
        store = store or self.mortal
        try:
            return await store.at_once.replace(self.account, inbox, uid, target or inbox, new)
        finally:
            await store.settle()
            new.message.close()

    def uids(self) -> list[int]:
        return sorted(row["uid"] for row in self.db.messages.find())

    async def is_clean(self) -> None:
        findings = await self.store.verifier.verify(min_age=0, contents=True)
        self.assertEqual([], findings)


class AllTests(AtOnceCase):
    """Of several messages all are added, or none."""

    async def test_added(self) -> None:
        """They have UIDs and MODSEQs in their order, a journal entry each, and every byte."""
        contents = [message(1), with_attachment(2, encoded(300 * KIB)), message(3)]
        view = await self.store.open(self.account.id, "INBOX")
        added = await self.all_of(*contents, flags=("\\Seen", "$Work"))
        self.assertEqual([one.uid for one in added], [1, 2, 3])
        modseqs = [one.modseq for one in added]
        self.assertEqual(modseqs, list(range(modseqs[0], modseqs[0] + 3)))
        for one, data in zip(added, contents, strict=True):
            self.assertEqual(await self.read(one), data)
            self.assertEqual(one.length, len(data))
        entries = list(self.db.journal.find({"command": "EXISTS"}, sort=[("modseq", 1)]))
        self.assertEqual(
            [(row["uid"], row["modseq"]) for row in entries], list(zip((1, 2, 3), modseqs, strict=True))
        )
        await view.refresh(may_expunge=True)
        self.assertEqual(list(view.uids), [1, 2, 3])
        self.assertEqual(view.flags(2), ("\\Seen", "$Work"))
        self.assertEqual(self.storage_used(), sum(row["size"] for row in self.db.messages.find()))
        await self.is_clean()

    async def test_counted_once(self) -> None:
        """What indexes arrivals hears of each once."""
        heard: list[int] = []
        self.mortal._backend.arrived = lambda mailbox, count: heard.append(count)
        await self.all_of(message(1), message(2))
        self.assertEqual(heard, [2])

    async def test_one_thread(self) -> None:
        """An answer that comes with what it answers is in its thread."""
        answer = message(2, subject="Re: Message 1").replace(
            b"\r\nDate", b"\r\nIn-Reply-To: <m1@example.org>\r\nDate"
        )
        await self.all_of(message(1), answer)
        self.assertEqual(len({row["thread"] for row in self.db.messages.find()}), 1)

    async def test_over_quota(self) -> None:
        """Where they do not fit together none is added, and nothing stays reserved."""
        self.users.update_one({"_id": self.account.id}, {"$set": {"quota": 1000}})
        await self.fails(OverQuota, self.all_of(message(1), message(2, b"x" * 900)))
        self.assertEqual((self.uids(), self.storage_used()), ([], 0))
        await self.is_clean()

    async def test_refused(self) -> None:
        """What one of them is refused for all are refused for."""
        await self.fails(LimitReached, self.all_of(message(1), message(2), flags=("k" * 300,)))
        self.db.mailboxes.update_one({"_id": (await self.inbox()).id}, {"$set": {"encryptMessages": True}})
        await self.fails(CannotDo, self.all_of(message(1), message(2)))
        other = await self.new_account(name="other")
        theirs = await self.store.mailboxes.get(other.id, "INBOX")
        await self.fails(MailboxNotFound, self.all_of(message(1), message(2), mailbox=theirs))
        self.assertEqual((self.uids(), self.storage_used()), ([], 0))
        await self.is_clean()

    async def test_too_many(self) -> None:
        """More documents than are written at once are refused, with what they refer to given back."""
        self.patch(at_once, "APPEND_DOCUMENTS_BYTES", 20 * KIB)
        attached = [with_attachment(n, encoded(300 * KIB, n)) for n in range(2)]
        await self.fails(LimitReached, self.all_of(*attached, message(1, b"x\r\n" * 9000)))
        self.assertEqual(self.uids(), [])
        self.assertEqual(self.storage_used(), 0)
        await self.is_clean()

    async def test_mailbox_gone(self) -> None:
        """A mailbox that was deleted meanwhile gets none of them."""
        made = await self.store.mailboxes.create(self.account.id, "Gone")
        await self.store.mailboxes.delete(self.account.id, made)
        await self.fails(MailboxNotFound, self.all_of(message(1), message(2), mailbox=made))
        self.assertEqual((self.uids(), self.storage_used()), ([], 0))

    async def test_uid_taken(self) -> None:
        """Where one of their UIDs is taken none is added by it, and all get other ones."""
        await self.add(message(9))
        self.db.messages.update_one({}, {"$set": {"uid": 3}})
        added = await self.all_of(message(1), message(2), message(3))
        self.assertEqual([one.uid for one in added], [5, 6, 7])
        self.assertEqual(self.uids(), [3, 5, 6, 7])
        await self.is_clean()

    async def test_beside_each_other(self) -> None:
        """Many at the same time: nobody's UIDs are between another's."""
        work = [
            Deferred.fromCoroutine(self.all_of(*map(message, range(n, n + 5)), store=self.store))
            for n in range(8)
        ]
        for added in await gatherResults(work):
            self.assertEqual([one.uid for one in added], list(range(added[0].uid, added[0].uid + 5)))
        self.assertEqual(self.uids(), list(range(1, 41)))
        await self.is_clean()

    async def test_many(self) -> None:
        """As many as one command may bring."""
        count = limits.IMAP_APPEND_MESSAGES
        added = await self.all_of(*(b"A: %d\r\n\r\nx" % n for n in range(count)))
        self.assertEqual([one.uid for one in added], list(range(1, count + 1)))
        self.assertEqual(self.uids(), list(range(1, count + 1)))


class AllWithoutTransactionsTests(AllTests):
    """The same on a server that has no transactions."""

    transactions = False

    async def test_undone(self) -> None:
        """What is refused in the midst is removed, with all that it held."""
        self.fail_at("journal", DatabaseFailure(1))
        await self.fails(DatabaseFailure, self.all_of(message(1), with_attachment(2, encoded(300 * KIB))))
        self.assertEqual((self.uids(), self.storage_used()), ([], 0))
        await self.is_clean()

    def fail_at(self, collection: str, error: Exception) -> None:
        """Let the next insert of many into a collection fail."""
        killer, write = self.killer, self.killer.write

        def failing(method: str, name: str) -> None:
            if (method, name) == ("insert_many", collection):
                killer.write = write  # type: ignore[method-assign]
                raise error
            write(method, name)

        killer.write = failing  # type: ignore[method-assign]

    async def test_can_not_be_told(self) -> None:
        """Where it can not be told what came of it, nothing is given back."""
        self.fail_at("journal", Unavailable())
        await self.fails(Unavailable, self.all_of(message(1), message(2)))
        self.assertEqual(self.uids(), [1, 2])
        await self.is_clean()


class DisturbedTests(AtOnceCase):
    """The answer of the transaction is lost."""

    def disturb(self, *errors: Exception | None, done: bool = True) -> None:
        """Let commits fail, one after the other, when they are done, or before."""
        pending = list(errors)
        commit = Transaction.commit

        async def disturbed(transaction: Transaction) -> Any:
            error = pending.pop(0) if pending else None
            if error is None:
                return await commit(transaction)
            if done:
                await commit(transaction)
            raise error

        self.patch(Transaction, "commit", disturbed)

    async def test_done(self) -> None:
        """What was done is found, and has its UIDs."""
        self.disturb(Unavailable())
        added = await self.all_of(message(1), message(2))
        self.assertEqual([one.uid for one in added], [1, 2])
        self.assertEqual(self.uids(), [1, 2])
        await self.is_clean()

    async def test_numbers_were_taken_back_by_a_failover(self) -> None:
        """No other message gets their UIDs, also when they have been expunged."""
        before = self.db.mailboxes.find_one({"path": "INBOX"})
        commit = Transaction.commit

        async def elected(transaction: Transaction) -> Any:
            await commit(transaction)
            self.patch(Transaction, "commit", commit)
            self.db.mailboxes.replace_one({"_id": before["_id"]}, before)
            raise Unavailable()

        self.patch(Transaction, "commit", elected)
        added = await self.all_of(message(1), message(2), flags=("\\Deleted",))
        self.assertEqual([one.uid for one in added], [1, 2])
        await self.store.expunge(await self.inbox())
        later = await self.add(message(3))
        self.assertEqual(later.uid, 3)
        self.assertGreater(later.modseq, added[1].modseq)

    async def test_not_done(self) -> None:
        """What was not done is done again."""
        self.disturb(Unavailable(), done=False)
        added = await self.all_of(message(1), message(2))
        self.assertEqual([one.uid for one in added], [3, 4])
        self.assertEqual(self.uids(), [3, 4])
        await self.is_clean()

    async def test_came_through(self) -> None:
        """What comes through while it is done again is there once."""
        self.disturb(Unavailable(), DuplicateKey("_id_"))
        found: list[Any] = [None]
        look = at_once.AtOnce._look_up

        async def late(job: Any) -> Any:
            # The first look comes too early.
            return at_once.Outcome.MISSING if found and not found.pop() else await look(job)

        self.patch(at_once.AtOnce, "_look_up", late)
        added = await self.all_of(message(1), message(2))
        self.assertEqual([one.uid for one in added], [1, 2])
        self.assertEqual(self.uids(), [1, 2])

    async def test_never(self) -> None:
        """Where the database never answers that is said, and nothing is given back that may be needed."""
        self.disturb(*[Unavailable()] * 3, done=False)
        await self.fails(Unavailable, self.all_of(message(1), message(2)))
        self.assertEqual(self.uids(), [])
        self.assertGreater(self.storage_used(), 0)

    async def test_refused(self) -> None:
        """After a refusal nothing is reserved any more."""
        self.disturb(DatabaseFailure(1), done=False)
        await self.fails(DatabaseFailure, self.all_of(message(1), message(2)))
        self.assertEqual((self.uids(), self.storage_used()), ([], 0))
        await self.is_clean()

    async def test_replaced(self) -> None:
        """A message is replaced once, and what the old one held is free."""
        await self.add(with_attachment(1, encoded(300 * KIB)))
        self.disturb(Unavailable())
        added = await self.instead(1, message(2))
        self.assertEqual(added.uid, 2)
        self.assertEqual(self.uids(), [2])
        await self.is_clean()

    async def test_not_replaced(self) -> None:
        """After a refusal the old message is where it was, and nowhere else."""
        await self.add(message(1))
        self.disturb(DatabaseFailure(1), done=False)
        await self.fails(DatabaseFailure, self.instead(1, message(2, b"x" * 1000)))
        self.assertEqual(self.uids(), [1])
        self.assertEqual(self.db.archived.count_documents({}), 0)
        await self.is_clean()


class ReplaceTests(AtOnceCase):
    """A message that takes another's place."""

    async def test_replaced(self) -> None:
        """The new one has its own flags, the old one is gone for every session, and in the archive."""
        old = with_attachment(1, encoded(300 * KIB))
        await self.add(message(0))
        await self.add(old, flags=["\\Flagged"])
        view = await self.store.open(self.account.id, "INBOX")
        added = await self.instead(2, message(2), None, "\\Seen")
        self.assertEqual((added.uid, self.uids()), (3, [1, 3]))
        self.assertEqual(self.db.messages.find_one({"uid": 3})["flags"], ["\\Seen"])
        await view.refresh(may_expunge=True)
        self.assertEqual(list(view.uids), [1, 3])
        self.assertEqual([row["uid"] for row in self.db.archived.find()], [2])
        self.assertEqual(self.storage_used(), sum(row["size"] for row in self.db.messages.find()))
        entries = [
            (row["command"], row["uid"])
            for row in self.db.journal.find({"uid": {"$gt": 1}}, sort=[("modseq", 1)])
        ]
        self.assertEqual(entries, [("EXISTS", 2), ("EXISTS", 3), ("EXPUNGE", 2)])
        await self.is_clean()

    async def test_draft(self) -> None:
        """A draft goes without a trace, and its attachments with it."""
        await self.add(with_attachment(1, encoded(300 * KIB)), flags=["\\Draft"])
        await self.instead(1, with_attachment(1, encoded(200 * KIB)), None, "\\Draft")
        self.assertEqual(self.db.archived.count_documents({}), 0)
        self.assertEqual(
            [row["metadata"]["c"] for row in self.attachment_rows() if row["metadata"]["c"]], [1]
        )
        await self.is_clean()

    async def test_other_mailbox(self) -> None:
        """The new one may come into another mailbox."""
        await self.add(message(1))
        sent = await self.store.mailboxes.get_special(self.account.id, "\\Sent")
        added = await self.instead(1, message(2), sent)
        self.assertEqual(added.mailbox_id, sent.id)
        self.assertEqual([row["mailbox"] for row in self.db.messages.find()], [sent.id])
        await self.is_clean()

    async def test_quota(self) -> None:
        """Only the difference counts: a full account can replace by what is as large, or smaller."""
        for body in (b"x" * 900, b"y" * 900, b"z" * 10):
            uids = self.uids()
            if uids:
                await self.instead(uids[0], message(1, body))
            else:
                await self.add(message(1, body))
                self.users.update_one({"_id": self.account.id}, {"$set": {"quota": self.storage_used()}})
        self.assertEqual(self.storage_used(), self.db.messages.find_one()["size"])
        await self.fails(OverQuota, self.instead(self.uids()[0], message(1, b"x" * 2000)))
        self.assertEqual(len(self.uids()), 1)
        await self.is_clean()

    async def test_gone(self) -> None:
        """One that is gone can not be replaced, and nothing is added."""
        await self.add(message(1), flags=["\\Deleted"])
        await self.store.expunge(await self.inbox())
        await self.fails(MessageNotFound, self.instead(1, message(2)))
        self.assertEqual((self.uids(), self.storage_used()), ([], 0))

    async def test_twice(self) -> None:
        """Of two that replace the same message one is refused."""
        await self.add(message(1))
        work = [Deferred.fromCoroutine(self.instead(1, message(n), store=self.store)) for n in (2, 3)]
        results = [await one.addErrback(lambda failure: failure.type) for one in work]
        self.assertEqual(sum(result is MessageNotFound for result in results), 1)
        self.assertEqual(len(self.uids()), 1)
        await self.is_clean()

    async def another_is_faster(self, size: int) -> None:
        """Replace a draft that somebody who does not ask for the lock removes at the last moment."""
        first = await self.add(with_attachment(1, encoded(300 * KIB)), flags=["\\Draft"])
        # The other message with the same attachment.
        await self.add(with_attachment(1, encoded(300 * KIB)), flags=["\\Draft"])
        inbox = await self.inbox()

        async def late(*arguments: Any, **options: Any) -> Any:
            rows = list(self.db.messages.find({"_id": first.message_id}))
            await self.store._removal.remove(inbox, rows, None, archive=False)
            return await allocate_in_time(*arguments, **options)

        self.patch(replaced, "allocate_in_time", late)
        await self.instead(1, message(2, b"x" * size), None, "\\Draft")
        await self.store.settle()
        self.assertEqual(self.uids(), [2, 3])

    async def test_another_is_faster(self) -> None:
        """What the old message held is given back once, be the new one smaller or larger."""
        await self.another_is_faster(10)
        await self.is_clean()

    async def test_another_is_faster_larger(self) -> None:
        await self.another_is_faster(600 * KIB)
        await self.is_clean()

    async def test_another_is_faster_and_answer_lost(self) -> None:
        """Nor is it given back twice where the primary changed on the way."""
        moved = iter([False] + [True] * 100)
        intact = WriteGroup.intact

        def once(group: WriteGroup) -> bool:
            # Asked only after the transaction.
            return next(moved) if self.committed else intact.fget(group)  # type: ignore[attr-defined]

        self.committed = False
        commit = Transaction.commit

        async def committed(transaction: Transaction) -> Any:
            counts = await commit(transaction)
            self.committed = True
            return counts

        self.patch(Transaction, "commit", committed)
        self.patch(WriteGroup, "intact", property(once))
        await self.another_is_faster(10)
        self.assertEqual([1], [row["metadata"]["c"] for row in self.attachment_rows()])

    async def test_refused_late(self) -> None:
        """A target that has come to want encryption: the old message stays, and has no copy."""
        await self.add(message(1))
        target = await self.store.mailboxes.create(self.account.id, "Target")
        self.db.mailboxes.update_one({"_id": target.id}, {"$set": {"encryptMessages": True}})
        await self.fails(CannotDo, self.instead(1, message(2), target))
        self.assertEqual(self.uids(), [1])
        self.assertEqual(self.db.archived.count_documents({}), 0)
        await self.is_clean()

    async def test_archived_first(self) -> None:
        """No number is held while the old message is copied to the archive, which may take long."""
        await self.add(message(1))
        self.killer.arm(0)
        await self.instead(1, message(2))
        writes = [collection for _, collection in self.killer.writes]
        self.assertLess(writes.index("archived"), writes.index("mailboxes"))

    async def test_target_gone(self) -> None:
        """Where the target is gone the old message stays."""
        await self.add(message(1))
        made = await self.store.mailboxes.create(self.account.id, "Gone")
        await self.store.mailboxes.delete(self.account.id, made)
        await self.fails(MailboxNotFound, self.instead(1, message(2), made))
        self.assertEqual(self.uids(), [1])
        self.assertEqual(self.db.archived.count_documents({}), 0)
        await self.is_clean()


class ReplaceWithoutTransactionsTests(ReplaceTests):
    """The same on a server that has no transactions."""

    transactions = False
