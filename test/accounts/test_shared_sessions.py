"""Sessions of an account are counted over all servers, and those of a dead server end."""

from __future__ import annotations

import time
from typing import Any

from bson import ObjectId
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from test.support.databases import blocking_redis
from test.support.parts import connected
from wildduck import errors
from wildduck.accounts import Account, SharedSessions
from wildduck.accounts.shared_sessions import BEAT_SECONDS, DEAD_SECONDS

FRED = Account(ObjectId(), "fred")
WILMA = Account(ObjectId(), "wilma", imap_max_connections=1)


class SharedSessionsTests(TestCase):
    """Two workers on one Redis, and WildDuck."""

    async def setUp(self) -> None:  # type: ignore[override]
        settings, _, self.redis = await connected(self)
        self.raw: Any = blocking_redis(settings)
        self.clock = Clock()
        self.one = SharedSessions(self.redis, self.clock, 3)
        self.two = SharedSessions(self.redis, self.clock, 3)

    def counted(self, account: Account = FRED) -> int:
        return int(self.raw.hget("lim:imap", str(account.id)) or 0)

    async def enter(self, *workers: SharedSessions, account: Account = FRED) -> None:
        for worker in workers:
            await worker.enter(account)

    async def leave(self, *workers: SharedSessions) -> None:
        for worker in workers:
            worker.leave(FRED)
            await worker.settle()

    async def refused(self, worker: SharedSessions, account: Account = FRED) -> None:
        with self.assertRaises(errors.TooManySessions):
            await worker.enter(account)

    def wildduck_serves(self, *members: str, ago: float = 0) -> None:
        """What WildDuck says of itself."""
        now = (time.time() - ago) * 1000
        self.raw.zadd(f"wd:imap:users:{FRED.id}", dict.fromkeys(members, now))

    async def test_together(self) -> None:
        """The limit holds over all servers; what ends makes room."""
        self.wildduck_serves("host:123")
        self.raw.hset("lim:imap", str(FRED.id), 1)
        await self.enter(self.one, self.two)
        await self.refused(self.one)
        await self.refused(self.two)
        self.assertEqual(3, self.counted())
        await self.leave(self.two)
        await self.enter(self.one)
        await self.leave(self.one, self.one)
        # WildDuck's own is left, and nothing of ours.
        self.assertEqual(1, self.counted())
        self.assertEqual([b"lim:imap", b"lim:imap:workers"], sorted(self.raw.keys("lim*")))
        self.assertFalse(self.clock.getDelayedCalls())

    async def test_dead_wildduck(self) -> None:
        """What a WildDuck left that serves the account no more shuts nobody out."""
        self.raw.hset("lim:imap", str(FRED.id), 15)
        self.wildduck_serves("host:123", ago=300)
        # As our own workers say it.
        self.wildduck_serves("host:123:0123abcd")
        await self.enter(self.one, self.two, self.one)
        await self.refused(self.two)
        self.assertEqual(3, self.counted())
        self.raw.hset("lim:imap", str(FRED.id), 15)
        await self.leave(self.two)
        self.wildduck_serves("mail.example.com")
        await self.refused(self.two)
        await self.leave(self.one, self.one)

    async def test_own_limit(self) -> None:
        """An account's own limit counts, and is its own."""
        await self.enter(self.one, account=WILMA)
        await self.refused(self.two, WILMA)
        await self.enter(self.two)

    async def test_pop3(self) -> None:
        """POP3 sessions are counted likewise, for themselves, and an account's limit is not for them."""
        workers = [SharedSessions(self.redis, self.clock, 2, "pop3") for _ in range(2)]
        await self.enter(self.one, self.two, self.one)
        await self.enter(*workers, account=WILMA)
        for worker in workers:
            await self.refused(worker, WILMA)
        self.assertEqual(
            (3, 0, b"2"), (self.counted(), self.counted(WILMA), self.raw.hget("lim:pop3", str(WILMA.id)))
        )
        workers[0].leave(WILMA)
        await workers[0].settle()
        await self.enter(workers[1], account=WILMA)
        await self.leave(self.one, self.two, self.one)

    async def test_dead_worker(self) -> None:
        """The sessions of a worker that is gone end by themselves, also beside a living WildDuck."""
        self.wildduck_serves("host:123")
        await self.enter(self.one, self.one)
        await self.enter(self.two)
        await self.refused(self.two)
        # Nothing is heard of the first for two minutes.
        self.raw.zincrby("lim:imap:workers", -DEAD_SECONDS - 1, self.one.worker)
        await self.enter(self.two)
        self.assertEqual((2, 0), (self.counted(), self.raw.exists(f"lim:imap:{self.one.worker}")))
        # It was only asleep: it tells again what it has, and its ends count.
        await self.one.beat()
        self.assertEqual(4, self.counted())
        await self.leave(self.one, self.one, self.two, self.two)
        self.assertEqual(0, self.counted())

    async def test_beat(self) -> None:
        """A worker with sessions says that it lives, and for how long it may be silent."""
        await self.enter(self.one)
        # The server knows the script from then on: the next beat is one command.
        await self.two.beat()
        self.raw.zadd("lim:imap:workers", {self.one.worker: 5})
        self.clock.advance(BEAT_SECONDS)
        await self.redis.execute("PING")
        self.assertGreater(self.raw.zscore("lim:imap:workers", self.one.worker), 1e9)
        await self.leave(self.one)

    async def test_wildduck_starts(self) -> None:
        """WildDuck empties the hash when it starts; our sessions count nonetheless."""
        self.raw.hset("lim:imap", "_version", 1)
        await self.enter(self.one, self.one, self.two)
        for worker in (self.one, self.two):
            await worker.beat()
        self.raw.delete("lim:imap")
        self.raw.hset("lim:imap", mapping={"_version": 2, str(FRED.id): 1})
        await self.refused(self.two)
        self.assertEqual(1, self.counted())
        await self.one.beat()
        self.assertEqual(3, self.counted())
        await self.two.beat()
        self.assertEqual(3, self.counted())
        await self.leave(self.one, self.one, self.two)
        self.assertEqual(0, self.counted())

    async def test_redis_forgets(self) -> None:
        """A Redis that was emptied is told again."""
        await self.enter(self.one, self.one)
        self.raw.flushdb()
        await self.one.beat()
        self.assertEqual(2, self.counted())
        await self.leave(self.one, self.one)
        self.assertEqual(0, self.counted())

    async def test_redis_away(self) -> None:
        """Without Redis each worker goes by its own sessions; when it is back it is told."""
        script = self.redis.script

        async def away(*arguments: Any) -> Any:
            raise errors.Unavailable()

        await self.enter(self.one)
        self.patch(self.redis, "script", away)
        await self.enter(self.one, self.one)
        await self.refused(self.one)
        await self.leave(self.one)
        await self.one.beat()
        self.patch(self.redis, "script", script)
        self.assertEqual(1, self.counted())
        await self.one.beat()
        self.assertEqual(2, self.counted())
        self.patch(self.redis, "script", away)
        await self.leave(self.one, self.one)
        self.patch(self.redis, "script", script)
        self.assertEqual(2, self.counted())
        await self.enter(self.one)
        await self.one.beat()
        self.assertEqual(1, self.counted())
        await self.leave(self.one)

    async def test_odd_counts(self) -> None:
        """What is no number, or went below zero, shuts nobody out."""
        for value in ("x", "-5", "1e99x"):
            self.raw.hset("lim:imap", str(FRED.id), value)
            await self.enter(self.one)
            await self.leave(self.one)
            self.assertEqual(0, self.counted())
