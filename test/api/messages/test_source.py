"""GET of a message's source and of its attachments."""

from __future__ import annotations

import base64
import random
import socket
from collections.abc import AsyncIterator

from hypothesis import given, strategies as st
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial import unittest

from test.api.messages.case import MessagesCase
from test.mailstore.support import message, with_attachment
from test.support.chance import by_chance
from test.support.messages import large
from wildduck.api.messages.source import attachment_stream, content_disposition
from wildduck.mailstore.message import Attachment
from wildduck.mime import parameters


class SourceTests(MessagesCase):
    """message.eml"""

    async def test_exact(self) -> None:
        """Byte by byte what came in, with its length."""
        for n, data in enumerate(
            (
                message(1, b"a\0b\xff"),
                with_attachment(2, b"aGVsbG8=").replace(b"--b--", b"--b--\n\nepilogue\n"),
                b"no header at all",
                large(3_000_000),
            ),
            1,
        ):
            await self.add(data)
            status, headers, body = await self.bytes(f"{self.messages}/{n}/message.eml")
            self.assertEqual((status, body == data), (200, True))
            self.assertEqual(headers["content-type"], "message/rfc822")
            self.assertEqual(headers["content-length"], str(len(data)))
            self.assertEqual(headers["x-content-type-options"], "nosniff")
            self.assertIn("sandbox", headers["content-security-policy"])

    async def test_not_there(self) -> None:
        """404, and 500 where its bytes are gone, before any of it is sent."""
        await self.add(with_attachment(1, b"aGVsbG8="))
        self.assertEqual((await self.get(f"{self.messages}/2/message.eml", 404))["code"], "MessageNotFound")
        self.db["attachments.files"].delete_many({})
        self.assertEqual((await self.get(f"{self.messages}/1/message.eml", 500))["code"], "ContentUnreadable")

    async def test_lost_on_the_way(self) -> None:
        """A body that ends early does not look whole."""
        await self.add(large(2_000_000))
        self.db["attachments.chunks"].delete_one({"n": 4})
        request = (
            f"GET {self.messages}/1/message.eml HTTP/1.1\r\nHost: x\r\nX-Access-Token: root\r\n"
            "Connection: close\r\n\r\n"
        ).encode()
        try:
            answer = await self.caller.raw(request)
        except ConnectionError:
            answer = b""
        else:
            self.assertIn(b"200 OK", answer[:20])
        self.assertLess(len(answer), 2_000_000)
        self.flushLoggedErrors()

    async def test_slow_reader(self) -> None:
        """Who does not read is not read for."""
        await self.add(large(20_000_000))
        read = 0
        original = type(self.store._backend.gridfs).read

        async def counted(*arguments: object) -> AsyncIterator[bytes]:
            nonlocal read
            async for block in original(*arguments):  # type: ignore[arg-type]
                read += len(block)
                yield block

        self.patch(type(self.store._backend.gridfs), "read", counted)
        connection = socket.create_connection(("127.0.0.1", self.caller.port), timeout=20)
        self.addCleanup(connection.close)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        path = f"{self.messages}/1/message.eml"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Access-Token: root\r\n\r\n".encode())
        before = -1
        while before != read or not read:
            before = read
            await self._pause()
        self.assertLess(read, 12_000_000)

        def rest() -> int:
            got = 0
            while got < 20_000_000:
                got += len(connection.recv(1 << 20))
            return got

        self.assertGreaterEqual(await deferToThread(rest), 20_000_000)

    async def test_hang_up(self) -> None:
        """A reader that goes away ends the reading."""
        await self.add(large(20_000_000))
        connection = socket.create_connection(("127.0.0.1", self.caller.port), timeout=20)
        path = f"{self.messages}/1/message.eml"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Access-Token: root\r\n\r\n".encode())
        await deferToThread(connection.recv, 1000)
        connection.close()
        await self.application.drained()

    async def _pause(self) -> None:
        from twisted.internet import reactor

        await deferLater(reactor, 0.3, lambda: None)  # type: ignore[arg-type]


class AttachmentTests(MessagesCase):
    """Attachments, decoded."""

    async def test_binary(self) -> None:
        """Bytes, type, name, length; the id in any case."""
        data = random.Random(1).randbytes(600_000)
        await self.add(with_attachment(1, base64.encodebytes(data).replace(b"\n", b"\r\n").rstrip()))
        for id in ("ATT00001", "att00001"):
            status, headers, body = await self.bytes(f"{self.messages}/1/attachments/{id}")
            self.assertEqual((status, body == data), (200, True))
            self.assertEqual(headers["content-type"], "application/octet-stream")
            self.assertEqual(headers["content-length"], "600000")
            self.assertEqual(headers["content-disposition"], 'attachment; filename="data.bin"')
            self.assertEqual(headers["x-content-type-options"], "nosniff")

    async def test_encoded(self) -> None:
        """Of unknown length where it is decoded on the way."""
        await self.add(with_attachment(1, b"aGVs bG8=\r\n\r\n"))
        status, headers, body = await self.bytes(f"{self.messages}/1/attachments/ATT00001")
        self.assertEqual((status, body), (200, b"hello"))
        self.assertNotIn("content-length", headers)

    async def test_as_string(self) -> None:
        """Text of other charsets becomes UTF-8 on demand."""
        data = with_attachment(1, b"j=F5gi", b"quoted-printable").replace(
            b"application/octet-stream", b"text/html; charset=iso-8859-1"
        )
        await self.add(data)
        path = f"{self.messages}/1/attachments/ATT00001"
        _, headers, body = await self.bytes(path)
        self.assertEqual((headers["content-type"], body), ("text/html; charset=iso-8859-1", b"j\xf5gi"))
        self.assertIn("sandbox", headers["content-security-policy"])
        _, headers, body = await self.bytes(path + "?sendAsString=true")
        self.assertEqual((headers["content-type"], body.decode()), ("text/html; charset=utf-8", "jõgi"))

    async def test_errors(self) -> None:
        """No such message, no such attachment, no such id."""
        await self.add(with_attachment(1, b"aGVsbG8="))
        for path, status, code in (
            ("2/attachments/ATT00001", 404, "MessageNotFound"),
            ("1/attachments/ATT00002", 404, "AttachmentNotFound"),
            ("1/attachments/x", 400, "InputValidationError"),
            ("1/attachments/ATT00001?sess=1", 400, "InputValidationError"),
        ):
            self.assertEqual((await self.get(f"{self.messages}/{path}", status))["code"], code)


class StreamTests(unittest.TestCase):
    """What is said of an attachment, and its text."""

    async def text(self, charset: str, *blocks: bytes, kind: str = "text/plain") -> bytes:
        """An attachment's text as UTF-8."""

        async def given() -> AsyncIterator[bytes]:
            for block in blocks:
                yield block

        found = Attachment(kind, charset, "", "", None, given())
        stream = attachment_stream(found, as_string=True)
        return b"".join([block async for block in stream.blocks])

    async def test_charsets(self) -> None:
        """Characters that are cut between blocks, undeclared ones, wrong ones."""
        euro = "1 € 邮件"
        for charset, data, expected in (
            ("utf-8", euro.encode(), euro),
            ("", euro.encode(), euro),
            ("x-unknown", b"j\xf5gi", "jõgi"),
            ("utf-16", euro.encode("utf-16"), euro),
            ("utf-16", euro.encode("utf-16-le"), euro),
            ("gb18030", euro.encode("gb18030"), euro),
            ("iso-2022-jp", "邮件".encode("iso2022_jp_ext", "replace"), None),
            ("windows-1252", b"\x80\x81", "€\x81"),
            ("shift_jis", b"\xff\x82", None),
        ):
            whole = (await self.text(charset, data)).decode()
            if expected is not None:
                self.assertEqual(whole, expected)
            cut = await self.text(charset, data[:2], *(data[at : at + 1] for at in range(2, len(data))))
            self.assertEqual(cut.decode(), whole)
        self.assertEqual(await self.text("utf-16", b"\xff", kind="image/png"), b"\xff")

    def test_disposition(self) -> None:
        """Names of any kind: one field, exact for new clients, without folders."""
        for given_, name, expected in (
            ("inline", "a b.png", 'inline; filename="a b.png"'),
            ("", "a", 'attachment; filename="a"'),
            ("x", "", "attachment"),
            ("attachment", "..\\..\\etc/passwd", 'attachment; filename="passwd"'),
            ("attachment", "..", "attachment"),
            (
                "attachment",
                'a"\r\nSet-Cookie: x',
                "attachment; filename=\"a_Set-Cookie_ x\"; filename*=utf-8''a%22Set-Cookie%3A%20x",
            ),
            ("attachment", "jõgi.txt", "attachment; filename=\"j_gi.txt\"; filename*=utf-8''j%C3%B5gi.txt"),
        ):
            self.assertEqual(content_disposition(given_, name), expected)

    @by_chance(50)
    @given(st.text(max_size=300))
    def test_any_name(self, name: str) -> None:
        """Printable ASCII in one line, from which the name comes back."""
        value = content_disposition("attachment", name)
        self.assertTrue(value.isascii() and value.isprintable())
        kept = "".join(c for c in name.replace("\\", "/").split("/")[-1].strip() if c.isprintable())
        read = parameters.decoded(parameters.parse(value)).get("filename", "")
        if kept not in ("", ".", "..") and len(kept) < 60:
            self.assertEqual(read, kept)

    async def test_types(self) -> None:
        """A type that is none is data; a PDF is shown by the browser's own means."""
        for kind, charset, said, sandbox in (
            ("TEXT/Html", "utf-8", "text/html; charset=utf-8", True),
            ("text/html\r\nX: y", "", "application/octet-stream", True),
            ("text/plain", "utf-8\r\nX: y", "text/plain", True),
            ("", "", "application/octet-stream", True),
            ("application/pdf", "", "application/pdf", False),
        ):
            found = Attachment(kind, charset, "", "", 0, _nothing())
            stream = attachment_stream(found)
            self.assertEqual(stream.content_type, said)
            self.assertEqual("Content-Security-Policy" in stream.headers, sandbox)


async def _nothing() -> AsyncIterator[bytes]:
    for block in ():
        yield block
