"""
Files in GridFS, read and written as streams.

txmongo's GridFS makes one round trip for each chunk, gives wrong data after
seek() and leaves chunks behind (anchors/stack.md P16), so this is an own reader
and writer on the same collections (spec/schema.md §3; MongoDB's GridFS
specification).
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from bson.objectid import ObjectId
from twisted.logger import Logger

from wildduck import limits
from wildduck.database.database import Database
from wildduck.database.failures import CursorLost, Interrupted
from wildduck.database.group import WriteGroup
from wildduck.errors import ContentUnreadable, DatabaseFailure, DomainError, Unavailable

Row = dict[str, Any]


class GridFS:
    """
    A bucket.

    @ivar files: name of the collection of rows.
    @ivar chunk_collection: name of the collection of chunks.
    """

    log = Logger()

    def __init__(self, database: Database, bucket: str = "attachments") -> None:
        self.files = f"{bucket}.files"
        self.chunk_collection = f"{bucket}.chunks"
        self._database = database

    # --- reading -------------------------------------------------------------------

    async def file_row(self, id: Any) -> Row | None:
        """@return: the row of a file, C{None} where there is none."""
        return await self._database.find_one(self.files, {"_id": id})

    async def rows(self, ids: Iterable[Any]) -> dict[Any, Row]:
        """@return: the rows that are there, by id."""
        wanted = list(dict.fromkeys(ids))
        found: dict[Any, Row] = {}
        for start in range(0, len(wanted), limits.BATCH_ROWS):
            some = wanted[start : start + limits.BATCH_ROWS]
            for row in await self._database.find(self.files, {"_id": {"$in": some}}, limit=len(some)):
                found[row["_id"]] = row
        return found

    async def chunks(self, id: Any, first: int = 0, last: int | None = None) -> AsyncIterator[bytes]:
        """
        Chunks number C{first} to C{last}, inclusive, to the end without it.

        One cursor, C{limits.CHUNKS_READ} chunks in memory.  A cursor that was
        lost on the way (the reader was slow for ten minutes, the connection
        broke) is opened again at the next chunk.

        @raise ContentUnreadable: a chunk is missing.
        """
        expected = first
        failed_at = -1
        while last is None or expected <= last:
            try:
                async for batch in self._chunk_batches(id, expected, last):
                    for chunk in batch:
                        if chunk["n"] != expected:
                            raise ContentUnreadable()
                        expected += 1
                        yield chunk["data"]
                break
            except (Interrupted, CursorLost):
                if failed_at == expected:
                    raise
                failed_at = expected
        if last is not None and expected <= last:
            raise ContentUnreadable()

    def _chunk_batches(self, id: Any, first: int, last: int | None) -> AsyncIterator[list[Row]]:
        numbers: dict[str, int] = {"$gte": first}
        if last is not None:
            numbers["$lte"] = last
        return self._database.batches(
            self.chunk_collection,
            {"files_id": id, "n": numbers},
            projection={"_id": 0, "n": 1, "data": 1},
            sort={"n": 1},
            batch_size=limits.CHUNKS_READ,
            slow=False,
        )

    async def read(
        self, row: Mapping[str, Any], start: int = 0, end: int | None = None
    ) -> AsyncIterator[bytes]:
        """
        Bytes C{start} to C{end} (exclusive) of a file, in blocks of at most a chunk.

        @param row: as L{file_row} gives it.
        @raise ContentUnreadable: chunks are missing, or of other lengths than
            the row says.  Bytes before it are right.
        """
        length, size = int(row["length"]), int(row["chunkSize"])
        end = length if end is None else end
        if not 0 <= start <= end <= length:
            raise ValueError(f"{start}:{end} is not within {length} bytes")
        if start == end:
            return
        first, last = start // size, (end - 1) // size
        number = first
        async for data in self.chunks(row["_id"], first, last):
            offset = number * size
            if len(data) != min(size, length - offset):
                raise ContentUnreadable()
            low, high = max(0, start - offset), min(len(data), end - offset)
            yield data if high - low == len(data) else data[low:high]
            number += 1

    # --- writing -------------------------------------------------------------------

    async def write(
        self,
        id: Any,
        row: Mapping[str, Any],
        blocks: AsyncIterable[bytes] | Iterable[bytes],
        *,
        durable: bool = False,
        group: WriteGroup | None = None,
    ) -> Row:
        """
        Store a file: its chunks, then its row.

        A file is there when its row is: a reader never sees half of one, and
        WildDuck's collector, which goes by rows, never takes one away that is
        being written.  So the chunks are there to stay before the row is sent: a
        primary that dies in between could take them back, and its successor
        would have a row without them, to which others refer at once.  When
        anything fails, the chunks that this call wrote are removed, and no
        others, for another process may be writing the same id.

        @param id: made by the caller; a digest is no secret to others, so a
            row or chunk that is there already is L{wildduck.errors.DuplicateKey}.
        @param row: C{metadata}, and C{filename} and C{contentType} where they apply.
        @param blocks: the content, in blocks of any size.
        @return: the row as stored.
        """
        written: list[ObjectId] = []
        try:
            length = await self._write_chunks(id, blocks, written)
        except BaseException:
            await self._remove_chunks(id, written)
            raise
        whole: Row = {
            "_id": id,
            "length": length,
            "chunkSize": limits.CHUNK_BYTES,
            "uploadDate": datetime.now(timezone.utc),
            "filename": None,
            **row,
        }
        try:
            await self._database.insert_one(self.files, whole, durable=durable, group=group, shared_id=True)
        except DatabaseFailure:
            # Refused for certain.  When nobody can tell, the chunks stay: a
            # row without chunks would be worse than chunks without a row.
            await self._remove_chunks(id, written)
            raise
        return whole

    async def _write_chunks(
        self,
        id: Any,
        blocks: AsyncIterable[bytes] | Iterable[bytes],
        written: list[ObjectId],
    ) -> int:
        """
        Insert chunks a few at a time, the last of them durably and with it all before.

        @return: bytes in all.
        @raise Unavailable: the primary changed on the way, and may have lost some.
        """
        pending: list[Row] = []
        length = 0
        group = self._database.group()
        async for data in _cut(blocks, limits.CHUNK_BYTES):
            if len(pending) == limits.CHUNKS_WRITTEN:
                await self._database.insert_many(self.chunk_collection, pending, group=group)
                pending = []
            chunk_id = ObjectId()
            pending.append({"_id": chunk_id, "files_id": id, "n": len(written), "data": data})
            written.append(chunk_id)
            length += len(data)
        if written:
            # At least one is left for the end.
            await self._database.insert_many(self.chunk_collection, pending, group=group, durable=True)
        if len(written) > limits.CHUNKS_WRITTEN and not group.intact:
            raise Unavailable()
        return length

    async def _remove_chunks(self, id: Any, written: list[ObjectId]) -> None:
        """Take back what a failed write has inserted; what stays is a partial file, see L{remove_partial}."""
        if not written:
            return
        try:
            await self._database.delete_many(self.chunk_collection, {"files_id": id, "_id": {"$in": written}})
        except DomainError:
            self.log.warn("chunks of an unfinished file stay in {chunks}", chunks=self.chunk_collection)

    async def remove_partial(self, id: Any, older_than: float) -> bool:
        """
        Remove the chunks of a file without a row, which a crashed writer left.

        @param older_than: seconds since the last of them was written; a
            younger one belongs to a writer that is still at work.
        @return: whether there is now nothing of this file.
        """
        if await self.file_row(id) is not None:
            return False
        newest = await self._database.find_one(
            self.chunk_collection, {"files_id": id}, projection={"_id": 1}, sort={"n": -1}
        )
        if newest is None:
            return True
        age = datetime.now(timezone.utc) - newest["_id"].generation_time
        if age.total_seconds() < older_than:
            return False
        await self._database.delete_many(self.chunk_collection, {"files_id": id}, slow=True)
        return True

    async def remove(self, id: Any, condition: Mapping[str, Any] | None = None) -> bool:
        """
        Remove a file: its row first, then its chunks.

        A crash between the two leaves chunks without a row, never the reverse.

        @param condition: what the row must still match, to lose no race with
            one who begins to use it.
        @return: whether the row was there and matched; else nothing is removed.
        """
        if not await self._database.delete_one(self.files, {"_id": id, **(condition or {})}):
            return False
        await self._database.delete_many(self.chunk_collection, {"files_id": id}, slow=True)
        return True


async def _cut(blocks: AsyncIterable[bytes] | Iterable[bytes], size: int) -> AsyncIterator[bytes]:
    """The same bytes in pieces of C{size}, the last one shorter."""
    held: list[bytes] = []
    length = 0
    async for block in _asynchronous(blocks):
        start = 0
        while length + len(block) - start >= size:
            need = size - length
            held.append(block[start : start + need] if start or need < len(block) else block)
            yield b"".join(held)
            held, length = [], 0
            start += need
        if start < len(block):
            held.append(block[start:] if start else block)
            length += len(block) - start
    if held:
        yield b"".join(held)


async def _asynchronous(blocks: AsyncIterable[bytes] | Iterable[bytes]) -> AsyncIterator[bytes]:
    if isinstance(blocks, AsyncIterable):
        async for block in blocks:
            yield block
    else:
        for block in blocks:
            yield block
