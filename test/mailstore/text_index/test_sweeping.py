"""Tests of the index with a database: it holds words no longer than there are messages."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from test.mailstore.support import message
from test.mailstore.text_index.support import IndexCase
from wildduck.mailstore.deletion import delete_user_data
from wildduck.mailstore.search.keys import Body
from wildduck.mailstore.text_index import sweeping


class SweepingTests(IndexCase):
    """Words of messages that are gone go too."""

    async def _sweep(self, days: int = 3) -> int:
        self.db.textsegments.update_many(
            {}, {"$set": {"checked": datetime.now(timezone.utc) - timedelta(days=days)}}
        )
        collector = self.store.collector()
        await collector.mend()
        return len(self.rows())

    async def test_expunged(self) -> None:
        """Of a message that was expunged no word is left; the others are found without reading."""
        await self.put_words("secret", "fox", "dog")
        await self.index()
        self.assertIn(b"\nsecret\n", self.all_words())
        inbox = await self.inbox()
        await self.store.store_flags(inbox, [1], "+", ["\\Deleted"])
        await self.store.expunge(inbox, [1])
        await self._sweep()
        self.assertNotIn(b"secret", self.all_words())
        self.assertEqual(self.uids(), [[2, 3]])
        self.store = (await self.new_node()).store
        self.assertEqual(await self.without_reading(Body("fox")), [2])

    async def test_moved(self) -> None:
        """When all messages of a segment are somewhere else it is removed."""
        await self.put_words("secret")
        await self.index()
        other = await self.store.mailboxes.create(self.account.id, "Other")
        await self.store.move(await self.inbox(), [1], other)
        self.assertEqual(await self._sweep(), 0)

    async def test_removed_by_another(self) -> None:
        """Whoever removed it, WildDuck too."""
        await self.put_words("secret", "fox")
        await self.index()
        self.db.messages.delete_one({"uid": 1})
        await self._sweep()
        self.assertNotIn(b"secret", self.all_words())

    async def test_not_each_time(self) -> None:
        """What was looked at today is not looked at again."""
        await self.put_words("secret", "fox")
        await self.index()
        self.db.messages.delete_one({"uid": 1})
        self.assertEqual(await sweeping.sweep(self.store._backend), 0)
        await self._sweep()
        self.db.messages.delete_one({"uid": 2})
        self.assertEqual(await sweeping.sweep(self.store._backend), 0)
        self.assertEqual(await self._sweep(), 0)

    async def test_mailbox_deleted(self) -> None:
        """With a mailbox its words go at once."""
        other = await self.store.mailboxes.create(self.account.id, "Other")
        await self.put_words("secret", mailbox=other)
        await self.put_words("fox")
        await self.index(other)
        await self.index()
        other = await self.store.mailboxes.get(self.account.id, "Other")
        await self.store.mailboxes.delete(self.account.id, other)
        await self.store._backend.settle()
        self.assertNotIn(b"secret", self.all_words())
        self.assertIn(b"\nfox\n", self.all_words())

    async def test_account_deleted(self) -> None:
        """With an account all its words go, and nobody else's."""
        await self.put_words("secret")
        await self.index()
        other = await self.new_account(name="other")
        mailbox = await self.store.mailboxes.get(other.id, "INBOX")
        await self.add(message(1, b"fox\r\n"), account=other, mailbox=mailbox)
        await self.index(mailbox)
        await delete_user_data(self.store._backend, self.account.id)
        self.assertNotIn(b"secret", self.all_words())
        self.assertIn(b"\nfox\n", self.all_words())

    async def test_verified(self) -> None:
        """The verifier has nothing to say of it."""
        await self.put_words("fox")
        await self.index()
        self.assertEqual(await self.store.verifier.verify(contents=True, min_age=0), [])
