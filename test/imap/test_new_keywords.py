"""FLAGS names a keyword before a message is told to have it (RFC 3501 §7.2.6)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from twisted.trial.unittest import TestCase

from test.imap.server import ImapServer


class NewKeywordTests(TestCase):
    async def test_while_a_fetch_reads(self) -> None:
        """Another session of this server sets one while a FETCH waits for the database."""
        server = await ImapServer.start(self)
        account = await server.account()
        await server.add(account, "INBOX", b"Subject: x\r\n\r\n")
        client, other = server.connect(), server.connect()
        for one in (client, other):
            await one.login("fred")
            await one.command(b"SELECT INBOX")
        store = server.domain.store
        rows = store.rows

        def slow_rows(*arguments: Any, **options: Any) -> AsyncIterator[list[dict[str, Any]]]:
            return later(rows(*arguments, **options))

        async def later(batches: AsyncIterator[Any]) -> AsyncIterator[Any]:
            await other.command(b"STORE 1 +FLAGS ($New)")
            async for batch in batches:
                yield batch

        self.patch(store, "rows", slow_rows)
        answer = await client.command(b"FETCH 1 (FLAGS RFC822.SIZE)")
        flags, permanent, fetched = answer.split(b"\r\n")[:3]
        self.assertRegex(flags, rb"\* FLAGS \(.* \$New\)$")
        self.assertRegex(permanent, rb"\* OK \[PERMANENTFLAGS \(.* \$New \\\*\)\]")
        self.assertRegex(fetched, rb"\* 1 FETCH \(FLAGS \(.*\$New.*\) RFC822.SIZE 14\)")
