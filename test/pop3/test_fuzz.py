"""Random and mutated input to live sessions: they answer, and nothing is logged as a bug."""

from __future__ import annotations

import random

from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from test.imap.waiting import until
from test.pop3.server import PASSWORD, Pop3Server

_SESSIONS = 60
_LINES = [
    b"CAPA",
    b"NOOP",
    b"STAT",
    b"LIST",
    b"LIST 1",
    b"UIDL",
    b"UIDL 2",
    b"RETR 1",
    b"RETR 2",
    b"TOP 1 0",
    b"TOP 2 1",
    b"DELE 2",
    b"RSET",
    b"AUTH PLAIN",
    b"AUTH PLAIN AGZyZWQAd3Jvbmc=",
    b"USER fred",
    b"PASS x",
]
_BYTES = b'\r\n\x00\xff"*=.+- 0123456789aZ'


def _mutated(rng: random.Random, line: bytes) -> bytes:
    data = bytearray(line)
    for _ in range(rng.choice((0, 0, 0, 0, 1, 2))):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice((0, 0, 1, 3)))
        data[start:end] = bytes(rng.choice(_BYTES) for _ in range(rng.choice((0, 1, 1, 4))))
    return bytes(data)


class FuzzTests(TestCase):
    async def test_mutated_sessions(self) -> None:
        """Sessions of mutated commands are answered, refused or ended; none breaks the server."""
        rng = random.Random(20240229)
        server = await Pop3Server.start(self)
        account = await server.account()
        await server.add(account, "INBOX", b"Subject: x\r\n\r\nbody\r\n")
        await server.add(account, "INBOX", b".\n.\r\n.")
        answers: dict[bytes, int] = {}
        for _ in range(_SESSIONS):
            client = server.connect()
            if rng.random() < 0.8:
                client.send(b"USER fred\r\nPASS %b\r\n" % PASSWORD.encode())
            for _ in range(rng.randrange(5, 100)):
                data = _mutated(rng, rng.choice(_LINES)) + b"\r\n"
                for start in range(0, len(data), size := rng.choice((1, 7, 1000))):
                    client.send(data[start : start + size])
                if rng.random() < 0.2:
                    await deferLater(client.connection.clock, 0)
            connection = client.connection
            await until(
                lambda connection=connection: (  # type: ignore[misc]
                    not (connection._working or connection._turn) or connection._answer
                )
            )
            client.closed()
            for line in client.data.split(b"\r\n"):
                status = line.partition(b" ")[0]
                answers[status] = answers.get(status, 0) + 1
            self.assertNotIn(b"Internal error", client.data)
        self.assertEqual(self.flushLoggedErrors(), [])
        for word in (b"+OK", b"-ERR", b"+"):
            self.assertGreater(answers.get(word, 0), 10, answers)
        self.assertEqual(await (await server.signed_in()).command(b"STAT"), b"+OK 2 26")
