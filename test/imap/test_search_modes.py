"""What searches do in sessions that have enabled something (RFC 9051, RFC 6855, RFC 9586)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase, TestCase

from test.imap.server import ImapServer, MemoryClient
from wildduck import limits
from wildduck.errors import ProtocolError, Unavailable
from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.modes import PLAIN
from wildduck.imap.grammar.requests import parser_for

MESSAGE = b"Subject: b\r\n\r\nHello\r\n"


class CharsetTests(SynchronousTestCase):
    def parse(self, line: bytes) -> Any:
        cursor = Cursor(line, modes=replace(PLAIN, utf8=True))
        reading = parser_for(cursor)(cursor)
        try:
            next(reading)
        except StopIteration as done:
            return done.value

    def test_utf8_accept(self) -> None:
        """After ENABLE UTF8=ACCEPT a SEARCH names no charset (RFC 6855 §3); SORT and THREAD must."""
        for line in (b"SEARCH CHARSET UTF-8 ALL", b"UID SEARCH RETURN (MIN) CHARSET us-ascii ALL"):
            with self.assertRaises(ProtocolError, msg=line):
                self.parse(line)
        self.assertEqual(self.parse(b"SEARCH ALL").charset, None)
        self.assertEqual(self.parse(b"SORT (DATE) UTF-8 ALL").charset, b"UTF-8")
        self.assertEqual(self.parse(b"THREAD REFERENCES UTF-8 ALL").charset, b"UTF-8")


class ModeTests(TestCase):
    async def client(self, **modes: bool) -> MemoryClient:
        """A session with three messages selected, and these modes."""
        server = await ImapServer.start(self)
        account = await server.account("fred")
        for _ in range(3):
            await server.add(account, "INBOX", MESSAGE)
        client = server.connect()
        await client.login("fred")
        await client.command(b"SELECT INBOX")
        session = client.connection._session
        session.modes = replace(session.modes, **modes)
        session.line.set_modes(session.modes)
        return client

    async def test_rev2(self) -> None:
        """IMAP4rev2's SEARCH is always answered by ESEARCH (RFC 9051 §6.4.4); SORT is not."""
        client = await self.client(rev2=True)
        for command, answer in [
            (b"SEARCH 2:3", b'* ESEARCH (TAG "t") ALL 2:3\r\n'),
            (b"UID SEARCH NOT 2", b'* ESEARCH (TAG "t") UID ALL 1,3\r\n'),
            (b'SEARCH TEXT "string not in mailbox"', b'* ESEARCH (TAG "t")\r\n'),
            (b"SEARCH RETURN (SAVE) 1", b""),
            (b"UID SORT (REVERSE ARRIVAL) UTF-8 $", b"* SORT 1\r\n"),
        ]:
            answered = await client.command(command)
            self.assertEqual(answered.rpartition(b"t OK")[0], answer, command)

    async def test_uid_only(self) -> None:
        """No key is a sequence number; UIDs and the saved result are as ever, a BAD saves nothing."""
        client = await self.client(uidonly=True)
        await client.command(b"UID SEARCH RETURN (SAVE) UID 2:3")
        for command in (
            b"UID SEARCH 1",
            b"UID SORT (DATE) UTF-8 OR ALL (NOT 1:*)",
            b"UID THREAD REFERENCES UTF-8 *",
        ):
            self.assertIn(b"t BAD [UIDREQUIRED] ", await client.command(command))
        self.assertIn(b"t BAD [UIDREQUIRED] ", await client.command(b"UID SEARCH RETURN (SAVE) 1"))
        self.assertIn(b"* SEARCH 2 3\r\n", await client.command(b"UID SEARCH $"))
        for command in (b"SEARCH ALL", b"SORT (DATE) UTF-8 ALL", b"THREAD REFERENCES UTF-8 ALL"):
            self.assertIn(b"t BAD [UIDREQUIRED] ", await client.command(command))

    async def test_not_saved(self) -> None:
        """A result that is too long to be kept is not, and leaves nothing (RFC 5182 §2.5)."""
        client = await self.client()
        self.patch(limits, "IMAP_SAVED_MESSAGES", 2)
        await client.command(b"SEARCH RETURN (SAVE) 1:2")
        answer = await client.command(b"SEARCH RETURN (SAVE COUNT) ALL")
        self.assertTrue(answer.startswith(b"t NO [NOTSAVED] "), answer)
        self.assertIn(b"* SEARCH\r\n", await client.command(b"SEARCH $"))

    async def test_no_update(self) -> None:
        """Of sorted results that are kept up to date less are held than of others (RFC 5267 §4.3.1)."""
        client = await self.client()
        self.patch(limits, "IMAP_SORTED_CONTEXT_MESSAGES", 4)
        sort = b"SORT RETURN (UPDATE COUNT) (SUBJECT) UTF-8 ALL"
        self.assertNotIn(b"NOUPDATE", await client.command(sort))
        answer = await client.command(sort.replace(b"ALL", b"1:2"), b"u")
        self.assertIn(b'* ESEARCH (TAG "u") COUNT 2\r\n* NO [NOUPDATE "u"] ', answer)
        answer = await client.command(b"SEARCH RETURN (UPDATE COUNT) ALL", b"u")
        self.assertNotIn(b"NOUPDATE", answer)

    async def test_look_that_fails(self) -> None:
        """What could not be looked at is told with the next change."""
        client = await self.client()
        await client.command(b"SEARCH RETURN (UPDATE) FLAGGED", b"u")
        session = client.connection._session
        store, search = session.store, session.store.search

        async def fails(*arguments: Any) -> Any:
            raise Unavailable()

        self.patch(store, "search", fails)
        answer = await client.command(b"STORE 2 +FLAGS.SILENT (\\Flagged)")
        self.assertTrue(answer.startswith(b"t OK"), answer)
        self.patch(store, "search", search)
        answer = await client.command(b"STORE 3 +FLAGS.SILENT (\\Flagged)")
        self.assertIn(b'* ESEARCH (TAG "u") ADDTO (0 2:3)\r\n', answer)
