"""COMPRESS=DEFLATE (RFC 4978) and its end by UNAUTHENTICATE (RFC 8437 §4.1)."""

from __future__ import annotations

import zlib

from twisted.trial.unittest import TestCase

from test.imap.server import PASSWORD, ImapServer, Lost, MemoryClient


class Compressed:
    """A client that has given COMPRESS, on top of one that has not."""

    def __init__(self, client: MemoryClient) -> None:
        self.client = client
        self._out = zlib.compressobj(6, zlib.DEFLATED, -15)
        self._in = zlib.decompressobj(-15)
        self.data = b""

    @classmethod
    async def begin(cls, client: MemoryClient) -> Compressed:
        answer = await client.command(b"COMPRESS DEFLATE", b"c")
        assert answer == b"c OK DEFLATE active\r\n", answer
        return cls(client)

    def compress(self, data: bytes) -> bytes:
        return self._out.compress(data) + self._out.flush(zlib.Z_SYNC_FLUSH)

    def send(self, data: bytes) -> None:
        self.client.send(self.compress(data))

    async def until(self, text: bytes) -> bytes:
        """What comes, up to and with a text."""
        while text not in self.data:
            raw = await self.client.until(b"\x00\x00\xff\xff")
            self.data += self._in.decompress(raw)
        found, middle, self.data = self.data.partition(text)
        return found + middle


class CompressTests(TestCase):
    async def started(self) -> tuple[ImapServer, Compressed]:
        server = await ImapServer.start(self)
        return server, await Compressed.begin(await server.signed_in())

    async def test_session(self) -> None:
        """Commands, literals and IDLE work as without it; it is listed no more."""
        _, client = await self.started()
        client.send(b"a CAPABILITY\r\n")
        answer = await client.until(b"a OK CAPABILITY completed\r\n")
        self.assertNotIn(b"COMPRESS", answer)
        message = b"Subject: big\r\n\r\n" + b"0123456789abcdef\r\n" * 20_000
        client.send(b"b APPEND INBOX {%d+}\r\n" % len(message) + message + b"\r\n")
        await client.until(b"b OK [APPENDUID")
        client.send(b"d SELECT INBOX\r\n")
        await client.until(b"d OK")
        client.send(b"e FETCH 1 BODY.PEEK[]\r\n")
        answer = await client.until(b"e OK FETCH completed\r\n")
        self.assertIn(b"{%d}\r\n" % len(message) + message + b")\r\n", answer)
        client.send(b"f IDLE\r\n")
        await client.until(b"+ idling\r\n")
        client.send(b"DONE\r\n")
        await client.until(b"f OK")

    async def test_pipelined(self) -> None:
        """Commands that leave in one flush, or one byte at a time, are answered in order."""
        _, client = await self.started()
        client.send(b"".join(b"n%d NOOP\r\n" % number for number in range(300)))
        answer = await client.until(b"n299 OK Completed\r\n")
        self.assertEqual(answer, b"".join(b"n%d OK Completed\r\n" % number for number in range(300)))
        for byte in client.compress(b"a NOOP\r\nb NOOP\r\n"):
            client.client.send(bytes([byte]))
        self.assertEqual(await client.until(b"b OK Completed\r\n"), b"a OK Completed\r\nb OK Completed\r\n")

    async def test_twice(self) -> None:
        """RFC 4978 §3: BAD, and the session goes on compressed."""
        _, client = await self.started()
        client.send(b"a COMPRESS DEFLATE\r\nb STARTTLS\r\nd NOOP\r\n")
        answer = await client.until(b"d OK Completed\r\n")
        self.assertTrue(answer.startswith(b"a BAD [COMPRESSIONACTIVE] "), answer)
        self.assertIn(b"\r\nb BAD [CLIENTBUG] ", answer)

    async def test_bomb(self) -> None:
        """A line without an end that is a thousand times as long as what was sent ends the session."""
        _, client = await self.started()
        client.send(b"x" * 70_000_000)
        with self.assertRaises(Lost):
            while True:
                await client.until(b"\r\n")
        self.assertFalse(client.client.connection.is_open)

    async def test_unauthenticate(self) -> None:
        """What follows UNAUTHENTICATE is plain, also when it was sent before the answer."""
        server, client = await self.started()
        await server.account("wilma")
        plain = client.client
        plain.send(
            client.compress(b"a UNAUTHENTICATE\r\n")
            + b'b LOGIN wilma "%b"\r\nd COMPRESS DEFLATE\r\n' % PASSWORD.encode()
        )
        self.assertEqual(await client.until(b"\r\n"), b"a OK Signed out\r\n")
        self.assertTrue((await plain.line()).startswith(b"b OK [CAPABILITY "))
        self.assertEqual(await plain.line(), b"d OK DEFLATE active")
        again = Compressed(plain)
        again.send(b"e NOOP\r\n")
        self.assertEqual(await again.until(b"\r\n"), b"e OK Completed\r\n")
