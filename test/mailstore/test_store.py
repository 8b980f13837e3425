"""The mail store as others plug it in."""

from __future__ import annotations

from zope.interface.verify import verifyObject

from test.mailstore.support import StoreCase, message
from wildduck.errors import MailboxNotFound
from wildduck.interfaces import IAccountMail


class StoreTests(StoreCase):
    """L{MailStore}."""

    def test_interface(self) -> None:
        """It is what account management asks for."""
        self.assertTrue(verifyObject(IAccountMail, self.store))

    async def test_mailbox_of_another_account(self) -> None:
        """A message is never added to a mailbox of another account."""
        other = await self.new_account(name="other")
        mailbox = await self.inbox()
        await self.fails(MailboxNotFound, self.add(message(), account=other, mailbox=mailbox))
        self.assertEqual(0, self.storage_used(other))

    async def test_rows(self) -> None:
        """Documents come ascending by UID, also over gaps and batches; what is gone is left out."""
        for n in range(7):
            await self.add(message(n))
        self.db.messages.delete_one({"uid": 3})
        mailbox = await self.inbox()
        for uids, wanted in (([1, 2, 3, 4], [1, 2, 4]), ([2, 5, 7], [2, 5, 7]), ([], []), ([3, 99], [])):
            batches = self.store.rows(mailbox, uids, {"size": True}, batch_size=2)
            rows = [row async for batch in batches for row in batch]
            self.assertEqual(wanted, [row["uid"] for row in rows])
            self.assertTrue(all(set(row) == {"_id", "uid", "size"} for row in rows))

    async def test_settle(self) -> None:
        """At shutdown what runs behind answers is waited for, and a failure of it harms nobody."""

        async def failing() -> None:
            raise RuntimeError("behind the answer")

        self.store._backend.background(failing())
        await self.add(message())
        await self.store.settle()
        self.assertEqual(set(), self.store._backend._running)
