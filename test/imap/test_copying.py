"""COPY and MOVE of what dialogues can not show: what does not fit, and many messages."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from test.imap.server import ImapServer
from test.mailstore.support import message
from wildduck.limits import KIB
from wildduck.mailstore import copying, moving


class CopyingTests(TestCase):
    """RFC 3501 §6.4.7, RFC 6851."""

    async def start(self, *sets: str) -> None:
        self.server = await ImapServer.start(self, *sets)
        self.client = await self.server.signed_in()
        self.account = await self.server.domain.accounts.directory.by_name("fred")

    async def test_quota(self) -> None:
        """What does not fit is not copied in part; it can still be moved."""
        await self.start("storage.default_quota=1MiB")
        for n in range(2):
            await self.server.add(self.account, "INBOX", message(n, b"x" * 70 + b"\r\n" * (400 * KIB // 2)))
        await self.client.command(b"SELECT INBOX")
        answer = await self.client.command(b"COPY 1:2 Drafts")
        self.assertEqual(b"t NO [OVERQUOTA] Mailbox is over quota\r\n", answer)
        self.assertIn(b"(MESSAGES 0)", await self.client.command(b"STATUS Drafts (MESSAGES)"))
        self.assertIn(b"t OK MOVE", await self.client.command(b"MOVE 1:2 Drafts"))
        self.assertIn(b"(MESSAGES 2)", await self.client.command(b"STATUS Drafts (MESSAGES)"))

    async def test_in_batches(self) -> None:
        """One COPYUID for all batches, and one EXPUNGE for each message."""
        for module in (copying, moving):
            self.patch(module, "BATCH_ROWS", 4)
        await self.start()
        for n in range(10):
            await self.server.add(self.account, "INBOX", message(n))
        await self.client.command(b"SELECT INBOX")
        answer = await self.client.command(b"COPY 1:* Drafts")
        self.assertRegex(answer, rb"\At OK \[COPYUID \d+ 1:10 1:10\] COPY completed\r\n\Z")
        answer = await self.client.command(b"MOVE 2:* Trash")
        lines = answer.split(b"\r\n")
        self.assertRegex(lines[0], rb"\* OK \[COPYUID \d+ 2:10 1:9\] Moved")
        self.assertEqual([b"* %d EXPUNGE" % seq for seq in range(10, 1, -1)], lines[1:10])
        self.assertEqual([b"t OK MOVE completed", b""], lines[10:])
