"""WildDuck's channel for each worker."""

from __future__ import annotations

import json
from typing import Any

from bson.objectid import ObjectId
from twisted.internet.defer import Deferred
from twisted.trial import unittest

from test.support.databases import blocking_redis
from test.support.parts import connected
from wildduck.database import Redis
from wildduck.events import Notifier, WorkerChannels
from wildduck.events.worker_channels import SETTING


class WorkerChannelsTests(unittest.TestCase):
    """
    Two workers on the same databases, and what WildDuck's sees.

    @ivar told: by listeners of the first worker.
    """

    timeout = 60

    async def setUp(self) -> None:  # type: ignore[override]
        self.settings, self.databases, self.redis = await connected(self)
        self.user = ObjectId()
        self.told: list[Any] = []
        self.workers = WorkerChannels(self.redis, self.databases.main)
        self.ours = Notifier(self.redis, self.workers)
        self.addCleanup(self.ours.stop)
        self.blocking = blocking_redis(self.settings)
        self.key = f"wd:imap:users:{self.user}"
        self.now = self.redis.clock.seconds() * 1000

    async def _use(self, value: str = "true") -> None:
        """As WildDuck stores the setting."""
        await self.databases.main.insert_one("settings", {"_id": ObjectId(), "key": SETTING, "value": value})

    async def _until(self, holds: Any) -> Any:
        while not (found := holds()):
            await self.redis.execute("PING")
        return found

    async def _hears(self, redis: Redis, channel: str) -> list[Any]:
        payloads: list[Any] = []
        redis.subscribe(channel, lambda payload: payloads.append(json.loads(payload)))
        await redis.subscribed(channel)
        return payloads

    async def test_says_whom_it_serves(self) -> None:
        """From the first listener of an account to its last, whatever the setting."""
        first = self.ours.listen(self.user, lambda: None)
        (worker,) = await self._until(lambda: self.blocking.zrange(self.key, 0, -1, withscores=True))
        self.assertEqual("wd_events:worker:" + worker[0].decode(), self.workers.channel)
        self.assertTrue(0 <= worker[1] - int(self.now) < 60_000, worker)
        self.assertTrue(120 < self.blocking.ttl(self.key) <= 180)
        second = self.ours.listen(self.user, lambda: None)
        first()
        await self.redis.execute("PING")
        self.assertEqual(self.blocking.zcard(self.key), 1)
        second()
        await self._until(lambda: not self.blocking.exists(self.key))

    async def test_says_it_again(self) -> None:
        """Now and then, and drops workers that have not for two minutes."""
        self.ours.listen(self.user, lambda: None)
        # A connection to Redis that came just now may have it said already.
        await self._until(lambda: self.blocking.zcard(self.key) and not self.workers._under_way)
        gone, there = self.now - 121_000, self.now - 100_000
        self.blocking.delete(self.key)
        self.blocking.zadd(self.key, {"gone:1": gone, "there:2": there})
        self.workers._refresh()
        await self._until(lambda: self.blocking.zcard(self.key) == 2 and not self.workers._under_way)
        self.assertIsNone(self.blocking.zscore(self.key, "gone:1"))
        self.assertEqual(self.blocking.zscore(self.key, "there:2"), float(there))

    async def test_says_it_when_redis_is_back(self) -> None:
        """A Redis that has forgotten it is told at once."""
        self.ours.listen(self.user, lambda: None)
        await self._until(lambda: self.blocking.zcard(self.key))
        self.blocking.delete(self.key)
        self.redis.connected(self.redis._connection)
        await self._until(lambda: self.blocking.zcard(self.key))

    async def test_leaves(self) -> None:
        """A worker that ends serves nobody."""
        self.ours.listen(self.user, lambda: None)
        await self._until(lambda: self.blocking.zcard(self.key))
        await self.ours.leave()
        self.assertFalse(self.blocking.exists(self.key))

    async def test_told_by_its_channel(self) -> None:
        """What WildDuck sends there is heard: pings and commands."""
        self.ours.listen(self.user, lambda: self.told.append("ping"), self.told.append)
        await self.redis.subscribed(self.workers.channel)
        await self.redis.subscribed("wd_events")
        self.told.clear()
        command = {"command": "DROP", "mailbox": str(ObjectId())}
        for ping in ({"e": str(self.user)}, {"e": str(self.user), "p": command}):
            await self.redis.publish(self.workers.channel, json.dumps(ping).encode())
        await self._until(lambda: len(self.told) == 2)
        self.assertEqual(self.told, ["ping", command])

    async def test_tells_workers(self) -> None:
        """With the setting pings and commands go to those that serve the account, and nowhere else."""
        await self._use()
        serving = await self._hears(self.redis, "wd_events:worker:there:1")
        others = await self._hears(self.redis, "wd_events:worker:there:2")
        late = await self._hears(self.redis, "wd_events:worker:gone:3")
        everybody = await self._hears(self.redis, "wd_events")
        self.blocking.zadd(self.key, {"there:1": self.now, "gone:3": self.now - 121_000})
        mailbox = ObjectId()
        await self.ours.changed(self.user)
        await self._until(lambda: serving)
        await self.ours.log_out(self.user, "why")
        await self.ours.drop(self.user, mailbox)
        await self._until(lambda: len(serving) == 3)
        self.assertEqual([ping["e"] for ping in serving], [str(self.user)] * 3)
        self.assertEqual(
            [ping.get("p") for ping in serving],
            [None, {"command": "LOGOUT", "reason": "why"}, {"command": "DROP", "mailbox": str(mailbox)}],
        )
        self.assertEqual((others, late, everybody), ([], [], []))

    async def test_tells_all(self) -> None:
        """Without the setting, or with one that is not true, they go to all."""
        for value in ("false", "nonsense", '"true"', "1"):
            await self.databases.main.delete_many("settings", {})
            await self._use(value)
            self.workers._asked = 0
            self.assertFalse(await self.workers.used(), value)
        everybody = await self._hears(self.redis, "wd_events")
        await self.ours.changed(self.user)
        await self._until(lambda: everybody)

    async def test_missed_before_it_was_known(self) -> None:
        """A listener looks once others know of it: what they sent before went by it."""
        await self._use()
        self.ours.listen(self.user, lambda: None)
        await self._until(lambda: self.blocking.zcard(self.key))
        other = ObjectId()
        woken: Deferred[None] = Deferred()
        await self.redis.subscribed(self.workers.channel)
        await self.redis.subscribed("wd_events")
        self.ours.listen(other, lambda: woken.callback(None))
        await woken
        self.assertTrue(self.blocking.exists(f"wd:imap:users:{other}"))

    async def test_setting_is_believed_for_a_while(self) -> None:
        """And asked for anew after five seconds."""
        self.assertFalse(await self.workers.used())
        await self._use()
        self.assertFalse(await self.workers.used())
        self.workers._asked -= 5
        self.assertTrue(await self.workers.used())

    async def test_asked_by_two_at_once(self) -> None:
        """Who comes while the setting is asked for waits for it too."""
        await self._use()
        asking = [Deferred.fromCoroutine(self.workers.used()) for _ in range(2)]
        self.assertEqual([True, True], [await one for one in asking])

    async def test_two_of_ours(self) -> None:
        """Servers of ours tell each other by them too, and themselves of commands."""
        await self._use()
        other = Notifier(self.redis, workers := WorkerChannels(self.redis, self.databases.main))
        self.addCleanup(other.stop)
        other.listen(self.user, lambda: self.told.append("other"), self.told.append)
        await self.redis.subscribed(workers.channel)
        await self.redis.subscribed("wd_events")
        await self._until(lambda: self.blocking.zcard(self.key))
        await self.redis.execute("PING")
        self.told.clear()
        await self.ours.changed(self.user)
        await self._until(lambda: "other" in self.told)
        await other.log_out(self.user, "bye")
        await self._until(lambda: {"command": "LOGOUT", "reason": "bye"} in self.told)
