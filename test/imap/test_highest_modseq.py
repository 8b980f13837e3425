"""What a client may take HIGHESTMODSEQ to be (RFC 7162 §6), while writers are slow."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase, TestCase

from test.imap.server import ImapServer, MemoryClient
from wildduck.imap.highest_modseq import HighestModseq
from wildduck.mailstore import low_water
from wildduck.mailstore.allocation import Allocation, allocate, give_up
from wildduck.mailstore.backend import Backend

CONTENT = b"Subject: x\r\n\r\nx\r\n"


class HighestModseqTests(SynchronousTestCase):
    """When the response code is due."""

    def test_known(self) -> None:
        """As long as the client was told of everything it counts itself."""
        client = HighestModseq()
        client.said(5)
        self.assertFalse(client.due(5))
        client.told(7)
        client.told(6)
        self.assertFalse(client.due(7))
        self.assertFalse(client.due(9))

    def test_too_high(self) -> None:
        """What it would count too high it is told lower, and the right value when it is."""
        client = HighestModseq()
        client.said(5)
        client.told(9)
        self.assertTrue(client.due(7))
        client.said(7)
        self.assertFalse(client.due(7))
        self.assertTrue(client.due(9))
        client.said(9)
        self.assertFalse(client.due(11))

    def test_owed(self) -> None:
        """After an EXPUNGE it is told whatever it knows."""
        client = HighestModseq()
        client.said(5)
        client.owe()
        self.assertTrue(client.due(5))
        client.said(6)
        self.assertFalse(client.due(6))


class SlowWriterTests(TestCase):
    """A writer has taken a MODSEQ and is still at work: the client must come back for it."""

    async def _begin(self) -> MemoryClient:
        # However slow the machine: no hole is passed before it is closed.
        self.patch(low_water, "MODSEQ_HOLE_SECONDS", 10_000.0)
        self.server = await ImapServer.start(self)
        account = await self.server.account()
        for _ in range(2):
            await self.server.add(account, "INBOX", CONTENT)
        self.backend: Backend = self.server.domain.store._backend
        self.mailbox = await self.server.mailbox(account, "INBOX")
        client = self.server.connect()
        await client.login("fred")
        await client.command(b"ENABLE QRESYNC")
        answer = await client.command(b"SELECT INBOX")
        self.assertIn(b"[HIGHESTMODSEQ 3]", answer)
        return client

    async def _take(self) -> Allocation:
        return await allocate(self.backend, self.mailbox)

    async def test_store(self) -> None:
        """A STORE above the hole; the value is made good when the hole is closed."""
        client = await self._begin()
        taken = await self._take()
        answer = await client.command(b"STORE 1 +FLAGS.SILENT (\\Seen)")
        self.assertEqual(
            b"* 1 FETCH (UID 1 MODSEQ (5))\r\nt OK [HIGHESTMODSEQ 3] STORE completed\r\n", answer
        )
        self.assertEqual(b"t OK Completed\r\n", await client.command(b"NOOP"))
        await give_up(self.backend, taken)
        self.assertEqual(b"t OK [HIGHESTMODSEQ 5] Completed\r\n", await client.command(b"NOOP"))
        self.assertEqual(b"t OK Completed\r\n", await client.command(b"NOOP"))

    async def test_fetch(self) -> None:
        """A FETCH of a MODSEQ above the hole, with and without data of its own."""
        client = await self._begin()
        await self._take()
        await self.server.domain.store.store_flags(self.mailbox, [2], "+", ["\\Flagged"])
        answer = await client.command(b"UID FETCH 2 (FLAGS) (CHANGEDSINCE 3)")
        self.assertEqual(
            b"* 2 FETCH (UID 2 FLAGS (\\Flagged \\Recent) MODSEQ (5))\r\n"
            b"t OK [HIGHESTMODSEQ 3] FETCH completed\r\n",
            answer,
        )
        answer = await client.command(b"FETCH 2 (MODSEQ RFC822.SIZE)")
        self.assertTrue(answer.endswith(b"t OK [HIGHESTMODSEQ 3] FETCH completed\r\n"), answer)

    async def test_resync(self) -> None:
        """SELECT with QRESYNC tells what it sees above the hole, and the value that is sure."""
        client = await self._begin()
        await self._take()
        await self.server.domain.store.store_flags(self.mailbox, [2], "+", ["\\Flagged"])
        validity = self.mailbox.uid_validity
        answer = await client.command(b"SELECT INBOX (QRESYNC (%d 3))" % validity)
        lines = answer.split(b"\r\n")
        self.assertIn(b"* OK [HIGHESTMODSEQ 3] Highest mod-sequence", lines[:-3])
        self.assertEqual(
            [
                b"* 2 FETCH (UID 2 FLAGS (\\Flagged) MODSEQ (5))",
                b"* OK [HIGHESTMODSEQ 3] Highest mod-sequence",
                b"t OK [READ-WRITE] SELECT completed",
                b"",
            ],
            lines[-4:],
        )

    async def test_without_condstore(self) -> None:
        """Who knows no MODSEQs is told none."""
        client = await self._begin()
        await self._take()
        other = self.server.connect()
        await other.login("fred")
        await other.command(b"SELECT INBOX")
        self.assertEqual(
            b"* 1 FETCH (FLAGS (\\Seen))\r\nt OK STORE completed\r\n",
            await other.command(b"STORE 1 +FLAGS (\\Seen)"),
        )
        answer = await client.command(b"NOOP")
        self.assertEqual(
            b"* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent) MODSEQ (5))\r\nt OK [HIGHESTMODSEQ 3] Completed\r\n",
            answer,
        )

    async def test_idle(self) -> None:
        """While a client waits it is told at once, for no tagged response comes."""
        client = await self._begin()
        await self._take()
        client.send(b"i IDLE\r\n")
        await client.until(b"+ idling\r\n")
        await self.server.domain.store.store_flags(self.mailbox, [2], "+", ["\\Flagged"])
        self.assertEqual(b"* 2 FETCH (UID 2 FLAGS (\\Flagged \\Recent) MODSEQ (5))", await client.line())
        self.assertEqual(b"* OK [HIGHESTMODSEQ 3] Highest mod-sequence", await client.line())
        client.send(b"DONE\r\n")
        self.assertEqual(b"i OK IDLE terminated", await client.line())
