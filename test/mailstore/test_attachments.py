"""Attachments: stored once, counted, and exact whatever is there already."""

from __future__ import annotations

import base64
import datetime
import hashlib
import random
from typing import Any

from bson import ObjectId

from test.mailstore.support import StoreCase, with_attachment
from wildduck.errors import ContentUnreadable
from wildduck.limits import CHUNK_BYTES, KIB
from wildduck.mailstore import attachments
from wildduck.mailstore.attachments import MARKER_LENGTH, PARTIAL_SECONDS, marker
from wildduck.mailstore.concurrently import gather


def encoded(size: int, seed: int = 1, line: int = 76) -> bytes:
    """Random bytes in base64 lines, without a final line break."""
    text = base64.b64encode(random.Random(seed).randbytes(size))
    return b"\r\n".join(text[start : start + line] for start in range(0, len(text), line))


class KeepTests(StoreCase):
    """store.md §5."""

    def row(self, body: bytes) -> dict[str, Any]:
        row: dict[str, Any] = self.db["attachments.files"].find_one({"_id": hashlib.sha256(body).digest()})
        return row

    async def test_row_is_wildducks(self) -> None:
        """Regular base64 is stored decoded, in WildDuck's form."""
        body = encoded(1000)
        await self.add(with_attachment(1, body))
        row = self.row(body)
        self.assertEqual(
            ["_id", "length", "chunkSize", "uploadDate", "filename", "contentType", "metadata"], list(row)
        )
        self.assertEqual(
            ["m", "c", "cu", "esize", "transferEncoding", "decoded", "lineLen", "fileContentHash"],
            list(row["metadata"]),
        )
        self.assertEqual((1000, CHUNK_BYTES, None), (row["length"], row["chunkSize"], row["filename"]))
        self.assertEqual("application/octet-stream", row["contentType"])
        metadata = row["metadata"]
        self.assertEqual(
            (1, len(body), "base64", True, 76),
            tuple(metadata[name] for name in ("c", "esize", "transferEncoding", "decoded", "lineLen")),
        )
        content = hashlib.sha256(base64.b64decode(body)).digest()
        self.assertEqual(base64.b64encode(content).decode(), metadata["fileContentHash"])
        document = self.db.messages.find_one()
        self.assertEqual(document["magic"], metadata["m"])
        self.assertEqual(metadata["fileContentHash"], document["attachments"][0]["fileContentHash"])

    async def test_irregular_base64_is_stored_as_it_is(self) -> None:
        """Where decoding and encoding would not give the same bytes, the encoded bytes are stored."""
        body = encoded(1000) + b"\r\n"
        data = with_attachment(1, body)
        appended = await self.add(data)
        row = self.row(body)
        self.assertEqual((len(body), False), (row["length"], "decoded" in row["metadata"]))
        self.assertEqual(data, await self.read(appended))

    async def test_same_attachment_in_a_hundred_messages(self) -> None:
        """It is stored once and counted a hundred times."""
        body = encoded(5000)
        for start in range(0, 100, 10):
            await gather(*(self.add(with_attachment(n, body)) for n in range(start, start + 10)))
        (row,) = self.attachment_rows()
        magics = [document["magic"] for document in self.db.messages.find()]
        self.assertEqual((100, sum(magics)), (row["metadata"]["c"], row["metadata"]["m"]))
        self.assertEqual(1, self.db["attachments.chunks"].count_documents({}))
        self.assertEqual([], await self.store.verifier.verify(min_age=0))

    async def test_first_writers_at_once(self) -> None:
        """Of many that bring the same bytes at the same moment one uploads, all are counted."""
        other = await self.new_node()
        for size in (100, 400 * KIB):
            data = with_attachment(1, encoded(size))
            appended = await gather(
                *(self.add(data, store=(self.store, other.store)[n % 2]) for n in range(10))
            )
            for one in appended[:2]:
                self.assertEqual(data, await self.read(one))
        self.assertEqual([10, 10], [row["metadata"]["c"] for row in self.attachment_rows()])
        self.assertEqual([], await self.store.verifier.verify(min_age=0, contents=True))

    async def test_twice_in_one_message(self) -> None:
        """Each key of attachmentMap counts, also of equal attachments."""
        part = b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n%b\r\n" % encoded(
            99
        )
        data = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n%b--b--\r\n' % (part * 3)
        appended = await self.add(data)
        (row,) = self.attachment_rows()
        magic = self.db.messages.find_one()["magic"]
        self.assertEqual((3, 3 * magic), (row["metadata"]["c"], row["metadata"]["m"]))
        self.assertEqual(data, await self.read(appended))
        await self.add(data)
        magics = [document["magic"] for document in self.db.messages.find()]
        (row,) = self.attachment_rows()
        self.assertEqual((6, 3 * sum(magics)), (row["metadata"]["c"], row["metadata"]["m"]))

    async def test_row_that_wildduck_stored_lossily(self) -> None:
        """A row that would not give our bytes stays as it is: ours go into a row of their own."""
        body = encoded(1000) + b"\r\n"
        lossy = {
            "_id": hashlib.sha256(body).digest(),
            "length": 1000,
            "chunkSize": CHUNK_BYTES,
            "metadata": {"m": 7, "c": 1, "cu": datetime.datetime.now(), "esize": len(body)}
            | {"transferEncoding": "base64", "decoded": True, "lineLen": 76},
        }
        self.db["attachments.files"].insert_one(lossy)
        data = with_attachment(1, body)
        first = await self.add(data)
        second = await self.add(data)
        for appended in (first, second):
            self.assertEqual(data, await self.read(appended))
        digest = hashlib.sha256(marker() + body).digest()
        row = self.db["attachments.files"].find_one({"_id": digest})
        self.assertEqual((2, len(body) + MARKER_LENGTH), (row["metadata"]["c"], row["length"]))
        # The message refers to WildDuck's row too, which is what WildDuck serves.
        self.assertEqual(3, self.row(body)["metadata"]["c"])
        document = self.db.messages.find_one()
        self.assertEqual(
            {"ATT00001": lossy["_id"], "NATIVE-ATT00001": digest}, document["mimeTree"]["attachmentMap"]
        )
        self.db["attachments.files"].update_one(
            {"_id": lossy["_id"]}, {"$inc": {"metadata.c": -1, "metadata.m": -7}}
        )
        self.db["attachments.chunks"].insert_one({"files_id": lossy["_id"], "n": 0, "data": b"x" * 1000})
        self.assertEqual([], await self.store.verifier.verify(min_age=0))

    async def test_row_that_wildduck_stored_encoded(self) -> None:
        """A row with the encoded bytes gives ours, though we would have decoded them."""
        body = encoded(1000)
        digest = hashlib.sha256(body).digest()
        self.db["attachments.files"].insert_one(
            {"_id": digest, "length": len(body), "chunkSize": CHUNK_BYTES, "metadata": {"m": 7, "c": 1}}
        )
        self.db["attachments.chunks"].insert_one({"files_id": digest, "n": 0, "data": body})
        data = with_attachment(1, body)
        self.assertEqual(data, await self.read(await self.add(data)))
        self.assertEqual(1, len(self.attachment_rows()))

    async def test_old_partial_chunks_are_purged(self) -> None:
        """Chunks without a row that are older than half an hour were left by a crash."""
        body = encoded(1000)
        age = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=PARTIAL_SECONDS + 60)
        chunk = {
            "_id": ObjectId.from_datetime(age),
            "files_id": hashlib.sha256(body).digest(),
            "n": 0,
            "data": b"x",
        }
        self.db["attachments.chunks"].insert_one(chunk)
        data = with_attachment(1, body)
        self.assertEqual(data, await self.read(await self.add(data)))
        self.assertEqual(1, self.db["attachments.chunks"].count_documents({}))

    async def test_young_partial_chunks_do_not_refuse_mail(self) -> None:
        """Where a crash a moment ago left chunks, the bytes are stored under another hash."""
        self.patch(attachments, "PARTIAL_TRIES", 3)
        for size in (1000, 300 * KIB):
            body = encoded(size)
            chunk = {"files_id": hashlib.sha256(body).digest(), "n": 0, "data": b"x"}
            self.db["attachments.chunks"].insert_one(chunk)
            data = with_attachment(1, body)
            self.assertEqual(data, await self.read(await self.add(data)))
            self.assertEqual(1, self.db["attachments.chunks"].count_documents({"data": b"x"}))
            self.db["attachments.chunks"].delete_many({"data": b"x"})

    async def test_without_redis_locks(self) -> None:
        """Long uploads go on without the lock when Redis is away; the chunks' index keeps them apart."""
        await self.node.redis.close()
        data = with_attachment(1, encoded(300 * KIB))
        self.assertEqual(data, await self.read(await self.add(data)))

    async def test_lock_is_given_back(self) -> None:
        """WildDuck's lock of a long upload is not held afterwards."""
        await self.add(with_attachment(1, encoded(300 * KIB)))
        self.assertEqual([], self.redis.keys("wildduck:gs.*"))
        self.assertEqual(b"1", self.redis.get("wildduckindex"))

    async def test_failed_upload_is_given_back(self) -> None:
        """When one attachment of a message fails the others are released, and nothing of it stays."""
        original = attachments.Attachments._upload

        async def fails(self: Any, item: Any, *arguments: Any) -> dict[str, Any]:
            if item.length > 100:
                raise ContentUnreadable()
            return await original(self, item, *arguments)

        self.patch(attachments.Attachments, "_upload", fails)
        data = with_attachment(1, encoded(10)).replace(
            b"--b--", b"--b\r\nContent-Type: image/png\r\n\r\n" + b"x" * 101 + b"\r\n--b--"
        )
        await self.fails(ContentUnreadable, self.add(data))
        self.assertEqual([0], [row["metadata"]["c"] for row in self.attachment_rows()])
        self.assertEqual(0, self.storage_used())

    async def test_last_reference_goes_while_a_new_one_comes(self) -> None:
        """Whatever the order of releases, sweeps and new references, no message loses its attachment."""
        data = with_attachment(1, encoded(1000))
        digest = hashlib.sha256(encoded(1000)).digest()
        store = self.store._attachments

        async def add_and_go() -> None:
            for _ in range(6):
                appended = await self.add(data)
                document = self.db.messages.find_one_and_delete({"_id": appended.message_id})
                await store.release(document["mimeTree"]["attachmentMap"], document["magic"])

        async def sweep() -> None:
            for _ in range(25):
                await store.remove_orphan(digest, self.store._backend.now() + datetime.timedelta(days=1))

        kept = [await self.add(data)]
        await gather(add_and_go(), add_and_go(), sweep())
        kept.append(await self.add(data))
        for appended in kept:
            self.assertEqual(data, await self.read(appended))
        row = next(row for row in self.attachment_rows() if row["_id"] == digest)
        magics = [document["magic"] for document in self.db.messages.find()]
        self.assertEqual((2, sum(magics)), (row["metadata"]["c"], row["metadata"]["m"]))

    async def test_sweep_takes_only_the_chunks_that_it_saw(self) -> None:
        """Another writer who begins anew between row and chunks of a sweep keeps what it wrote."""
        data = with_attachment(1, encoded(1000))
        await self.add(data, flags=["\\Deleted", "\\Draft"])
        await self.store.expunge(await self.inbox())
        digest = hashlib.sha256(encoded(1000)).digest()
        gridfs = self.node.databases.gridfs
        delete_one = gridfs.delete_one

        async def raced(*arguments: Any, **options: Any) -> int:
            deleted = await delete_one(*arguments, **options)
            self.db["attachments.chunks"].update_one({}, {"$set": {"n": 99}})
            await self.add(data)
            return deleted

        self.patch(gridfs, "delete_one", raced)
        later = self.store._backend.now() + datetime.timedelta(days=1)
        self.assertTrue(await self.store._attachments.remove_orphan(digest, later))
        self.assertEqual([], await self.store.verifier.verify(min_age=0, contents=True))
        self.assertEqual(1, self.attachment_rows()[0]["metadata"]["c"])

    async def test_release_counts_each_key(self) -> None:
        """A release takes back what was counted, and never more than is there."""
        body = encoded(10)
        await self.add(with_attachment(1, body))
        document = self.db.messages.find_one()
        references = document["mimeTree"]["attachmentMap"]
        await self.store._attachments.release(references, document["magic"])
        self.assertEqual((0, 0), tuple(self.row(body)["metadata"][name] for name in "cm"))
        await self.store._attachments.release(references, document["magic"])
        self.assertEqual((0, 0), tuple(self.row(body)["metadata"][name] for name in "cm"))

    def test_marker(self) -> None:
        """A marker is white space of fixed length, another one for each variant."""
        self.assertEqual(MARKER_LENGTH, len(marker()))
        self.assertEqual(b"", marker(2**63).strip())
        self.assertEqual(3, len({marker(), marker(1), marker(2**64 - 1)}))


class SkeletonTests(StoreCase):
    """store.md §6: what makes a message exact may be long."""

    async def test_long_skeleton_goes_to_gridfs(self) -> None:
        """Ten megabytes of headers: a small document, exact bytes, and WildDuck counts the blob."""
        data = b"".join(b"X-Long-%d: %b\r\n" % (n, b"v" * 900) for n in range(11_000)) + b"\r\nBody\r\n"
        appended = await self.add(data)
        document = self.db.messages.find_one()
        self.assertEqual(["NATIVE"], list(document["mimeTree"]["attachmentMap"]))
        self.assertEqual(data, await self.read(appended))
        self.assertEqual([1], [row["metadata"]["c"] for row in self.attachment_rows()])
        self.assertEqual([], await self.store.verifier.verify(min_age=0, contents=True))

    async def test_ten_thousand_parts(self) -> None:
        """Ten thousand parts are stored and exact, in a document that mongod takes."""
        part = b"--b\r\nContent-Type: text/plain\r\n\r\npart %d\r\n"
        data = (
            b'Content-Type: multipart/mixed; boundary="b"\r\nMIME-Version: 1.0\r\n\r\n'
            + b"".join(part % n for n in range(10_000))
            + b"--b--\r\n"
        )
        appended = await self.add(data)
        self.assertEqual(data, await self.read(appended))
