"""What is in a message/global is told as what is in a message/rfc822."""

from __future__ import annotations

import os

from twisted.python.threadable import isInIOThread
from twisted.trial.unittest import TestCase

from test.imap.dialogue import FOLDER
from test.imap.grammar.response_reader import read, split
from test.imap.server import ImapServer, MemoryClient
from test.support.databases import blocking_database
from wildduck import limits
from wildduck.database import GridFS
from wildduck.imap.commands import enclosed
from wildduck.mime.part import Part
from wildduck.mime.scanner import Scanner

UTF8 = b"ENABLE UTF8=ACCEPT"
_PATHS = b"1 2 3 3.1 3.2 3.3 3.1.1 4.2 4.2.1 4.2.2 4.2.2.1 4.2.2.2 4.2.2.2.1".split()
_SECTIONS = [
    b"(" + b" ".join(b"BODY.PEEK[%b%b]" % (path, what) for path in _PATHS) + b")"
    for what in (b"", b".MIME", b".HEADER", b".TEXT")
]
_ITEMS = [
    b"BODY",
    b"BODYSTRUCTURE",
    *_SECTIONS,
    b"(BINARY.PEEK[3.2] BINARY.PEEK[4.2.2.1]<1.3> BINARY.SIZE[3.1] BINARY.PEEK[3.3])",
    b"(BODY.PEEK[] RFC822.SIZE)",
]
_INNER = b"Subject: a\r\n\r\nb\r\n"
#: Of several fields the first counts.
_TWO_TYPES = b"Content-Type: text/html\r\nContent-Type: image/png\r\n\r\nb\r\n"
#: The structure of a message of which nothing is known.
_NOTHING = (
    b' (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0) '
)


def nested() -> bytes:
    with open(os.path.join(FOLDER, "messages", "nested.eml"), "rb") as file:
        return file.read().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def as_global(data: bytes) -> bytes:
    """The same with another type; nothing becomes shorter or longer."""
    return data.replace(b"message/rfc822", b"message/global").replace(
        b'"message" "rfc822"', b'"message" "global"'
    )


def holding(inner: bytes, subtype: bytes = b"global") -> bytes:
    return b"Subject: outer\r\nContent-Type: message/%b\r\n\r\n%b" % (subtype, inner)


class EnclosedTests(TestCase):
    async def started(self, *messages: bytes) -> tuple[ImapServer, MemoryClient]:
        """A server with these in INBOX, and a client."""
        server = await ImapServer.start(self)
        account = await server.account()
        for message in messages:
            await server.add(account, "INBOX", message)
        client = server.connect()
        await client.login("fred")
        await client.command(UTF8)
        await client.command(b"EXAMINE INBOX")
        return server, client

    async def told(self, client: MemoryClient, number: int, items: bytes) -> bytes:
        """The answer, but for the message's number; a client can read it."""
        found = await client.command(b"FETCH %d %b" % (number, items))
        for response in split(found):
            read(response)
        return found.replace(b"* %d FETCH" % number, b"* n FETCH")

    async def answers(self, client: MemoryClient, number: int) -> list[bytes]:
        return [as_global(await self.told(client, number, items)) for items in _ITEMS]

    async def test_parts(self) -> None:
        """Of messages that we have stored, and of one of WildDuck's, too, but for all of it at once."""
        server, client = await self.started(nested(), as_global(nested()))
        expected = await self.answers(client, 1)
        self.assertEqual(await self.answers(client, 2), expected)
        blocking_database(server.settings).messages.update_many({}, {"$unset": {"mimeTree.native": True}})
        self.assertEqual((await self.answers(client, 2))[:-1], expected[:-1])

    async def test_within_a_message(self) -> None:
        """Also within a message/rfc822, and one within the other."""
        for outer in (b"rfc822", b"global"):
            _, client = await self.started(
                *(holding(holding(_INNER, kind), outer) for kind in (b"rfc822", b"global"))
            )
            items = b"(BODY BODY.PEEK[1.HEADER] BODY.PEEK[1.1.HEADER] BODY.PEEK[1.1.1] BODY.PEEK[1.1.1.1])"
            expected = await self.told(client, 1, items)
            self.assertIn(b"BODY[1.1.HEADER] {14}\r\nSubject: a\r\n\r\n", expected)
            self.assertEqual(as_global(await self.told(client, 2, items)), as_global(expected))

    async def test_two_types(self) -> None:
        """What a part within is is told as it was split."""
        _, client = await self.started(holding(_TWO_TYPES, b"rfc822"), holding(_TWO_TYPES))
        self.assertIn(b'("text" "html" ', await self.told(client, 2, b"BODY"))
        self.assertEqual(await self.answers(client, 2), await self.answers(client, 1))

    async def test_large(self) -> None:
        """One that is stored in many pieces is scanned as it is read, and read in pieces."""
        text = b"".join(b"line %06d\r\n" % number for number in range(60_000))
        data = nested().replace(b"three one", text).replace(b"GIF", text)
        _, client = await self.started(data, as_global(data))
        self.assertEqual(await self.answers(client, 2), await self.answers(client, 1))

    async def test_not_looked_into(self) -> None:
        """With NULs, or too many parts, it is told as a message of which nothing is known."""
        many = (
            b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
            + b"--b\r\n\r\n\r\n" * limits.ENCLOSED_PARTS
        )
        _, client = await self.started(holding(b"Subject: a\r\n\r\nb\0\r\n"), holding(many))
        for number in (1, 2):
            found = await self.told(client, number, b"(BODY BODY.PEEK[1.HEADER] BODY.PEEK[1.1])")
            self.assertIn(_NOTHING, found)
            self.assertIn(b"BODY[1.HEADER] NIL BODY[1.1] NIL", found)
            self.assertIn(b"BINARY[1.1] NIL", await self.told(client, number, b"BINARY.PEEK[1.1]"))

    async def test_what_is_read(self) -> None:
        """No body is read for the structure of other messages, and one not twice for what is in it."""
        data = holding(_INNER + b"x" * 100_000)
        server, client = await self.started(data.replace(b"/global", b"/rfc822"), data)
        read_ranges: list[object] = []
        original = GridFS.read

        def counted(gridfs: GridFS, *arguments: object) -> object:
            read_ranges.append(arguments)
            return original(gridfs, *arguments)  # type: ignore[arg-type]

        self.patch(GridFS, "read", counted)
        await client.command(b"FETCH 1 (BODY BODYSTRUCTURE)")
        self.assertEqual(len(read_ranges), 0)
        await client.command(b"FETCH 2 (BODY.PEEK[1.HEADER] BODY.PEEK[1.1]<0.1> BODY.PEEK[1.TEXT]<0.1>)")
        # Once to scan it, and each of the ranges.
        self.assertEqual(len(read_ranges), 4)
        other = server.connect()
        await other.login("fred")
        await other.command(b"EXAMINE INBOX")
        read_ranges.clear()
        await other.command(b"FETCH 2 (BODY BODYSTRUCTURE BODY.PEEK[1.1])")
        self.assertEqual(len(read_ranges), 0)

    async def test_long_headers(self) -> None:
        """What is told of headers past the bound is of their part all the same; all of it can be read."""
        image = b"Content-Type: image/png; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\nR0lG"
        padding = b"".join(b"X-%06d: %b\r\n" % (number, b"x" * 88) for number in range(11_000))
        self.assertGreater(len(padding), limits.HEADER_BYTES)
        text = b"Content-Type: text/html\r\n\r\n<b>"
        inner = b'Content-Type: multipart/mixed; boundary="b"\r\nSubject: first\r\n' + padding
        inner += b"\r\n--b\r\n" + image + b"\r\n--b\r\n" + text + b"\r\n--b--\r\n"
        _, client = await self.started(holding(inner), holding(padding + inner))
        for number, subject in ((1, b'"first"'), (2, b"NIL")):
            structure = await self.told(client, number, b"BODY")
            self.assertIn(b'("image" "png" NIL NIL NIL "base64" 4)', structure)
            self.assertIn(b'("text" "html" ', structure)
            self.assertIn(b" (NIL %b NIL NIL" % subject, structure)
            self.assertIn(
                b"BODY[1.1.MIME] {%d}" % (len(image) - 4),
                await self.told(client, number, b"BODY.PEEK[1.1.MIME]"),
            )
            header = await self.told(client, number, b"BODY.PEEK[1.HEADER.FIELDS (Subject)]")
            self.assertIn(b"{18}\r\nSubject: first\r\n\r\n", header)

    async def test_scanned_in_a_thread(self) -> None:
        """One of many parts, each of which takes its time, keeps nobody else waiting."""
        many = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\n\r\n" * 900
        _, client = await self.started(holding(many))
        here: list[bool] = []

        class Watched(Scanner):
            def feed(self, data: bytes) -> None:
                here.append(isInIOThread())
                super().feed(data)

            def close(self) -> Part:
                here.append(isInIOThread())
                return super().close()

        self.patch(enclosed, "Scanner", Watched)
        self.assertIn(b"BODY[1.900] {2}", await self.told(client, 1, b"(BODY.PEEK[1.MIME] BODY.PEEK[1.900])"))
        self.assertEqual({False}, set(here))
