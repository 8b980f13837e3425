"""Hostile, hasty and slow clients; what fails inside; the end of the server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import TestCase

from test.imap.waiting import until
from test.pop3.server import PASSWORD, Pop3Client, Pop3Server
from test.support.databases import blocking_database
from wildduck import limits
from wildduck.accounts import Account, SignIn
from wildduck.errors import Unavailable
from wildduck.network.registry import Registry
from wildduck.pop3 import commands
from wildduck.pop3.grammar import Stat

SIGN_IN = b"USER fred\r\nPASS %b\r\n" % PASSWORD.encode()
MESSAGE = b"Subject: x\r\n\r\nbody\r\n"


class HostileTests(TestCase):
    async def _server(self, *sets: str, **options: Any) -> Pop3Server:
        server = await Pop3Server.start(self, *sets, **options)
        account = await server.account()
        for _ in range(3):
            await server.add(account, "INBOX", MESSAGE)
        return server

    async def test_single_bytes(self) -> None:
        """A whole session in segments of one byte."""
        server = await self._server()
        client = server.connect()
        for byte in SIGN_IN + b"LIST 1\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n":
            client.send(bytes((byte,)))
        found = await client.end()
        self.assertTrue(
            found.endswith(
                b"+OK maildrop has 3 messages (60 octets)\r\n+OK 1 20\r\n+OK 20 octets\r\n%b.\r\n"
                b"+OK message 1 deleted\r\n+OK Bye\r\n" % MESSAGE
            ),
            found,
        )

    async def test_pipelining(self) -> None:
        """Ten thousand commands in one segment are answered in order, and others are served meanwhile."""
        server = await self._server()
        client, other = await server.signed_in(), await server.signed_in()
        client.send(b"NOOP\r\nSTAT\r\nRETR 2\r\nTOP 3 0\r\n" * 2500 + b"QUIT\r\n")
        self.assertEqual(await other.command(b"STAT"), b"+OK 3 60")
        self.assertNotIn(b"Bye", client.data)
        one = b"+OK\r\n+OK 3 60\r\n+OK 20 octets\r\n%b.\r\n" % MESSAGE
        one += b"+OK top of message follows\r\nSubject: x\r\n\r\n.\r\n"
        self.assertEqual(await client.end(), one * 2500 + b"+OK Bye\r\n")

    async def test_answers_not_taken(self) -> None:
        """A client that takes no answers gets no more of them made."""
        server = await self._server()
        self.patch(limits, "WRITE_BUFFER", 1000)
        for command in (b"UIDL", b"RETR 1", b"NOOP"):
            client = await server.signed_in()
            client.transport.producer.pauseProducing()  # type: ignore[union-attr]
            client.send((command + b"\r\n") * 10_000)
            outlet = client.connection._outlet
            await until(lambda outlet=outlet: outlet._waiters)  # type: ignore[misc]
            self.assertLess(outlet.waiting, 1200, command)
            self.assertEqual(client.data, b"")

    async def test_endless_line(self) -> None:
        """A line without end is answered once and not kept; what follows it is understood."""
        server = await self._server()
        client = server.connect()
        await client.line()
        for _ in range(100):
            client.send(b"x" * 10_000)
        self.assertLess(client.connection.framer.buffered, 2 * limits.POP3_LINE)
        self.assertEqual(await client.line(), b"-ERR Line too long")
        client.send(b"\r\nAUTH PLAIN\r\n" + b"A" * 10_000 + b"\r\nCAPA\r\n")
        self.assertEqual(await client.line(), b"+ ")
        self.assertEqual(await client.line(), b"-ERR The response line is too long or broken")
        self.assertEqual(await client.line(), b"+OK Capability list follows")

    async def test_longest_lines(self) -> None:
        """The longest password and the longest response that are decoded fit into a line."""
        server = await self._server()
        client = server.connect()
        await client.line()
        await client.command(b"USER fred")
        self.assertEqual(await client.command(b"PASS " + b"x" * 1024), b"-ERR [AUTH] Invalid credentials")
        self.assertEqual(await client.command(b"AUTH PLAIN " + b"A" * 4096), b"-ERR Malformed PLAIN message")

    async def test_too_many_bad(self) -> None:
        """Bad commands one after the other end a session, however it was begun."""
        server = await self._server()
        client = await server.signed_in()
        client.send(b"X\r\n" * limits.POP3_BAD_COMMANDS + b"STAT\r\n")
        found = (await client.end()).split(b"\r\n")
        self.assertEqual(found[:-2], [b"-ERR Unknown command"] * (limits.POP3_BAD_COMMANDS - 1))
        self.assertEqual(found[-2:], [b"-ERR Too many bad commands, this is a POP3 server", b""])

    async def test_disconnect(self) -> None:
        """Who goes without QUIT has changed nothing."""
        server = await self._server()
        client = await server.signed_in()
        client.send(b"RETR 1\r\nDELE 1\r\nDELE 2\r\n")
        await client.until(b"2 deleted\r\n")
        client.closed()
        await until(lambda: not server.factory.connections)
        await server.domain.store.settle()
        rows = blocking_database(server.settings).messages.find({"flags": []})
        self.assertEqual(len(list(rows)), 3)

    async def test_gone_while_signing_in(self) -> None:
        """A client that goes away while its password is checked leaves no session behind."""
        server = await self._server("pop3.connections_per_user=1")
        client = server.connect()
        client.send(SIGN_IN)
        client.closed()
        await until(lambda: not server.factory.connections and not client.connection._working)
        self.assertIn(b"+OK", await (await server.signed_in()).command(b"STAT"))

    async def test_gone_while_asked(self) -> None:
        """A client that goes away in the middle of AUTH leaves nothing at work."""
        server = await self._server()
        client = server.connect()
        await client.line()
        self.assertEqual(await client.command(b"AUTH PLAIN"), b"+ ")
        client.closed()
        await until(lambda: not server.factory.connections and not client.connection._working)

    async def test_refused(self) -> None:
        """Who is one too many is told."""
        server = await self._server()
        server.factory.registry = Registry(1)
        server.connect()
        self.assertEqual(await server.connect().end(), b"-ERR [SYS/TEMP] Too many connections\r\n")


class FailureTests(TestCase):
    async def test_handler_fails(self) -> None:
        """An error that nobody foresaw is answered with a number that the log explains; the session lives."""

        async def fail(*_: object) -> bytes:
            raise ValueError("a bug")

        server = await Pop3Server.start(self)
        await server.account()
        client = await server.signed_in()
        old = commands.TABLE[Stat]
        commands.TABLE[Stat] = replace(old, handler=fail)
        self.addCleanup(commands.TABLE.__setitem__, Stat, old)
        with capturedLogs() as logs:
            answer = await client.command(b"STAT")
        self.assertRegex(answer, rb"\A-ERR \[SYS/TEMP\] Internal error, reference [0-9a-f]{16}\Z")
        [incident] = [event["incident"] for event in logs if "incident" in event]
        self.assertTrue(answer.endswith(incident.encode()), (answer, incident))
        [logged] = self.flushLoggedErrors(ValueError)
        self.assertEqual(str(logged.value), "a bug")
        self.assertEqual(await client.command(b"NOOP"), b"+OK")

    async def _quit(self, *sets: str) -> tuple[Pop3Server, bytes]:
        server = await Pop3Server.start(self, *sets)
        account = await server.account()
        for _ in range(2):
            await server.add(account, "INBOX", MESSAGE)
        client = await server.signed_in()
        client.send(b"RETR 2\r\nDELE 1\r\n")
        await client.until(b"deleted\r\n")

        async def unavailable(*_: object, **__: object) -> None:
            raise Unavailable()

        for name in ("move", "expunge"):
            self.patch(server.domain.store, name, unavailable)
        client.send(b"QUIT\r\n")
        return server, await client.end()

    async def test_not_deleted(self) -> None:
        """QUIT tells when messages could not be deleted (RFC 1939 §6); what was read is marked."""
        for how in ("trash", "expunge"):
            server, answer = await self._quit(f"pop3.delete={how}")
            self.assertEqual(answer, b"-ERR [SYS/TEMP] Temporarily unavailable, please try again\r\n")
            rows = blocking_database(server.settings).messages.find(sort=[("uid", 1)])
            self.assertEqual(["\\Seen" in row["flags"] for row in rows], [False, True])

    async def test_account_deleted(self) -> None:
        """QUIT makes no mailbox for an account that was deleted, where its session did not hear of that."""
        server = await Pop3Server.start(self)

        async def unheard(*_: object) -> None:
            pass

        self.patch(server.domain.notifier, "log_out", unheard)
        account = await server.account()
        await server.add(account, "INBOX", MESSAGE)
        client = await server.signed_in()
        await client.command(b"DELE 1")
        await server.domain.accounts.delete(account.id)
        await server.domain.accounts.purge(account.id)
        client.send(b"RETR 1\r\nQUIT\r\n")
        self.assertEqual(
            await client.end(),
            b"-ERR message 1 already deleted\r\n-ERR [SYS/PERM] This mailbox does not exist\r\n",
        )
        self.assertEqual(await server.domain.store.mailboxes.list(account.id), [])

    async def test_sign_in_unavailable(self) -> None:
        """What is temporary is told apart from a wrong password (RFC 3206)."""
        server = await Pop3Server.start(self)
        await server.account()

        async def unavailable(*_: object) -> None:
            raise Unavailable()

        self.patch(server.domain.accounts, "sign_in", unavailable)
        client = server.connect()
        await client.line()
        await client.command(b"USER fred")
        self.assertEqual(
            await client.command(b"PASS x"), b"-ERR [SYS/TEMP] Temporarily unavailable, please try again"
        )
        self.assertEqual(await client.command(b"STLS"), b"+OK Begin TLS negotiation")


class TimeTests(TestCase):
    async def _connected(self) -> tuple[Clock, Pop3Server, Pop3Client]:
        clock = Clock()
        server = await Pop3Server.start(self, clock=clock)
        account = await server.account()
        await server.add(account, "INBOX", MESSAGE)
        client = server.connect()
        await client.line()
        return clock, server, client

    async def test_before_sign_in(self) -> None:
        """Who does not sign in within a minute of the last command is cut off without a word."""
        clock, _, client = await self._connected()
        clock.pump([30, 29])
        self.assertEqual((await client.listing(b"CAPA"))[0], b"TOP")
        clock.advance(59)
        client.send(b"A")
        clock.advance(0.9)
        self.assertFalse(client._closed)
        clock.advance(0.2)
        self.assertEqual(await client.end(), b"")

    async def test_before_sign_in_in_all(self) -> None:
        """Commands keep no place for who never signs in."""
        clock, _, client = await self._connected()
        for _ in range(3):
            clock.advance(59)
            await client.command(b"USER fred")
        clock.advance(2.9)
        self.assertFalse(client._closed)
        clock.advance(0.2)
        self.assertEqual(await client.end(), b"")

    async def test_password_being_checked(self) -> None:
        """The time does not run out on a client that waits for us."""
        clock, server, client = await self._connected()
        sign_in, checked = server.domain.accounts.sign_in, Deferred[None]()

        async def slowly(credentials: SignIn) -> Account:
            await checked
            return await sign_in(credentials)

        self.patch(server.domain.accounts, "sign_in", slowly)
        client.send(SIGN_IN)
        await client.line()
        clock.advance(61)
        checked.callback(None)
        self.assertEqual(await client.line(), b"+OK maildrop has 1 message (20 octets)")

    async def test_waits_for_response(self) -> None:
        """The same while a command waits for the client."""
        clock, _, client = await self._connected()
        self.assertEqual(await client.command(b"AUTH PLAIN"), b"+ ")
        clock.advance(61)
        self.assertEqual(await client.end(), b"")

    async def test_signed_in(self) -> None:
        """After ten minutes without a byte the session ends without a word, and nothing is deleted."""
        clock, server, client = await self._connected()
        client.send(SIGN_IN + b"DELE 1\r\n")
        await client.until(b"deleted\r\n")
        clock.advance(599)
        self.assertEqual(await client.command(b"NOOP"), b"+OK")
        clock.advance(599)
        self.assertEqual(await client.command(b"NOOP"), b"+OK")
        clock.advance(601)
        self.assertEqual(await client.end(), b"")
        self.assertEqual(blocking_database(server.settings).messages.count_documents({"flags": []}), 1)


class DrainTests(TestCase):
    async def test_idle(self) -> None:
        """A client that does nothing is told at once."""
        server = await Pop3Server.start(self)
        client = server.connect()
        await client.line()
        drained = server.factory.drain()
        self.assertEqual(await client.end(), b"-ERR [SYS/TEMP] The server is shutting down\r\n")
        await drained

    async def test_at_work(self) -> None:
        """The command in hand is finished, what is pipelined behind it is not begun."""
        server = await Pop3Server.start(self)
        account = await server.account()
        await server.add(account, "INBOX", MESSAGE)
        client = await server.signed_in()
        client.send(b"RETR 1\r\nDELE 1\r\nQUIT\r\n")
        drained = server.factory.drain()
        self.assertEqual(
            await client.end(),
            b"+OK 20 octets\r\n%b.\r\n-ERR [SYS/TEMP] The server is shutting down\r\n" % MESSAGE,
        )
        await drained

    async def test_too_late(self) -> None:
        """Who comes during shutdown is sent away at once."""
        server = await Pop3Server.start(self)
        drained = server.factory.drain()
        client = server.connect()
        self.assertEqual(await client.end(), b"-ERR [SYS/TEMP] The server is shutting down\r\n")
        await drained
