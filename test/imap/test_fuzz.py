"""Random and mutated input to a live session: it answers, and nothing is logged as a bug."""

from __future__ import annotations

import random

from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from test.imap.server import PASSWORD, ImapServer
from test.imap.waiting import until

#: Bytes fed in all.
_AMOUNT = 100_000

_LINES = [
    b"CAPABILITY",
    b"NOOP",
    b"CHECK",
    b'ID ("name" "x")',
    b'LIST "" *',
    b'LIST "" {3+}\r\n%/*',
    b"STATUS INBOX (MESSAGES UIDNEXT UNSEEN)",
    b"LSUB a/ *",
    b'LIST (SPECIAL-USE) "" % RETURN (SPECIAL-USE)',
    b"NAMESPACE",
    b"CREATE a/b/",
    b"RENAME a {3+}\r\nb/c",
    b"RENAME Drafts d",
    b"DELETE b/c/b",
    b"SUBSCRIBE a",
    b"UNSUBSCRIBE inbox",
    b"SELECT INBOX",
    b"EXAMINE Drafts",
    b"UNSELECT",
    b"FETCH 1:* (FLAGS UID RFC822.SIZE)",
    b"FETCH 1 (BODY[1] BODY.PEEK[HEADER.FIELDS (SUBJECT)]<1.5> BODYSTRUCTURE ENVELOPE)",
    b"UID FETCH 1:* BODY[]<0.100>",
    b'SEARCH OR (TEXT "body" NOT 1:*) UID 1:* SUBJECT {1+}\r\nx LARGER 3',
    b"UID SEARCH CHARSET UTF-8 BODY x HEADER Subject x SENTSINCE 1-Feb-1994 KEYWORD $Work",
    b"STORE 1 +FLAGS (\\Seen $Work)",
    b"UID STORE 1:* -FLAGS.SILENT \\Deleted",
    b"EXPUNGE",
    b"UID EXPUNGE 9",
    b'APPEND INBOX (\\Seen) "01-Jan-2020 00:00:00 +0000" {6+}\r\nA: b\r\n',
    b"APPEND nothing {3+}\r\nabc",
    b"COPY 1:* Drafts",
    b"UID COPY 1 {6+}\r\nDrafts",
    b"MOVE 1 Trash",
    b"UID MOVE 1:* INBOX",
    b"CREATE a/b",
    b"CREATE {3+}\r\nx/y",
    b'CREATE "&Jjo-" (USE (\\Sent))',
    b"DELETE a",
    b"RENAME a/b c",
    b"RENAME INBOX old",
    b"SUBSCRIBE INBOX",
    b"UNSUBSCRIBE {5+}\r\nINBOX",
    b'LSUB "" *',
    b'LIST (SUBSCRIBED) "" (INBOX %) RETURN (CHILDREN)',
    b"NAMESPACE",
    b"SEARCH CHARSET UTF-8 OR (SEEN 1:*) NOT FROM {3+}\r\nabc",
    b'UID SEARCH HEADER Subject "x" SINCE 1-Feb-1994 LARGER 10 UID 1:*',
    b"SEARCH TEXT body KEYWORD $Work UNDRAFT",
    b"AUTHENTICATE PLAIN",
    b"LOGIN a b",
]
_BYTES = b'\r\n\x00\xff"\\(){}[]<>*%+~ {3}\r\n{2+}\r\n{99999999999}0123456789aZ&-,'


def _mutated(rng: random.Random, line: bytes) -> bytes:
    data = bytearray(line)
    for _ in range(rng.choice((0, 0, 1, 1, 2, 5))):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice((0, 0, 1, 3)))
        data[start:end] = bytes(rng.choice(_BYTES) for _ in range(rng.choice((0, 1, 1, 4))))
    return bytes(data)


class FuzzTests(TestCase):
    timeout = 300

    async def test_mutated_sessions(self) -> None:
        """Sessions of mutated commands are answered, refused or ended; none breaks the server."""
        rng = random.Random(20240229)
        server = await ImapServer.start(self)
        account = await server.account()
        await server.add(account, "INBOX", b"Subject: x\r\n\r\nbody\r\n")
        fed = 0
        answers: dict[bytes, int] = {}
        while fed < _AMOUNT:
            client = server.connect()
            if rng.random() < 0.9:
                client.send(b't LOGIN fred "%b"\r\n' % PASSWORD.encode())
            for number in range(rng.randrange(5, 60)):
                data = b"%d %b\r\n" % (number, _mutated(rng, rng.choice(_LINES)))
                fed += len(data)
                for start in range(0, len(data), size := rng.choice((1, 7, 1000))):
                    client.send(data[start : start + size])
                if rng.random() < 0.2:
                    await deferLater(client.connection.clock, 0)
            scheduler = client.connection._scheduler
            await until(lambda scheduler=scheduler: scheduler.waits_for_client)  # type: ignore[misc]
            client.closed()
            for line in client.data.split(b"\r\n"):
                status = line.partition(b" ")[2].partition(b" ")[0]
                answers[status] = answers.get(status, 0) + 1
            self.assertNotIn(b"SERVERBUG", client.data)
        self.assertEqual(self.flushLoggedErrors(), [])
        for word, least in ((b"OK", 20), (b"NO", 20), (b"BAD", 20), (b"BYE", 5)):
            self.assertGreater(answers.get(word, 0), least, answers)
        client = server.connect()
        await client.login("fred")
        self.assertIn(b"t OK", await client.command(b"SELECT INBOX"))
