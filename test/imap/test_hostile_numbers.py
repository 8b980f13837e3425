"""Numbers that only a session can bound: patterns, watched mailboxes, contexts (anchors: §4.2)."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from test.imap.server import ImapServer
from wildduck import limits


class NumbersTests(TestCase):
    async def test_patterns(self) -> None:
        """IMAP_PATTERNS: one more is refused as too many, not as misspelt."""
        client = await (await ImapServer.start(self)).signed_in()
        patterns = b" ".join([b"*"] * limits.IMAP_PATTERNS)
        self.assertIn(b"t OK LIST completed\r\n", await client.command(b'LIST "" (%b)' % patterns))
        self.assertRegex(await client.command(b'LIST "" (%b *)' % patterns), rb"\At NO \[LIMIT\] ")

    async def test_watched_mailboxes(self) -> None:
        """IMAP_NOTIFY_MAILBOXES: with more of them nothing is watched, at first or from then on."""
        client = await (await ImapServer.start(self)).signed_in()
        found = await client.command(b'LIST "" *')
        self.patch(limits, "IMAP_NOTIFY_MAILBOXES", found.count(b"* LIST"))
        asked = b"NOTIFY SET (PERSONAL (MessageNew MessageExpunge MailboxName))"
        self.assertIn(b"t OK", await client.command(asked))
        limits.IMAP_NOTIFY_MAILBOXES -= 1
        self.assertIn(b"[NOTIFICATIONOVERFLOW]", await client.command(asked))

    async def test_contexts(self) -> None:
        """IMAP_CONTEXTS: one more is answered once and not kept up to date; cancelling makes room."""
        client = await (await ImapServer.start(self)).signed_in()
        await client.command(b"SELECT INBOX")
        for number in range(limits.IMAP_CONTEXTS):
            answer = await client.command(b"SEARCH RETURN (UPDATE) ALL", b"s%d" % number)
            self.assertNotIn(b"NOUPDATE", answer)
        self.assertIn(b'* NO [NOUPDATE "t"] ', await client.command(b"SEARCH RETURN (UPDATE) ALL"))
        await client.command(b'CANCELUPDATE "s3"')
        self.assertNotIn(b"NOUPDATE", await client.command(b"SEARCH RETURN (UPDATE) ALL"))
