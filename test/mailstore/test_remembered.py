"""Mailboxes that are remembered from one message to the next."""

from __future__ import annotations

from bson import ObjectId
from twisted.trial import unittest

from test.mailstore.support import META, StoreCase, message
from wildduck.errors import MailboxNotFound
from wildduck.limits import REMEMBERED_ACCOUNTS, REMEMBERED_MAILBOXES, REMEMBERED_SECONDS
from wildduck.mailstore.remembered import RememberedMailboxes
from wildduck.mailstore.values import Appended, Mailbox
from wildduck.mime.message import scan


class RememberedTests(unittest.SynchronousTestCase):
    """What one worker remembers, and for how long."""

    def setUp(self) -> None:
        self.now = 100.0
        self.known = RememberedMailboxes(lambda: self.now)

    def keep(self, user: ObjectId, path: str, encrypted: bool = False) -> None:
        self.known.keep(Mailbox(id=ObjectId(), user=user, path=path, encrypted=encrypted))

    def test_some_seconds(self) -> None:
        """It is marked as remembered, and asked for again after a while."""
        user = ObjectId()
        self.keep(user, "a")
        found = self.known.find(user, "a")
        assert found is not None
        self.assertTrue(found.remembered)
        self.assertIsNone(self.known.find(user, "b"))
        self.assertIsNone(self.known.find(ObjectId(), "a"))
        self.now += REMEMBERED_SECONDS
        self.assertIsNone(self.known.find(user, "a"))

    def test_encrypted(self) -> None:
        """One that wants encryption is looked at each time: nothing would tell when that ends."""
        user = ObjectId()
        self.keep(user, "a", encrypted=True)
        self.assertIsNone(self.known.find(user, "a"))

    def test_bounds(self) -> None:
        """Of an account the oldest mailbox goes, of the accounts the one that was asked for least lately."""
        users = [ObjectId() for _ in range(REMEMBERED_ACCOUNTS)]
        for user in users:
            self.keep(user, "a")
        self.known.find(users[0], "a")
        self.keep(ObjectId(), "a")
        self.assertIsNotNone(self.known.find(users[0], "a"))
        self.assertIsNone(self.known.find(users[1], "a"))
        for number in range(REMEMBERED_MAILBOXES):
            self.keep(users[2], str(number))
        self.assertIsNone(self.known.find(users[2], "a"))
        self.assertIsNotNone(self.known.find(users[2], "0"))


class TargetTests(StoreCase):
    """What others do to a mailbox meanwhile is found out when a message is stored."""

    async def store_in(self, path: str) -> Appended:
        mailbox = await self.store.mailboxes.target(self.account.id, path)
        content = scan(message())
        try:
            return await self.store.add(self.account, mailbox, content, meta=META)
        finally:
            content.close()

    async def _start(self) -> None:
        await super()._start()
        await self.store.mailboxes.create(self.account.id, "box")
        self.first = await self.store_in("box")
        other = await self.new_node()
        self.elsewhere = other.store.mailboxes

    async def delete(self, mailboxes: object) -> None:
        assert isinstance(mailboxes, type(self.elsewhere))
        await mailboxes.delete(self.account.id, await mailboxes.get(self.account.id, "box"))

    async def test_no_question(self) -> None:
        """A second message does not ask for the mailbox."""
        main, asked = self.node.databases.main, []
        find_one = main.find_one
        self.patch(main, "find_one", lambda name, *a, **o: (asked.append(name), find_one(name, *a, **o))[1])
        self.assertEqual(2, (await self.store_in("box")).uid)
        self.assertEqual([], asked)

    async def test_deleted_elsewhere(self) -> None:
        """It is gone, and nothing of the message stays."""
        used = self.storage_used()
        await self.delete(self.elsewhere)
        await self.fails(MailboxNotFound, self.store_in("box"))
        self.assertEqual(used, self.storage_used())

    async def test_deleted_here(self) -> None:
        """Then it is known before the message comes."""
        await self.delete(self.store.mailboxes)
        await self.fails(MailboxNotFound, self.store.mailboxes.target(self.account.id, "box"))

    async def test_made_anew_elsewhere(self) -> None:
        """The message goes to the one that has the name now."""
        await self.delete(self.elsewhere)
        await self.elsewhere.create(self.account.id, "box")
        again = await self.store_in("box")
        self.assertNotEqual(self.first.mailbox_id, again.mailbox_id)
        self.assertEqual(1, again.uid)

    async def test_renamed_elsewhere(self) -> None:
        """It is not stored under the other name."""
        await self.elsewhere.rename(self.account.id, "box", "other")
        await self.fails(MailboxNotFound, self.store_in("box"))
        self.assertEqual(self.first.mailbox_id, (await self.store_in("other")).mailbox_id)

    async def test_renamed_here(self) -> None:
        """Then it is known before the message comes."""
        await self.store.mailboxes.rename(self.account.id, "box", "other")
        await self.fails(MailboxNotFound, self.store.mailboxes.target(self.account.id, "box"))

    async def test_changed_here(self) -> None:
        """What the API sets counts for the next message."""
        box = await self.store.mailboxes.get(self.account.id, "box")
        await self.store.mailboxes.change(self.account.id, box.id, encrypted=True)
        self.assertTrue((await self.store.mailboxes.target(self.account.id, "box")).encrypted)
