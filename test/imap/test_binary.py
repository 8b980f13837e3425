"""BINARY of what is long, of what has NULs, and any range of anything against the whole."""

from __future__ import annotations

import base64
import random
import re

from twisted.trial.unittest import TestCase

from test.imap.server import ImapServer, MemoryClient
from test.imap.waiting import until
from test.support.databases import blocking_database
from test.support.memory import SlowTransport
from wildduck import limits
from wildduck.limits import KIB, MIB

_RNG = random.Random(5)
#: Without a NUL, and with one near the end.
_PLAIN = _RNG.randbytes(3 * MIB).replace(b"\0", b"\x01")
_NUL = _PLAIN[:-100] + b"\0" + _PLAIN[-99:]


def attached(data: bytes, line: int = 76) -> bytes:
    """A text and an attachment in base64."""
    text = base64.b64encode(data)
    lines = b"\r\n".join(text[start : start + line] for start in range(0, len(text), line))
    return (
        b'Subject: x\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain\r\n\r\ntext\r\n"
        b"--b\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + lines
        + b"\r\n--b--\r\n"
    )


class BinaryTests(TestCase):
    async def _client(self, *messages: bytes) -> MemoryClient:
        self.server = await ImapServer.start(self)
        account = await self.server.account()
        for message in messages:
            await self.server.add(account, "INBOX", message)
        client = self.server.connect()
        await client.login("fred")
        await client.command(b"SELECT INBOX")
        return client

    async def test_long(self) -> None:
        """Megabytes come as they are, as literal8 only if there is a NUL, and their size is said before."""
        client = await self._client(attached(_PLAIN), attached(_NUL))
        for number, data, tilde in ((b"1", _PLAIN, b""), (b"2", _NUL, b"~")):
            found = await client.command(b"FETCH %b (BINARY.SIZE[2] BINARY.PEEK[2] UID)" % number)
            begin = b"* %b FETCH (BINARY.SIZE[2] %d BINARY[2] %b{%d}\r\n" % (
                number,
                len(data),
                tilde,
                len(data),
            )
            self.assertEqual(found, begin + data + b" UID %b)\r\nt OK FETCH completed\r\n" % number)
            half = len(data) // 2
            found = await client.command(b"FETCH %b BINARY.PEEK[2]<%d.4294967295>" % (number, half))
            self.assertIn(b"BINARY[2]<%d> %b{%d}\r\n" % (half, tilde, len(data) - half) + data[half:], found)

    async def test_slow_reader(self) -> None:
        """For a client that does not read no more is decoded than the buffers hold."""
        client = await self._client(attached(_PLAIN))
        slow = SlowTransport(client, 10 * KIB)
        client.send(b"a FETCH 1 BINARY.PEEK[2]\r\n")
        outlet = client.connection._outlet
        most = waits = 0
        while not client.data.endswith(b"a OK FETCH completed\r\n"):
            await until(lambda: outlet._waiters or not client.connection._scheduler.busy)
            waits += bool(outlet._waiters)
            most = max(most, len(slow.held) + outlet.waiting)
            slow.read()
        self.assertGreater(waits, 5)
        self.assertLess(most, limits.WRITE_BUFFER + MIB)
        self.assertIn(_PLAIN, client.data)

    async def test_lost_in_the_middle(self) -> None:
        """What fails after the length was announced ends the connection; nothing is made up."""
        client = await self._client(attached(_NUL[::-1]))
        blocking_database(self.server.settings)["attachments.chunks"].delete_many({"n": {"$gt": 4}})
        client.send(b"a FETCH 1 BINARY.PEEK[2]\r\n")
        rest = await client.end()
        self.assertTrue(rest.startswith(b"* 1 FETCH (BINARY[2] ~{%d}\r\n" % len(_NUL)))
        self.assertLess(len(rest), len(_NUL))
        self.assertNotIn(b"a OK", rest)
        self.flushLoggedErrors()

    async def test_nul(self) -> None:
        """What was stored with NULs BODY sends in base64, and BINARY as it came (design.md §4)."""
        body = b"GIF\0\x01\0end"
        part = b"Content-Type: image/gif\r\nContent-Transfer-Encoding: binary\r\n\r\n" + body
        whole = (
            b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            b"--b\r\nContent-Type: text/plain\r\n\r\ntext\r\n--b\r\n" + part + b"\r\n--b--\r\n"
        )
        client = await self._client(whole)
        found = await client.command(
            b"FETCH 1 (BODY[2] BINARY[2] BINARY.SIZE[2] BINARY[2]<2.3> BINARY.SIZE[])"
        )
        encoded = base64.b64encode(body)
        self.assertIn(b"BODY[2] {%d}\r\n%b " % (len(encoded), encoded), found)
        self.assertIn(b"BINARY[2] ~{%d}\r\n%b " % (len(body), body), found)
        self.assertIn(b"BINARY.SIZE[2] %d " % len(body), found)
        self.assertIn(b"BINARY[2]<2> ~{3}\r\nF\0\x01 ", found)
        self.assertIn(b"BINARY.SIZE[] %d " % len(whole), found)
        found = await client.command(b"FETCH 1 BINARY[]")
        self.assertEqual(
            found, b"* 1 FETCH (BINARY[] ~{%d}\r\n%b)\r\nt OK FETCH completed\r\n" % (len(whole), whole)
        )

    async def test_ranges(self) -> None:
        """Whatever range of whatever section is asked for, it is that part of the whole section."""
        inner = b"Content-Type: message/rfc822\r\n\r\n" + attached(b"inner")
        message = attached(_RNG.randbytes(200_000), line=60).replace(
            b"--b--", b"--b\r\n" + inner + b"\r\n--b--"
        )
        client = await self._client(
            message.replace(b"--b\r\n" + inner, b"--b\r\n" + inner.replace(b"b", b"c"))
        )
        sections = [
            b"BODY[%b]" % name for name in (b"", b"HEADER", b"TEXT", b"1", b"2", b"2.MIME", b"3", b"3.TEXT")
        ]
        sections += [
            b"BODY[3.HEADER]",
            b"BODY[HEADER.FIELDS (SUBJECT)]",
            b"BINARY[1]",
            b"BINARY[2]",
            b"BINARY[]",
        ]
        for section in sections:
            peek = section.replace(b"[", b".PEEK[", 1)
            whole = _literal(await client.command(b"FETCH 1 " + peek))
            for _ in range(8):
                first = _RNG.randrange(len(whole) + 2)
                most = _RNG.choice((1, 7, _RNG.randrange(1, len(whole) + 10), 1 << 31))
                found = await client.command(b"FETCH 1 %b<%d.%d>" % (peek, first, most))
                self.assertIn(b"(%b<%d> " % (section, first), found)
                self.assertEqual(_literal(found), whole[first : first + most], (section, first, most))


def _literal(answer: bytes) -> bytes:
    """The only value of an answer."""
    match = re.search(rb' ~?\{([0-9]+)\}\r\n| ""\)', answer)
    assert match is not None, answer[:200]
    if match.group(1) is None:
        return b""
    size = int(match.group(1))
    assert answer[match.end() + size :].startswith(b")\r\nt OK "), answer[:200]
    return answer[match.end() : match.end() + size]
