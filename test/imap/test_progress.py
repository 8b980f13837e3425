"""How far a command is, in numbers, where it knows that (RFC 9585)."""

from __future__ import annotations

import re

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from test.imap.server import ImapServer
from test.imap.waiting import until
from wildduck import limits
from wildduck.imap.commands import fetch
from wildduck.imap.session import Session
from wildduck.mailstore import copying, expunge, flags, moving
from wildduck.mailstore.search import facts, fields, sorting, texts, threading

_SIGN = re.compile(rb'\* OK \[INPROGRESS \("a" (\d+) (\d+)\)\] Still working\r\n')
_MESSAGE = b"Subject: a subject\r\nDate: Thu, 26 Nov 2026 11:00:00 +0000\r\n\r\nneedle\r\n"
#: In so many batches.
_HALVES = [(0, 4), (2, 4)]
_ALL = [*_HALVES, (4, 4)]


class ProgressTests(TestCase):
    """Of four messages a batch has two; whenever the numbers change the client has waited for long."""

    async def _told(self, *commands: bytes) -> list[tuple[int, int]]:
        """@return: what is told during the last command, which is OK."""
        for module in (flags, copying, moving, expunge):
            self.patch(module, "BATCH_ROWS", 2)
        for searching in (facts, fields, sorting, texts, threading):
            self.patch(searching, "_BATCH", 2)
        self.patch(fetch, "_WITHOUT_TREE", 2)
        clock = Clock()
        server = await ImapServer.start(self, clock=clock)
        account = await server.account()
        await server.mailbox(account, "Target")
        for message in (_MESSAGE, _MESSAGE.replace(b"a subject", b"another subject"), _MESSAGE, _MESSAGE):
            await server.add(account, "INBOX", message, "\\Deleted")
        client = server.connect()
        await client.login("fred")
        scheduler, note = client.connection._scheduler, Session.note_progress

        def noted(session: Session, done: int, goal: int) -> None:
            note(session, done, goal)
            scheduler._quiet_since = clock.seconds() - limits.IMAP_WORKING_SECONDS
            scheduler._show_life()

        self.patch(Session, "note_progress", noted)
        for command in (b"SELECT INBOX", *commands):
            client.data = b""
            client.send(b"a " + command + b"\r\n")

            def finished() -> bool:
                clock.advance(0)  # long work gives way to others
                return re.search(rb"(?m)^a [^\r\n]*\r\n\Z", client.data) is not None

            await until(finished)
            self.assertIn(b"a OK", client.data, command)
        return [(int(done), int(goal)) for done, goal in _SIGN.findall(client.data)]

    async def test_fetch(self) -> None:
        self.assertEqual(await self._told(b"FETCH 1:* (RFC822.SIZE)"), _HALVES)

    async def test_store(self) -> None:
        self.assertEqual(await self._told(b"STORE 1:* +FLAGS.SILENT (\\Seen)"), _HALVES)

    async def test_copy(self) -> None:
        self.assertEqual(await self._told(b"COPY 1:* Target"), _HALVES)

    async def test_move(self) -> None:
        self.assertEqual(await self._told(b"UID MOVE 1:* Target"), _HALVES)

    async def test_expunge(self) -> None:
        self.assertEqual(await self._told(b"EXPUNGE"), _HALVES)

    async def test_uid_expunge(self) -> None:
        """Of those that are named."""
        self.assertEqual(await self._told(b"UID EXPUNGE 1:3"), [(0, 3), (2, 3)])

    async def test_close(self) -> None:
        self.assertEqual(await self._told(b"CLOSE"), _HALVES)

    async def test_search_of_texts(self) -> None:
        self.assertEqual(await self._told(b"SEARCH BODY needle"), _ALL)

    async def test_search_of_fields(self) -> None:
        self.assertEqual(await self._told(b"UID SEARCH SUBJECT subject"), _ALL)

    async def test_search_in_steps(self) -> None:
        """A message is dealt with by the last step; what needs none is from the start."""
        told = await self._told(b'UID SEARCH UID 2:4 SUBJECT "a subject" BODY needle')
        self.assertEqual(told, [(1, 4), (2, 4), (4, 4)])

    async def test_search_of_what_is_known(self) -> None:
        """It takes no time."""
        self.assertEqual(await self._told(b"SEARCH DELETED UID 1:3"), [])

    async def test_sort(self) -> None:
        self.assertEqual(await self._told(b"SORT (SUBJECT) UTF-8 ALL"), _ALL)

    async def test_sort_of_some(self) -> None:
        """Those that are not wanted are dealt with."""
        self.assertEqual(await self._told(b"SORT (SUBJECT) UTF-8 UID 2:4"), [(1, 4), (3, 4), (4, 4)])

    async def test_sort_of_what_was_searched(self) -> None:
        """Numbers never fall."""
        self.assertEqual(await self._told(b"SORT (SUBJECT) UTF-8 BODY needle"), _ALL)

    async def test_thread(self) -> None:
        self.assertEqual(await self._told(b"THREAD REFERENCES UTF-8 ALL"), _ALL)

    async def test_several_appended(self) -> None:
        """MULTIAPPEND."""
        two = b"APPEND Target {%d+}\r\n%b {%d+}\r\n%b" % ((len(_MESSAGE), _MESSAGE) * 2)
        self.assertEqual(await self._told(two), [(0, 2), (1, 2)])
