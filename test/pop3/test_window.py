"""Which messages a session sees when there are more than it may."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import TestCase

from test.imap.waiting import until
from test.pop3.server import Pop3Server
from test.support.databases import blocking_redis


class WindowTests(TestCase):
    """Six messages, of which three are shown."""

    async def setUp(self) -> None:  # type: ignore[override]
        self.server = await Pop3Server.start(self, "pop3.max_messages=3")
        self.account = await self.server.account("fred")
        for n in range(1, 7):
            await self.server.add(self.account, "INBOX", b"Subject: %d\r\n\r\n" % n)
        self.mailbox = str((await self.server.domain.store.mailboxes.get(self.account.id, "INBOX")).id)
        self.redis: Any = blocking_redis(self.server.settings)

    async def shown(self) -> list[bytes]:
        """Subjects that a new session sees."""
        client = await self.server.signed_in()
        count = int((await client.command(b"STAT")).split()[1])
        found = [(await client.listing(b"TOP %d 0" % n))[0] for n in range(1, count + 1)]
        await client.command(b"QUIT")
        await client.end()
        return [subject.removeprefix(b"Subject: ") for subject in found]

    def kept(self) -> Any:
        return self.redis.hget(f"pxm:{self.account.id}", self.mailbox)

    async def test_hidden_for_good(self) -> None:
        """Those once too old stay hidden when newer ones go; WildDuck finds the bound where its own lies."""
        self.assertEqual([b"4", b"5", b"6"], await self.shown())
        await until(lambda: self.kept() == b"4")
        client = await self.server.signed_in()
        await client.command(b"DELE 3")
        await client.command(b"QUIT")
        await client.end()
        self.assertEqual([b"4", b"5"], await self.shown())
        await self.server.add(self.account, "INBOX", b"Subject: 7\r\n\r\n")
        self.assertEqual([b"4", b"5", b"7"], await self.shown())

    async def test_former_place(self) -> None:
        """Where an older WildDuck kept the bound it counts, until there is a newer one."""
        self.redis.hset("pop3uid", self.mailbox, 5)
        self.assertEqual([b"5", b"6"], await self.shown())
        for n in (7, 8):
            await self.server.add(self.account, "INBOX", b"Subject: %d\r\n\r\n" % n)
        self.assertEqual([b"6", b"7", b"8"], await self.shown())
        await until(lambda: self.kept() == b"6")
        self.assertFalse(self.redis.hexists("pop3uid", self.mailbox))

    async def test_odd_bound(self) -> None:
        """A bound that is no UID hides nothing."""
        for value in ("x", "-1", ""):
            self.redis.hset(f"pxm:{self.account.id}", self.mailbox, value)
            self.assertEqual([b"4", b"5", b"6"], await self.shown(), value)
