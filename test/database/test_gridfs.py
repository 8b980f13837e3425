"""Files in GridFS."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import gridfs
from bson.objectid import ObjectId

from test.database.case import RelayedCase, ReplicaSetCase
from test.support.databases import blocking_database
from wildduck import limits
from wildduck.database import GridFS
from wildduck.errors import ContentUnreadable, DuplicateKey, Unavailable

CHUNK = limits.CHUNK_BYTES


def content(length: int) -> bytes:
    """Bytes that differ at each place of a chunk."""
    return (hashlib.sha256(b"%d" % length).digest() * (length // 32 + 1))[:length]


def blocks(data: bytes, size: int) -> Iterator[bytes]:
    """The same in pieces."""
    return (data[start : start + size] for start in range(0, len(data), size))


async def joined(parts: AsyncIterator[bytes]) -> bytes:
    """All pieces together."""
    return b"".join([part async for part in parts])


class _Case(ReplicaSetCase):
    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        await self.databases.ensure_indexes()
        self.files = GridFS(self.main)
        self.blocking: Any = blocking_database(self.settings)

    async def _refused(self, awaitable: Any, kind: type[Exception]) -> None:
        try:
            await awaitable
        except kind:
            return
        self.fail(f"{kind.__name__} was not raised")


class RoundTripTests(_Case):
    """What was written is read."""

    async def test_lengths(self) -> None:
        """Every length around a chunk's comes back, from blocks of every size."""
        for length in (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 20 * CHUNK + 7):
            for size in (max(1, length), 100_000, CHUNK, 3 * CHUNK + 1):
                id, data = ObjectId(), content(length)
                row = await self.files.write(id, {"metadata": {"c": 1}}, blocks(data, size))
                self.assertEqual(row["length"], length)
                self.assertEqual(await joined(self.files.read(row)), data)
                self.assertEqual(await joined(self.files.chunks(id)), data)

    async def test_asynchronous_blocks(self) -> None:
        """Blocks may come from an asynchronous iterator."""

        async def come() -> AsyncIterator[bytes]:
            for block in blocks(content(CHUNK * 2), 1000):
                yield block

        row = await self.files.write(b"d" * 32, {}, come())
        self.assertEqual(await joined(self.files.read(row)), content(CHUNK * 2))

    async def test_ranges(self) -> None:
        """Any range is read, and only its chunks."""
        data = content(5 * CHUNK + 100)
        row = await self.files.write(ObjectId(), {}, [data])
        edges = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 5 * CHUNK + 99, 5 * CHUNK + 100)
        for start in edges:
            for end in edges:
                if start <= end:
                    self.assertEqual(await joined(self.files.read(row, start, end)), data[start:end])
        await self._refused(joined(self.files.read(row, 0, len(data) + 1)), ValueError)
        await self._refused(joined(self.files.read(row, 2, 1)), ValueError)

    async def test_chunk_numbers(self) -> None:
        """Chunks are named by number, inclusive."""
        data = content(6 * CHUNK)
        await self.files.write(7, {}, [data])
        self.assertEqual(await joined(self.files.chunks(7, 2, 4)), data[2 * CHUNK : 5 * CHUNK])

    async def test_other_drivers(self) -> None:
        """The official driver reads our files, and we read its."""
        data = content(3 * CHUNK + 5)
        bucket = gridfs.GridFSBucket(self.blocking, "attachments")
        row = await self.files.write(ObjectId(), {"filename": "a", "contentType": "text/plain"}, [data])
        self.assertEqual(bucket.open_download_stream(row["_id"]).read(), data)
        with bucket.open_upload_stream("b", chunk_size_bytes=1000) as stream:
            stream.write(data)
        theirs = await self.files.file_row(stream._id)
        assert theirs is not None
        self.assertEqual(await joined(self.files.read(theirs, 999, 5001)), data[999:5001])

    async def test_row(self) -> None:
        """The row has WildDuck's fields, in its order."""
        await self.files.write(b"k" * 32, {"contentType": "a/b", "metadata": {"m": 1, "c": 1}}, [b"x"])
        row = self.blocking["attachments.files"].find_one()
        fields = ["_id", "length", "chunkSize", "uploadDate", "filename", "contentType", "metadata"]
        self.assertEqual(list(row), fields)
        self.assertEqual((row["_id"], row["chunkSize"], row["filename"]), (b"k" * 32, 261120, None))

    async def test_rows(self) -> None:
        """Many rows are read at once; missing ones are left out."""
        for name in ("a", "b"):
            await self.files.write(name, {}, [b"x"])
        self.assertEqual(set(await self.files.rows(["a", "b", "c", "a"])), {"a", "b"})
        self.assertEqual(await self.files.rows([]), {})
        self.assertIsNone(await self.files.file_row("c"))

    async def test_left_early(self) -> None:
        """A reader may stop anywhere."""
        row = await self.files.write(1, {}, [content(20 * CHUNK)])
        async for data in self.files.read(row):
            self.assertEqual(len(data), CHUNK)
            break


class DamageTests(_Case):
    """Missing bytes are never made up."""

    async def _read(self, id: Any) -> list[int]:
        """Lengths of what is read before it fails."""
        row = await self.files.file_row(id)
        assert row is not None
        got: list[int] = []
        try:
            async for data in self.files.read(row):
                got += [len(data)]
        except ContentUnreadable:
            return got
        return self.fail("ContentUnreadable was not raised")

    async def test_missing_chunks(self) -> None:
        """A missing chunk ends the reading where it is, be it the first, an inner or the last."""
        for n in (0, 2, 4):
            await self.files.write(n, {}, [content(5 * CHUNK)])
            self.blocking["attachments.chunks"].delete_one({"files_id": n, "n": n})
            self.assertEqual(await self._read(n), [CHUNK] * n)

    async def test_short_chunk(self) -> None:
        """A chunk of another length than the row says is not passed on."""
        await self.files.write(1, {}, [content(3 * CHUNK)])
        self.blocking["attachments.chunks"].update_one({"files_id": 1, "n": 1}, {"$set": {"data": b"short"}})
        self.assertEqual(await self._read(1), [CHUNK])

    async def test_row_of_another_length(self) -> None:
        """Nor is a file whose row says more than there is."""
        await self.files.write(1, {}, [content(CHUNK)])
        self.blocking["attachments.files"].update_one({"_id": 1}, {"$inc": {"length": 1}})
        self.assertEqual(await self._read(1), [CHUNK])


class WriteTests(_Case):
    """What a failed write leaves."""

    def _chunks(self, **query: Any) -> int:
        count: int = self.blocking["attachments.chunks"].count_documents(query)
        return count

    async def test_source_fails(self) -> None:
        """When the source fails, what was written is taken back and there is no row."""

        def broken() -> Iterator[bytes]:
            yield from blocks(content(40 * CHUNK), CHUNK)
            raise KeyError

        await self._refused(self.files.write(1, {}, broken()), KeyError)
        self.assertEqual(self._chunks(), 0)
        self.assertIsNone(await self.files.file_row(1))

    async def test_row_is_there(self) -> None:
        """A second writer of an id is told so and does not touch the first one's chunks."""
        data = content(3 * CHUNK)
        row = await self.files.write(1, {}, [data])
        await self._refused(self.files.write(1, {}, [data]), DuplicateKey)
        self.assertEqual(await joined(self.files.read(row)), data)

    async def test_two_writers(self) -> None:
        """Of a writer that is overtaken, only its own chunks are taken back."""

        async def slow() -> AsyncIterator[bytes]:
            yield content(CHUNK)
            self.blocking["attachments.chunks"].insert_one({"files_id": 1, "n": 1, "data": b"other"})
            yield content(CHUNK)

        await self._refused(self.files.write(1, {}, slow()), DuplicateKey)
        self.assertEqual((self._chunks(), self._chunks(data=b"other")), (1, 1))

    async def test_remove(self) -> None:
        """A file is removed with its chunks, and only where its row still matches."""
        await self.files.write(1, {"metadata": {"c": 0}}, [content(3 * CHUNK)])
        self.assertFalse(await self.files.remove(1, {"metadata.c": 1}))
        self.assertEqual(self._chunks(), 3)
        self.assertTrue(await self.files.remove(1, {"metadata.c": 0}))
        self.assertEqual(self._chunks(), 0)
        self.assertFalse(await self.files.remove(1))

    async def test_remove_partial(self) -> None:
        """Chunks without a row are removed once they are old enough; a file never is."""
        await self.files.write(1, {}, [content(2 * CHUNK)])
        self.assertFalse(await self.files.remove_partial(1, 0))
        self.blocking["attachments.files"].delete_one({"_id": 1})
        self.assertFalse(await self.files.remove_partial(1, 3600))
        self.assertEqual(self._chunks(), 2)
        self.assertTrue(await self.files.remove_partial(1, -1))
        self.assertEqual(self._chunks(), 0)
        self.assertTrue(await self.files.remove_partial(1, 3600))

    async def test_chunks_are_there_to_stay_before_the_row(self) -> None:
        """A primary that dies before the row is written takes back no chunks that a later row needs."""
        writes: list[tuple[str, bool]] = []
        for name in ("insert_many", "insert_one"):
            method = getattr(self.main, name)

            async def watched(collection: str, *args: Any, _method: Any = method, **options: Any) -> None:
                await _method(collection, *args, **options)
                writes.append((collection.rpartition(".")[2], options["durable"]))

            self.patch(
                self.main,
                name,
                lambda *args, _w=watched, **options: _w(*args, **{"durable": False, **options}),
            )
        group = self.main.group()
        await self.files.write(1, {}, [content(limits.CHUNKS_WRITTEN * CHUNK + 1)], group=group)
        self.assertEqual([("chunks", False), ("chunks", True), ("files", False)], writes)

    async def test_group(self) -> None:
        """A file can be part of a group of writes."""
        group = self.main.group()
        await self.files.write(1, {}, [content(CHUNK)], group=group, durable=True)
        self.assertTrue(group.intact)


class FaultTests(RelayedCase):
    """Streams over a connection that breaks."""

    async def test_reading_goes_on(self) -> None:
        """A reader whose connection is lost goes on at the next chunk."""
        files = GridFS(await self.through_relay())
        data = content(30 * CHUNK)
        row = await files.write(1, {}, [data])
        got = []
        async for block in files.read(row):
            got.append(block)
            if len(got) in (2, 3, 17):
                self.relay.cut()
        self.assertEqual(b"".join(got), data)

    async def test_nobody_can_tell(self) -> None:
        """
        When nobody can tell whether the row was written, its chunks stay:
        a row without chunks would be worse.
        """
        files = GridFS(await self.standalone_through_relay())
        direct = GridFS(self.direct)
        self.relay.cut_after(b"uploadDate")
        try:
            await files.write(1, {}, [content(CHUNK)])
            self.fail("Unavailable was not raised")
        except Unavailable:
            pass
        row = await direct.file_row(1)
        assert row is not None
        self.assertEqual(await joined(direct.read(row)), content(CHUNK))
