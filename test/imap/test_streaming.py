"""Bodies in and out: bounded memory, slow peers, and what is wrong in the store."""

from __future__ import annotations

import os
from typing import Any

from twisted.trial.unittest import TestCase

from test.imap.server import ImapServer, MemoryClient
from test.imap.waiting import until
from test.support.databases import blocking_database
from test.support.memory import SlowTransport
from test.support.messages import large
from wildduck import limits
from wildduck.imap.commands import fetch
from wildduck.limits import KIB, MIB
from wildduck.mime.message import Intake


class FetchTests(TestCase):
    async def test_large_message(self) -> None:
        """A message of several megabytes comes back as it went in, through APPEND and FETCH."""
        server = await ImapServer.start(self)
        client = await server.signed_in()
        content = large(3 * MIB)
        client.send(b"a APPEND INBOX {%d+}\r\n" % len(content))
        for start in range(0, len(content), 100_003):
            client.send(content[start : start + 100_003])
        client.send(b"\r\n")
        self.assertIn(b"a OK [APPENDUID", await client.until(b"completed\r\n"))
        await client.command(b"SELECT INBOX")
        found = await client.command(b"FETCH 1 (BODY.PEEK[] RFC822.SIZE)")
        begin = b"* 1 FETCH (BODY[] {%d}\r\n" % len(content)
        end = b" RFC822.SIZE %d)\r\nt OK FETCH completed\r\n" % len(content)
        self.assertEqual(found, begin + content + end)

    async def test_many_items(self) -> None:
        """However many large items of one message are asked for, they come in one whole response."""
        server = await ImapServer.start(self)
        account = await server.account()
        header = b"Subject: x\r\n" + b"X-Long: %b\r\n" % (b"y" * 900) * 300 + b"\r\n"
        await server.add(account, "INBOX", header + b"body\r\n")
        client = server.connect()
        await client.login("fred")
        await client.command(b"SELECT INBOX")
        values = {
            b"[HEADER]": header,
            b"[HEADER.FIELDS (X-LONG)]": header.partition(b"\r\n")[2],
            b"[]": header + b"body\r\n",
        }
        asked, expected = [], []
        for start in range(6):
            for section, value in values.items():
                asked.append(b"BODY.PEEK%b<%d.9999999>" % (section, start))
                told = b"BODY%b<%d> {%d}\r\n%b"
                expected.append(told % (section, start, len(value) - start, value[start:]))
        found = await client.command(b"FETCH 1 (" + b" ".join(asked) + b" UID)")
        end = b" UID 1)\r\nt OK FETCH completed\r\n"
        self.assertEqual(found, b"* 1 FETCH (" + b" ".join(expected) + end)

    async def test_many_items_take_turns(self) -> None:
        """Other clients are served while one has many items of a message made."""
        self.patch(fetch, "_AT_A_STRETCH", 0)
        server = await ImapServer.start(self)
        account = await server.account()
        await server.add(account, "INBOX", b"Subject: x\r\n\r\nbody\r\n")
        client, other = server.connect(), await server.signed_in("other")
        await client.login("fred")
        await client.command(b"SELECT INBOX")
        items = b" ".join(b"BODY.PEEK[HEADER.FIELDS (SUBJECT)]<%d.1>" % start for start in range(1000))
        client.send(b"a FETCH 1 (" + items + b")\r\n")
        await other.command(b"NOOP")
        self.assertNotIn(b"a OK", client.data)
        await client.until(b"a OK FETCH completed\r\n")

    async def test_slow_reader(self) -> None:
        """For a client that does not read no more is read from the store than the buffers hold."""
        server = await ImapServer.start(self)
        account = await server.account()
        content = large(4 * MIB)
        await server.add(account, "INBOX", content)
        client = server.connect()
        await client.login("fred")
        await client.command(b"SELECT INBOX")
        slow = SlowTransport(client, 10 * KIB)
        client.send(b"a FETCH 1 BODY.PEEK[]\r\n")
        outlet = client.connection._outlet
        most = waits = 0
        while not client.data.endswith(b"a OK FETCH completed\r\n"):
            await until(lambda: outlet._waiters or not client.connection._scheduler.busy)
            waits += bool(outlet._waiters)
            most = max(most, len(slow.held) + outlet.waiting)
            slow.read()
        self.assertGreater(waits, 5)
        self.assertLess(most, limits.WRITE_BUFFER + MIB)
        self.assertIn(content, client.data)

    async def test_client_gone(self) -> None:
        """When the client goes away in the middle of a message the FETCH ends, and that is no bug."""
        server = await ImapServer.start(self)
        account = await server.account()
        await server.add(account, "INBOX", large(2 * MIB))
        client = server.connect()
        await client.login("fred")
        await client.command(b"SELECT INBOX")
        SlowTransport(client, 10 * KIB)
        client.send(b"a FETCH 1 BODY.PEEK[]\r\n")
        await until(lambda: client.connection._outlet._waiters)
        client.closed()
        await until(lambda: not client.connection._scheduler.busy)
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual(server.factory.connections, set())

    async def _damaged(self, damage: Any) -> tuple[MemoryClient, bytes]:
        """A session on a mailbox of which one message's attachment was damaged."""
        server = await ImapServer.start(self)
        account = await server.account()
        await server.add(account, "INBOX", b"Subject: small\r\n\r\nx\r\n")
        await server.add(account, "INBOX", large(1 * MIB))
        await server.add(account, "INBOX", b"Subject: small\r\n\r\ny\r\n")
        damage(blocking_database(server.settings))
        client = server.connect()
        await client.login("fred")
        await client.command(b"SELECT INBOX")
        return client, b""

    async def test_missing_attachment(self) -> None:
        """A message that can not be read is found out before it is announced; the others are sent."""
        client, _ = await self._damaged(lambda database: database["attachments.files"].delete_many({}))
        found = await client.command(b"FETCH 1:3 (UID BODY.PEEK[TEXT])")
        self.assertEqual(
            found,
            b"* 1 FETCH (UID 1 BODY[TEXT] {3}\r\nx\r\n)\r\n"
            b"* 3 FETCH (UID 3 BODY[TEXT] {3}\r\ny\r\n)\r\n"
            b"t NO [CORRUPTION] Some messages can not be read\r\n",
        )
        self.assertIn(b"t OK", await client.command(b"NOOP"))

    async def test_header_of_damaged_message(self) -> None:
        """Its header and structure can still be read."""
        client, _ = await self._damaged(lambda database: database["attachments.files"].delete_many({}))
        found = await client.command(
            b"FETCH 2 (BODYSTRUCTURE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[1])"
        )
        self.assertIn(
            b"BODY[HEADER.FIELDS (SUBJECT)] {18}\r\nSubject: large\r\n\r\n BODY[1] {5}\r\nsmall)\r\n", found
        )
        self.assertIn(b"t OK", found)

    async def test_lost_in_the_middle(self) -> None:
        """What fails after the length was announced ends the connection; nothing is made up."""
        client, _ = await self._damaged(
            lambda database: database["attachments.chunks"].delete_many({"n": {"$gt": 1}})
        )
        client.send(b"a FETCH 2:3 BODY.PEEK[]\r\n")
        found = await client.end()
        self.assertTrue(found.startswith(b"* 2 FETCH (BODY[] {"))
        self.assertNotIn(b"a OK", found)
        self.assertNotIn(b"a NO", found)
        self.assertNotIn(b"* 3 FETCH", found)
        size = int(found.partition(b"{")[2].partition(b"}")[0])
        self.assertLess(len(found), size)


class ReadTests(TestCase):
    """Only what is asked is read."""

    async def test_projections(self) -> None:
        """Flags are the view's; sizes, envelopes, headers and parts are read without the whole tree."""
        server = await ImapServer.start(self)
        account = await server.account()
        await server.add(account, "INBOX", large(2000))
        client = server.connect()
        await client.login("fred")
        await client.command(b"SELECT INBOX")
        asked: list[set[str]] = []
        store = server.domain.store
        rows = store.rows

        def recording(mailbox: Any, uids: Any, projection: Any, **options: Any) -> Any:
            asked.append(set(projection))
            return rows(mailbox, uids, projection, **options)

        self.patch(store, "rows", recording)
        for items, whole in [
            (b"(FLAGS UID)", None),
            (b"(INTERNALDATE RFC822.SIZE)", False),
            (b"ENVELOPE", False),
            (b"(BODYSTRUCTURE BODY)", False),
            (b"BODY.PEEK[HEADER]", False),
            (b"RFC822.HEADER", False),
            (b"BODY.PEEK[HEADER.FIELDS (SUBJECT)]", False),
            (b"BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT)]<0.10>", False),
            (b"BODY.PEEK[1]", False),
            (b"BODY.PEEK[TEXT]<0.1>", True),
        ]:
            asked.clear()
            self.assertIn(b"t OK", await client.command(b"FETCH 1 " + items))
            self.assertEqual(
                ["mimeTree" in fields for fields in asked], [] if whole is None else [whole], items
            )

    async def test_documents_of_others(self) -> None:
        """Documents without our additions, as WildDuck writes them, give the same answers."""
        server = await ImapServer.start(self)
        account = await server.account()
        await server.add(account, "INBOX", large(2000))
        await server.add(account, "INBOX", b"Subject: small\r\n\r\nx\r\n")
        client = server.connect()
        await client.login("fred")
        await client.command(b"SELECT INBOX")
        command = (
            b"FETCH 1:2 (RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[HEADER] "
            b"BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[1] BODY.PEEK[])"
        )
        before = await client.command(command)
        database = blocking_database(server.settings)
        database.messages.update_many({}, {"$unset": {"mimeTree.native": True}})
        self.assertEqual(await client.command(command), before)
        self.assertIn(b"Subject: small", await client.command(b"FETCH 2 ENVELOPE") + before)


class AppendTests(TestCase):
    async def _spool(self, server: ImapServer) -> list[Intake]:
        """The intakes that sessions make from now on."""
        made: list[Intake] = []
        init = Intake.__init__

        def recording(intake: Intake, *arguments: Any, **options: Any) -> None:
            made.append(intake)
            init(intake, *arguments, **options)

        self.patch(Intake, "__init__", recording)
        return made

    async def test_connection_lost(self) -> None:
        """A message that breaks off is dropped, with the file it was spooled to."""
        server = await ImapServer.start(self)
        client = await server.signed_in()
        made = await self._spool(server)
        client.send(b"a APPEND INBOX {5000000+}\r\n")
        await until(lambda: made)
        client.send(b"x" * 3_000_000)
        [intake] = made
        await until(lambda: intake._spool._file)
        file = intake._spool._file
        assert file is not None and not file.closed
        client.closed()
        await until(lambda: not server.factory.connections)
        self.assertTrue(file.closed)
        database = blocking_database(server.settings)
        self.assertEqual(database.messages.count_documents({}), 0)

    async def test_disk_full(self) -> None:
        """A message that can not be kept is read to its end and refused; the session lives."""
        server = await ImapServer.start(self)
        client = await server.signed_in()
        os.rmdir(server.settings.spool)
        client.send(b"a APPEND INBOX {3000000+}\r\n" + b"x" * 3_000_000 + b"\r\n")
        self.assertEqual(await client.line(), b"a NO [UNAVAILABLE] The message can not be spooled")
        self.assertIn(b"t OK", await client.command(b"NOOP"))

    async def test_exact(self) -> None:
        """Odd bytes come back as they went in."""
        server = await ImapServer.start(self)
        client = await server.signed_in()
        await client.command(b"SELECT INBOX")
        contents = [
            b"x",
            b"\r",
            b"\n",
            b"A: b\n\nbare\rline\nends",
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n\r\n--b",
            bytes(range(1, 256)),
            b"a NOOP\r\n{3+}\r\n",
        ]
        for number, content in enumerate(contents, 1):
            client.send(b"a APPEND INBOX {%d+}\r\n%b\r\n" % (len(content), content))
            await client.until(b"a OK ")
            await client.line()
            found = await client.command(b"FETCH %d BODY.PEEK[]" % number)
            self.assertEqual(
                found,
                b"* %d FETCH (BODY[] {%d}\r\n%b)\r\nt OK FETCH completed\r\n"
                % (number, len(content), content),
            )
