"""Messages on their way out: exact, in bounded memory, at the client's pace; and what can not be read."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import Phase, given, settings, strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from test.imap.server import MemoryClient
from test.imap.waiting import until
from test.pop3.server import Pop3Client, Pop3Server, unstuffed
from test.support.corpus import corpus
from test.support.databases import blocking_database
from test.support.memory import SlowTransport
from test.support.messages import large
from wildduck import limits
from wildduck.imap.factory import ImapFactory
from wildduck.limits import KIB, MIB

#: One message of the corpus in so many is looked at; IMAP's own tests look at all.
_ONE_IN = 8
_PIECES = [b"\r\n.\r\n", b"\n.\r\n", b"\n.\n", b"\r.\r", b".", b"\r\n", b"x", b"+OK 9 octets\r\n"]


def strictly_received(content: bytes) -> bytes:
    """What a client that knows CRLF only gets for a message (L{wildduck.pop3.stuffing})."""
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    return re.sub(rb"(?<!\r)\n\.", b"\n..", content)


class ExactTests(TestCase):
    async def _imap_bytes(self, server: Pop3Server, count: int) -> list[tuple[int, bytes]]:
        """RFC822.SIZE and BODY[] of each message of INBOX."""
        domain = server.domain
        factory = ImapFactory(domain.accounts, domain.store, server.settings, None, server.factory.clock)
        client = MemoryClient(factory, "127.0.0.1")
        await client.login("fred")
        await client.command(b"SELECT INBOX")
        found = []
        for number in range(1, count + 1):
            client.send(b"a FETCH %d (RFC822.SIZE BODY.PEEK[])\r\n" % number)
            head = await client.until(b"}\r\n")
            size, length = map(int, re.findall(rb"RFC822.SIZE (\d+) .*\{(\d+)\}", head)[0])
            body = await client.until(b")\r\na OK FETCH completed\r\n")
            self.assertEqual(len(body[: -len(b")\r\na OK FETCH completed\r\n")]), length)
            found.append((size, body[:length]))
        client.closed()
        await until(lambda: not factory.connections)
        return found

    async def test_corpus(self) -> None:
        """Real and broken mail is the same by RETR as by IMAP's BODY[], and LIST tells its length."""
        server = await Pop3Server.start(self)
        account = await server.account()
        samples = corpus()[::_ONE_IN]
        for sample in samples:
            await server.add(account, "INBOX", sample.raw)
        client = await server.signed_in()
        expected = await self._imap_bytes(server, len(samples))
        sizes = [int(line.partition(b" ")[2]) for line in await client.listing(b"LIST")]
        self.assertEqual(sizes, [size for size, _ in expected])
        for number, (sample, (size, body)) in enumerate(zip(samples, expected, strict=True), 1):
            self.assertEqual(size, len(body), sample.name)
            sent = await client.message(b"RETR %d" % number)
            self.assertEqual(unstuffed(sent), strictly_received(body), sample.name)
            header = await client.message(b"TOP %d 0" % number)
            header = header.removesuffix(b"\r\n")  # perhaps not its own
            self.assertTrue(sent.startswith(header), sample.name)
            self.assertTrue((await client.message(b"TOP %d 1" % number)).startswith(header), sample.name)

    async def test_hostile_dots(self) -> None:
        """Whatever dots and line ends a message has, it has one end, and is exact."""
        server = await Pop3Server.start(self)
        account = await server.account()
        contents: list[bytes] = [b".", b".\r\n", b"\r\n.", b"a\n.\r\n+OK 3 octets\r\nb"]

        @settings(max_examples=25, derandomize=True, database=None, phases=[Phase.generate])
        @given(st.lists(st.sampled_from(_PIECES), min_size=1, max_size=12).map(b"".join))
        def collect(content: bytes) -> None:
            contents.append(content)

        collect()
        for content in contents:
            await server.add(account, "INBOX", content)
        client = await server.signed_in()
        client.send(b"".join(b"RETR %d\r\n" % number for number in range(1, len(contents) + 1)))
        for content in contents:
            self.assertEqual(await client.line(), b"+OK %d octets" % len(content))
            client.data = b"\r\n" + client.data
            sent = (await client.until(b"\r\n.\r\n"))[2:-3]
            self.assertEqual(unstuffed(sent), strictly_received(content))
        self.assertEqual(client.data, b"")

    async def test_large_message(self) -> None:
        """A message of several megabytes, dots at block borders included, comes as it went in."""
        server = await Pop3Server.start(self)
        account = await server.account()
        content = large(3 * MIB) + b"\r\n." * 300_000 + b"\r\n"
        await server.add(account, "INBOX", content)
        client = await server.signed_in()
        self.assertEqual(unstuffed(await client.message(b"RETR 1")), content)
        self.assertEqual(unstuffed(await client.message(b"TOP 1 1000000")), content)
        head = content[: content.index(b"\r\n\r\n") + 4]
        self.assertEqual(await client.message(b"TOP 1 0"), head)
        lines = content[len(head) :].split(b"\r\n")
        self.assertEqual(await client.message(b"TOP 1 9"), head + b"\r\n".join(lines[:9]) + b"\r\n")


class PaceTests(TestCase):
    async def _slow(self, size: int, clock: Any = None) -> tuple[bytes, Pop3Client, SlowTransport]:
        server = await Pop3Server.start(self, clock=clock)
        account = await server.account()
        content = large(size)
        await server.add(account, "INBOX", content)
        client = await server.signed_in()
        slow = SlowTransport(client, 10 * KIB)
        client.send(b"RETR 1\r\nSTAT\r\n")
        return content, client, slow

    async def test_slow_reader(self) -> None:
        """For a client that does not read no more is read from the store than the buffers hold."""
        content, client, slow = await self._slow(4 * MIB)
        outlet = client.connection._outlet
        most = waits = 0
        while not client.data.endswith(b"+OK 1 %d\r\n" % len(content)):
            await until(lambda: outlet._waiters or not client.connection._working)
            waits += bool(outlet._waiters)
            most = max(most, len(slow.held) + outlet.waiting)
            slow.read()
        self.assertGreater(waits, 5)
        self.assertLess(most, limits.WRITE_BUFFER + MIB)
        self.assertIn(content, client.data)

    async def test_time_out(self) -> None:
        """A download that takes longer than the time-out of silence goes on (differences.md C2)."""
        clock = Clock()
        content, client, slow = await self._slow(4 * MIB, clock)
        outlet = client.connection._outlet
        waited = 0
        while not client.data.endswith(b"+OK 1 %d\r\n" % len(content)):
            await until(lambda: outlet._waiters or not client.connection._working)
            clock.advance(170)
            waited += 170
            slow.read()
        self.assertGreater(waited, limits.POP3_IDLE_SECONDS)
        self.assertIn(content, client.data)
        clock.advance(599)
        self.assertTrue(client.connection.is_open)
        clock.advance(2)
        self.assertFalse(client.connection.is_open)

    async def test_client_gone(self) -> None:
        """When the client goes away in the middle of a message that is no bug, and not read."""
        _, client, _ = await self._slow(2 * MIB)
        await until(lambda: client.connection._outlet._waiters)
        client.closed()
        await until(lambda: not client.connection._working)
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual(client.connection.factory.connections, set())


class DamageTests(TestCase):
    async def _damaged(self, damage: Any) -> tuple[Pop3Server, Pop3Client]:
        """A session on a maildrop of which the second message's attachment was damaged."""
        server = await Pop3Server.start(self)
        account = await server.account()
        for content in (b"Subject: small\r\n\r\nx\r\n", large(1 * MIB), b"Subject: small\r\n\r\ny\r\n"):
            await server.add(account, "INBOX", content)
        damage(blocking_database(server.settings))
        return server, await server.signed_in()

    async def test_missing_attachment(self) -> None:
        """A message that can not be read is found out before +OK; the others are sent."""
        _, client = await self._damaged(lambda database: database["attachments.files"].delete_many({}))
        self.assertEqual(await client.message(b"RETR 1"), b"Subject: small\r\n\r\nx\r\n")
        self.assertEqual(await client.command(b"RETR 2"), b"-ERR [SYS/PERM] Message content can not be read")
        self.assertTrue((await client.message(b"TOP 2 0")).startswith(b"Subject: large\r\n"))
        self.assertEqual(await client.message(b"RETR 3"), b"Subject: small\r\n\r\ny\r\n")

    async def test_lost_in_the_middle(self) -> None:
        """What fails after +OK ends the connection; nothing is made up, and nothing marked."""
        server, client = await self._damaged(
            lambda database: database["attachments.chunks"].delete_many({"n": {"$gt": 1}})
        )
        client.send(b"RETR 2\r\nDELE 1\r\nRETR 3\r\nQUIT\r\n")
        found = await client.end()
        self.assertTrue(found.startswith(b"+OK "))
        self.assertNotIn(b"-ERR", found)
        self.assertNotIn(b"\r\n.\r\n", found)
        self.assertLess(len(found), MIB)
        self.assertEqual(blocking_database(server.settings).messages.count_documents({"flags": []}), 3)


class ReadTests(TestCase):
    """Only what is asked is read, and not one by one."""

    async def test_documents(self) -> None:
        """Opening reads no bodies; messages that are fetched in turn are read together."""
        server = await Pop3Server.start(self)
        account = await server.account()
        for number in range(20):
            await server.add(account, "INBOX", b"Subject: %d\r\n\r\nx\r\n" % number)
        asked: list[tuple[int, bool]] = []
        rows = server.domain.store.rows

        def recording(mailbox: Any, uids: Any, projection: Any, **options: Any) -> Any:
            asked.append((len(uids), "mimeTree" in projection))
            return rows(mailbox, uids, projection, **options)

        self.patch(server.domain.store, "rows", recording)
        client = await server.signed_in()
        await client.listing(b"LIST")
        await client.listing(b"UIDL")
        self.assertEqual(asked, [(20, False)])
        asked.clear()
        for number in range(1, 21):
            self.assertIn(b"Subject: %d\r\n" % (number - 1), await client.message(b"RETR %d" % number))
        self.assertEqual(asked, [(16, True), (4, True)])
        asked.clear()
        for number in (20, 7, 3):
            await client.message(b"RETR %d" % number)
        self.assertEqual(asked, [(1, True)] * 3)
        asked.clear()
        for number in (1, 2):
            self.assertEqual(
                await client.message(b"TOP %d 0" % number), b"Subject: %d\r\n\r\n" % (number - 1)
            )
        self.assertEqual(asked, [(1, False), (16, False)])
        asked.clear()
        blocking_database(server.settings).messages.update_many({}, {"$unset": {"mimeTree.header": True}})
        await client.message(b"TOP 20 0")
        self.assertEqual(asked, [(1, False), (1, True)])

    async def test_header_then_message(self) -> None:
        """What was read ahead for TOP does not serve RETR."""
        server = await Pop3Server.start(self)
        account = await server.account()
        for number in range(3):
            await server.add(account, "INBOX", b"Subject: %d\r\n\r\nx\r\n" % number)
        client = await server.signed_in()
        self.assertEqual(await client.message(b"TOP 1 0"), b"Subject: 0\r\n\r\n")
        self.assertEqual(await client.message(b"RETR 2"), b"Subject: 1\r\n\r\nx\r\n")
