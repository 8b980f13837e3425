"""Tests of L{wildduck.mailstore.statuses}: STATUS of one mailbox and of many."""

from __future__ import annotations

import datetime
from typing import Any

from bson import ObjectId

from test.mailstore.support import StoreCase, message
from wildduck.errors import MailboxNotFound
from wildduck.mailstore.allocation import allocate, give_up
from wildduck.mailstore.statuses import Fact, Statuses
from wildduck.mailstore.values import Mailbox

ALL = frozenset(Fact)


class StatusesTests(StoreCase):
    own_clock = True

    async def _start(self) -> None:
        await super()._start()
        self.asked: list[str] = []
        main = self.node.databases.main
        for name in ("find", "aggregate", "batches", "find_one"):
            self.patch(main, name, self._noted(name, getattr(main, name)))

    def _noted(self, name: str, real: Any) -> Any:
        def noted(collection: str, *arguments: Any, **options: Any) -> Any:
            # C{find} goes by way of C{batches}.
            if name != "find":
                self.asked.append(collection)
            return real(collection, *arguments, **options)

        return noted

    @property
    def statuses(self) -> Statuses:
        return self.store.statuses

    async def make(self, count: int) -> list[Mailbox]:
        return [await self.store.mailboxes.create(self.account.id, f"m{n}") for n in range(count)]

    def row(self, mailbox: Mailbox, uid: int, *flags: str, size: int = 10) -> dict[str, Any]:
        return {
            "_id": ObjectId(),
            "user": self.account.id,
            "mailbox": mailbox.id,
            "uid": uid,
            "modseq": uid,
            "flags": list(flags),
            "unseen": "\\Seen" not in flags,
            "undeleted": "\\Deleted" not in flags,
            "size": size,
        }

    def fill(self, mailbox: Mailbox, rows: list[dict[str, Any]], **native: Any) -> None:
        """As WildDuck leaves a mailbox, unless C{native} says otherwise."""
        self.db.journal.delete_many({"mailbox": mailbox.id})
        self.db.messages.insert_many(rows)
        top = max(row["uid"] for row in rows)
        change: dict[str, Any] = {"$set": {"uidNext": top + 1, "modifyIndex": top}}
        if native:
            change["$set"]["native"] = native
        else:
            change["$unset"] = {"native": 1}
        self.db.mailboxes.update_one({"_id": mailbox.id}, change)

    def settle(self, mailbox: Mailbox, top: int) -> dict[str, Any]:
        """What C{native} says where nobody has been at work for a minute."""
        past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=1)
        return {"modseq": top, "uid": top + 1, "index": top, "next": top + 1, "time": past, "recent": top + 1}

    async def test_round_trips(self) -> None:
        """However many mailboxes there are, the database is asked as often as for one."""
        boxes = await self.make(60)
        for box in boxes:
            rows = [self.row(box, uid, *["\\Seen", "\\Deleted"][:uid]) for uid in range(3)][1:]
            self.fill(box, rows)
        ids = [box.id for box in boxes]
        asked = []
        for some in (ids[:1], ids):
            self.asked.clear()
            found = await self.statuses.many(self.account.id, some, ALL)
            asked.append(list(self.asked))
            self.assertEqual(len(some), len(found))
            for status in found.values():
                self.assertEqual(
                    (2, 0, 1, 20, 10),
                    (status.messages, status.unseen, status.deleted, status.size, status.deleted_size),
                )
                self.assertEqual((3, 2, 0), (status.uid_next, status.highest_modseq, status.recent))
        await self.store.settle()
        self.assertEqual(asked[0], asked[1])
        self.assertEqual(["mailboxes", "journal"] + 4 * ["messages"], asked[0])

    async def test_mark_is_raised_for_the_next_reader(self) -> None:
        """What was read of the journal need not be read again."""
        (box,) = await self.make(1)
        self.fill(box, [self.row(box, 5)])
        await self.statuses.one(box)
        await self.store.settle()
        self.asked.clear()
        status = await self.statuses.one(box, {Fact.UID_NEXT})
        self.assertEqual((6, ["mailboxes"]), (status.uid_next, self.asked))

    async def test_counted_once(self) -> None:
        """What was counted while nobody was at work is believed until somebody takes a number."""
        (box,) = await self.make(1)
        self.fill(box, [self.row(box, uid) for uid in (1, 2)], **self.settle(box, 2))
        for _ in range(2):
            self.asked.clear()
            self.assertEqual(2, (await self.statuses.one(box, ALL)).messages)
        self.assertEqual(["mailboxes"], self.asked)
        await self.add(message(), mailbox=box)
        status = await self.statuses.one(box, ALL)
        self.assertEqual((3, 3, 1), (status.messages, status.unseen, status.recent))

    async def test_nothing_is_believed_while_somebody_works(self) -> None:
        """A STORE has its number before its rows: what was counted then is not kept."""
        await self.add(message())
        inbox = await self.inbox()
        self.assertEqual(1, (await self.statuses.one(inbox)).unseen)
        self.db.messages.update_many({}, {"$set": {"unseen": False}})
        self.assertEqual(0, (await self.statuses.one(inbox)).unseen)

    async def test_hole(self) -> None:
        """Messages above a hole are in no count, of one mailbox or of many."""
        boxes = await self.make(3)
        for box in boxes:
            await self.add(message(1), mailbox=box)
        slow = await allocate(self.store._backend, boxes[1], uids=1)
        for box in boxes:
            await self.add(message(2), mailbox=box)
        found = await self.statuses.many(self.account.id, [box.id for box in boxes], ALL)
        self.assertEqual([2, 1, 2], [found[box.id].messages for box in boxes])
        self.assertEqual([2, 1, 2], [found[box.id].unseen for box in boxes])
        self.assertEqual([2, 1, 2], [found[box.id].recent for box in boxes])
        self.assertEqual([3, 2, 3], [found[box.id].uid_next for box in boxes])
        self.assertEqual(found[boxes[1].id].size, (found[boxes[0].id].size or 0) // 2)
        await give_up(self.store._backend, slow)
        self.assertEqual(2, (await self.statuses.one(boxes[1])).messages)

    async def test_only_of_the_account(self) -> None:
        """Another account's mailbox has no STATUS, by its id or by its name."""
        other = await self.new_account(name="other")
        foreign = await self.store.mailboxes.create(other.id, "foreign")
        self.assertEqual({}, await self.statuses.many(self.account.id, [foreign.id], ALL))
        await self.fails(MailboxNotFound, self.statuses.get(self.account.id, "foreign"))
        await self.add(message(), mailbox=foreign, account=other)
        self.assertEqual(0, await self.statuses.total(self.account.id, Fact.MESSAGES))
        self.assertEqual(1, await self.statuses.total(other.id, Fact.MESSAGES))

    async def test_nothing_asked(self) -> None:
        """What costs nothing asks nothing."""
        self.asked.clear()
        self.assertEqual({}, await self.statuses.many(self.account.id, [], ALL))
        mailbox, status = await self.statuses.get(self.account.id, "inbox", ())
        self.assertEqual((["mailboxes"], mailbox.uid_validity), (self.asked, status.uid_validity))

    async def test_deleted_meanwhile(self) -> None:
        """A mailbox that is gone has no STATUS, be it open or not."""
        boxes = await self.make(2)
        view = await self.store.open(self.account.id, "m0")
        for box in boxes:
            await self.store.mailboxes.delete(self.account.id, box)
            await self.fails(MailboxNotFound, self.statuses.one(box))
        self.assertEqual({}, await self.statuses.many(self.account.id, [box.id for box in boxes]))
        view.close()

    async def test_composed_name(self) -> None:
        """A name is found as it is stored, or else with its characters composed."""
        await self.store.mailboxes.create(self.account.id, "\xe9")
        self.assertEqual("\xe9", (await self.statuses.get(self.account.id, "e\u0301"))[0].path)
        await self.store.mailboxes.create(self.account.id, "e\u0301")
        self.assertEqual("e\u0301", (await self.statuses.get(self.account.id, "e\u0301"))[0].path)
        self.assertEqual("e\u0301", (await self.store.mailboxes.get(self.account.id, "e\u0301")).path)
