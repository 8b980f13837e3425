"""Pings."""

from __future__ import annotations

import json
from typing import Any

from bson.objectid import ObjectId
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from test.database.case import RedisCase, reactor
from test.support.servers import RedisServer
from wildduck.database import Redis
from wildduck.errors import Unavailable
from wildduck.events import Notifier


class NotifierTests(RedisCase):
    """Who is told, and when."""

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.user = ObjectId()
        self.ours = Notifier(self.redis)
        self.other_redis = await self.another()
        self.theirs = Notifier(self.other_redis)
        self.told: list[str] = []

    async def _heard(self, *names: str) -> None:
        while self.told != list(names):
            await self.redis.execute("PING")

    async def _subscribed(self, *redises: Redis) -> None:
        """Both hear pings, or these do; what listeners were told because of that is forgotten."""
        for redis in redises or (self.redis, self.other_redis):
            await redis.subscribed("wd_events")
        self.told.clear()

    async def test_own(self) -> None:
        """Listeners of this worker are told at once, and once."""
        self.ours.listen(self.user, lambda: self.told.append("ours"))
        await self._subscribed(self.redis)
        changed = Deferred.fromCoroutine(self.ours.changed(self.user))
        self.successResultOf(changed)
        self.assertEqual(self.told, ["ours"])
        fence: Deferred[bytes] = Deferred()
        self.redis.subscribe("fence", fence.callback)
        await self.redis.subscribed("fence")
        await self.redis.publish("fence", b"")
        await fence
        self.assertEqual(self.told, ["ours"])

    async def test_foreign(self) -> None:
        """Listeners of another worker are told, of their user only."""
        self.ours.start()
        self.theirs.listen(self.user, lambda: self.told.append("theirs"))
        self.theirs.listen(ObjectId(), lambda: self.told.append("nobody"))
        await self._subscribed()
        await self.ours.changed(self.user)
        await self._heard("theirs")

    async def test_form(self) -> None:
        """The ping is WildDuck's: a JSON object whose e is the user."""
        payloads: list[Any] = []
        self.other_redis.subscribe("wd_events", lambda payload: payloads.append(json.loads(payload)))
        await self.other_redis.subscribed("wd_events")
        await self.ours.changed(self.user)
        while not payloads:
            await self.redis.execute("PING")
        self.assertEqual(payloads[0]["e"], str(self.user))
        self.assertNotIn("p", payloads[0])

    async def test_from_wildduck(self) -> None:
        """WildDuck's pings and commands are understood; nonsense is passed over."""
        commands: list[Any] = []
        self.ours.listen(self.user, lambda: self.told.append("ours"), commands.append)
        await self._subscribed(self.redis)
        command = {"command": "LOGOUT", "reason": "x"}
        for payload in (
            b"nonsense",
            b"\xff",
            b"[]",
            b'"x"',
            b"{}",
            b'{"e": 5}',
            b'{"e": "x"}',
            b"[" * 100_000,
            json.dumps({"e": str(self.user), "p": command}).encode(),
            json.dumps({"e": str(self.user)}).encode(),
        ):
            await self.redis.publish("wd_events", payload)
        await self._heard("ours")
        self.assertEqual(commands, [command])

    async def test_unlisten(self) -> None:
        """Who does not listen any more is not told; others of the same user are."""
        unlisten = self.ours.listen(self.user, lambda: self.told.append("first"), lambda _: None)
        self.ours.listen(self.user, lambda: self.told.append("second"))
        unlisten()
        unlisten()
        await self.ours.changed(self.user)
        self.assertEqual(self.told, ["second"])

    async def test_nothing_is_kept(self) -> None:
        """Users who nobody listens for cost nothing."""
        unlisten = self.ours.listen(self.user, lambda: None, lambda _: None)
        unlisten()
        self.assertEqual((self.ours._listeners, self.ours._command_listeners), ({}, {}))

    async def test_listener_fails(self) -> None:
        """A listener that raises is logged, and the others are told."""

        def broken() -> None:
            raise KeyError

        self.ours.listen(self.user, broken)
        self.ours.listen(self.user, lambda: self.told.append("second"))
        await self.ours.changed(self.user)
        self.assertEqual(self.told, ["second"])
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    async def test_burst(self) -> None:
        """Changes that come while a ping is on its way share one that follows it."""
        payloads: list[bytes] = []
        self.other_redis.subscribe("wd_events", payloads.append)
        await self.other_redis.subscribed("wd_events")
        for _ in range(100):
            await self.ours.changed(self.user)
        while self.ours._sending:
            await self.redis.execute("PING")
        await self.redis.publish("wd_events", b"end")
        while payloads[-1:] != [b"end"]:
            await self.redis.execute("PING")
        self.assertEqual(len(payloads), 3)

    async def test_unsent(self) -> None:
        """A ping that could not be sent is, once, when there is a connection again."""
        payloads: list[bytes] = []
        self.other_redis.subscribe("wd_events", payloads.append)
        await self.other_redis.subscribed("wd_events")

        async def away(*_: object) -> None:
            raise Unavailable()

        publish = self.redis.publish
        self.redis.publish = away  # type: ignore[method-assign]
        for _ in range(3):
            await self.ours.changed(self.user)
        self.redis.publish = publish  # type: ignore[method-assign]
        self.redis.connected(self.redis._connection)
        self.redis.connected(self.redis._connection)
        while self.ours._sending:
            await self.redis.execute("PING")
        await publish("wd_events", b"end")
        while payloads[-1:] != [b"end"]:
            await self.redis.execute("PING")
        self.assertEqual([str(self.user)], [json.loads(payload)["e"] for payload in payloads[:-1]])

    async def test_stop(self) -> None:
        """After stop others' pings are not heard."""
        self.theirs.listen(self.user, lambda: self.told.append("theirs"))
        await self._subscribed(self.other_redis)
        self.theirs.stop()
        heard: Deferred[bytes] = Deferred()
        self.other_redis.subscribe("wd_events", heard.callback)
        await self.ours.changed(self.user)
        await heard
        self.assertEqual(self.told, [])


class GapTests(RedisCase):
    """Redis goes and comes back."""

    async def test_gap(self) -> None:
        """Without Redis a change raises nothing; when it is back every listener is told to look."""
        server = RedisServer()
        self.addCleanup(server.close)
        redis = await Redis.connect(f"redis://127.0.0.1:{server.port}", reactor())
        self.addCleanup(redis.close)
        notifier, told, user = Notifier(redis), [], ObjectId()
        looked: Deferred[None] = Deferred()
        notifier.listen(user, lambda: told.append(1))
        await redis.subscribed("wd_events")
        # What was changed before it heard pings it must find by looking.
        self.assertEqual(told, [1])
        told.clear()
        server.kill()
        await notifier.changed(user)
        await notifier.changed(ObjectId())
        self.assertEqual(len(told), 1)
        notifier.listen(user, lambda: looked.callback(None))
        server.start()
        await looked
        while notifier._sending:  # both pings go out now, as soon as Redis has room for them
            await deferLater(reactor(), 0.01)
        self.assertEqual(len(told), 2)
