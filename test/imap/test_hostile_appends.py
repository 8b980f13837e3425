"""What hostile APPENDs, CATENATEs and URLs must not do: hold memory, take long, read what is others'."""

from __future__ import annotations

import os
import tracemalloc
from typing import Any

from twisted.trial.unittest import TestCase

from test.imap.server import ImapServer, MemoryClient
from test.imap.waiting import until
from test.support.databases import blocking_database
from wildduck import limits
from wildduck.imap.commands import urlauth
from wildduck.limits import KIB, MIB

MESSAGE = b"Subject: small\r\n\r\n" + b"0123456789abcdef\r\n" * 64


class HostileAppends(TestCase):
    async def start(self, *sets: str) -> tuple[ImapServer, MemoryClient]:
        server = await ImapServer.start(self, *sets)
        client = await server.signed_in()
        client.send(b"a APPEND INBOX {%d+}\r\n%b\r\n" % (len(MESSAGE), MESSAGE))
        self.assertIn(b"a OK", await client.until(b"\r\n"))
        return server, client

    def count(self, server: ImapServer) -> int:
        return blocking_database(server.settings).messages.count_documents({})

    async def test_many_pieces(self) -> None:
        """10,000 pieces are refused: by the line's length, or by their number."""
        server, client = await self.start()
        for piece in (b' URL "/INBOX/;UID=1"', b" URL x", b" TEXT {1+}\r\nx"):
            client.send(b"b APPEND INBOX CATENATE (" + piece[1:] + piece * 9_999 + b")\r\n")
            answer = await client.until(b"b ")
            answer += await client.line()
            self.assertTrue(b"BAD" in answer or b"BADURL" in answer, answer)
            self.assertIn(b"t OK", await client.command(b"NOOP"))
        self.assertEqual(self.count(server), 1)

    async def test_as_many_as_may_be(self) -> None:
        """As many pieces as are allowed are put together, and the message is read once."""
        self.patch(limits, "IMAP_CATENATE_PIECES", 300)
        server, client = await self.start()
        reads = 0
        rows = type(server.domain.store).rows

        def counted(store: Any, *arguments: Any, **options: Any) -> Any:
            nonlocal reads
            reads += 1
            return rows(store, *arguments, **options)

        self.patch(type(server.domain.store), "rows", counted)
        pieces = b" ".join([b"URL /INBOX/;UID=1"] * 300)
        client.send(b"b APPEND INBOX CATENATE (" + pieces + b")\r\n")
        self.assertIn(b"b OK", await client.until(b"\r\n"))
        self.assertEqual(reads, 1)
        document = blocking_database(server.settings).messages.find_one({"uid": 2})
        self.assertEqual(document["size"], 300 * len(MESSAGE))
        client.send(b"c APPEND INBOX CATENATE (" + pieces + b" URL /INBOX/;UID=1)\r\n")
        self.assertIn(b"c BAD", await client.until(b"\r\n"))

    async def test_bomb(self) -> None:
        """Messages that double each time come to an end at the bound of a message, and leave no file."""
        server, client = await self.start("limits.max_message_size=65536")
        for uid in range(1, 7):
            url = b'URL "/INBOX/;UID=%d"' % uid
            client.send(b"b APPEND INBOX CATENATE (%b %b %b)\r\n" % (url, url, url))
            answer = await client.until(b"\r\n")
            if b"OK" not in answer:
                break
        self.assertTrue(answer.startswith(b"b NO [TOOBIG]"), answer)
        self.assertLess(uid, 6)
        self.assertEqual(os.listdir(server.settings.spool), [])

    async def test_memory(self) -> None:
        """Pieces and messages beyond a megabyte wait in one file, not in memory."""
        self.patch(limits, "IMAP_APPEND_MESSAGES", 40)
        _, client = await self.start("limits.max_message_size=33554432")
        block = b"x" * 78 + b"\r\n"
        content = b"Subject: x\r\n\r\n" + block * (700 * KIB // len(block))
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before, _ = tracemalloc.get_traced_memory()
        files = len(os.listdir("/proc/self/fd"))
        client.send(b"b APPEND INBOX {%d}\r\n" % len(content))
        for _ in range(30):
            await client.until(b"+ OK\r\n")
            client.send(content + b" {%d}\r\n" % len(content))
        await client.until(b"+ OK\r\n")
        held, _ = tracemalloc.get_traced_memory()
        self.assertLess(held - before, 6 * MIB)
        self.assertLessEqual(len(os.listdir("/proc/self/fd")) - files, 1)
        client.send(b"x" * len(content) + b" (\\Foo)\r\n")
        self.assertIn(b"b BAD", await client.until(b"\r\n"))

    async def test_sum(self) -> None:
        """All messages of a command together have a bound, and the session stays in step."""
        self.patch(limits, "IMAP_APPEND_BYTES", 3000)
        server, client = await self.start("limits.max_message_size=65536")
        client.send(b"b APPEND INBOX {60000+}\r\n" + b"x" * 60_000 + b" {60000}\r\n")
        self.assertIn(b"b NO [TOOBIG]", await client.until(b"\r\n"))
        self.assertIn(b"t OK", await client.command(b"NOOP"))
        self.assertEqual(self.count(server), 1)

    async def test_connection_lost(self) -> None:
        """When the client goes in the midst nothing is added and nothing is left open."""
        server, client = await self.start()
        files = len(os.listdir("/proc/self/fd"))
        big = b"y" * (2 * MIB)
        client.send(b"b APPEND INBOX {6+}\r\nA: b\r\n {%d+}\r\n" % (4 * MIB) + big)
        await until(lambda: len(os.listdir("/proc/self/fd")) > files)
        client.closed()
        await until(lambda: not server.factory.connections)
        self.assertLessEqual(len(os.listdir("/proc/self/fd")), files)
        self.assertEqual(self.count(server), 1)


class OthersMessages(TestCase):
    """Every way to a message by a URL, tried by another account (anchors: §4.3 row 21)."""

    async def test_refused(self) -> None:
        """No URL of another's mailbox is read or authorized, whatever is guessed."""
        server = await ImapServer.start(self)
        fred = await server.signed_in("fred")
        fred.send(b"a APPEND INBOX {%d+}\r\n%b\r\n" % (len(MESSAGE), MESSAGE))
        await fred.until(b"\r\n")
        url = b"imap://fred@h/INBOX/;UID=1;URLAUTH="
        made = await fred.command(b'GENURLAUTH "%buser+fred" INTERNAL' % url)
        token = made.split(b":internal:")[1].split(b'"')[0]
        mary = await server.signed_in("mary")
        await mary.command(b"SELECT INBOX")
        guesses = [
            url + b"user+fred:internal:" + token,
            url + b"user+mary:internal:" + token,
            url + b"anonymous:internal:" + token,
            url + b"authuser:INTERNAL:" + urlauth.token(b"", url + b"authuser").encode(),
            url + b"authuser:INTERNAL:" + b"0" * 66,
            b"imap://fred@h/INBOX/;UID=1",
            b"//fred@h/INBOX/;UID=1",
            b"imap://mary@h/INBOX/;UID=1;URLAUTH=user+mary:internal:" + token,
        ]
        for guess in guesses:
            answer = await mary.command(b'URLFETCH "%b"' % guess)
            self.assertTrue(answer.startswith(b'* URLFETCH "%b" NIL\r\nt OK' % guess), answer)
            answer = await mary.command(b'URLFETCH ("%b" BODY BODYPARTSTRUCTURE)' % guess)
            self.assertTrue(answer.startswith(b'* URLFETCH "%b" NIL\r\nt OK' % guess), answer)
            answer = await mary.command(b'APPEND INBOX CATENATE (URL "%b")' % guess)
            self.assertIn(b"t NO [BADURL", answer)
            answer = await mary.command(b'UID REPLACE 1 INBOX CATENATE (URL "%b")' % guess)
            self.assertIn(b"t NO", answer)
        self.assertIn(b"t BAD", await mary.command(b'GENURLAUTH "%banonymous" INTERNAL' % url))
        await mary.command(b"RESETKEY")
        await mary.command(b"RESETKEY INBOX")
        answer = await fred.command(b'URLFETCH "%buser+fred:internal:%b"' % (url, token))
        self.assertIn(b"Subject: small", answer)

    async def test_mailbox_of_the_same_name(self) -> None:
        """A mailbox that is made anew has another key."""
        server = await ImapServer.start(self)
        fred = await server.signed_in("fred")
        await fred.command(b"CREATE a")
        made = await fred.command(b'GENURLAUTH "imap://fred@h/a/;UID=1;URLAUTH=anonymous" INTERNAL')
        url = made.split(b'"')[1]
        for name in (b"DELETE a", b"CREATE a"):
            self.assertIn(b"t OK", await fred.command(name))
        fred.send(b"a APPEND a {6+}\r\nA: b\r\n\r\n")
        await fred.until(b"\r\n")
        self.assertIn(b"NIL", await fred.command(b'URLFETCH "%b"' % url))
        await fred.command(b'GENURLAUTH "imap://fred@h/a/;UID=1;URLAUTH=anonymous" INTERNAL')
        self.assertIn(b"NIL", await fred.command(b'URLFETCH "%b"' % url))
        documents = list(
            blocking_database(server.settings).mailboxes.find({"native.urlauth": {"$exists": True}})
        )
        self.assertEqual([len(row["native"]["urlauth"]["key"]) for row in documents], [32])
        self.assertTrue({"modseq", "uid", "index", "next"} <= set(documents[0]["native"]))
