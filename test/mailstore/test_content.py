"""Reading messages that WildDuck wrote, and messages that are damaged."""

from __future__ import annotations

import hashlib
from typing import Any

from test.mailstore.support import StoreCase, message, with_attachment
from test.mailstore.test_attachments import encoded
from wildduck.errors import ContentUnreadable
from wildduck.limits import CHUNK_BYTES, KIB


class DamageTests(StoreCase):
    """design.md §4: before a literal is announced everything is checked; bytes are never padded."""

    async def content(self) -> Any:
        return await self.store.content(self.db.messages.find_one())

    async def test_missing_row(self) -> None:
        """An attachment that is gone is found before anything is announced."""
        await self.add(with_attachment(1, encoded(1000)))
        self.db["attachments.files"].delete_many({})
        content = await self.content()
        await self.fails(ContentUnreadable, content.prepare())

    async def test_headers_of_a_damaged_message(self) -> None:
        """What does not need the missing attachment can still be read."""
        data = with_attachment(1, encoded(1000))
        await self.add(data)
        self.db["attachments.files"].delete_many({})
        content = await self.content()
        start, end = content.rope.section((), "HEADER")
        self.assertEqual(data[start:end], await content.read(start, end))

    async def test_row_of_another_length(self) -> None:
        """A row that would give more or fewer bytes is found before anything is announced."""
        await self.add(with_attachment(1, encoded(1000)))
        for change in ({"length": 999}, {"metadata.lineLen": 72}, {"metadata.decoded": False}):
            before = self.attachment_rows()[0]
            self.db["attachments.files"].update_one({}, {"$set": change})
            await self.fails(ContentUnreadable, (await self.content()).prepare())
            self.db["attachments.files"].replace_one({}, before)
        await (await self.content()).prepare()

    async def test_missing_chunk(self) -> None:
        """A chunk that is missing on the way raises; what came before it is right."""
        data = with_attachment(1, b"x" * 76 + b"\r\n" + b"y" * 900 * KIB, b"7bit")
        await self.add(data)
        self.db["attachments.chunks"].delete_one({"n": 2})
        content = await self.content()
        await content.prepare()
        got = b""

        async def read() -> None:
            nonlocal got
            async for block in content.blocks():
                got += block

        await self.fails(ContentUnreadable, read())
        self.assertEqual(data[: len(got)], got)
        self.assertGreater(len(got), 2 * CHUNK_BYTES)

    async def test_short_chunk(self) -> None:
        """A chunk of another length raises instead of shifting what follows."""
        await self.add(with_attachment(1, b"y" * 900 * KIB, b"7bit"))
        self.db["attachments.chunks"].update_one({"n": 1}, {"$set": {"data": b"short"}})
        content = await self.content()
        await self.fails(ContentUnreadable, content.read())

    async def test_missing_skeleton(self) -> None:
        """What makes a message exact is checked as well."""
        headers = b"".join(b"X-Long-%d: %b\r\n" % (n, b"v" * 900) for n in range(3000))
        await self.add(headers + b"\r\nBody\r\n")
        self.db["attachments.files"].delete_many({})
        await self.fails(ContentUnreadable, self.content())

    async def test_blocks_are_bounded(self) -> None:
        """However long the message, a block is about a chunk."""
        await self.add(with_attachment(1, encoded(3000 * KIB)))
        content = await self.content()
        lengths = [len(block) async for block in content.blocks()]
        self.assertLess(max(lengths), 2 * CHUNK_BYTES)
        self.assertEqual(content.length, sum(lengths))


class WildDuckTests(StoreCase):
    """Documents without our additions."""

    async def test_document_without_additions(self) -> None:
        """A message that WildDuck can rebuild is read without our key."""
        data = with_attachment(1, encoded(1000))
        appended = await self.add(data)
        self.db.messages.update_one({}, {"$unset": {"mimeTree.native": 1}})
        self.assertEqual(data, await self.read(appended))

    async def test_additions_that_do_not_count(self) -> None:
        """After WildDuck has encrypted a copy, size and magic differ, and our key is ignored."""
        data = message(1, b"bare\nline")
        await self.add(data)
        self.db.messages.update_one({}, {"$inc": {"magic": 1}})
        content = await self.store.content(self.db.messages.find_one())
        document = self.db.messages.find_one()
        self.assertEqual(document["size"], content.length)

    async def test_attachment_that_wildduck_stored_lossily(self) -> None:
        """Where WildDuck lost final line breaks they are put back, so that the announced length holds."""
        body = encoded(1000) + b"\r\n"
        data = with_attachment(1, body)
        await self.add(data)
        self.db.messages.update_one({}, {"$unset": {"mimeTree.native": 1}})
        digest = hashlib.sha256(body).digest()
        import base64

        self.db["attachments.files"].update_one(
            {"_id": digest}, {"$set": {"length": 1000, "metadata.decoded": True, "metadata.lineLen": 76}}
        )
        self.db["attachments.chunks"].update_one(
            {"files_id": digest}, {"$set": {"data": base64.b64decode(body)}}
        )
        content = await self.store.content(self.db.messages.find_one())
        await content.prepare()
        self.assertEqual(data, await content.read())
        end = data.index(b"\r\n--b--")
        self.assertEqual(data[end - 3 : end], await content.read(end - 3, end))
        self.assertEqual(data[end - 1 : end], await content.read(end - 1, end))
