"""Parts without their transfer encoding, against Python's own decoders."""

from __future__ import annotations

import base64
import binascii
import quopri
import random
from typing import Any

from test.mailstore.support import StoreCase, with_attachment
from wildduck.errors import ContentUnreadable, UnknownEncoding
from wildduck.limits import CHUNK_BYTES, KIB
from wildduck.mailstore.content import Content
from wildduck.mailstore.decoded import Decoded


def lines(data: bytes, length: int = 76) -> bytes:
    """Base64 in lines of one length, without a line break at the end."""
    text = base64.b64encode(data)
    return b"\r\n".join(text[start : start + length] for start in range(0, len(text), length))


def irregular(data: bytes) -> bytes:
    """Base64 that can not be stored decoded: lines of many lengths."""
    text = base64.b64encode(data)
    rng = random.Random(1)
    found, start = [], 0
    while start < len(text):
        length = rng.randint(1, 120)
        found.append(text[start : start + length])
        start += length
    return b"\r\n".join(found)


def quoted(data: bytes) -> bytes:
    """Quoted-printable in CRLF lines."""
    return quopri.encodestring(data).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n").rstrip(b"\r\n")


_RNG = random.Random(7)
_BINARY = _RNG.randbytes(3 * CHUNK_BYTES + 1001)
_TEXT = b"".join(b"Zeile %d, na\xefve=\r\n" % n for n in range(20_000))

#: Encoded bodies: the encoding's name, the body, what it holds.
_BODIES = {
    "stored decoded": (b"base64", lines(_BINARY), _BINARY),
    "stored decoded, no NUL": (b"Base64", lines(_TEXT), _TEXT),
    "stored as it is": (b"base64", irregular(_BINARY), _BINARY),
    "quoted": (b"quoted-printable", quoted(_TEXT), quopri.decodestring(quoted(_TEXT))),
    "quoted, one line": (b"quoted-printable", b"=41" * 100_000, b"A" * 100_000),
    "identity": (b"8bit", _TEXT.rstrip(), _TEXT.rstrip()),
    "short": (b"base64", lines(b"\0short"), b"\0short"),
    "empty": (b"base64", b"", b""),
    "no base64": (b"base64", b"(none of it)*", binascii.a2b_base64(b"noneofit")),
}


class DecodedTests(StoreCase):
    async def _decoded(self, encoding: bytes, body: bytes) -> Decoded:
        """The attachment of a message with this body."""
        appended = await self.add(with_attachment(1, body, encoding))
        document = self.db.messages.find_one({"_id": appended.message_id})
        content = await self.store.content(document, exact=True)
        place = content.rope.section((2,), "")
        assert place is not None
        self.assertEqual(body, await content.read(*place))
        return Decoded(content, *place, encoding.decode())

    async def test_whole(self) -> None:
        """Length and bytes are those that Python's decoders give; NULs are known beforehand."""
        for name, (encoding, body, expected) in _BODIES.items():
            decoded = await self._decoded(encoding, body)
            self.assertEqual(len(expected), await decoded.length(), name)
            measured = await decoded.measure()
            self.assertEqual((len(expected), b"\0" in expected), (measured.length, measured.has_nul), name)
            if measured.data is None:
                self.assertGreater(len(expected), 64 * KIB)
                data = b"".join([block async for block in decoded.blocks(0, len(expected))])
            else:
                data = measured.data
            self.assertEqual(expected, data, name)

    async def test_ranges(self) -> None:
        """A range is that part of the whole, beyond the end as well."""
        for name, (encoding, body, expected) in _BODIES.items():
            decoded = await self._decoded(encoding, body)
            length = len(expected)
            for first, most in (
                (0, 1),
                (1, 100),
                (length // 2, 70 * KIB),
                (length // 3, 1 << 32),
                (max(0, length - 3), 3),
                (length, 1),
                (length + 70, 5),
                (CHUNK_BYTES - 5, 10),
            ):
                wanted = expected[first : first + most]
                measured = await decoded.measure(first, most)
                self.assertEqual(
                    (len(wanted), b"\0" in wanted), (measured.length, measured.has_nul), (name, first, most)
                )
                data = b"".join([block async for block in decoded.blocks(first, len(wanted))])
                self.assertEqual(wanted, data, (name, first, most))
                if measured.data is not None:
                    self.assertEqual(wanted, measured.data)

    async def test_blocks_are_small(self) -> None:
        """However long a part is, no more than a chunk of it is in memory."""
        for name in ("stored decoded", "stored as it is", "quoted"):
            encoding, body, expected = _BODIES[name]
            decoded = await self._decoded(encoding, body)
            sizes = [len(block) async for block in decoded.blocks(0, len(expected))]
            self.assertLessEqual(max(sizes), CHUNK_BYTES, name)
            self.assertGreater(len(sizes), 3, name)

    async def test_encoding_of_a_shared_body(self) -> None:
        """A body that another message has in base64 is not decoded where it is said to be text."""
        body = lines(_BINARY)
        kept = await self._decoded(b"base64", body)
        decoded = Decoded(kept._content, kept._start, kept._end, "7bit")
        self.assertEqual(len(body), await decoded.length())
        self.assertEqual(body[100:200], (await decoded.measure(100, 100)).data)

    async def test_unknown(self) -> None:
        """What nobody can undo is refused."""
        for encoding in ("x-uuencode", "base65", "", "7 bit"):
            self.assertRaises(UnknownEncoding, Decoded, None, 0, 1, encoding)

    async def test_missing(self) -> None:
        """A body that is not there is found out before anything is announced."""
        for name in ("stored decoded", "stored as it is", "quoted"):
            encoding, body, _ = _BODIES[name]
            appended = await self.add(with_attachment(1, body, encoding))
            document = self.db.messages.find_one({"_id": appended.message_id})
            content = await self.store.content(document, exact=True)
            self.db["attachments.files"].delete_many({})
            decoded = Decoded(content, *(content.rope.section((2,), "") or (0, 0)), encoding.decode())
            await self.fails(ContentUnreadable, decoded.measure())
            await self.fails(ContentUnreadable, decoded.length())

    async def test_changed_while_it_is_sent(self) -> None:
        """Where it comes out shorter than it was measured, that is an error, not padding."""
        encoding, body, expected = _BODIES["quoted"]
        decoded = await self._decoded(encoding, body)

        async def read() -> None:
            async for _ in decoded.blocks(0, len(expected) + 1):
                pass

        await self.fails(ContentUnreadable, read())

    async def test_wildducks_lossy_row(self) -> None:
        """What WildDuck stored decoded although it could not give the bytes back is still what it is."""
        encoding, body, expected = _BODIES["stored decoded"]
        appended = await self.add(with_attachment(1, body, encoding))
        shorter: dict[str, Any] = {"size": len(body) + 2}
        fields = {f"mimeTree.childNodes.1.{key}": value for key, value in shorter.items()}
        self.db.messages.update_one(
            {"_id": appended.message_id}, {"$set": fields, "$unset": {"mimeTree.native": 1}}
        )
        self.db["attachments.files"].update_many({}, {"$set": {"metadata.esize": len(body) + 2}})
        document = self.db.messages.find_one({"_id": appended.message_id})
        content = await Content.of(self.store._backend.gridfs, document, self.node.pool, exact=True)
        place = content.rope.section((2,), "")
        assert place is not None
        decoded = Decoded(content, *place, "base64")
        self.assertEqual(len(expected), (await decoded.measure()).length)
