"""Bytes that are made to confuse the reader of commands, in live sessions (anchors: rows 1 to 6, 10b)."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from test.imap.server import PASSWORD, ImapServer, MemoryClient
from test.imap.test_robustness import replace_handler
from test.imap.waiting import until
from test.network.support import Client, connect, listen, server_tls
from test.support.memory import SlowTransport
from test.support.messages import large
from wildduck import limits
from wildduck.accounts import SignedIn
from wildduck.imap.session import Done
from wildduck.limits import KIB, MIB

LOGIN = b'LOGIN fred "%b"' % PASSWORD.encode()
TOO_BIG = b"a BAD [TOOBIG] the command's literals are too big\r\n"
TOO_LONG = b"a BAD the command line is too long\r\n"


class BoundTests(TestCase):
    """Each bound at the size that is still taken, and at the first that is not."""

    async def sessions(self) -> tuple[MemoryClient, MemoryClient]:
        """One before sign-in and one after it, greetings read."""
        server = await ImapServer.start(self)
        before, after = server.connect(), await server.signed_in()
        await before.line()
        return before, after

    def expect(self, client: MemoryClient, data: bytes, answer: bytes) -> None:
        """@param answer: nothing but this, and then the session is in step."""
        client.send(data + b"z NOOP\r\n")
        self.assertEqual(client.data, answer + b"z OK Completed\r\n")
        client.data = b""

    async def test_command_line(self) -> None:
        """8 KiB before sign-in, 64 KiB after it; the name in the commands needs no look into the store."""
        before, after = await self.sessions()
        for client, most in ((before, limits.IMAP_LINE_BEFORE_LOGIN), (after, limits.IMAP_LINE)):
            for size, answer in ((most, b"a BAD unknown command\r\n"), (most + 1, TOO_LONG)):
                self.expect(client, b"a X " + b"y" * (size - 4) + b"\r\n", answer)

    async def test_literal_before_login(self) -> None:
        """4 KiB in all; what is announced without waiting comes nevertheless and is no command."""
        before, _ = await self.sessions()
        most = limits.IMAP_LITERAL_BEFORE_LOGIN
        self.expect(before, b"a SELECT {%d}\r\n" % (most + 1), TOO_BIG)
        before.send(b"b NOOP\r\n")
        self.expect(
            before,
            b"a LOGIN {%d+}\r\n" % (most + 1) + b"x NOOP\r\n" * (most // 8) + b"x y\r\n",
            b"b OK Completed\r\n" + TOO_BIG,
        )
        self.expect(before, b"a LOGIN {400000000}\r\n", TOO_BIG)
        before.send(b"a LOGIN {%d}\r\n" % most)
        self.assertEqual(before.data, b"+ OK\r\n")

    async def test_literal(self) -> None:
        """128 KiB for each literal, 1 MiB for those of a command, a thousand of them."""
        _, after = await self.sessions()
        most = limits.IMAP_LITERAL
        begin = b"a FETCH 1 (BODY[HEADER.FIELDS (x"
        for size, answer in ((most, b"a BAD expected"), (most + 1, TOO_BIG)):
            after.send(begin + b" {%d+}\r\n" % size + b"x" * size + b"]\r\nz NOOP\r\n")
            self.assertTrue((await after.until(b"z OK Completed\r\n")).startswith(answer), size)
        literal = b" {%d+}\r\n" % most + b"x" * most
        self.expect(after, begin + literal * (limits.IMAP_LITERALS_SUM // most + 1) + b"\r\n", TOO_BIG)
        two = b" HEADER {1+}\r\nx {1+}\r\nx"
        self.expect(after, b"a SEARCH" + two * (limits.IMAP_LITERALS_COUNT // 2 + 1) + b"\r\n", TOO_BIG)

    async def test_skipped(self) -> None:
        """What is refused is read over up to a bound, and not kept; then the connection is given up."""
        before, after = await self.sessions()
        block = b"x" * MIB
        for client, most in (
            (before, limits.IMAP_SKIPPED_BEFORE_LOGIN),
            (after, limits.IMAP_SKIPPED_LITERAL),
        ):
            for _ in range(most // MIB):
                client.send(block)
                self.assertLess(client.connection.framer.buffered, 64 * KIB)
            self.assertEqual(client.data, b"")
            client.send(block)
            self.assertEqual(client.data, b"* BYE [TOOBIG] too much to skip\r\n")

    async def test_bad_commands(self) -> None:
        """Three before sign-in, twenty after it, then BYE."""
        before, after = await self.sessions()
        for client, most in ((before, limits.IMAP_BAD_BEFORE_LOGIN), (after, limits.IMAP_BAD_COMMANDS)):
            client.send(b"a X\r\n" * (most + 1))
            self.assertEqual(
                client.data,
                b"a BAD unknown command\r\n" * most
                + b"* BYE Too many bad commands, this is an IMAP server\r\n",
            )

    async def test_connections_from_one_address(self) -> None:
        """The listener's bound for an address is told in a BYE."""
        server = await ImapServer.start(self)
        server.factory.registry._per_address = 1
        one = server.connect("192.0.2.9")
        self.assertIn(b"* OK", one.data)
        self.assertEqual(
            server.connect("192.0.2.9").data, b"* BYE Too many connections from your address\r\n"
        )
        self.assertIn(b"* OK", server.connect("192.0.2.10").data)
        one.closed()
        await until(lambda: len(server.factory.connections) == 1)
        self.assertIn(b"* OK", server.connect("192.0.2.9").data)


class BrokenTests(TestCase):
    """Malformed lines: each is refused whole, and the one behind it is a command."""

    SIZES = [
        b"{-100}",
        b"{-1}",
        b"{}",
        b"{9999999999999999999}",
        b"{99999999999999999999999999}",
        b"{1",
        b"{+}",
        b"{1++}",
        b"{ 1}",
        b"{0x1}",
        b"{1} ",
        b"~{3}",
        b"{1}x",
    ]
    LINES = [
        b"a\tNOOP",
        b"a NOOP\t",
        b"a  NOOP",
        b" a NOOP",
        b"a NOOP ",
        b"a NO\x00OP",
        b"a NOOP\r",
        b"a \rNOOP",
        b"a N\xc3\xb6\xc3\xb6p",
        b"\xff NOOP",
        b"a FETCH\t1 FLAGS",
        b"a FETCH 1 FLAGS\x00",
        b"a LIST \x00 *",
        b'a SELECT "IN\x00BOX"',
        b'a SELECT "IN\rBOX"',
        b"a SELECT I\xc3\xb6",
        b"a SELECT INBOX\x00",
        b"+ NOOP",
        b"a+ NOOP",
        b"a",
        b"a ",
        b"\x00",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"a UID",
        b"a UID NOOP",
        b"a UID UID FETCH 1 FLAGS",
        b"a FETCH 0 FLAGS",
        b"a FETCH 4294967296 FLAGS",
        b"a FETCH 18446744073709551617 FLAGS",
        b"a FETCH 1,,2 FLAGS",
        b"a FETCH 1: FLAGS",
        b"a FETCH " + b"1," * 10_000 + b" FLAGS",
        b"a FETCH 1 " + b"(" * 10_000,
        b"a FETCH 1 BODY[" + b"1." * 10_000 + b"1]",
        b"a FETCH 1 BODY[0]",
        b"a FETCH 1 BODY[]<0.0>",
        b"a FETCH 1 BODY[]<-1.5>",
        b"a STORE 1 FLAGS (\\Recent)",
        b"a STATUS INBOX (MESSAGES",
        b"a STATUS INBOX ()",
        b'a APPEND INBOX "32-Foo-2020 00:00:00 +0000" {1}',
        b"a APPEND INBOX ((((((",
    ]

    async def test_lines(self) -> None:
        """Control characters, wrong spaces, 8-bit atoms, numbers out of range, endless lists."""
        server = await ImapServer.start(self)
        client = await server.signed_in()
        await client.command(b"SELECT INBOX")
        ran = self.recorded("NOOP", "FETCH", "LIST", "SELECT", "STORE", "STATUS", "APPEND")
        sizes = [b"a SELECT " + size for size in self.SIZES]
        for line in self.LINES + sizes:
            client.send(line + b"\r\n")
            self.assertRegex(client.data, rb"^(a|\*|) ?BAD [^\r\n]+\r\n$", line)
            client.data = b""
            self.assertEqual(ran, [], line)
            client.send(b"z NOOP\r\n")
            self.assertEqual((await client.until(b"\r\n"), ran.pop()), (b"z OK ran\r\n", "NOOP"), line)

    def recorded(self, *names: str) -> list[str]:
        """Commands that were begun, in order; they do nothing else."""
        ran: list[str] = []
        for name in names:

            async def handler(session: Any, command: Any, name: str = name) -> Done:
                ran.append(name)
                return Done("ran")

            replace_handler(self, name, handler, reads=False, reports=False)
        return ran

    async def test_cut_off(self) -> None:
        """A client that goes away within a literal or a line has asked for nothing."""
        server = await ImapServer.start(self)
        await server.account()
        ran = self.recorded("SELECT", "APPEND", "LIST")
        for data in (
            b"a SELECT {5+}\r\nINB",
            b"a SELECT INBOX",
            b"a SELECT INBOX\r",
            b"a LIST {0+}\r\n",
            b"a APPEND INBOX {5+}\r\nabcde",
        ):
            client = server.connect()
            await client.login("fred")
            client.send(data)
            client.closed()
            await until(lambda: not server.factory.connections)
        self.assertEqual(ran, [])
        self.assertEqual(server.factory.services.counter._sessions, {})

    async def test_tls_hello(self) -> None:
        """TLS spoken to the plain port is refused like any other garbage, and not kept."""
        server = await ImapServer.start(self)
        client = server.connect()
        await client.line()
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2
        for _ in range(10_000):
            client.send(hello)
            self.assertLess(client.connection.framer.buffered, 64 * KIB)
        self.assertIn(b"* BYE", client.data)


class PeerTests(TestCase):
    async def test_peer_that_never_reads(self) -> None:
        """Who takes nothing is waited for with bounded memory, then cut off; its FETCH ends with it."""
        clock = Clock()
        server = await ImapServer.start(self, clock=clock)
        account = await server.account()
        await server.add(account, "INBOX", large(3 * MIB))
        client = server.connect()
        await client.login("fred")
        await client.command(b"SELECT INBOX")
        slow = SlowTransport(client, 10 * KIB)
        client.send(b"a FETCH 1 BODY.PEEK[]\r\n" + b"b NOOP\r\n" * 1000)
        outlet = client.connection._outlet
        await until(lambda: outlet._waiters)
        clock.advance(limits.WRITE_STALL_SECONDS - 1)
        self.assertLess(len(slow.held) + outlet.waiting, limits.WRITE_BUFFER + 2 * MIB)
        self.assertNotIn(b"Still", slow.held)
        clock.advance(1)
        await until(lambda: not server.factory.connections)
        self.assertFalse(client.connection._scheduler.busy)
        self.assertEqual(server.factory.services.counter._sessions, {})
        self.assertEqual(clock.getDelayedCalls(), [])

    async def test_answers_not_read(self) -> None:
        """Commands of a client that does not read their answers are not executed without end."""
        server = await ImapServer.start(self)
        client = await server.signed_in()
        SlowTransport(client, 10 * KIB)
        for _ in range(200):
            client.send(b"a CAPABILITY\r\n" * 500)
        outlet, framer = client.connection._outlet, client.connection.framer
        await until(lambda: outlet._waiters)
        self.assertLess(outlet.waiting, 2 * limits.WRITE_BUFFER)
        done, left = outlet.waiting, framer.buffered
        client.send(b"a CAPABILITY\r\n")
        self.assertEqual(client.transport.producerState, "paused")
        self.assertEqual((outlet.waiting, framer.buffered), (done, left + 14))


class StartTlsTests(TestCase):
    """STARTTLS on real sockets: nothing that came in the clear lives on (CVE-2021-33515 and others)."""

    async def started(self, implicit_tls: bool = False) -> tuple[ImapServer, int]:
        server = await ImapServer.start(self)
        await server.account()
        factory = server.make_factory(
            server_tls(self), server.factory.clock, implicit_tls=implicit_tls, signed_in=SignedIn(5)
        )
        return server, await listen(self, factory)

    async def asked(self, port: int, behind: bytes) -> Client:
        """A client whose STARTTLS was accepted, with bytes behind it in the same segment."""
        client = await connect(self, port)
        await client.until_has(b"\r\n")
        client.forget()
        transport: Any = client.transport
        transport.write(b"a STARTTLS\r\n" + behind)
        self.assertEqual(await client.until_has(b"\r\n"), b"a OK Begin TLS negotiation now\r\n")
        client.forget()
        return client

    async def test_parts_of_commands(self) -> None:
        """Neither a part of a line nor an open literal in the clear is completed by what comes in TLS."""
        from twisted.internet.ssl import CertificateOptions

        _, port = await self.started()
        for behind in (
            b"b " + LOGIN + b"\r\nc SELECT IN",
            b"b LOGIN {4}\r\n",
            b"b LOGIN {4+}\r\nfr",
            b"x" * 20_000,
        ):
            client = await self.asked(port, behind)
            transport: Any = client.transport
            transport.startTLS(CertificateOptions(verify=False))
            transport.write(b"BOX\r\nd CAPABILITY\r\n")
            found = await client.until_has(b"d OK")
            self.assertRegex(found, rb"^(BOX|\*) BAD ")
            self.assertIn(b"* CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL- ID AUTH=PLAIN SASL-IR\r\n", found)

    async def test_clear_text_later(self) -> None:
        """Commands in the clear in the segment after STARTTLS, before the handshake, end the connection."""
        _, port = await self.started()
        client = await self.asked(port, b"")
        transport: Any = client.transport
        transport.write(b"b " + LOGIN + b"\r\nc SELECT INBOX\r\n" * 100)
        await client.lost
        self.assertNotIn(b"OK", client.data)

    async def test_other_protocol(self) -> None:
        """A TLS client that says it speaks HTTP fails in the handshake (ALPACA); mail clients do not."""
        from twisted.internet.ssl import CertificateOptions

        _, port = await self.started(implicit_tls=True)
        for protocols, works in (([b"h2", b"http/1.1"], False), ([b"imap"], True), ([b"x", b"imap"], True)):
            client = await connect(self, port)
            transport: Any = client.transport
            transport.startTLS(CertificateOptions(verify=False, acceptableProtocols=protocols))
            transport.write(b"a NOOP\r\n")
            if works:
                await client.until_has(b"a OK")
                self.assertEqual(transport.protocol.negotiatedProtocol, b"imap")
            else:
                await client.lost
                self.assertEqual(client.data, b"")
