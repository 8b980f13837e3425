"""Redis, in fair weather and not."""

from __future__ import annotations

from typing import Any

from twisted.internet import ssl
from twisted.internet.defer import Deferred
from twisted.protocols.portforward import ProxyFactory
from twisted.trial import unittest

from test.database.case import RedisCase, reactor
from test.support.certificates import authority
from test.support.databases import helper
from test.support.relay import Relay
from test.support.servers import RedisServer, Sentinel, free_port
from wildduck import limits
from wildduck.database import Redis
from wildduck.errors import ConfigurationError, Overloaded, Unavailable


async def pause(seconds: float = 0.02) -> None:
    """Let the reactor work."""
    done: Deferred[None] = Deferred()
    reactor().callLater(seconds, done.callback, None)
    await done


class _Case(unittest.TestCase):
    timeout = 60

    async def connect(self, uri: str) -> Redis:
        """A client that is closed with the test."""
        redis = await Redis.connect(uri, reactor())
        self.addCleanup(redis.close)
        return redis

    async def fails(self, awaitable: Any, kind: type[Exception] = Unavailable) -> str:
        """The text of the error."""
        try:
            await awaitable
        except kind as error:
            return str(error)
        return self.fail(f"{kind.__name__} was not raised")

    async def works_again(self, redis: Redis) -> None:
        """Wait until a command succeeds; trial's time-out is the bound."""
        while True:
            try:
                await redis.execute("PING")
                return
            except Unavailable:
                await pause()


class CommandTests(RedisCase):
    """Commands and scripts."""

    async def test_values(self) -> None:
        """Values are bytes and integers, whatever they look like."""
        redis = self.redis
        self.assertEqual(await redis.execute("SET", "key", b"\0\xff\r\n"), b"OK")
        self.assertEqual(await redis.execute("GET", "key"), b"\0\xff\r\n")
        await redis.execute("SET", "number", "12.50")
        self.assertEqual(await redis.execute("GET", "number"), b"12.50")
        self.assertEqual(await redis.execute("INCRBY", "count", 5), 5)
        self.assertIsNone(await redis.execute("GET", "nothing"))
        await redis.execute("HSET", "hash", "ünï", 1)
        self.assertEqual(await redis.execute("HGETALL", "hash"), ["ünï".encode(), b"1"])

    async def test_refusal(self) -> None:
        """A refused command is an error of ours, without the server's words, and the connection lives."""
        await self.redis.execute("SET", "secret", "x")
        for command in (("INCR", "secret"), ("NOSUCHCOMMAND", "secret")):
            try:
                await self.redis.execute(*command)
                self.fail("Unavailable was not raised")
            except Unavailable as error:
                self.assertNotIn("secret", str(error))
        self.assertEqual(await self.redis.execute("PING"), b"PONG")

    async def test_pipelined(self) -> None:
        """Concurrent commands get each its own answer."""
        echoes = [Deferred.fromCoroutine(self.redis.execute("ECHO", n)) for n in range(200)]
        self.assertEqual([await echo for echo in echoes], [b"%d" % n for n in range(200)])

    async def test_large(self) -> None:
        """A value of MiBs comes back."""
        value = b"x" * (4 << 20)
        await self.redis.execute("SET", "large", value)
        self.assertEqual(await self.redis.execute("GET", "large"), value)

    async def test_script(self) -> None:
        """A script runs by its digest, also when the server has forgotten it."""
        source = "return {KEYS[1], ARGV[1]}"
        for _ in range(2):
            self.assertEqual(await self.redis.script(source, ["k"], [1]), [b"k", b"1"])
        await self.redis.execute("SCRIPT", "FLUSH")
        self.assertEqual(await self.redis.script(source, ["k"], ["a"]), [b"k", b"a"])
        try:
            await self.redis.script("return redis.call('NOSUCH')")
            self.fail("Unavailable was not raised")
        except Unavailable:
            pass

    async def test_queue(self) -> None:
        """Too many commands at a time are refused."""
        self.patch(limits, "REDIS_QUEUE", 2)
        waiting = [Deferred.fromCoroutine(self.redis.execute("PING")) for _ in range(3)]
        self.failureResultOf(waiting[2], Overloaded)
        self.assertEqual(await waiting[0], b"PONG")
        await waiting[1]
        await self.redis.execute("PING")

    async def test_database_number(self) -> None:
        """The number in the URI is the database that is used."""
        await self.redis.execute("SET", "mine", "1")
        number = int(self.settings.redis.uri.rpartition("/")[2])
        self.assertEqual(helper().redis(number).get("mine"), b"1")


class ScriptTests(RedisCase):
    """The scripts that belong to WildDuck's keys (spec/schema.md §10)."""

    async def test_ttl_counter(self) -> None:
        """Counts up to the limit, in a window that starts with the first."""
        count = self.redis.script
        self.assertEqual(await count("ttl_counter", ["k"], [2, 3, 100]), [1, 2, 100])
        self.assertEqual(await count("ttl_counter", ["k"], [5, 3, 200]), [1, 7, 100])
        self.assertEqual(await count("ttl_counter", ["k"], [1, 3, 200]), [0, 7, 100])
        self.assertEqual(await count("ttl_counter", ["k"], [1, 0, 200]), [1, 8, 100])

    async def test_ttl_counter_asked_only(self) -> None:
        """An increment of zero asks and leaves no key."""
        self.assertEqual(await self.redis.script("ttl_counter", ["k"], [0, 3, 100]), [1, 0, -2])
        self.assertEqual(await self.redis.execute("EXISTS", "k"), 0)

    async def test_cached_number(self) -> None:
        """A cached number is adjusted where it is, kept alive, and dropped when it becomes negative."""
        adjust = self.redis.script
        self.assertIsNone(await adjust("cached_number", ["k"], [1, 100]))
        await self.redis.execute("SET", "k", 1)
        self.assertEqual(await adjust("cached_number", ["k"], [2, 100]), 3)
        self.assertEqual(await self.redis.execute("TTL", "k"), 100)
        self.assertIsNone(await adjust("cached_number", ["k"], [-4, 100]))
        self.assertEqual(await self.redis.execute("EXISTS", "k"), 0)


class SubscriptionTests(RedisCase):
    """Channels."""

    async def test_hear(self) -> None:
        """Every subscriber of a channel hears what is published, and no other channel."""
        heard: list[tuple[str, bytes]] = []
        ends = [
            self.redis.subscribe("one", lambda payload: heard.append(("a", payload))),
            self.redis.subscribe("one", lambda payload: heard.append(("b", payload))),
            self.redis.subscribe("two", lambda payload: heard.append(("c", payload))),
        ]
        await self.redis.subscribed("one")
        await self.redis.subscribed("two")
        await self.redis.publish("one", b"\xff")
        while len(heard) < 2:
            await pause()
        ends[0]()
        ends[0]()
        await self.redis.publish("one", b"x")
        await self.redis.publish("two", b"y")
        while len(heard) < 4:
            await pause()
        self.assertEqual(heard, [("a", b"\xff"), ("b", b"\xff"), ("b", b"x"), ("c", b"y")])

    async def test_listener_fails(self) -> None:
        """A listener that raises is logged, and the others still hear."""
        heard: list[bytes] = []

        def broken(payload: bytes) -> None:
            raise KeyError

        self.redis.subscribe("one", broken)
        self.redis.subscribe("one", heard.append)
        await self.redis.subscribed("one")
        for payload in (b"1", b"2"):
            await self.redis.publish("one", payload)
        while len(heard) < 2:
            await pause()
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 2)

    async def test_ping_between(self) -> None:
        """Signs of life on the subscribing connection do not disturb it."""
        heard: list[bytes] = []
        self.redis.subscribe("one", heard.append)
        await self.redis.subscribed("one")
        self.redis._ping()
        await self.redis.publish("one", b"1")
        self.redis._ping()
        self.redis.subscribe("two", heard.append)
        await self.redis.subscribed("two")
        await self.redis.publish("two", b"2")
        while len(heard) < 2:
            await pause()
        self.assertEqual(heard, [b"1", b"2"])


class RestartTests(_Case):
    """The server goes and comes back."""

    async def setUp(self) -> None:  # type: ignore[override]
        self.server = RedisServer()
        self.addCleanup(self.server.close)
        self.redis = await self.connect(f"redis://127.0.0.1:{self.server.port}/1")

    async def test_commands(self) -> None:
        """While it is away commands fail at once; they work when it is back, in the right database."""
        self.server.kill()
        while self.redis.available:
            await pause()
        failed = Deferred.fromCoroutine(self.redis.execute("PING"))
        self.failureResultOf(failed, Unavailable)
        self.server.start()
        await self.works_again(self.redis)
        self.assertIn(b"db=1", await self.redis.execute("CLIENT", "LIST"))

    async def test_subscription(self) -> None:
        """It hears again after a restart, and is told each time that it may have missed something."""
        heard: list[bytes] = []
        gaps: list[None] = []
        self.redis.subscribe("one", heard.append, lambda: gaps.append(None))
        await self.redis.subscribed("one")
        self.assertEqual(gaps, [None])
        gaps.clear()
        self.server.kill()
        self.server.start()
        while not gaps:
            await pause()
        await self.works_again(self.redis)
        await self.redis.publish("one", b"again")
        while not heard:
            await pause()
        self.assertEqual((heard, len(gaps)), ([b"again"], 1))

    async def test_subscribed_while_away(self) -> None:
        """What is subscribed to while the server is away is heard when it is back."""
        self.server.kill()
        heard: list[bytes] = []
        self.redis.subscribe("one", heard.append)
        self.patch(limits, "REDIS_SECONDS", 0.1)
        await self.fails(self.redis.subscribed("one"))
        self.patch(limits, "REDIS_SECONDS", 3.0)
        self.server.start()
        await self.works_again(self.redis)
        await self.redis.subscribed("one")
        await self.redis.publish("one", b"x")
        while not heard:
            await pause()

    async def test_replica(self) -> None:
        """A server that became a replica is left."""
        first = self.redis._connection
        await self.redis.execute("REPLICAOF", "127.0.0.1", free_port())
        await self.fails(self.redis.execute("SET", "a", "b"))
        while self.redis._connection is first:
            await pause()


class SilenceTests(_Case):
    """The server is there and says nothing."""

    async def setUp(self) -> None:  # type: ignore[override]
        self.patch(limits, "REDIS_SECONDS", 0.3)
        self.relay = Relay(reactor(), helper().redis_port)
        self.relay.start()
        self.addCleanup(self.relay.stop)
        self.redis = await self.connect(f"redis://127.0.0.1:{self.relay.port}/0")

    async def test_command(self) -> None:
        """A command fails at its deadline, the connection is cut, and all works again after."""
        self.relay.black_hole()
        await self.fails(self.redis.execute("PING"))
        while self.redis.available:
            await pause()
        await self.fails(self.redis.execute("PING"))
        self.relay.restore()
        await self.works_again(self.redis)

    async def test_ping(self) -> None:
        """A subscribing connection that died in silence is noticed by its pings and made again."""
        gaps: list[None] = []
        self.redis.subscribe("one", lambda _: None, lambda: gaps.append(None))
        await self.redis.subscribed("one")
        gaps.clear()
        self.relay.black_hole()
        self.redis._ping()
        while self.redis._listener._connection is not None:
            await pause()
        self.relay.restore()
        while not gaps:
            await pause()


class ConnectTests(_Case):
    """L{Redis.connect} connects, or says in one line why not."""

    async def test_unix_socket(self) -> None:
        """A UNIX socket."""
        server = RedisServer()
        self.addCleanup(server.close)
        redis = await self.connect(f"unix://{server.socket_path}?db=2")
        await redis.execute("SET", "a", "b")
        self.assertIn(b"db=2", await redis.execute("CLIENT", "LIST"))

    async def test_password(self) -> None:
        """A password, right, wrong or missing."""
        server = RedisServer("--requirepass", "p@ss")
        self.addCleanup(server.close)
        host = f"127.0.0.1:{server.port}"
        redis = await self.connect(f"redis://:p%40ss@{host}/1")
        await redis.execute("SET", "a", "b")
        redis = await self.connect(f"redis://default:p%40ss@{host}/1")
        heard: list[bytes] = []
        redis.subscribe("one", heard.append)
        await redis.subscribed("one")
        for uri in (f"redis://:wrong@{host}", f"redis://{host}"):
            self.assertIn("refuses", await self.fails(Redis.connect(uri, reactor()), ConfigurationError))

    async def test_unreachable(self) -> None:
        """Nobody listens."""
        self.patch(limits, "START_SECONDS", 0.3)
        uri = f"redis://:secret@127.0.0.1:{free_port()}"
        text = await self.fails(Redis.connect(uri, reactor()), ConfigurationError)
        self.assertIn("can not be reached", text)
        self.assertNotIn("secret", text)

    async def test_malformed(self) -> None:
        """A URI that is none."""
        await self.fails(Redis.connect("nonsense", reactor()), ConfigurationError)

    async def test_tls(self) -> None:
        """TLS with a certificate of a known authority, and not without."""
        ca = authority(self)
        with open(ca.server("localhost"), "rb") as file:
            options = ssl.PrivateCertificate.loadPEM(file.read()).options()
        # The redis-server of the wheel knows no TLS.
        front = ProxyFactory("127.0.0.1", helper().redis_port)
        listening = reactor().listenSSL(0, front, options, interface="127.0.0.1")
        self.addCleanup(listening.stopListening)
        port = listening.getHost().port
        redis = await self.connect(f"rediss://localhost:{port}?ca={ca.certificate_path}")
        self.assertEqual(await redis.execute("PING"), b"PONG")
        await (await self.connect(f"rediss://127.0.0.1:{port}?verify=false")).execute("PING")
        self.patch(limits, "START_SECONDS", 0.5)
        for uri in (
            f"rediss://localhost:{port}",
            f"rediss://127.0.0.1:{port}?ca={ca.certificate_path}",
            f"redis://localhost:{port}",
        ):
            await self.fails(Redis.connect(uri, reactor()), ConfigurationError)


class SentinelTests(_Case):
    """Sentinel says where the master is."""

    async def setUp(self) -> None:  # type: ignore[override]
        self.master, self.replica = RedisServer(), RedisServer()
        self.addCleanup(self.master.close)
        self.addCleanup(self.replica.close)
        self.sentinel = Sentinel("mymaster", self.master.port)
        self.addCleanup(self.sentinel.close)

    async def test_master(self) -> None:
        """A sentinel that does not answer is passed over; the one that does leads to the master."""
        uri = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{self.sentinel.port}/mymaster/1"
        redis = await self.connect(uri)
        await redis.execute("SET", "a", "b")
        self.assertEqual(self.master.client(1).get("a"), b"b")

    async def test_moved(self) -> None:
        """When the master moves, commands and subscriptions follow."""
        redis = await self.connect(f"redis+sentinel://127.0.0.1:{self.sentinel.port}/mymaster")
        gaps: list[None] = []
        redis.subscribe("one", lambda _: None, lambda: gaps.append(None))
        await redis.subscribed("one")
        gaps.clear()
        self.sentinel.point_to(self.replica.port)
        self.master.kill()
        await self.works_again(redis)
        await redis.execute("SET", "a", "moved")
        self.assertEqual(self.replica.client(0).get("a"), b"moved")
        while not gaps:
            await pause()

    async def test_not_a_master(self) -> None:
        """A server that is a replica is not used, whatever the sentinel says."""
        self.patch(limits, "START_SECONDS", 0.5)
        self.master.client(0).replicaof("127.0.0.1", self.replica.port)
        uri = f"redis+sentinel://127.0.0.1:{self.sentinel.port}/mymaster"
        await self.fails(Redis.connect(uri, reactor()), ConfigurationError)

    async def test_unknown_service(self) -> None:
        """A service that the sentinel does not know."""
        self.patch(limits, "START_SECONDS", 0.5)
        uri = f"redis+sentinel://127.0.0.1:{self.sentinel.port}/other"
        await self.fails(Redis.connect(uri, reactor()), ConfigurationError)
