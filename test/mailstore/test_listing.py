"""Pages of a mailbox by date."""

from __future__ import annotations

import datetime
from typing import Any

from bson import ObjectId

from test.mailstore.support import StoreCase, message
from wildduck.errors import MailboxNotFound
from wildduck.limits import LISTED_BYTES
from wildduck.mailstore.listing import Page, Position, Wanted

_DAY = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)


class ListingCase(StoreCase):
    """Reads whole lists page by page."""

    async def page(self, **wanted: Any) -> Page:
        """One page of INBOX."""
        wanted.setdefault("limit", 20)
        inbox = await self.inbox()
        return await self.store.listing.page(self.account.id, inbox.id, Wanted(**wanted))

    async def forwards(self, limit: int, **wanted: Any) -> list[list[int]]:
        """UIDs of all pages, from the first to the last."""
        pages: list[list[int]] = []
        after: Position | None = None
        while True:
            page = await self.page(limit=limit, after=after, **wanted)
            self.assertEqual(page.previous is None, not pages)
            pages.append([row["uid"] for row in page.rows])
            if page.next is None:
                return pages
            after = page.next

    async def backwards(self, limit: int, **wanted: Any) -> list[list[int]]:
        """UIDs of all pages but the last, from the last one back."""
        page = await self.page(limit=limit, **wanted)
        while page.next is not None:
            page = await self.page(limit=limit, after=page.next, **wanted)
        pages: list[list[int]] = []
        while page.previous is not None:
            page = await self.page(limit=limit, before=page.previous, **wanted)
            self.assertIsNotNone(page.next)
            pages.append([row["uid"] for row in page.rows])
        return pages

    async def add_at(self, day: int, **options: Any) -> int:
        """Add a message of a day; its UID."""
        added = await self.add(
            options.pop("data", message(day)), internal_date=_DAY + datetime.timedelta(days=day), **options
        )
        return added.uid


class PageTests(ListingCase):
    """Every message is on one page, in the order of dates."""

    async def test_order(self) -> None:
        """By INTERNALDATE, then by id, either way round; UIDs do not matter."""
        for day in (3, 1, 2, 2, 2):
            await self.add_at(day)
        self.assertEqual(await self.forwards(2), [[1, 5], [4, 3], [2]])
        self.assertEqual(await self.forwards(2, ascending=True), [[2, 3], [4, 5], [1]])
        self.assertEqual(await self.forwards(5), [[1, 5, 4, 3, 2]])
        self.assertEqual(await self.backwards(2), [[4, 3], [1, 5]])
        self.assertEqual(await self.backwards(2, ascending=True), [[4, 5], [2, 3]])

    async def test_without_dates(self) -> None:
        """Old documents that lack their date come last and none is left out."""
        for day in (1, 2, 3, 4):
            await self.add_at(day)
        self.db.messages.update_many({"uid": {"$in": [1, 2]}}, {"$unset": {"idate": 1}})
        for limit in (1, 2, 3):
            self.assertEqual(sum(await self.forwards(limit), []), [4, 3, 2, 1])
            self.assertEqual(sum(await self.forwards(limit, ascending=True), []), [1, 2, 3, 4])
        self.assertEqual(await self.backwards(1), [[2], [3], [4]])
        self.assertEqual(await self.backwards(1, ascending=True), [[3], [2], [1]])

    async def test_empty(self) -> None:
        """An empty mailbox has an empty page."""
        page = await self.page()
        self.assertEqual((page.total, page.rows, page.next, page.previous), (0, [], None, None))

    async def test_foreign_mailbox(self) -> None:
        """Nobody else's mailbox, and none that is gone."""
        other = await self.new_account(name="other")
        inbox = await self.inbox()
        await self.add(message())
        for user, mailbox in ((other.id, inbox.id), (self.account.id, ObjectId())):
            await self.fails(MailboxNotFound, self.store.listing.page(user, mailbox, Wanted(limit=1)))

    async def test_index(self) -> None:
        """A deep page is read from an index, beginning at its position."""
        for day in range(30):
            await self.add_at(day)
        self.db.command("profile", 2)
        try:
            page = await self.page(limit=3)
            for _ in range(7):
                page = await self.page(limit=3, after=page.next)
        finally:
            self.db.command("profile", 0)
        queries = list(self.db.system.profile.find({"ns": f"{self.db.name}.messages", "op": "query"}))
        self.db.system.profile.drop()
        self.assertEqual(len(queries), 8)
        for query in queries:
            self.assertLessEqual(query["docsExamined"], 5)
            self.assertNotIn("hasSortStage", query)

    async def test_size_of_rows(self) -> None:
        """No row holds a body or a text."""
        await self.add(message(body=b"x" * 100_000))
        row = (await self.page(headers=True)).rows[0]
        self.assertLess(len(str(row)), 3000)
        self.assertNotIn("text", row)


class FilterTests(ListingCase):
    """Seen and unseen, and how many there are."""

    async def test_unseen(self) -> None:
        """Either, or all; each with its total."""
        for day in range(4):
            await self.add_at(day, flags=["\\Seen"] if day % 2 else [])
        for unseen, uids in ((True, [3, 1]), (False, [4, 2]), (None, [4, 3, 2, 1])):
            pages = await self.forwards(1, unseen=unseen)
            self.assertEqual(pages, [[uid] for uid in uids])
            self.assertEqual((await self.page(limit=1, unseen=unseen)).total, len(uids))

    async def test_total(self) -> None:
        """Of all pages, right after each change."""
        inbox = await self.inbox()
        for day in range(4):
            await self.add_at(day)
            self.assertEqual((await self.page(limit=1)).total, day + 1)
        await self.store.store_flags(inbox, [1], "+", ["\\Seen", "\\Deleted"])
        self.assertEqual((await self.page(limit=1, unseen=True)).total, 3)
        await self.store.expunge(inbox)
        self.assertEqual((await self.page(limit=1)).total, 3)


class ThreadTests(ListingCase):
    """One row for each thread, and what is told of threads."""

    async def conversation(self) -> None:
        """Two threads: 1, 3, 5 and 2, 4."""
        for day in range(1, 6):
            first = 1 if day % 2 else 2
            data = message(day, subject=f"Thread {first}").replace(
                b"\r\n\r\n", b"\r\nReferences: <m%d@example.org>\r\n\r\n" % first, 1
            )
            await self.add_at(day, data=data)

    async def test_by_thread(self) -> None:
        """The newest of each, by its date, with the number of threads."""
        await self.conversation()
        self.assertEqual(await self.forwards(1, by_thread=True), [[5], [4]])
        self.assertEqual(await self.forwards(1, by_thread=True, ascending=True), [[4], [5]])
        self.assertEqual(await self.backwards(1, by_thread=True), [[5]])
        self.assertEqual((await self.page(limit=1, by_thread=True)).total, 2)
        self.db.messages.update_one({"uid": 5}, {"$unset": {"thread": 1}})
        self.assertEqual(await self.forwards(2, by_thread=True), [[5, 4], [3]])

    async def test_counters(self) -> None:
        """The messages of a thread are counted in all mailboxes of the account."""
        await self.conversation()
        trash = await self.store.mailboxes.get_special(self.account.id, "\\Trash")
        await self.store.copy(await self.inbox(), [1], trash)
        page = await self.page(limit=2, thread_counters=True)
        self.assertEqual([page.threads[row["thread"]] for row in page.rows], [4, 2])

    async def test_drafts(self) -> None:
        """A message has a draft if one of its thread refers to it, by reference or In-Reply-To."""
        await self.conversation()
        drafts = await self.store.mailboxes.get_special(self.account.id, "\\Drafts")
        inbox = await self.inbox()
        answer = message(9, subject="Thread 1").replace(
            b"\r\n\r\n", b"\r\nReferences: <m1@example.org>\r\nIn-Reply-To: <m3@example.org>\r\n\r\n", 1
        )
        await self.add(answer, mailbox=drafts, flags=["\\Draft"])
        await self.add_at(9, data=answer.replace(b"In-Reply-To", b"X-Other").replace(b"<m9", b"<m10"))
        self.db.messages.update_one(
            {"uid": 6}, {"$set": {"draft": True, "meta.reference": {"mailbox": str(inbox.id), "id": 5}}}
        )
        page = await self.page(drafts=True)
        assert page.with_drafts is not None
        self.assertEqual([row["uid"] for row in page.rows if row["_id"] in page.with_drafts], [5, 3])
        self.assertIsNone((await self.page()).with_drafts)

    async def test_long_rows(self) -> None:
        """Pages with much metaData end early, and no message is left out: forwards, back, by thread."""
        for day in range(1, 8):
            await self.add_at(day, data=message(day, subject=f"Day {day}"))
        for uids, custom in (([2, 3], "x" * (LISTED_BYTES // 3)), ([5], "x" * (LISTED_BYTES + 1))):
            self.db.messages.update_many({"uid": {"$in": uids}}, {"$set": {"meta.custom": custom}})
        self.db.messages.update_one({"uid": 1}, {"$set": {"meta.custom": "x" * (LISTED_BYTES // 2)}})
        for by_thread in (False, True):
            wanted = {"meta_data": True, "by_thread": by_thread}
            self.assertEqual([[7, 6], [5], [4, 3, 2], [1]], await self.forwards(7, **wanted))
            self.assertEqual([[7, 6], [5], [4, 3, 2], [1]], await self.forwards(5, **wanted))
            self.assertEqual([[4, 3, 2], [5], [7, 6]], await self.backwards(7, **wanted))
            self.assertEqual([[7, 6, 5, 4, 3, 2, 1]], await self.forwards(7, by_thread=by_thread))
            self.assertEqual(7, (await self.page(**wanted)).total)

    async def test_long_headers(self) -> None:
        """So do pages with long header fields."""
        for day in range(1, 4):
            await self.add_at(day, data=b"X-Long: " + b"x " * (LISTED_BYTES // 3) + b"\r\n" + message(day))
        self.assertEqual([[3], [2], [1]], await self.forwards(3, headers=True))

    async def test_indicator(self) -> None:
        """Brand indicators come with their rows."""
        await self.add_at(1)
        id = ObjectId()
        self.db.bimi.insert_one({"_id": id, "type": "authority", "content": b"<svg/>"})
        self.db.messages.update_one({}, {"$set": {"verificationResults": {"bimi": id}}})
        page = await self.page()
        self.assertEqual(page.bimi[id]["content"], b"<svg/>")
