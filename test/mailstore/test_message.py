"""One message: its document, its source, its attachments."""

from __future__ import annotations

import base64
import random
from datetime import datetime, timezone
from typing import Any

from bson import ObjectId

from test.mailstore.support import StoreCase, message, with_attachment
from wildduck.errors import AttachmentNotFound, MessageNotFound
from wildduck.mailstore.message import Attachment, Shown


class ReadingCase(StoreCase):
    """Reads messages of INBOX."""

    async def show(self, uid: int = 1, **options: Any) -> Shown:
        inbox = await self.inbox()
        return await self.store.reading.show(self.account.id, inbox.id, uid, **options)

    async def attachment(self, id: str = "ATT00001", uid: int = 1) -> tuple[Attachment, bytes]:
        inbox = await self.inbox()
        found = await self.store.reading.attachment(self.account.id, inbox.id, uid, id)
        data = b"".join([block async for block in found.blocks])
        if found.length is not None:
            self.assertEqual(found.length, len(data))
        return found, data


class ShowTests(ReadingCase):
    """The document and what belongs to it."""

    async def test_beside(self) -> None:
        """Files of a draft, what waits to be sent, the brand indicator."""
        await self.add(message())
        ids = [ObjectId() for _ in range(4)]
        databases = self.node.databases
        await databases.gridfs.insert_one(
            "storage.files",
            {
                "_id": ids[0],
                "filename": "a.txt",
                "contentType": "text/plain",
                "length": 5,
                "metadata": {"user": self.account.id, "cid": "c"},
            },
        )
        await databases.gridfs.insert_one(
            "storage.files", {"_id": ids[1], "filename": "b", "metadata": {"user": ObjectId()}}
        )
        now = datetime(2026, 1, 1, tzinfo=timezone.utc)
        for seq in ("001", "002"):
            await databases.sender.insert_one(
                "zone-queue",
                {"_id": ObjectId(), "id": "q1", "seq": seq, "recipient": f"{seq}@example.org", "queued": now},
            )
        self.db.bimi.insert_one({"_id": ids[3], "type": "authority"})
        self.db.messages.update_one(
            {},
            {
                "$set": {
                    "meta.files": [ids[0], str(ids[1]), {"id": str(ids[2]), "filename": "c"}, 7, None],
                    "outbound": ["q0", "q1", 3],
                    "verificationResults": {"bimi": ids[3]},
                }
            },
        )
        shown = await self.show()
        self.assertEqual(
            shown.files,
            [
                {"id": ids[0], "filename": "a.txt", "contentType": "text/plain", "size": 5, "cid": "c"},
                {"id": str(ids[2]), "filename": "c"},
            ],
        )
        self.assertEqual([entry["seq"] for entry in shown.queued.pop("q1")], ["001", "002"])
        self.assertEqual(shown.queued, {})
        assert shown.bimi is not None
        self.assertEqual(shown.bimi["type"], "authority")

    async def test_mark_as_seen(self) -> None:
        """Only if it is asked for, by the rules of flags, and told."""
        await self.add(message())
        self.assertTrue((await self.show()).document["unseen"])
        heard: list[None] = []
        self.addCleanup(self.node.notifier.listen(self.account.id, lambda: heard.append(None)))
        entries = self.db.journal.count_documents({})
        document = (await self.show(mark_as_seen=True)).document
        self.assertEqual((document["flags"], document["unseen"]), (["\\Seen"], False))
        await self.store.settle()
        self.assertTrue(heard)
        stored = self.db.messages.find_one({})
        self.assertEqual((stored["flags"], stored["unseen"]), (["\\Seen"], False))
        entry = self.db.journal.find_one({"command": "FETCH"})
        self.assertEqual((entry["uid"], entry["flags"], entry["modseq"]), (1, ["\\Seen"], stored["modseq"]))
        await self.show(mark_as_seen=True)
        self.assertEqual(self.db.journal.count_documents({}), entries + 1)

    async def test_foreign(self) -> None:
        """Neither another account's nor another mailbox's, whatever is asked of it."""
        await self.add(with_attachment(1, b"aGk="))
        other = await self.new_account(name="other")
        inbox = await self.inbox()
        reading = self.store.reading
        for user, mailbox, uid in (
            (other.id, inbox.id, 1),
            (self.account.id, ObjectId(), 1),
            (self.account.id, inbox.id, 2),
        ):
            await self.fails(MessageNotFound, reading.show(user, mailbox, uid, mark_as_seen=True))
            await self.fails(MessageNotFound, reading.source(user, mailbox, uid))
            await self.fails(MessageNotFound, reading.attachment(user, mailbox, uid, "ATT00001"))
        self.assertTrue(self.db.messages.find_one({})["unseen"])


class SourceTests(ReadingCase):
    """The message as it came in."""

    async def test_exact(self) -> None:
        """To the byte, NULs included."""
        data = with_attachment(1, b"a\0b=\r\n\r\n", b"binary").replace(b"--b--", b"--b--\r\nepilogue")
        await self.add(data)
        inbox = await self.inbox()
        content = await self.store.reading.source(self.account.id, inbox.id, 1)
        self.assertEqual(content.length, len(data))
        self.assertEqual(await content.read(), data)


class AttachmentTests(ReadingCase):
    """Attachments are decoded, however they are stored."""

    async def test_base64(self) -> None:
        """Stored decoded: read as it is stored, of known length."""
        data = random.Random(1).randbytes(600_000)
        await self.add(with_attachment(1, base64.encodebytes(data).replace(b"\n", b"\r\n").rstrip()))
        self.assertTrue(self.attachment_rows()[0]["metadata"]["decoded"])
        found, got = await self.attachment()
        self.assertEqual(got, data)
        self.assertEqual(found.length, len(data))
        self.assertEqual(
            (found.content_type, found.disposition, found.filename),
            ("application/octet-stream", "attachment", "data.bin"),
        )

    async def test_irregular_base64(self) -> None:
        """Stored encoded: decoded on the way."""
        data = random.Random(2).randbytes(300_000)
        text = base64.b64encode(data)
        await self.add(with_attachment(1, text[:100] + b"\r\n \r\n" + text[100:]))
        self.assertNotIn("decoded", self.attachment_rows()[0]["metadata"])
        found, got = await self.attachment()
        self.assertIsNone(found.length)
        self.assertEqual(got, data)

    async def test_quoted_printable(self) -> None:
        """Decoded too."""
        await self.add(with_attachment(1, b"j=F5gi =\r\nx", b"Quoted-Printable"))
        self.assertEqual((await self.attachment())[1], b"j\xf5gi x")

    async def test_as_it_is(self) -> None:
        """No encoding, or an unknown one."""
        await self.add(with_attachment(1, b"x" * 300_000, b"8bit"))
        await self.add(with_attachment(2, b"=3D", b"x-odd"))
        self.assertEqual((await self.attachment())[0].length, 300_000)
        self.assertEqual((await self.attachment(uid=2))[1], b"=3D")

    async def test_lossy_row(self) -> None:
        """Where WildDuck stored the same hash lossily our exact bytes are decoded."""
        await self.add(with_attachment(1, b"aGVsbG8="))
        row = self.attachment_rows()[0]
        self.db["attachments.files"].update_one({"_id": row["_id"]}, {"$set": {"metadata.lineLen": 5}})
        await self.add(with_attachment(2, b"aGVsbG8="))
        self.assertEqual(len(self.attachment_rows()), 2)
        self.db["attachments.files"].delete_one({"_id": row["_id"]})
        self.assertEqual((await self.attachment(uid=2))[1], b"hello")

    async def test_charset(self) -> None:
        """As the part declares it."""
        data = with_attachment(1, b"j=F5gi", b"quoted-printable").replace(
            b"application/octet-stream", b'text/csv; charset="ISO-8859-1"'
        )
        await self.add(data)
        found, _ = await self.attachment()
        self.assertEqual((found.content_type, found.charset), ("text/csv", "ISO-8859-1"))

    async def test_not_there(self) -> None:
        """No such id, ids of ours, and a row that is gone."""
        await self.add(with_attachment(1, b"aGVsbG8="))
        inbox = await self.inbox()
        for id in ("ATT00002", "NATIVE", "native", "x"):
            await self.fails(
                AttachmentNotFound, self.store.reading.attachment(self.account.id, inbox.id, 1, id)
            )
        self.db["attachments.files"].delete_many({})
        await self.fails(
            AttachmentNotFound, self.store.reading.attachment(self.account.id, inbox.id, 1, "ATT00001")
        )
