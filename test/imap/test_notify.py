"""NOTIFY where a client leaves in the midst of it (what is told: dialogues/notify.txt)."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from test.imap.server import ImapServer
from test.imap.waiting import until


class LeavingTests(TestCase):
    async def test_while_it_begins(self) -> None:
        """Nothing is watched for a client that is gone when its mailboxes are known; no timer is left."""
        server = await ImapServer.start(self)
        client = await server.signed_in()
        session = client.connection._session
        mailboxes = session.store.mailboxes
        real, waiting, asked = mailboxes.list, Deferred[None](), []

        async def slow(user: Any) -> Any:
            asked.append(user)
            await waiting
            return await real(user)

        self.patch(mailboxes, "list", slow)
        client.send(b"a NOTIFY SET (PERSONAL (MailboxName))\r\n")
        await until(lambda: asked)
        client.closed()
        await until(lambda: session.account is None)
        waiting.callback(None)
        await until(lambda: not client.connection._scheduler.busy)
        self.assertIsNone(session.news.watch)
