"""Hostile, hasty and slow clients; what fails inside; the end of the server (anchors: rows 1 to 11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from test.imap.server import PASSWORD, ImapServer, MemoryClient
from test.imap.waiting import until
from test.network.support import connect, listen, server_tls
from wildduck import limits
from wildduck.accounts import SignedIn
from wildduck.accounts.fields import UserChange
from wildduck.accounts.notes import Origin
from wildduck.errors import Unavailable
from wildduck.events.notifier import CHANNEL
from wildduck.imap import news
from wildduck.imap.commands import table
from wildduck.imap.session import Done, Session
from wildduck.mailstore.content import Content

LOGIN = b'LOGIN fred "%b"' % PASSWORD.encode()

#: Told of a command with the tag C{a} that can not say how far it is.
WORKING = b'* OK [INPROGRESS ("a" NIL NIL)] Still working\r\n'


def replace_handler(test: TestCase, name: str, handler: Any, **columns: Any) -> None:
    """Let a command do something else for one test."""
    row = table.TABLE[name]
    table.TABLE[name] = replace(row, handler=handler, **columns)
    test.addCleanup(table.TABLE.__setitem__, name, row)


class FailureTests(TestCase):
    async def test_bug(self) -> None:
        """An unforeseen exception is NO [SERVERBUG] with a number for the log; the session lives."""
        server = await ImapServer.start(self)
        client = await server.signed_in()

        async def broken(session: Any, command: Any) -> Done:
            raise ValueError("secret details")

        replace_handler(self, "LIST", broken)
        answer = await client.command(b'LIST "" *')
        self.assertRegex(answer, rb"^t NO \[SERVERBUG\] Internal error, reference [0-9a-f]{16}\r\n$")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertNotIn(b"secret", answer)
        self.assertIn(b"t OK", await client.command(b"NOOP"))

    async def test_unavailable(self) -> None:
        """A database that does not answer is NO [UNAVAILABLE], and nothing is logged as a bug."""
        server = await ImapServer.start(self)
        client = await server.signed_in()

        async def silent(user: Any, path: str, **options: Any) -> None:
            raise Unavailable()

        self.patch(server.domain.store, "open", silent)
        answer = await client.command(b"SELECT INBOX")
        self.assertEqual(answer, b"t NO [UNAVAILABLE] Temporarily unavailable, please try again\r\n")
        self.assertIn(b"t BAD [CLIENTBUG]", await client.command(b"CLOSE"))

    async def test_changes_unavailable(self) -> None:
        """A command that is done is OK, also when what else has happened can not be told."""
        server = await ImapServer.start(self)
        client = await server.signed_in()
        await client.command(b"SELECT INBOX")

        async def silent(**options: Any) -> None:
            raise Unavailable()

        self.patch(client.connection._session.view, "refresh", silent)
        self.assertEqual(await client.command(b"NOOP"), b"t OK Completed\r\n")

    async def test_mailbox_deleted(self) -> None:
        """When the selected mailbox is deleted the session ends (RFC 2180 §3.3)."""
        server = await ImapServer.start(self)
        account = await server.account()
        mailbox = await server.mailbox(account, "doomed")
        client = server.connect()
        await client.login("fred")
        await client.command(b"SELECT doomed")
        await server.domain.store.mailboxes.delete(account.id, mailbox)
        client.send(b"a NOOP\r\n")
        self.assertEqual(await client.end(), b"a OK Completed\r\n* BYE The selected mailbox was deleted\r\n")

    async def test_account_deleted(self) -> None:
        """The sessions of an account that is deleted end, selected mailbox or not; others go on."""
        server = await ImapServer.start(self)
        client = await server.signed_in()
        other = await server.signed_in("other")
        await server.domain.redis.subscribed(CHANNEL)
        await server.domain.accounts.delete((await server.domain.accounts.get("fred")).id)
        self.assertEqual(await client.end(), b"* BYE The account was deleted\r\n")
        self.assertIn(b"t OK", await other.command(b"NOOP"))

    async def test_account_shut(self) -> None:
        """The sessions of an account end that is disabled, suspended or has a new password; others go on."""
        server = await ImapServer.start(self)
        other = await server.signed_in("other")
        await server.account()
        accounts = server.domain.accounts
        for change, undo in (
            ({"disabled": True}, {"disabled": False}),
            ({"suspended": True}, {"suspended": False}),
            ({"password": "another"}, {"password": PASSWORD}),
        ):
            client = server.connect()
            await client.login("fred")
            await server.domain.redis.subscribed(CHANNEL)
            account = await accounts.get("fred")
            await accounts.update(account.id, UserChange(**change), Origin())
            self.assertEqual(await client.end(), b"* BYE Authentication required\r\n")
            await accounts.update(account.id, UserChange(**undo), Origin())
        self.assertIn(b"t OK", await other.command(b"NOOP"))


class HasteTests(TestCase):
    async def test_much_to_tell(self) -> None:
        """While a client is told of many changes others have their turn."""
        server = await ImapServer.start(self)
        account = await server.account()
        mailbox = await server.mailbox(account, "busy")
        client = server.connect()
        await client.login("fred")
        for _ in range(4):
            await client.command(b"APPEND busy {3+}\r\na:b")
        await client.command(b"SELECT busy")
        self.patch(news, "_AT_ONCE", 1)
        turns, breathe = [], Session.breathe

        async def breathed(one: Session) -> None:
            turns.append(one)
            await breathe(one)

        self.patch(Session, "breathe", breathed)
        await server.domain.store.store_flags(mailbox, [1, 2, 3, 4], "+", ["\\Flagged"])
        told = await client.command(b"NOOP")
        self.assertEqual((4, 3), (told.count(b" FETCH (FLAGS (\\Flagged"), len(turns)))

    async def test_byte_by_byte(self) -> None:
        """A whole session in segments of one byte is understood."""
        server = await ImapServer.start(self)
        await server.account()
        client = server.connect()
        await client.line()
        lines = [
            b"a " + LOGIN,
            b"b APPEND INBOX (\\Seen) {12}\r\nA: b\r\n\r\nx\r\ny",
            b"c SELECT {5+}\r\nINBOX",
            b"d FETCH 1 (FLAGS BODY[HEADER.FIELDS ({1+}\r\nA)])",
            b"e LOGOUT",
        ]
        for line in lines:
            for byte in line + b"\r\n":
                client.send(bytes([byte]))
            await client.until(line[:1] + b" OK")
        self.assertIn(b"completed", await client.end())

    async def test_many_commands(self) -> None:
        """A flood of pipelined commands is answered in order, without being held in memory."""
        server = await ImapServer.start(self)
        client = await server.signed_in()
        count = 20_000
        paused = []
        pause = client.transport.pauseProducing

        def recording() -> None:
            paused.append(True)
            pause()

        self.patch(client.transport, "pauseProducing", recording)
        client.send(b"".join(b"%d NOOP\r\n" % number for number in range(count)))
        self.assertTrue(paused)
        found = await client.until(b"\r\n%d OK Completed\r\n" % (count - 1))
        expected = b"".join(b"%d OK Completed\r\n" % number for number in range(count))
        self.assertEqual(found, expected)
        self.assertEqual(client.transport.producerState, "producing")

    async def test_others_have_their_turn(self) -> None:
        """While one client's flood is worked off another is served."""
        server = await ImapServer.start(self)
        flood, other = await server.signed_in("flood"), await server.signed_in("other")
        flood.send(b"a NOOP\r\n" * 5000)
        self.assertEqual(await other.command(b"NOOP"), b"t OK Completed\r\n")
        self.assertLess(flood.data.count(b"a OK"), 5000)
        await until(lambda: flood.data.count(b"a OK") == 5000)

    async def test_one_command_at_a_time(self) -> None:
        """A command is not begun before the one before it has ended."""
        server = await ImapServer.start(self)
        client = await server.signed_in()
        waiting: Deferred[None] = Deferred()
        running = []

        async def slow(session: Any, command: Any) -> Any:
            running.append(command)
            await waiting
            return Done("slow")

        replace_handler(self, "LIST", slow)
        client.send(b'a LIST "" *\r\nb NOOP\r\nc LIST "" *\r\n')
        self.assertEqual((len(running), client.data), (1, b""))
        waiting.callback(None)
        self.assertEqual((len(running), client.data), (2, b"a OK slow\r\nb OK Completed\r\nc OK slow\r\n"))

    async def test_nested_parentheses(self) -> None:
        """A million opening parentheses are refused like any line that is too long, and not kept."""
        server = await ImapServer.start(self)
        client = server.connect()
        await client.line()
        for _ in range(10):
            client.send(b"(" * 100_000)
        client.send(b"\r\na NOOP\r\n")
        self.assertEqual(await client.line(), b"* BAD the command line is too long")
        self.assertEqual(await client.line(), b"a OK Completed")

    async def test_endless_line(self) -> None:
        """A line without end is not read for ever."""
        server = await ImapServer.start(self)
        client = server.connect()
        await client.line()
        for _ in range(20):
            client.send(b"x" * 100_000)
        self.assertEqual(await client.end(), b"* BYE [TOOBIG] too much to skip\r\n")

    async def test_many_literals(self) -> None:
        """The number and the sum of a command's literals are bounded (CVE-2024-34055)."""
        server = await ImapServer.start(self)
        client = await server.signed_in()
        client.send(b"a SEARCH" + b" HEADER {1+}\r\nx {1+}\r\nx" * 550 + b"\r\n")
        self.assertEqual(await client.line(), b"a BAD [TOOBIG] the command's literals are too big")
        client.send(b"b LOGIN " + b"{120000+}\r\n" + b"x" * 120_000 + b" x\r\n")
        self.assertIn(b"b BAD [CLIENTBUG]", await client.line())
        self.assertEqual(await client.command(b"NOOP"), b"t OK Completed\r\n")

    async def test_authentication_given_up(self) -> None:
        """Giving up an authentication again and again leaves nothing behind but bad commands."""
        server = await ImapServer.start(self)
        client = server.connect()
        await client.line()
        for _ in range(500):
            client.send(b"a AUTHENTICATE PLAIN\r\n*\r\nb NOOP\r\n")
        self.assertEqual(client.data, b"+ \r\na BAD Authentication cancelled\r\nb OK Completed\r\n" * 500)

    async def test_long_response(self) -> None:
        """A SASL response that is too long is read over."""
        server = await ImapServer.start(self)
        client = server.connect()
        await client.line()
        client.send(b"a AUTHENTICATE PLAIN\r\n" + b"A" * 20_000 + b"\r\nb NOOP\r\n")
        self.assertEqual(
            client.data, b"+ \r\na BAD The response line is too long or broken\r\nb OK Completed\r\n"
        )


class TimeTests(TestCase):
    async def started(self) -> tuple[ImapServer, Clock, MemoryClient]:
        clock = Clock()
        server = await ImapServer.start(self, clock=clock)
        await server.account()
        client = server.connect()
        await client.line()
        return server, clock, client

    async def test_no_sign_in(self) -> None:
        """Who does not sign in is sent away, also one who sends a byte now and then."""
        _, clock, client = await self.started()
        for _ in range(6):
            clock.advance(limits.IMAP_LOGIN_SECONDS / 6 - 1)
            client.send(b"x")
        clock.advance(7)
        self.assertEqual(await client.end(), b"* BYE No sign-in within the time allowed\r\n")

    async def test_progress_before_sign_in(self) -> None:
        """Whole commands prolong the time to sign in."""
        _, clock, client = await self.started()
        for _ in range(3):
            clock.advance(limits.IMAP_LOGIN_SECONDS - 1)
            self.assertEqual(await client.command(b"NOOP"), b"t OK Completed\r\n")

    async def test_only_noop(self) -> None:
        """Before sign-in commands keep nobody connected for longer than the time that all have together."""
        _, clock, client = await self.started()
        for _ in range(int(limits.IMAP_LOGIN_TOTAL_SECONDS) // 30):
            self.assertEqual(await client.command(b"NOOP"), b"t OK Completed\r\n")
            clock.advance(30)
        self.assertEqual(await client.end(), b"* BYE No sign-in within the time allowed\r\n")

    async def test_late_sign_in(self) -> None:
        """A sign-in that is being checked when the time is over may succeed; a failed one was the last."""
        for name, last in [(b"fred", b"a OK"), (b"nobody", b"* BYE")]:
            _, clock, client = await self.started()
            client.send(b'a LOGIN %b "%b"\r\n' % (name, PASSWORD.encode()))
            clock.advance(limits.IMAP_LOGIN_SECONDS)
            self.assertEqual(client.data, WORKING)
            await until(lambda client=client, last=last: last in client.data)  # type: ignore[misc]
            client.send(b"b NOOP\r\n")
            self.assertEqual(b"b OK" in client.data, name == b"fred")

    async def test_idle(self) -> None:
        """A session without a word for half an hour is ended; any byte prolongs it."""
        _, clock, client = await self.started()
        await client.command(LOGIN)
        clock.advance(limits.IMAP_IDLE_SECONDS - 1)
        client.send(b"a")
        clock.advance(limits.IMAP_IDLE_SECONDS - 1)
        client.send(b" NOOP\r\n")
        self.assertEqual(await client.line(), b"a OK Completed")
        clock.advance(limits.IMAP_IDLE_SECONDS)
        self.assertEqual(await client.end(), b"* BYE Idle for too long\r\n")

    async def test_busy(self) -> None:
        """A command that takes long is no silence of the client."""
        _, clock, client = await self.started()
        await client.command(LOGIN)
        waiting: Deferred[None] = Deferred()

        async def slow(session: Any, command: Any) -> Any:
            await waiting
            return Done("slow")

        replace_handler(self, "LIST", slow)
        client.send(b'a LIST "" *\r\n')
        clock.advance(limits.IMAP_IDLE_SECONDS * 2)
        waiting.callback(None)
        self.assertEqual(client.data, WORKING + b"a OK slow\r\n")


class SignsOfLifeTests(TestCase):
    """A client whose command takes long hears of it now and then, for many give up after a minute."""

    async def started(self) -> tuple[Clock, MemoryClient]:
        clock = Clock()
        server = await ImapServer.start(self, clock=clock)
        await server.account()
        client = server.connect()
        await client.login("fred")
        return clock, client

    def slow(self, name: str, waits: Callable[[Any], Any], **columns: Any) -> None:
        """Let a command do nothing but wait for what C{waits} gives for its session."""

        async def handler(session: Any, command: Any) -> Any:
            await waits(session)
            return Done("slow")

        replace_handler(self, name, handler, **columns)

    async def test_working(self) -> None:
        """Untagged OKs come regularly until the command ends, and none after it."""
        clock, client = await self.started()
        waiting: Deferred[None] = Deferred()
        self.slow("LIST", lambda session: waiting)
        await client.command(b"NOOP")
        clock.advance(limits.IMAP_WORKING_SECONDS - 1)
        client.send(b'a LIST "" *\r\n')
        clock.advance(limits.IMAP_WORKING_SECONDS - 1)
        self.assertEqual(client.data, b"")
        clock.advance(1)
        self.assertEqual(client.data, WORKING)
        clock.pump([1] * int(2 * limits.IMAP_WORKING_SECONDS))
        self.assertEqual(client.data, WORKING * 3)
        client.data = b""
        waiting.callback(None)
        clock.pump([1] * int(2 * limits.IMAP_WORKING_SECONDS))
        self.assertEqual(client.data, b"a OK slow\r\n")

    async def test_not_in_a_response(self) -> None:
        """Nothing is put into a literal or half a response, or behind bytes that the client does not read."""
        clock, client = await self.started()
        waiting: Deferred[None] = Deferred()
        self.slow("LIST", lambda session: waiting)
        client.send(b'a LIST "" *\r\n')
        session, outlet = client.connection._session, client.connection._outlet
        session.literal_open = True
        clock.advance(limits.IMAP_WORKING_SECONDS)
        session.literal_open = False
        outlet.pauseProducing()
        clock.advance(limits.IMAP_WORKING_SECONDS)
        outlet.resumeProducing()
        self.assertEqual(client.data, b"")
        clock.advance(limits.IMAP_WORKING_SECONDS)
        self.assertEqual(client.data, WORKING)
        waiting.callback(None)

    async def test_between_responses(self) -> None:
        """A FETCH that takes long tells so between its responses, never before the end of one."""
        clock = Clock()
        server = await ImapServer.start(self, clock=clock)
        account = await server.account()
        # An attachment is no part of the document, and streamed.
        kind = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n"
        message = kind + b"\r\nQUJD\r\n"
        for _ in range(2):
            await server.add(account, "INBOX", message)
        client = server.connect()
        await client.login("fred")
        await client.command(b"SELECT INBOX")
        waiting: Deferred[None] = Deferred()
        prepared: list[Content] = []
        prepare = Content.prepare

        async def slow(content: Content, *positions: Any) -> None:
            begun = bool(prepared) and content is not prepared[0]
            prepared.append(content)
            if begun:
                await waiting
            await prepare(content, *positions)

        self.patch(Content, "prepare", slow)
        client.send(b"a FETCH 1:2 (UID BODY.PEEK[])\r\n")
        await until(lambda: bool(prepared) and prepared[-1] is not prepared[0])
        clock.advance(limits.IMAP_WORKING_SECONDS)
        waiting.callback(None)
        rows = [
            b"* %d FETCH (UID %d BODY[] {%d}\r\n%b)\r\n" % (number, number, len(message), message)
            for number in (1, 2)
        ]

        def finished() -> bool:
            clock.advance(0)  # long work gives way to others
            return b"a OK" in client.data

        await until(finished)
        working = WORKING.replace(b"NIL NIL", b"0 2")
        self.assertEqual(client.data, working.join(rows) + b"a OK FETCH completed\r\n")

    async def test_client_is_waited_for(self) -> None:
        """A client that was asked for its password is not told anything in between."""
        clock = Clock()
        server = await ImapServer.start(self, clock=clock)
        client = server.connect()
        await client.line()
        client.send(b"a AUTHENTICATE PLAIN\r\n")
        clock.pump([5] * 11)
        self.assertEqual(client.data, b"+ \r\n")

    async def test_idle(self) -> None:
        """A client that waits for news is told that we are there, more rarely."""
        clock, client = await self.started()
        waiting: Deferred[None] = Deferred()

        async def wait(session: Any) -> None:
            await session.ask(b"idling")
            await waiting

        self.slow("LIST", wait, idles=True)
        client.send(b'a LIST "" *\r\n')
        clock.pump([1] * int(limits.IMAP_STILL_HERE_SECONDS))
        self.assertEqual(client.data, b"+ idling\r\n* OK Still here\r\n")
        client.data = b""
        client.send(b"DONE\r\n")
        clock.advance(limits.IMAP_WORKING_SECONDS)
        self.assertEqual(client.data, WORKING)
        waiting.callback(None)
        self.assertEqual(client.data, WORKING + b"a OK slow\r\n")


class DrainTests(TestCase):
    async def test_idle_session(self) -> None:
        """At shutdown a session that waits is told and ended."""
        server = await ImapServer.start(self)
        client = await server.signed_in()
        drained = server.factory.drain()
        self.assertEqual(await client.end(), b"* BYE The server is shutting down\r\n")
        await drained

    async def test_running_command(self) -> None:
        """A command in hand is finished before, and none is begun after it."""
        server = await ImapServer.start(self)
        client = await server.signed_in()
        client.send(b"a SELECT INBOX\r\nb NOOP\r\n")
        drained = server.factory.drain()
        found = await client.end()
        self.assertTrue(
            found.endswith(b"a OK [READ-WRITE] SELECT completed\r\n* BYE The server is shutting down\r\n"),
            found,
        )
        await drained

    async def test_authenticating(self) -> None:
        """A client that was asked for its password is not waited for."""
        server = await ImapServer.start(self)
        client = server.connect()
        await client.line()
        client.send(b"a AUTHENTICATE PLAIN\r\n")
        drained = server.factory.drain()
        self.assertEqual(await client.end(), b"+ \r\n* BYE The server is shutting down\r\n")
        await drained

    async def test_too_late(self) -> None:
        """Who comes during shutdown is sent away at once."""
        server = await ImapServer.start(self)
        drained = server.factory.drain()
        client = server.connect()
        self.assertEqual(await client.end(), b"* BYE The server is shutting down\r\n")
        await drained


class SocketTests(TestCase):
    """What crosses a socket: TLS."""

    async def _port(self, implicit_tls: bool) -> int:
        server = await ImapServer.start(self)
        await server.account()
        factory = server.make_factory(
            server_tls(self), server.factory.clock, implicit_tls=implicit_tls, signed_in=SignedIn(5)
        )
        return await listen(self, factory)

    async def test_starttls(self) -> None:
        """After STARTTLS the session goes on in TLS, and what was sent in the clear behind it is gone."""
        from twisted.internet.ssl import CertificateOptions

        client = await connect(self, await self._port(implicit_tls=False))
        transport: Any = client.transport
        await client.until_has(b"\r\n")
        client.forget()
        transport.write(b"a STARTTLS\r\nb " + LOGIN + b"\r\nc SELECT INBOX\r\n")
        await client.until_has(b"a OK Begin TLS negotiation now\r\n")
        client.forget()
        transport.startTLS(CertificateOptions(verify=False))
        transport.write(b"d CAPABILITY\r\ne " + LOGIN + b"\r\n")
        found = await client.until_has(b"e OK")
        self.assertTrue(
            found.startswith(b"* CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL- ID AUTH=PLAIN SASL-IR\r\nd OK"),
            found,
        )

    async def test_implicit_tls(self) -> None:
        """The TLS port greets in TLS and offers no STARTTLS."""
        client = await connect(self, await self._port(implicit_tls=True), tls=True)
        found = await client.until_has(b"\r\n")
        self.assertTrue(
            found.startswith(b"* OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL- ID AUTH=PLAIN SASL-IR]"), found
        )
