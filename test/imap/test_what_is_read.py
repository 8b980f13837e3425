"""What commands read of the database, by MongoDB's own record of what it was asked for."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from twisted.trial.unittest import TestCase

from test.imap.server import ImapServer, MemoryClient
from test.support.databases import blocking_database
from wildduck.limits import KIB

TEXT = b"A line of sixty-two characters and no more, if not one fewer.\r\n" * (300 * KIB // 64)
#: 1 MiB, decoded.
ATTACHED = base64.encodebytes(bytes(range(256)) * 4 * 1024).replace(b"\n", b"\r\n").rstrip()


class Asked(NamedTuple):
    """
    One command that MongoDB was given.

    @ivar about: its collection.
    @ivar documents: how many were given back or counted.
    @ivar length: bytes of the answer.
    """

    name: str
    about: str
    documents: int
    length: int


def _keeps_mark(entry: dict[str, Any]) -> bool:
    """
    Whether it writes the low-water mark, which whoever looks does every few
    seconds, so that it falls beside one command on a slow machine and beside
    another on a fast one.
    """
    update = entry["command"].get("u") if entry["op"] == "update" else None
    return isinstance(update, dict) and update.get("$max", {}).keys() == {"native.modseq", "native.uid"}


def big() -> bytes:
    """Three texts of 300 KiB, and an attachment of 1 MiB."""
    head = b'Subject: big\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    attached = (
        b"Content-Type: application/octet-stream; name=x\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + ATTACHED
    )
    parts = [b"Content-Type: text/plain\r\n\r\n" + TEXT] * 3 + [attached]
    return head + b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


class WhatIsReadTests(TestCase):
    async def _server(self, *messages: bytes) -> MemoryClient:
        """A session that has selected the INBOX with these messages, and knows it."""
        self.server = await ImapServer.start(self)
        self.account = await self.server.account()
        self.db = blocking_database(self.server.settings)
        client = self.server.connect()
        await client.login("fred")
        await client.command(b"SELECT INBOX")
        await self._arrive(client, *messages)
        self.addCleanup(self.db.system.profile.drop)
        return client

    async def _arrive(self, client: MemoryClient, *messages: bytes) -> None:
        """Messages that came long ago: what came in the last seconds is read again (store.md §2)."""
        for content in messages:
            await self.server.add(self.account, "INBOX", content)
        ago = datetime.now(timezone.utc) - timedelta(hours=1)
        self.db.mailboxes.update_one({"path": "INBOX"}, {"$set": {"native.time": ago}})
        await client.command(b"NOOP")

    async def _asked(self, client: MemoryClient, command: bytes) -> tuple[bytes, list[Asked]]:
        """What a command answers, and what MongoDB was asked for meanwhile."""
        self.db.command("profile", 2)
        try:
            answer = await client.command(command)
        finally:
            self.db.command("profile", 0)
        asked = []
        for entry in self.db.system.profile.find():
            about = entry["ns"].partition(".")[2]
            if about not in ("$cmd", "system.profile") and not _keeps_mark(entry):
                name = next(iter(entry.get("command") or {entry["op"]: 1}))
                asked.append(Asked(name, about, entry.get("nreturned", 0), entry.get("responseLength", 0)))
        self.db.system.profile.drop()
        self.assertIn(b"t OK", answer)
        return answer, asked

    async def test_answered_from_the_index(self) -> None:
        """
        SELECT, FETCH FLAGS, SEARCH by flag, UID or date and STATUS of an open
        mailbox ask for the mailbox alone, however many messages there are.
        """
        client = await self._server(*[b"A: b\r\n\r\n"] * 3)
        commands = (
            b"FETCH 1:* (UID FLAGS)",
            b"UID FETCH 1:* FLAGS",
            b"SEARCH UNSEEN NOT KEYWORD $Work",
            b"UID SEARCH UID 1:* 1:2",
            b"SEARCH SINCE 1-Jan-2020 NOT BEFORE 1-Jan-2021 OR ON 1-Jan-1990 ALL",
            b"STATUS INBOX (MESSAGES UNSEEN UIDNEXT UIDVALIDITY RECENT)",
            b"SELECT INBOX",
        )
        few = {command: (await self._asked(client, command))[1] for command in commands}
        await self._arrive(client, *[b"A: b\r\n\r\n"] * 40)
        for command, before in few.items():
            asked = (await self._asked(client, command))[1]
            self.assertEqual({one.about for one in asked}, {"mailboxes"}, command)
            # Two that are asked at once may change places.
            self.assertEqual(
                sorted((one.name, one.documents) for one in asked),
                sorted((one.name, one.documents) for one in before),
            )

    async def test_resync(self) -> None:
        """
        Who comes back to an open mailbox costs its document and the journal since
        then, however many messages there are and have changed.
        """
        await self._server(*[b"A: b\r\n\r\n"] * 30)
        client = self.server.connect()
        await client.login("fred")
        await client.command(b"ENABLE QRESYNC")
        await client.command(b"SELECT INBOX")
        await client.command(b"UID STORE 1:20 +FLAGS (\\Deleted)")
        await client.command(b"UID EXPUNGE 2,4,6:9")
        await self._arrive(client)
        validity = (await self.server.mailbox(self.account, "INBOX")).uid_validity
        for command in (
            b"SELECT INBOX (QRESYNC (%d 31))" % validity,
            b"UID FETCH 1:* (FLAGS) (CHANGEDSINCE 31 VANISHED)",
        ):
            answer, asked = await self._asked(client, command)
            self.assertIn(b"* VANISHED (EARLIER) 2,4,6:9\r\n* 1 FETCH (UID 1 ", answer)
            self.assertEqual({one.about for one in asked}, {"mailboxes", "journal"}, command)
            self.assertEqual(sum(one.documents for one in asked if one.about == "journal"), 26, command)

    async def test_no_bodies(self) -> None:
        """
        Sizes, dates, envelopes, structures and header fields never load a body,
        and those of all messages are read at once.
        """
        client = await self._server(big())
        for items in (
            b"RFC822.SIZE",
            b"INTERNALDATE",
            b"ENVELOPE",
            b"(BODY BODYSTRUCTURE)",
            b"BODY.PEEK[HEADER]",
            b"BODY.PEEK[HEADER.FIELDS (SUBJECT)]",
            b"RFC822.HEADER",
            b"(EMAILID THREADID SAVEDATE)",
            b"PREVIEW",
            b"PREVIEW (LAZY)",
            b"FULL",
        ):
            few = (await self._asked(client, b"FETCH 1:* " + items))[1]
            self.assertEqual([one.about for one in few], ["mailboxes", "messages"], items)
            self.assertLess(few[1].length, 3 * KIB, items)
        await self._arrive(client, *[big()] * 20)
        many = (await self._asked(client, b"FETCH 1:* " + items))[1]
        self.assertEqual([(one.name, one.about) for one in many], [(one.name, one.about) for one in few])
        self.assertLess(many[1].length, 21 * 3 * KIB)

    async def test_one_part(self) -> None:
        """BODY[n] loads that part alone."""
        client = await self._server(big())
        for section in (b"[2]", b"[2]<100.50>"):
            answer, asked = await self._asked(client, b"FETCH 1 BODY.PEEK" + section)
            self.assertEqual([one.about for one in asked], ["mailboxes", "messages"])
            self.assertLess(asked[1].length, len(TEXT) + 3 * KIB)
            self.assertIn(TEXT[100:150], answer)
        answer, asked = await self._asked(client, b"FETCH 1 BODY.PEEK[]")
        self.assertGreater(asked[1].length, 3 * len(TEXT))
        self.assertIn(big(), answer)

    async def test_headers_of_a_part(self) -> None:
        """BODY[n.MIME] loads no body, BODY[n.HEADER] that of no other part, and no chunk."""
        inner = b"Subject: inner\r\nContent-Type: text/plain\r\n\r\n" + TEXT
        part = b"Content-Type: message/rfc822\r\nContent-ID: <in>\r\n\r\n" + inner
        client = await self._server(big().replace(b"--b--", b"--b\r\n" + part + b"\r\n--b--"))
        for section, expected in (
            (b"2.MIME", b"Content-Type: text/plain\r\n\r\n)"),
            (b"4.MIME", b"Content-Type: application/octet-stream; name=x"),
            (b"5.MIME", b"Content-ID: <in>"),
            (b"5.HEADER", b"Subject: inner"),
            (b"5.HEADER.FIELDS (SUBJECT)", b"{18}\r\nSubject: inner\r\n\r\n"),
            (b"5.1.MIME", b"Subject: inner"),
        ):
            answer, asked = await self._asked(client, b"FETCH 1 BODY.PEEK[" + section + b"]")
            self.assertIn(expected, answer, section)
            self.assertEqual([one.about for one in asked], ["mailboxes", "messages"], section)
            self.assertLess(asked[1].length, 3 * KIB, section)
        answer, asked = await self._asked(client, b"FETCH 1 BODY.PEEK[5.TEXT]<0.100>")
        self.assertIn(b"{100}\r\n" + TEXT[:100], answer)
        self.assertLess(sum(one.length for one in asked if one.about == "messages"), 3 * KIB)
        self.assertEqual(sum(one.documents for one in asked if one.about == "attachments.chunks"), 1)

    async def test_part_with_parts(self) -> None:
        """BODY[n] of a multipart loads what is in it, and nothing beside it."""
        small = b"Content-Type: text/plain\r\n\r\nsmall\r\n"
        inner = b"--c\r\n" + small + b"--c\r\n" + small + b"--c--\r\n"
        part = b"Content-Type: multipart/mixed; boundary=c\r\n\r\n" + inner
        client = await self._server(big().replace(b"--b--", b"--b\r\n" + part + b"\r\n--b--"))
        answer, asked = await self._asked(client, b"FETCH 1 BODY.PEEK[5]")
        self.assertIn(b"{%d}\r\n" % len(inner) + inner, answer)
        self.assertEqual([one.about for one in asked], ["mailboxes", "messages"])
        self.assertLess(asked[1].length, 3 * KIB)

    async def test_documents_of_wildduck(self) -> None:
        """Of documents that WildDuck wrote no more is read than of ours."""
        client = await self._server(big())
        self.db.messages.update_many({}, {"$unset": {"mimeTree.native": True}})
        for section, most in ((b"2", len(TEXT)), (b"4.MIME", 0)):
            _, asked = await self._asked(client, b"FETCH 1 BODY.PEEK[" + section + b"]")
            self.assertEqual([one.about for one in asked], ["mailboxes", "messages"])
            self.assertLess(asked[1].length, most + 3 * KIB, section)

    async def test_decoded(self) -> None:
        """BINARY[n]<a.b> of an attachment loads the chunks of that range alone, BINARY.SIZE none."""
        client = await self._server(big())
        chunk = self.db["attachments.files"].find_one()["chunkSize"]
        for items, chunks in (
            (b"BINARY.SIZE[4]", 0),
            (b"BINARY.PEEK[4]<0.1000>", 1),
            (b"BINARY.PEEK[4]<%d.1000>" % (2 * chunk + 5), 1),
            (b"BINARY.PEEK[4]<%d.1000>" % (chunk - 5), 2),
        ):
            answer, asked = await self._asked(client, b"FETCH 1 " + items)
            self.assertIn(b"1048576" if not chunks else b"~{1000}\r\n", answer)
            read = [one for one in asked if one.about == "attachments.chunks"]
            self.assertEqual(sum(one.documents for one in read), chunks, items)
            rest = [one for one in asked if one.about != "attachments.chunks"]
            self.assertLess(sum(one.length for one in rest), 5 * KIB, items)

    async def test_range_of_an_attachment(self) -> None:
        """Of a stored attachment BODY[n]<a.b> loads only the chunks in the range, and no other body."""
        client = await self._server(big())
        row = self.db["attachments.files"].find_one()
        chunk = row["chunkSize"]
        encoded = chunk * 78 // 57
        for start, size, chunks in (
            (0, 1000, 1),
            (encoded * 2 + 10_000, 1000, 1),
            (encoded - 5_000, 10_000, 2),
            (0, len(ATTACHED), -(-row["length"] // chunk)),
        ):
            answer, asked = await self._asked(client, b"FETCH 1 BODY.PEEK[4]<%d.%d>" % (start, size))
            self.assertIn(ATTACHED[start : start + size], answer)
            read = [one for one in asked if one.about == "attachments.chunks"]
            self.assertEqual(sum(one.documents for one in read), chunks, (start, size))
            rest = [one for one in asked if one.about != "attachments.chunks"]
            self.assertEqual([one.about for one in rest], ["mailboxes", "messages", "attachments.files"])
            self.assertLess(sum(one.length for one in rest), 5 * KIB)
