"""Locks in Redis."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from test.database.case import RedisCase
from wildduck.database import Lock, Locks


class LockTests(RedisCase):
    """One holder at a time."""

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.locks = Locks(self.redis)
        self.others = Locks(await self.another())

    async def _taken(self, name: str = "gc_expired", ttl: float = 60) -> Lock:
        lock = await self.locks.acquire(name, ttl)
        assert lock is not None
        return lock

    async def test_one_holder(self) -> None:
        """A lock that is held is not given to another; given back, it is."""
        lock = await self._taken()
        self.assertIsNone(await self.others.acquire("gc_expired", 60))
        self.assertIsNotNone(await self.others.acquire("gc_other", 60))
        self.assertTrue(await lock.release())
        self.assertIsNotNone(await self.others.acquire("gc_expired", 60))

    async def test_wait(self) -> None:
        """Who waits gets it when it is given back, long before it would be asked for again."""
        lock = await self._taken()
        waiting = Deferred.fromCoroutine(self.others.acquire("gc_expired", 60, 50))
        await self.redis.execute("PING")
        await lock.release()
        self.assertIsNotNone(await waiting)
        self.assertEqual(self.others._waiting, {})

    async def test_wait_in_vain(self) -> None:
        """Who waits for too short a time gets nothing."""
        await self._taken()
        self.assertIsNone(await self.others.acquire("gc_expired", 60, 0.05))
        self.assertEqual(self.others._waiting, {})

    async def test_expired(self) -> None:
        """A lock expires by itself; its holder is told when he would lengthen or release it."""
        lock = await self._taken(ttl=0.02)
        other = await self.others.acquire("gc_expired", 60, 10)
        assert other is not None
        self.assertFalse(await lock.extend(60))
        self.assertFalse(await lock.release())
        self.assertTrue(await other.extend(30))
        self.assertTrue(await other.release())

    async def test_extend(self) -> None:
        """A lock is held for longer by its holder."""
        lock = await self._taken(ttl=5)
        self.assertTrue(await lock.extend(1000))
        self.assertGreater(await self.redis.execute("PTTL", "wildduck:gc_expired"), 900_000)

    async def test_form(self) -> None:
        """The form is WildDuck's: keys, tokens and the message that wakes who waits."""
        heard: list[bytes] = []
        self.redis.subscribe("mail-release", heard.append)
        await self.redis.subscribed("mail-release")
        await self.redis.execute("SET", "mailindex", 41)
        lock = await self._taken("mbwr:6b0255520f4e0c27c486e597")
        key = "mail:mbwr:6b0255520f4e0c27c486e597"
        self.assertEqual(await self.redis.execute("HGETALL", key), [b"index", b"42"])
        self.assertEqual(await self.redis.execute("GET", "mailindex"), b"42")
        await lock.release()
        self.assertEqual(await self.redis.execute("EXISTS", key), 0)
        # Published before the reply to the release.
        await self.redis.subscribed("mail-release")
        while not heard:
            await self.redis.execute("PING")
        self.assertEqual(heard, [key.encode()])

    async def test_held_by_wildduck(self) -> None:
        """A lock that WildDuck holds is respected, and had when WildDuck gives it back."""
        key = "wildduck:gs.hU/Vut0eMOaWznnjomc4H9f/Il/m2dCCoT0Ns6J/+ac="
        name = key.partition(":")[2]
        await self.redis.execute("HMSET", key, "index", 5)
        await self.redis.execute("PEXPIRE", key, 120_000)
        self.assertIsNone(await self.locks.acquire(name, 60))
        waiting = Deferred.fromCoroutine(self.others.acquire(name, 60, 50))
        await self.redis.execute("PING")
        await self.redis.execute("DEL", key)
        await self.redis.execute("PUBLISH", "wildduck-release", key)
        self.assertIsNotNone(await waiting)

    async def test_waiter_gives_up(self) -> None:
        """A cancelled waiter leaves nothing behind."""
        await self._taken()
        waiting = Deferred.fromCoroutine(self.others.acquire("gc_expired", 60, 50))
        while not self.others._waiting:
            await self.redis.execute("PING")
        waiting.cancel()
        self.failureResultOf(waiting)
        self.assertEqual(self.others._waiting, {})
