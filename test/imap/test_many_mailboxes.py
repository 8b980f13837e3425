"""LIST and STATUS where an account has thousands of mailboxes, and patterns made to take long."""

from __future__ import annotations

from typing import Any

from bson import ObjectId
from twisted.trial.unittest import TestCase

from test.imap.server import ImapServer, MemoryClient
from test.support.databases import blocking_database
from wildduck.imap.session import Session

COUNT = 3000


class ManyMailboxesTests(TestCase):
    async def started(self) -> tuple[ImapServer, MemoryClient]:
        server = await ImapServer.start(self)
        account = await server.account()
        rows = [
            {
                "_id": ObjectId(),
                "user": account.id,
                "path": f"box {number // 50}/{number}",
                "uidValidity": number + 1,
                "uidNext": 1,
                "modifyIndex": 1,
                "subscribed": number % 2 == 0,
            }
            for number in range(COUNT)
        ]
        blocking_database(server.settings).mailboxes.insert_many(rows)
        client = server.connect()
        await client.login("fred")
        self.breaths = 0
        real = Session.breathe

        async def breathe(session: Session) -> None:
            self.breaths += 1
            await real(session)

        self.patch(Session, "breathe", breathe)
        return server, client

    async def test_list_with_status(self) -> None:
        """All are told, in few questions to the database, and others have their turn meanwhile."""
        server, client = await self.started()
        asked: list[str] = []
        main: Any = server.domain.databases.main
        cluster = main._cluster
        real = cluster.run

        async def run(command: Any, **options: Any) -> Any:
            asked.append(next(iter(command)))
            return await real(command, **options)

        self.patch(cluster, "run", run)
        found = await client.command(b'LIST "" "box*" RETURN (STATUS (MESSAGES UNSEEN UIDVALIDITY SIZE))')
        self.assertEqual(COUNT, found.count(b"* LIST (\\HasNoChildren)"))
        self.assertEqual(COUNT, found.count(b"* STATUS "))
        self.assertIn(b'* STATUS "box 3/173" (MESSAGES 0 UNSEEN 0 UIDVALIDITY 174 SIZE 0)\r\n', found)
        self.assertTrue(found.endswith(b"t OK LIST completed\r\n"))
        self.assertLess(2 * COUNT // 100 - 1, self.breaths)
        # Two answers of mailboxes with what follows them, three countings.
        self.assertLessEqual(len(asked), 15, asked)

    async def test_hostile_patterns(self) -> None:
        """As many and as long as there may be: each is one walk, and others have their turn."""
        _, client = await self.started()
        patterns = b" ".join(b'"' + b"*%x" * 320 + b'%d"' % number for number in range(50))
        found = await client.command(b'LIST "" (' + patterns + b")")
        self.assertEqual(b"t OK LIST completed\r\n", found)
        self.assertLess(20, self.breaths)
        several = b" ".join(b"a%d" % number for number in range(101))
        found = await client.command(b'LIST "" (' + several + b")")
        self.assertEqual(b"t NO [LIMIT] Too many patterns\r\n", found)
        self.breaths = 0
        self.assertIn(b"t OK", await client.command(b'LSUB "" ' + b"*%" * 450))
        self.assertLess(0, self.breaths)
