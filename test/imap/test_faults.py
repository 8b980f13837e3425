"""Sessions while their surroundings fail: Redis, MongoDB, the disk (anchors/reliability.md §4.4)."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from test.imap.server import PASSWORD, ImapServer, MemoryClient
from test.imap.waiting import until
from test.lmtp.test_sockets import SocketCase
from test.support.databases import blocking_database
from test.support.relay import Relay
from test.support.servers import RedisServer
from wildduck import limits
from wildduck.config import Settings
from wildduck.events.notifier import CHANNEL
from wildduck.limits import MIB
from wildduck.mailstore.concurrently import gather
from wildduck.mime import message

MESSAGE = b"From: a@example.org\r\nSubject: s\r\n\r\nbody\r\n"
LARGE = MESSAGE + b"x" * 2 * MIB
TRANSACTION = b"MAIL FROM:<s@there.example>\r\nRCPT TO:<user@example.com>\r\nDATA\r\n"
AWAY = b"t NO [UNAVAILABLE] Temporarily unavailable, please try again\r\n"
CLOSED = b"* OK [CLOSED] The previous mailbox is closed\r\n"


class RedisAwayTests(TestCase):
    """Redis is down altogether: mail is read and taken, and what needs the lock of a mailbox is refused."""

    async def started(self) -> tuple[ImapServer, RedisServer, MemoryClient]:
        redis = RedisServer()
        self.addCleanup(redis.close)
        server = await ImapServer.start(self, f"redis.uri=redis://127.0.0.1:{redis.port}/0")
        account = await server.account()
        await server.add(account, "INBOX", MESSAGE)
        client = server.connect()
        await client.login("fred")
        await client.command(b"SELECT INBOX")
        return server, redis, client

    async def lose(self, redis: RedisServer, *servers: ImapServer) -> None:
        redis.kill()
        await until(lambda: not any(server.domain.redis.available for server in servers))

    async def append(self, client: MemoryClient) -> bytes:
        client.send(b"t APPEND INBOX {%d+}\r\n%b\r\n" % (len(MESSAGE), MESSAGE))
        return await client.until(b"completed\r\n")

    async def test_sessions_go_on(self) -> None:
        """Sign-in (right and wrong), SELECT, FETCH, STORE, APPEND; EXPUNGE is refused at once, and CLOSE."""
        server, redis, client = await self.started()
        await self.lose(redis, server)
        other = server.connect()
        await other.line()
        self.assertIn(b"t NO [AUTHENTICATIONFAILED]", await other.command(b"LOGIN fred wrong"))
        self.assertIn(b"t OK", await other.command(b'LOGIN fred "%b"' % PASSWORD.encode()))
        self.assertIn(b"* 1 EXISTS", await other.command(b"SELECT INBOX"))
        self.assertIn(b"t OK", await client.command(b"STORE 1 +FLAGS (\\Deleted)"))
        self.assertIn(b"t OK [APPENDUID", await self.append(client))
        found = await other.command(b"FETCH 1 (FLAGS BODY.PEEK[])")
        self.assertIn(MESSAGE, found)
        self.assertEqual(await client.command(b"EXPUNGE"), AWAY)
        self.assertEqual(await client.command(b"UID EXPUNGE 1"), AWAY)
        self.assertIn(b"* 2 EXISTS", await other.command(b"NOOP") + found)
        self.assertEqual(await client.command(b"CLOSE"), AWAY)
        self.assertIn(b"MESSAGES 2", await client.command(b"STATUS INBOX (MESSAGES)"))

    async def test_back(self) -> None:
        """When Redis is back messages are expunged, and pings reach other workers again."""
        server, redis, client = await self.started()
        worker = await ImapServer.start(self, adjusted=lambda _: server.settings)
        await self.lose(redis, server, worker)
        redis.start()
        account = client.connection._session.account
        pings: list[bool] = []
        self.addCleanup(worker.domain.notifier.listen(account.id, lambda: pings.append(True)))
        await until(lambda: server.domain.redis.available)
        await worker.domain.redis.subscribed(CHANNEL)
        pings.clear()
        self.assertIn(b"t OK", await client.command(b"STORE 1 +FLAGS (\\Deleted)"))
        await until(lambda: pings)
        self.assertIn(b"* 1 EXPUNGE", await client.command(b"EXPUNGE"))


class DeliveryWithoutRedisTests(SocketCase):
    def setUp(self) -> Deferred[None]:
        self.redis = RedisServer()
        self.addCleanup(self.redis.close)
        self.sets = (f"redis.uri=redis://127.0.0.1:{self.redis.port}/0",)
        return super().setUp()

    async def test_delivered(self) -> None:
        """Mail is taken while Redis is away."""
        client = await self.client()
        self.redis.kill()
        await until(lambda: not self.domain.redis.available)
        lines = await self.ask(client, b"LHLO x\r\n" + TRANSACTION + MESSAGE + b".\r\n", 5)
        self.assertEqual(lines[-1][:9], b"250 2.0.0")
        self.assertEqual(len(await self.stored()), 1)


class SilentDatabaseTests(TestCase):
    """MongoDB behind a relay that stops passing anything."""

    async def test_silence(self) -> None:
        """Each command is NO [UNAVAILABLE] within its deadline, and all works again after it."""
        # Else the connection is given up, and the server found at its own address.
        self.patch(limits, "MONGO_PING_SECONDS", 60.0)
        server, relay = await self._started()
        clients = [server.connect() for _ in range(3)]
        for client in clients:
            await client.login("fred")
            await client.command(b"SELECT INBOX")
        late = server.connect()
        await late.line()
        self.patch(limits, "OPERATION_SECONDS", 0.1)
        relay.black_hole()
        for command in (
            b"FETCH 1 BODY.PEEK[]",
            b"STORE 1 +FLAGS (\\Seen)",
            b"SELECT INBOX",
            b'LIST "" *',
            b"STATUS INBOX (MESSAGES)",
        ):
            answers = await gather(*(client.command(command) for client in clients))
            # A SELECT leaves the mailbox before it fails.
            expected = CLOSED + AWAY if command.startswith(b"SELECT") else AWAY
            self.assertEqual(answers, [expected] * 3, command)
            self.assertEqual(await late.command(b"NOOP"), b"t OK Completed\r\n")
        self.assertEqual(await late.command(b'LOGIN fred "%b"' % PASSWORD.encode()), AWAY)
        clients[0].send(b"t APPEND INBOX {%d+}\r\n%b\r\n" % (len(MESSAGE), MESSAGE))
        self.assertEqual(await clients[0].until(b"\r\n"), AWAY)
        self.patch(limits, "OPERATION_SECONDS", 10.0)
        relay.restore()
        for client in clients:
            self.assertIn(b"* 1 EXISTS", await client.command(b"SELECT INBOX"))
            self.assertIn(MESSAGE, await client.command(b"FETCH 1 BODY[]"))
        self.assertIn(b"t OK", await late.command(b'LOGIN fred "%b"' % PASSWORD.encode()))
        self.assertEqual(blocking_database(server.settings).messages.count_documents({}), 1)

    async def _started(self) -> tuple[ImapServer, Relay]:
        from twisted.internet import reactor

        made: list[Relay] = []

        def through_relay(settings: Settings) -> Settings:
            address, _, name = settings.mongo.uri.rpartition("/")
            relay = Relay(reactor, int(address.rpartition(":")[2]))
            relay.start()
            self.addCleanup(lambda: Deferred.fromCoroutine(relay.stop()))
            made.append(relay)
            uri = f"mongodb://127.0.0.1:{relay.port}/{name}"
            return replace(settings, mongo=replace(settings.mongo, uri=uri))

        server = await ImapServer.start(self, adjusted=through_relay)
        await server.add(await server.account(), "INBOX", MESSAGE)
        return server, made[0]


class FullDisk:
    """Spool files go to a device that is full, as long as C{full}."""

    def __init__(self, test: TestCase) -> None:
        self.full = True
        self._make = tempfile.TemporaryFile
        test.patch(message.tempfile, "TemporaryFile", self._file)

    def _file(self, **options: Any) -> Any:
        return open("/dev/full", "r+b", buffering=0) if self.full else self._make(**options)


class DiskFullTests(TestCase):
    async def test_append(self) -> None:
        """With a full disk a large message is refused when it has been read; small ones are taken."""
        server = await ImapServer.start(self)
        client = await server.signed_in()
        disk = FullDisk(self)
        for mark in (b"{%d}\r\n", b"{%d+}\r\n"):
            client.send(b"t APPEND INBOX " + mark % len(LARGE))
            if b"+" not in mark:
                self.assertEqual(await client.line(), b"+ OK")
            for start in range(0, len(LARGE), 65536):
                client.send(LARGE[start : start + 65536])
            client.send(b"\r\n")
            self.assertEqual(
                await client.line(), b"t NO [UNAVAILABLE] There is no room for the message at present"
            )
        self.assertIn(b"t OK", await self.append(client, MESSAGE))
        disk.full = False
        self.assertIn(b"t OK", await self.append(client, LARGE))
        self.assertEqual(blocking_database(server.settings).messages.count_documents({}), 2)

    async def append(self, client: MemoryClient, content: bytes) -> bytes:
        client.send(b"t APPEND INBOX {%d+}\r\n%b\r\n" % (len(content), content))
        return await client.line()


class DeliveryDiskFullTests(SocketCase):
    async def test_data(self) -> None:
        """LMTP says that there is no room, for now, and takes small messages, later all."""
        os.makedirs(self.settings.spool, exist_ok=True)
        client = await self.client()
        disk = FullDisk(self)
        await self.ask(client, b"LHLO x\r\n", 1)
        lines = await self.ask(client, TRANSACTION + LARGE + b"\r\n.\r\n", 4)
        self.assertEqual(lines[-1][:9], b"452 4.3.1")
        lines = await self.ask(client, TRANSACTION + MESSAGE + b".\r\n", 4)
        self.assertEqual(lines[-1][:9], b"250 2.0.0")
        disk.full = False
        lines = await self.ask(client, TRANSACTION + LARGE + b"\r\n.\r\n", 4)
        self.assertEqual(lines[-1][:9], b"250 2.0.0")
        self.assertEqual(len(await self.stored()), 2)
