"""What other programs have put into the database can not break a response (anchors: row 10)."""

from __future__ import annotations

import re
from typing import Any

from twisted.trial.unittest import TestCase

from test.imap.grammar.response_reader import read, split
from test.imap.server import ImapServer, MemoryClient
from test.support.databases import blocking_database

#: A response of the server's own between the lines of another, if it got through.
INJECTED = '\r\n* 99 EXPUNGE\r\n* BYE "x'
#: Strings as no client of ours could have stored them.
HOSTILE = [
    INJECTED,
    'quote" backslash\\ {3}',
    "{5+}",
    "nul\x00nul",
    "&AAAA-&",
    "&Jjo-&",
    "lone&2D0-surrogate",
    "x" * 1100,
    "\x7f\x80\xff\u2028\U0001f4e7",
    "../../etc/passwd",
    "%*",
    "NIL",
    "",
]
MESSAGE = b"From: a@example.org\r\nSubject: s\r\n\r\nbody\r\n"


class HostileDocuments(TestCase):
    async def started(self) -> tuple[ImapServer, Any, Any]:
        server = await ImapServer.start(self)
        account = await server.account()
        await server.add(account, "INBOX", MESSAGE)
        return server, account, blocking_database(server.settings)

    async def client(self, server: ImapServer) -> MemoryClient:
        client = server.connect()
        await client.login("fred")
        return client

    def check(self, found: bytes, *, unicode: bool = False) -> bytes:
        """A client's parser reads these responses to their end, and none of them was injected."""
        for response in split(found):
            self.assertNotRegex(response, rb"^\* (99 EXPUNGE|BYE)")
            read(response, unicode=unicode)
        return found

    async def test_mailbox_names(self) -> None:
        """Whatever a mailbox is called: LIST and STATUS are whole responses, and that name opens it."""
        server, account, database = await self.started()
        for number, name in enumerate(HOSTILE):
            await server.mailbox(account, f"box{number}")
            database.mailboxes.update_one({"path": f"box{number}"}, {"$set": {"path": name}})
        client = await self.client(server)
        found = self.check(await client.command(b'LIST "" *'))
        self.assertIn(b"t OK", found)
        for name in (rb'"quote\" backslash\\ {3}"', b"../../etc/passwd", b'"NIL"', b'"{5+}"'):
            self.assertIn(b'"/" ' + name + b"\r\n", found)
        for name in re.findall(rb'^\* LIST \(\\Has.*?\) "/" ([^{\r]*)\r$', found, re.MULTILINE):
            if name != b'""':
                found = await client.command(b"STATUS " + name + b" (MESSAGES)")
                self.assertIn(b"t OK", self.check(found), name)
                self.assertIn(b"t OK", self.check(await client.command(b"EXAMINE " + name)))

    async def test_special_use(self) -> None:
        """A special use that is no attribute is not told."""
        server, account, database = await self.started()
        for number, use in enumerate([*HOSTILE, '\\Sent) "/" x', "Sent", 5, ["\\Sent"], {"a": 1}]):
            await server.mailbox(account, f"box{number}")
            database.mailboxes.update_one({"path": f"box{number}"}, {"$set": {"specialUse": use}})
        client = await self.client(server)
        found = self.check(await client.command(b'LIST "" box*'))
        self.assertEqual(
            len(re.findall(rb'^\* LIST \(\\HasNoChildren\) "/" box', found, re.MULTILINE)), number + 1
        )

    async def test_flags(self) -> None:
        """Flags that are none are left out, of messages and of mailboxes."""
        await self.flags(b"NOOP", b"=C3=B6")

    async def test_flags_in_utf8(self) -> None:
        """Also where keywords are UTF-8."""
        await self.flags(b"ENABLE UTF8=ACCEPT IMAP4rev2", "ö".encode())

    async def flags(self, first: bytes, keyword: bytes) -> None:
        """@param keyword: as the session writes the one beyond US-ASCII that is a keyword."""
        server, _, database = await self.started()
        flags = [
            *HOSTILE,
            "a b",
            "a)",
            "x]",
            "ö\u2028",
            "ö" * 200,
            "ö",
            "\\Seen",
            "$Work",
            "\\",
            "\\*",
            "*",
            None,
            5,
            {"$a": 1},
            ["x"],
        ]
        database.messages.update_many({}, {"$set": {"flags": flags}})
        database.mailboxes.update_many({"path": "INBOX"}, {"$set": {"flags": flags}})
        client = await self.client(server)
        await client.command(first)
        unicode = not keyword.isascii()
        found = self.check(await client.command(b"SELECT INBOX"), unicode=unicode)
        self.assertIn(b"t OK", found)
        self.assertRegex(found, rb"\* FLAGS \(.*\$Work.*\)")
        self.assertRegex(found, rb"\* OK \[PERMANENTFLAGS \([^()]* %b [^()]*\\\*\)\]" % keyword)
        found = self.check(await client.command(b"FETCH 1 FLAGS"), unicode=unicode)
        told = b"\\Seen &AAAA-& &Jjo-& lone&2D0-surrogate ../../etc/passwd NIL %b $Work" % keyword
        self.assertIn(b"FLAGS (" + told, found)
        found = await client.command(b"STORE 1 +FLAGS (\\Flagged)")
        self.assertIn(b"t OK", self.check(found, unicode=unicode))
        self.assertIn(b"t OK", self.check(await client.command(b"STORE 1 FLAGS (\\Deleted)")))
        self.assertIn(b"* 1 EXPUNGE", self.check(await client.command(b"EXPUNGE")))

    async def test_no_list_of_flags(self) -> None:
        """A message whose flags are no list has none, and gets some by STORE."""
        server, account, database = await self.started()
        client = await self.client(server)
        for uid, value in enumerate((None, 5, "\\Seen", {"a": [None]}), 2):
            await server.add(account, "INBOX", MESSAGE)
            database.messages.update_one({"uid": uid}, {"$set": {"flags": value}})
        await client.command(b"SELECT INBOX")
        found = self.check(await client.command(b"FETCH 2:5 FLAGS"))
        self.assertEqual(len(re.findall(rb"FETCH \(FLAGS \((\\Recent)?\)\)", found)), 4)
        self.assertIn(b"t OK", self.check(await client.command(b"STORE 1:5 +FLAGS.SILENT (\\Flagged)")))
        found = self.check(await client.command(b"FETCH 1:5 FLAGS"))
        self.assertEqual(found.count(b"\\Flagged"), 5)

    async def test_content(self) -> None:
        """Header lines, parsed headers and structure of a tree that another program has written."""
        server, _, database = await self.started()
        await server.add(await server.domain.accounts.directory.by_name("fred"), "INBOX", MESSAGE)
        client = await self.client(server)
        await client.command(b"SELECT INBOX")
        items = (
            b"(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
        )
        damaged = 0
        for value in (
            *HOSTILE,
            None,
            5,
            [],
            {},
            [INJECTED],
            {"value": INJECTED, "params": {INJECTED: INJECTED}},
        ):
            for change in (
                {"mimeTree.header": [f"Subject: {value}", f"From: {value} <{value}@{value}>"]},
                {"mimeTree.header": value},
                {"mimeTree.parsedHeader": {"content-type": value, "subject": value}},
                {
                    "mimeTree.parsedHeader.content-type": {
                        "type": value,
                        "subtype": value,
                        "params": {"a": value},
                    }
                },
                {"mimeTree.lineCount": value, "mimeTree.size": value},
                {"mimeTree.childNodes": [value], "mimeTree.multipart": value, "mimeTree.boundary": value},
                {"envelope": value, "bodystructure": value, "idate": value},
                {"size": value, "magic": value},
            ):
                database.messages.update_one(
                    {"uid": 1}, {"$unset": {"mimeTree.native": True}, "$set": change}
                )
                for command in (b"FETCH 1:2 " + items, b"FETCH 1:2 BODY.PEEK[]"):
                    found = self.check(await client.command(command))
                    self.assertIn(b"* 2 FETCH (", found)
                    self.assertRegex(found, rb"t OK|t NO \[CORRUPTION\] Some messages can not be read")
                    damaged += b"t NO" in found
        self.assertLessEqual(len(self.flushLoggedErrors()), damaged)

    async def test_search(self) -> None:
        """Damaged messages are found or not, but hide no others."""
        server, account, database = await self.started()
        await server.add(account, "INBOX", MESSAGE)
        client = await self.client(server)
        await client.command(b"SELECT INBOX")
        certain = [b"SUBJECT s", b"FROM a", b"BODY body", b"TEXT body", b"LARGER 1"]
        searches = [
            *certain,
            b"SENTSINCE 1-Jan-1970",
            b"HEADER X-A y",
            b"KEYWORD x",
            b"OR CC x NOT SUBJECT q",
        ]
        for value in (INJECTED, None, 5, [INJECTED], {"a": [None]}):
            for change in (
                {"headers": value, "mimeTree.header": value},
                {"headers": [{"key": value, "value": value}, value]},
                {"text": value, "html": value, "intro": value},
                {"mimeTree.parsedHeader": value, "mimeTree.childNodes": value, "attachments": value},
                {"flags": value, "subject": value, "envelope": value, "msgid": value},
            ):
                database.messages.update_one(
                    {"uid": 1}, {"$unset": {"mimeTree.native": True}, "$set": change}
                )
                for search in searches:
                    found = await client.command(b"SEARCH " + search)
                    self.assertIn(b"t OK", found, (search, change))
                    if search in certain:
                        self.assertRegex(found, rb"\* SEARCH (1 )?2\r\n", (search, change))
                self.assertEqual(self.flushLoggedErrors(), [], change)
