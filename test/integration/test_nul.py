"""A NUL is content that IMAP strings can't hold: stored exact, sent as design.md §4 'Byte-exact' says."""

from __future__ import annotations

import base64

from test.integration.beside import store_beside
from test.support.blocking_imap import Imap
from test.support.corpus import corpus
from test.support.databases import blocking_database
from test.support.server_process import ServerProcess, ServerTestCase
from test.support.splitter import Entity, sections, split
from wildduck.mailstore.content import CONTENT_FIELDS
from wildduck.mailstore.store import MailStore

_BINARY = bytes(range(256)) * 5
_LARGE = b"\0\1\2\r\n" * 60_000


def _multipart(*parts: bytes, preamble: bytes = b"", epilogue: bytes = b"") -> bytes:
    inner = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
    head = b"Subject: NUL\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    return head + preamble + inner + b"--b--\r\n" + epilogue


def _part(encoding: bytes, body: bytes) -> bytes:
    field = b"Content-Transfer-Encoding: %b\r\n" % encoding if encoding else b""
    return b"Content-Type: application/octet-stream\r\n" + field + b"X-After: it\r\n\r\n" + body


#: By what is in them.
MESSAGES = {
    "root": b"Subject: NUL\r\nContent-Transfer-Encoding: binary\r\n\r\nA\0B\r\n",
    "root without a label": b"Subject: NUL\r\n\r\n\0\0\0",
    "binary part": _multipart(_part(b"binary", _BINARY), _part(b"", b"plain")),
    "8bit part": _multipart(_part(b"8bit", b"a\0"), _part(b"7bit", b"\0"), _part(b"", b"\0\r\n\0")),
    "large part": _multipart(_part(b"binary", _LARGE), _part(b"binary", _LARGE)),
    "base64 part": _multipart(_part(b"base64", base64.b64encode(_BINARY) + b"\0\r\n")),
    "quoted-printable part": _multipart(_part(b"quoted-printable", b"=00\0=\r\n")),
    "header": b"Subject: a\0b\r\nX-\0: c\r\n\r\nText.\r\n",
    "header of a part": _multipart(b"Content-Type: text/plain\r\nX-A: \0\r\n\r\nText"),
    "preamble and epilogue": _multipart(_part(b"", b"text"), preamble=b"\0\r\n", epilogue=b"\0\0\r\n"),
    "message in a message": _multipart(
        b"Content-Type: message/rfc822\r\n\r\n" + _multipart(_part(b"", b"\0"))
    ),
}
_IDENTITY = (b"", b"7bit", b"8bit", b"binary")


class NulTests(ServerTestCase):
    """By APPEND with an ordinary literal."""

    async def test_append(self) -> None:
        """Each message is stored exact, and what is sent has no NUL, the right size and the right parts."""
        samples = {sample.name: sample.complete for sample in corpus() if b"\0" in sample.raw}
        server = self.server()
        server.account("nul")
        store = await store_beside(self, server)
        for name, message in (MESSAGES | samples).items():
            with server.imap("nul") as client:
                client.append("INBOX", message)
                client.select()
                self._check_sent(client, client.uids()[-1], name, message)
            self.assertEqual(await self._stored(server, store), message, name)

    async def test_delivery(self) -> None:
        """By LMTP a message with NUL is stored exact too, after the lines of the delivery."""
        server = self.server()
        server.account("nul")
        store = await store_beside(self, server)
        for name, message in MESSAGES.items():
            with server.lmtp() as client:
                (reply,) = client.bdat(message, ["nul@example.com"], options="BODY=8BITMIME")
            self.assertEqual(reply.code, 250, reply)
            stored = await self._stored(server, store)
            self.assertEqual(stored.split(b"\r\n", 2)[2], message, name)

    async def _stored(self, server: ServerProcess, store: MailStore) -> bytes:
        """The exact bytes of the newest message, by the store's own reader."""
        database = blocking_database(server.settings(server.data))
        (row,) = database.messages.find({}, CONTENT_FIELDS).sort("uid", -1).limit(1)
        content = await store.content(row, exact=True)
        await content.prepare()
        return b"".join([block async for block in content.blocks()])

    def _check_sent(self, client: Imap, uid: int, name: str, message: bytes) -> None:
        row = client.fetch(uid, "(RFC822.SIZE BODY.PEEK[])")
        sent = row["BODY[]"]
        self.assertNotIn(b"\0", sent, name)
        self.assertEqual(row["RFC822.SIZE"], len(sent), name)
        # What was sent is one message: its sections are its slices.
        for section, body in sections(sent).items():
            fetched = client.fetch(uid, f"(BODY.PEEK[{section}])")[f"BODY[{section}]"]
            self.assertEqual(fetched, body, (name, section))
        self._compare(message, split(message), sent, split(sent), name)

    def _compare(self, stored: bytes, ours: Entity, sent: bytes, theirs: Entity, name: str) -> None:
        """A part as it was stored, and as it was sent."""
        header, sent_header = stored[ours.header : ours.body], sent[theirs.header : theirs.body]
        if ours.parts is not None or ours.message is not None:
            self.assertEqual(header.replace(b"\0", b"\x80"), sent_header, name)
            pairs = zip(ours.parts or [], theirs.parts or [], strict=True)
            for part, sent_part in pairs:
                self._compare(stored, part, sent, sent_part, name)
            if ours.message is not None:
                assert theirs.message is not None, name
                self._compare(stored, ours.message, sent, theirs.message, name)
            return
        body, sent_body = stored[ours.body : ours.end], sent[theirs.body : theirs.end]
        if b"\0" not in body or _encoding(header) not in _IDENTITY:
            self.assertEqual(body.replace(b"\0", b"\x80"), sent_body, name)
            self.assertEqual(header.replace(b"\0", b"\x80"), sent_header, name)
            return
        self.assertEqual(_encoding(sent_header), b"base64", name)
        self.assertEqual(base64.b64decode(sent_body, validate=False), body, name)
        self.assertLessEqual(max(map(len, sent_body.split(b"\r\n"))), 76, name)
        self.assertEqual(_others(sent_header), _others(header.replace(b"\0", b"\x80")), name)


def _encoding(header: bytes) -> bytes:
    values = [line.partition(b":")[2].strip().lower() for line in header.split(b"\r\n") if _is_encoding(line)]
    return values[0] if values else b""


def _others(header: bytes) -> list[bytes]:
    """The fields that need not change."""
    return [line for line in header.split(b"\r\n") if not _is_encoding(line)]


def _is_encoding(line: bytes) -> bool:
    return line.lower().startswith(b"content-transfer-encoding:")
