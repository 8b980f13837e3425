"""PREVIEW of documents that lack WildDuck's own, or have an odd one."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import TestCase

from test.imap.server import ImapServer, MemoryClient
from test.support.databases import blocking_database


class PreviewTests(TestCase):
    async def _client(self, *changes: dict[str, Any]) -> MemoryClient:
        """A session on messages, fewer than ten, of which each document was changed."""
        server = await ImapServer.start(self)
        account = await server.account()
        database = blocking_database(server.settings)
        for change in changes:
            added = await server.add(account, "INBOX", b"Subject: x\r\n\r\nWhat it says\r\n")
            database.messages.update_one({"_id": added.message_id}, change)
        client = server.connect()
        await client.login("fred")
        await client.command(b"EXAMINE INBOX")
        return client

    async def _previews(self, client: MemoryClient, items: bytes) -> list[bytes]:
        answer = await client.command(b"FETCH 1:* " + items)
        self.assertIn(b"t OK FETCH completed", answer)
        # Those that need a second look come last.
        lines = sorted(answer.replace(b"}\r\n", b"}").split(b"\r\n")[:-2])
        return [line.partition(b"(PREVIEW ")[2].removesuffix(b")") for line in lines]

    async def test_made(self) -> None:
        """Without WildDuck's line one is made of the text; LAZY gives NIL, but not where there is no text."""
        html = {"html": ["<p>In <b>bold</b></p>"]}
        client = await self._client(
            {"$unset": {"intro": True}},
            {"$unset": {"intro": True, "text": True, "html": True}},
            {"$unset": {"intro": True, "text": True}, "$set": html},
            {"$unset": {"intro": True, "mimeTree.native": True}},
            {"$set": {"intro": 5, "text": 5, "html": "x"}},
            {"$set": {"intro": ["x"], "text": ["x"], "html": [5, {"a": 1}]}},
        )
        made = await self._previews(client, b"PREVIEW")
        self.assertEqual(made, [b'"What it says"', b'""', b'"In bold"', b'"What it says"', b'""', b'""'])
        lazy = await self._previews(client, b"PREVIEW (LAZY)")
        self.assertEqual(lazy[:4], [b"NIL", b'""', b"NIL", b"NIL"])
        self.assertNotIn(b'"What', b"".join(lazy))

    async def test_kept(self) -> None:
        """WildDuck's line is one line of at most 200 characters, sent as UTF-8, without a NUL."""
        client = await self._client(
            {"$set": {"intro": "ö" * 300}},
            {"$set": {"intro": "a\r\nb\0c  d"}},
            {"$set": {"intro": ""}},
            {"$set": {"intro": 'say "no" \\ yes'}},
            {"$set": {"intro": "  -----BEGIN PGP MESSAGE----- Version: 1"}},
        )
        for items in (b"PREVIEW", b"PREVIEW (LAZY)"):
            self.assertEqual(
                await self._previews(client, items),
                [b"{400}" + "ö".encode() * 200, b'"a b c d"', b'""', b'"say \\"no\\" \\\\ yes"', b'""'],
            )
