"""Writes whose outcome is not told, and primaries that change on the way (store.md §1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
        self.assertEqual(1 + TRIES, self.attachment_rows()[0]["metadata"]["c"])
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
        """If the primary changed between the writes, attachments are counted again: one too many at worst."""
        moved = iter([False, True, True, True])
        self.patch(WriteGroup, "intact", property(lambda group: next(moved)))
        data = with_attachment(1, encoded(10))
        await self.add(data)
        self.assertEqual(1, self.attachment_rows()[0]["metadata"]["c"] - 1)
        (finding,) = await self.store.verifier.verify(min_age=0, repair=True)
        self.assertEqual("reference-count", finding.kind)
        self.assertEqual(1, self.db.messages.count_documents({}))

    async def test_message_was_taken_back_by_a_failover(self) -> None:
        """A message that the new primary does not have is written again, with new numbers."""
        moved = iter([False, True, True])
        real = self.node.databases.main.find_one_majority

        async def taken_back(collection: str, filter: Any) -> Any:
            self.db.messages.delete_one({})
            return await real(collection, filter)

        self.patch(WriteGroup, "intact", property(lambda group: next(moved)))
        self.patch(self.node.databases.main, "find_one_majority", taken_back)
        appended = await self.add(message())
        self.assertEqual(2, appended.uid)
        self.assertEqual([2], [row["uid"] for row in self.db.messages.find()])

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
        self.disturb("find_one_and_update", "threads", lost_request)
        await self.fails(Unavailable, self.add(message()))
        self.assertEqual(0, self.storage_used())

    async def test_quota_and_thread_fail(self) -> None:
        """The quota's refusal is what is told; the other failure is not left unhandled."""
        account = await self.new_account(quota=1)
        self.disturb("find_one_and_update", "threads", lost_request)
        await self.fails(OverQuota, self.add(message(), account=account))


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
