"""IDLE with clients that break its rules or go away, and the end of many (anchors: row 8, §4.4 row 11)."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from test.imap.server import ImapServer, MemoryClient
from test.imap.test_robustness import replace_handler
from test.imap.test_streaming import SlowTransport
from test.imap.waiting import until
from wildduck import limits
from wildduck.accounts import Account
from wildduck.imap.session import Done
from wildduck.limits import KIB

MESSAGE = b"Subject: s\r\n\r\nbody\r\n"
SHUT_DOWN = b"* BYE The server is shutting down\r\n"


class IdleTests(TestCase):
    async def idling(self, clock: Clock | None = None) -> tuple[ImapServer, Account, MemoryClient]:
        """A session in IDLE on an empty INBOX."""
        server = await ImapServer.start(self, clock=clock)
        account = await server.account()
        client = server.connect()
        await client.login("fred")
        await client.command(b"SELECT INBOX")
        client.send(b"a IDLE\r\n")
        self.assertEqual(await client.line(), b"+ idling")
        return server, account, client

    async def test_disconnect(self) -> None:
        """A client that goes away leaves nothing that is told, counted or kept open."""
        server, account, client = await self.idling()
        client.closed()
        await until(lambda: not server.factory.connections and not client.connection._scheduler.busy)
        self.assertEqual(server.factory.services.counter._sessions, {})
        self.assertEqual(server.domain.notifier._listeners, {})
        await server.add(account, "INBOX", MESSAGE)
        self.assertEqual(client.data, b"")

    async def test_long_line(self) -> None:
        """A line that is too long ends IDLE, is not kept, and the next one is a command."""
        _, _, client = await self.idling()
        for _ in range(200):
            client.send(b"x" * 1000)
        self.assertLess(client.connection.framer.buffered, limits.IMAP_LINE + KIB)
        client.send(b"\r\nb NOOP\r\n")
        self.assertTrue((await client.until(b"b OK Completed\r\n")).startswith(b"a BAD "))

    async def test_literal(self) -> None:
        """A literal announced in IDLE is none: what follows its line is a command."""
        _, _, client = await self.idling()
        client.send(b"b SELECT {4}\r\nc NOOP\r\n")
        self.assertTrue((await client.until(b"c OK Completed\r\n")).startswith(b"a BAD Expected DONE\r\n"))

    async def test_again_and_again(self) -> None:
        """A thousand IDLEs in one segment, each with its DONE, are answered in order."""
        _, _, client = await self.idling()
        client.send(b"DONE\r\n" + b"a IDLE\r\nDONE\r\n" * 1000)
        await until(lambda: client.data.count(b"a OK") == 1001)
        self.assertEqual(
            client.data, b"a OK IDLE terminated\r\n" + b"+ idling\r\na OK IDLE terminated\r\n" * 1000
        )

    async def test_does_not_read(self) -> None:
        """For a client that reads nothing news are not gathered; it gets them when it does."""
        server, account, client = await self.idling()
        slow = SlowTransport(client, 0)
        outlet = client.connection._outlet
        outlet.send(b"* OK " + b"x" * limits.WRITE_BUFFER + b"\r\n")
        outlet.send(b"* OK " + b"x" * limits.WRITE_BUFFER + b"\r\n")
        held = len(slow.held) + outlet.waiting
        for _ in range(3):
            await server.add(account, "INBOX", MESSAGE)
        # A look that had begun before may still tell what it finds.
        self.assertLess(len(slow.held) + outlet.waiting, held + 100)
        while b"* 3 EXISTS\r\n" not in client.data:
            await until(lambda: slow.held)
            slow.read()

    async def test_time(self) -> None:
        """Every two minutes a sign of life; after half an hour without a word BYE (RFC 2177 §3)."""
        clock = Clock()
        _, _, client = await self.idling(clock)
        clock.pump([10.0] * int(limits.IMAP_IDLE_SECONDS / 10 - 1))
        here = client.data.count(b"* OK Still here\r\n")
        self.assertEqual(here, int(limits.IMAP_IDLE_SECONDS / limits.IMAP_STILL_HERE_SECONDS) - 1)
        client.data = b""
        clock.pump([10.0] * 2)
        self.assertIn(b"* BYE Idle for too long\r\n", await client.end())


class ManySessionsTests(TestCase):
    async def test_drain(self) -> None:
        """At shutdown two hundred sessions get their BYE, and commands in hand are finished before it."""
        server = await ImapServer.start(self, "imap.connections_per_user=1000")
        account = await server.account()
        waiting: Deferred[None] = Deferred()

        async def slow(session: Any, command: Any) -> Done:
            await waiting
            return Done("slow")

        replace_handler(self, "LIST", slow)
        groups = {
            b"a IDLE\r\n": b"+ idling\r\n",
            b"": b"",
            b"a LOGIN x {3": b"",
            b"a APPEND INBOX {100+}\r\nabc": b"",
            b'a LIST "" *\r\nb NOOP\r\n': b"",
        }
        clients = []
        for number, (sent, answer) in enumerate(list(groups.items()) * 40):
            client = server.connect(f"192.0.2.{number % 250}")
            await client.connection._session.sign_in(account)
            client.data = b""
            client.send(sent)
            clients.append((client, sent, answer))
        await until(lambda: all(client.data == answer for client, _, answer in clients))
        waits = [client for client, sent, _ in clients if not sent.startswith(b"a LIST")]
        await until(lambda: all(client.connection._scheduler.waits_for_client for client in waits))
        drained = server.factory.drain()
        for client, sent, answer in clients:
            busy = sent.startswith(b"a LIST")
            self.assertEqual(client.data, answer + (b"" if busy else SHUT_DOWN), sent)
        waiting.callback(None)
        await drained
        for client, sent, _ in clients:
            if sent.startswith(b"a LIST"):
                self.assertEqual(client.data, b"a OK slow\r\n" + SHUT_DOWN)
        self.assertEqual(server.factory.services.counter._sessions, {})
        self.assertEqual(len(clients), 200)
