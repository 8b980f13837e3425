"""Writes whose outcome is not told, and primaries that change on the way (store.md §1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from test.database.case import standalone
from test.mailstore.support import StoreCase, message, with_attachment
from test.mailstore.test_attachments import encoded
from wildduck.database import WriteGroup
from wildduck.errors import DatabaseFailure, OverQuota, Unavailable
from wildduck.mailstore.allocation import HOLD_SECONDS
from wildduck.mailstore.append import TRIES
from wildduck.mailstore.values import Exists


class DisturbedCase(StoreCase):
    """The test stands between the store and its database."""

    own_clock = True

    def disturb(self, method: str, collection: str, what: Callable[..., Any], times: int = 1) -> None:
        """
        Let C{what} do the next calls of a method on a collection instead.

        @param what: takes a coroutine function that does the real thing.
        """
        main = self.node.databases.main
        real = getattr(main, method)
        left = times

        async def called(name: str, *arguments: Any, **options: Any) -> Any:
            nonlocal left
            if name != collection or not left:
                return await real(name, *arguments, **options)
            left -= 1
            return await what(lambda: real(name, *arguments, **options))

        self.patch(main, method, called)

    def election(self, take_back: Callable[[], Any], times: int = 1) -> None:
        """
        Let the next journal entries be the first that a new primary sees of their group.

        @param take_back: undoes what the new primary does not have.
        """
        main = self.node.databases.main
        real = main.insert_one
        left = times

        async def insert_one(collection: str, *arguments: Any, **options: Any) -> None:
            nonlocal left
            await real(collection, *arguments, **options)
            if collection == "journal" and "group" in options and left:
                left -= 1
                options["group"].repeated = True
                take_back()

        self.patch(main, "insert_one", insert_one)

    def journal(self, command: str) -> list[tuple[int, int]]:
        """UID and MODSEQ of journal entries."""
        return [(entry.get("uid"), entry["modseq"]) for entry in self.db.journal.find({"command": command})]

    async def clean(self) -> None:
        self.assertEqual([], await self.store.verifier.verify(min_age=0, contents=True))


async def lost_answer(real: Callable[[], Any]) -> Any:
    """It is done, and nobody is told."""
    await real()
    raise Unavailable()


async def lost_request(real: Callable[[], Any]) -> Any:
    """It is never done."""
    raise Unavailable()


class AddTests(DisturbedCase):
    """What was written is looked up before anything is said."""

    async def test_message_is_there_after_all(self) -> None:
        """The insert was carried out though its answer was lost: one message, one journal entry."""
        self.disturb("insert_one", "messages", lost_answer)
        appended = await self.add(message())
        self.assertEqual((1, 2), (appended.uid, appended.modseq))
        self.assertEqual([(1, 2)], self.journal("EXISTS"))
        self.assertEqual(1, self.db.messages.count_documents({}))

    async def test_message_is_not_there(self) -> None:
        """It is written again with new numbers; the old ones stand in the journal as unused."""
        self.disturb("insert_one", "messages", lost_request)
        appended = await self.add(message())
        await self.store.settle()
        self.assertEqual((2, 3), (appended.uid, appended.modseq))
        self.assertEqual(([(2, 3)], [(1, 2)]), (self.journal("EXISTS"), self.journal("UNUSED")))
        view = await self.store.open(self.account.id, "INBOX")
        self.assertEqual(([2], 3), (list(view.uids), view.highest_modseq))
        await self.clean()

    async def test_first_try_comes_through_late(self) -> None:
        """A first try that lands after the look-up is found by the second one: never two messages."""
        late: list[Any] = []

        async def delayed(real: Callable[[], Any]) -> Any:
            document = dict(self.documents[-1])
            late.append(document)
            raise Unavailable()

        async def comes_first(real: Callable[[], Any]) -> Any:
            self.db.messages.insert_one(late[0])
            return await real()

        self.documents: list[Any] = []
        main = self.node.databases.main
        insert_one = main.insert_one
        steps = [delayed, comes_first]

        async def called(collection: str, document: Any, **options: Any) -> Any:
            if collection == "messages" and steps:
                self.documents.append(document)
                return await steps.pop(0)(lambda: insert_one(collection, document, **options))
            return await insert_one(collection, document, **options)

        self.patch(main, "insert_one", called)
        appended = await self.add(message())
        await self.store.settle()
        self.assertEqual((1, 2), (appended.uid, appended.modseq))
        self.assertEqual(1, self.db.messages.count_documents({}))
        self.assertEqual([(2, 3)], self.journal("UNUSED"))

    async def test_journal_answer_is_lost(self) -> None:
        """The message is there to stay, so it is told again and accepted."""
        for disturbance in (lost_answer, lost_request):
            self.disturb("insert_one", "journal", disturbance)
            appended = await self.add(message())
            self.assertIn((appended.uid, appended.modseq), self.journal("EXISTS"))

    async def test_nothing_can_be_told(self) -> None:
        """Where the look-up fails too, the client hears 'unavailable', and nothing is undone."""
        self.disturb("insert_one", "messages", lost_answer)

        async def silent(*arguments: Any) -> None:
            raise Unavailable()

        self.patch(self.node.databases.main, "find_one_majority", silent)
        data = with_attachment(1, encoded(10))
        await self.fails(Unavailable, self.add(data))
        document = self.db.messages.find_one()
        self.assertEqual(document["size"], self.storage_used())
        self.assertEqual(1, self.attachment_rows()[0]["metadata"]["c"])
        await self.clean()

    async def test_never_there(self) -> None:
        """After a few tries it is given up, and nothing is undone: one of them may come through."""
        self.disturb("insert_one", "messages", lost_request, times=TRIES)
        data = with_attachment(1, encoded(10))
        await self.fails(Unavailable, self.add(data))
        self.assertEqual(1, self.attachment_rows()[0]["metadata"]["c"])
        self.assertGreater(self.storage_used(), 0)

    async def test_refused_for_good(self) -> None:
        """What MongoDB refuses is undone: quota, attachments, and the numbers are given up."""

        async def refused(real: Callable[[], Any]) -> Any:
            raise DatabaseFailure(10334)

        self.disturb("insert_one", "messages", refused)
        await self.fails(DatabaseFailure, self.add(with_attachment(1, encoded(10))))
        self.assertEqual(0, self.storage_used())
        self.assertEqual(0, self.attachment_rows()[0]["metadata"]["c"])
        self.assertEqual([(1, 2)], self.journal("UNUSED"))
        await self.clean()

    async def test_election_on_the_way(self) -> None:
        """If the primary changed between the writes, all is counted again: one too many at worst."""
        self.election(lambda: None)
        data = with_attachment(1, encoded(10))
        appended = await self.add(data)
        self.assertEqual(2, self.attachment_rows()[0]["metadata"]["c"])
        self.assertEqual(2 * self.db.messages.find_one()["size"], self.storage_used())
        findings = await self.store.verifier.verify(min_age=0, repair=True)
        self.assertEqual(["reference-count", "quota"], [finding.kind for finding in findings])
        self.assertEqual(1, self.db.messages.count_documents({}))
        self.assertEqual(data, await self.read(appended))

    async def test_message_was_taken_back_by_a_failover(self) -> None:
        """A message that the new primary does not have is written again, with new numbers."""
        self.election(lambda: self.db.messages.delete_one({}))
        appended = await self.add(message())
        self.assertEqual(2, appended.uid)
        self.assertEqual([2], [row["uid"] for row in self.db.messages.find()])

    async def test_numbers_were_taken_back_by_a_failover(self) -> None:
        """
        The message is there for good, but the new primary has not heard of its numbers.

        No other message gets its UID, also when it has been expunged.
        """
        before = self.db.mailboxes.find_one({"path": "INBOX"})
        self.election(lambda: self.db.mailboxes.replace_one({"_id": before["_id"]}, before))
        appended = await self.add(message(1), flags=["\\Deleted"])
        self.assertEqual(appended.uid, 1)
        await self.store.expunge(await self.inbox())
        later = await self.add(message(2))
        self.assertEqual(later.uid, 2)
        self.assertGreater(later.modseq, appended.modseq)

    async def test_numbers_held_too_long(self) -> None:
        """Numbers held for half of H are thrown away, and new ones are taken (store.md §2)."""

        async def stalls(real: Callable[[], Any]) -> Any:
            reply = await real()
            self.clock.advance(HOLD_SECONDS)
            return reply

        self.disturb("find_one_and_update", "mailboxes", stalls)
        view = await self.store.open(self.account.id, "INBOX")
        appended = await self.add(message())
        self.assertEqual((2, 3), (appended.uid, appended.modseq))
        self.assertEqual([(1, 2)], self.journal("UNUSED"))
        self.assertEqual([Exists(1)], await view.refresh(may_expunge=True))
        self.assertEqual(3, view.highest_modseq)

    async def test_thread_fails(self) -> None:
        """Where the thread can't be found the quota is given back."""
        answer = message().replace(b"Message-ID:", b"In-Reply-To: <m0@example.org>\r\nMessage-ID:")
        for method, data in (("update_one", message()), ("find_one_and_update", answer)):
            self.disturb(method, "threads", lost_request)
            await self.fails(Unavailable, self.add(data))
            self.assertEqual(0, self.storage_used())

    async def test_quota_and_thread_fail(self) -> None:
        """The quota's refusal is what is told; the other failure is not left unhandled."""
        account = await self.new_account(quota=1)
        self.disturb("update_one", "threads", lost_request)
        await self.fails(OverQuota, self.add(message(), account=account))


class ReserveAgainTests(DisturbedCase):
    """A reservation that an election takes back is made again (store.md §1)."""

    def no_reservation(self, **more: int) -> None:
        """What an election has taken back."""
        self.users.update_one({"_id": self.account.id}, {"$set": {"storageUsed": 0, **more}})

    def nothing(self) -> None:
        """Of reservation and message."""
        self.no_reservation()
        self.db.messages.delete_one({})

    async def test_message_stays(self) -> None:
        """The message is there for good, and so is its reservation."""
        self.election(self.no_reservation)
        await self.add(message())
        await self.clean()

    async def test_message_is_written_again(self) -> None:
        """Message and reservation are both made again."""
        self.election(self.nothing)
        await self.add(message())
        self.assertEqual(1, self.db.messages.count_documents({}))
        await self.clean()

    async def test_time_and_again(self) -> None:
        """A second election takes the second reservation back: it is made a third time."""
        for what in (self.no_reservation, self.nothing):
            self.db.messages.delete_many({})
            self.election(what, times=TRIES - 1)
            await self.add(message())
            await self.clean()

    async def test_too_often(self) -> None:
        """Where no try is left undisturbed, whether all of it is there can not be told."""
        self.election(self.no_reservation, times=1 + TRIES)
        await self.fails(Unavailable, self.add(message()))
        self.assertEqual(1, self.db.messages.count_documents({}))

    async def test_at_the_brim(self) -> None:
        """What was let in once is not refused by what has come meanwhile."""
        self.election(lambda: self.no_reservation(quota=1))
        await self.add(message())
        self.assertGreater(self.storage_used(), 1)

    async def test_can_not_be_made(self) -> None:
        """Then whether all of the message is there can not be told, and nothing is undone."""

        async def unavailable(*arguments: Any, **options: Any) -> None:
            raise Unavailable()

        users = self.node.databases.users
        self.election(lambda: self.patch(users, "update_one", unavailable))
        await self.fails(Unavailable, self.add(message()))
        self.assertEqual(1, self.db.messages.count_documents({}))
        await self.clean()

    async def test_account_is_gone(self) -> None:
        """An account that was deleted meanwhile needs no reservation."""
        self.election(lambda: self.users.delete_one({}))
        self.assertEqual(1, (await self.add(message())).uid)

    async def test_what_was_taken_back_is_not_given_back(self) -> None:
        """After an election a failing add leaves what it had reserved to the verifier."""
        await self.add(message(1))
        used = self.storage_used()

        async def refused(real: Callable[[], Any]) -> Any:
            self.users.update_one({}, {"$set": {"storageUsed": used}})
            raise DatabaseFailure(10334)

        def take_back() -> None:
            self.db.messages.delete_one({"uid": 2})
            self.disturb("insert_one", "messages", refused)

        self.election(take_back)
        await self.fails(DatabaseFailure, self.add(message(2)))
        await self.clean()


class AccountsElsewhereTests(DisturbedCase):
    """Accounts on a database server of their own (store.md §9)."""

    async def _start(self) -> None:
        client = standalone().client()
        self.addCleanup(client.close)
        self.users = client["elsewhere"].users
        self.users.delete_many({})
        await super()._start()

    def setUp(self) -> Any:
        self.sets = (f"mongo.users=mongodb://127.0.0.1:{standalone().port}/elsewhere",)
        return super().setUp()

    async def test_election(self) -> None:
        """An election where the messages are leaves the reservation, which was durable by itself."""
        self.election(lambda: None)
        await self.add(message())
        await self.clean()

    async def test_reservation_is_durable(self) -> None:
        """It waits for its own journal, because the last write of the message does not carry it."""
        cluster = self.node.databases.users._cluster
        real = cluster._send_write
        durable = []

        async def send_write(command: Any, write: Any) -> Any:
            durable.append(write.durable)
            return await real(command, write)

        self.patch(cluster, "_send_write", send_write)
        await self.add(message())
        self.assertEqual([True], durable)


class StoreTests(DisturbedCase):
    """STORE over a change of the primary."""

    async def test_repeated(self) -> None:
        """An unconditional STORE is done again, which does no harm."""
        await self.add(message())
        moved = iter([False, True])
        self.patch(WriteGroup, "intact", property(lambda group: next(moved)))
        done = await self.store.store_flags(await self.inbox(), [1], "+", ["\\Seen"])
        self.assertEqual(("\\Seen",), done.changed[1][0])

    async def test_conditional(self) -> None:
        """With UNCHANGEDSINCE a second try could not tell our change from another's: unavailable."""
        await self.add(message())
        self.patch(WriteGroup, "intact", property(lambda group: False))
        await self.fails(
            Unavailable,
            self.store.store_flags(await self.inbox(), [1], "+", ["\\Seen"], unchanged_since=2),
        )

    async def test_numbers_held_too_long(self) -> None:
        """A MODSEQ held too long is thrown away here too."""
        await self.add(message())

        async def stalls(real: Callable[[], Any]) -> Any:
            reply = await real()
            self.clock.advance(HOLD_SECONDS)
            return reply

        self.disturb("find_one_and_update", "mailboxes", stalls)
        done = await self.store.store_flags(await self.inbox(), [1], "+", ["\\Seen"])
        self.assertEqual({1: (("\\Seen",), 4)}, done.changed)
        self.assertEqual([(None, 3)], self.journal("UNUSED"))


class ExpungeTests(DisturbedCase):
    """EXPUNGE whose removal was not told."""

    async def test_nothing_is_given_back_twice(self) -> None:
        """Messages that another removed in the same moment: what they held is left to the verifier."""
        for n in range(2):
            await self.add(with_attachment(n, encoded(10)), flags=["\\Deleted", "\\Draft"])

        async def another(real: Callable[[], Any]) -> Any:
            self.db.messages.delete_one({"uid": 1})
            return await real()

        self.disturb("delete_many", "messages", another)
        self.assertEqual([1, 2], await self.store.expunge(await self.inbox()))
        self.assertEqual(2, self.attachment_rows()[0]["metadata"]["c"])
        kinds = {finding.kind for finding in await self.store.verifier.verify(min_age=0, repair=True)}
        self.assertEqual({"reference-count", "quota"}, kinds)
        await self.clean()
