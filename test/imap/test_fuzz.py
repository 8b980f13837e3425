"""Random and mutated input to live sessions: they answer, and nothing is logged as a bug."""

from __future__ import annotations

import random

from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from test.imap.hostile_bytes import LINES, Session, readable
from test.imap.server import PASSWORD, ImapServer, MemoryClient
from test.imap.waiting import until
from wildduck.imap.commands.table import TABLE

#: Bytes fed in all.
_AMOUNT = 100_000


class LinesTests(SynchronousTestCase):
    def test_all_commands(self) -> None:
        """Each command of the table has a line at least that begins with its name."""
        self.assertEqual(set(TABLE) - set(LINES), set())
        for name, lines in LINES.items():
            self.assertTrue(lines, name)
            for line in lines:
                self.assertRegex(line.decode("latin-1"), rf"\A{name}( |\r|\Z)")


class FuzzTests(TestCase):
    timeout = 300

    async def test_mutated_sessions(self) -> None:
        """Sessions of mutated commands are answered, refused or ended; none breaks the server."""
        rng = random.Random(20240229)
        server = await ImapServer.start(self)
        account = await server.account()
        await server.add(account, "INBOX", b"Subject: x\r\n\r\nbody\r\n")
        inner = b"Content-Type: message/global\r\n\r\nSubject: \xc3\xbc\r\n\r\nbody\r\n"
        await server.add(account, "INBOX", inner)
        fed = 0
        answers: dict[bytes, int] = {}
        while fed < _AMOUNT:
            session = Session(rng, b"fred", PASSWORD.encode())
            said = await self.play(rng, server, session)
            fed += session.fed
            for line in said.split(b"\r\n"):
                status = line.partition(b" ")[2].partition(b" ")[0]
                answers[status] = answers.get(status, 0) + 1
            self.assertNotIn(b"SERVERBUG", said)
        self.assertEqual(self.flushLoggedErrors(), [])
        for word, least in ((b"OK", 100), (b"NO", 20), (b"BAD", 20), (b"BYE", 5)):
            self.assertGreater(answers.get(word, 0), least, answers)
        client = server.connect()
        await client.login("fred")
        self.assertIn(b"t OK", await client.command(b"SELECT INBOX"))

    async def play(self, rng: random.Random, server: ImapServer, session: Session) -> bytes:
        """@return: all that the server has said, inflated."""
        client: MemoryClient = server.connect()
        for piece in session.pieces():
            client.send(piece)
            if rng.random() < 0.05:
                await deferLater(client.connection.clock, 0)
        scheduler = client.connection._scheduler
        await until(lambda: scheduler.waits_for_client)
        client.closed()
        return readable(client.data)
