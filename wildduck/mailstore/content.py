"""
Reading a stored message back, byte for byte.

L{Content} joins the rope of a document (L{wildduck.mime.rope}) with the rows of
GridFS.  Before a literal is announced, L{Content.prepare} sees that everything
that is to be sent is there and as long as it will be announced; after it, a
mismatch raises and nothing is ever made up to fill a gap.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from wildduck.database import GridFS
from wildduck.errors import ContentUnreadable
from wildduck.mailstore.attachments import MARKER_LENGTH, exact_key, references_of
from wildduck.mime.base64lines import Range, encoded_length
from wildduck.mime.effort import takes_long
from wildduck.mime.native import of_document
from wildduck.mime.rope import Inline, Rope, Stored, needs_blob
from wildduck.threads import BoundedPool

#: Fields of a message document that L{Content} needs.
CONTENT_FIELDS = {"size": True, "magic": True, "mimeTree": True}


class StoredDecoded:
    """
    A base64 body that is stored decoded.

    @ivar length: bytes, decoded.
    """

    def __init__(self, gridfs: GridFS, row: Mapping[str, Any]) -> None:
        self.length = int(row["length"])
        self._gridfs = gridfs
        self._row = row

    def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Decoded bytes C{start} to C{end} (exclusive), a chunk or less at a time."""
        return self._gridfs.read(self._row, start, end)


class _Body:
    """
    One stored body in its transfer encoding, however its row keeps it.

    @ivar length: bytes of the body.
    """

    def __init__(self, gridfs: GridFS, row: Mapping[str, Any], length: int, strict: bool) -> None:
        """
        @param length: as the message's tree says.
        @param strict: the row must give exactly this length.  In a document of
            WildDuck's a body that it stored decoded may come back shorter or
            longer than its tree says; WildDuck itself then fills up or cuts.
        @raise ContentUnreadable: the row is of another length.
        """
        self.length = length
        self._gridfs = gridfs
        self._row = row
        self._offset = 0
        self._line_length = 0
        self._available = length
        metadata = row.get("metadata") or {}
        stored = int(row.get("length") or 0)
        if metadata.get("decoded"):
            self._line_length = int(metadata.get("lineLen") or 0)
            if self._line_length < 1:
                raise ContentUnreadable()
            self._available = encoded_length(stored, self._line_length)
            recorded = int(metadata.get("esize") or 0)
            if self._available != length and (strict or recorded != length):
                raise ContentUnreadable()
        elif stored == length + MARKER_LENGTH:
            self._offset = MARKER_LENGTH
        elif stored != length:
            raise ContentUnreadable()

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes C{start} to C{end} (exclusive), a chunk or less at a time."""
        there = min(end, self._available)
        if start < there:
            blocks = self._decoded(start, there) if self._line_length else self._plain(start, there)
            async for block in blocks:
                yield block
        lost = self.length - self._available
        if end > there and lost > 0:
            # WildDuck kept no more than the length of what stood here, which
            # nearly always were line breaks.
            breaks = b"\r\n" * (lost // 2) + b"\n" * (lost % 2)
            yield breaks[max(0, start - self._available) : end - self._available]

    def stored_decoded(self) -> StoredDecoded | None:
        """The body without base64, where it is stored so and nothing of it is cut off."""
        if not self._line_length or self._available > self.length:
            return None
        return StoredDecoded(self._gridfs, self._row)

    def _plain(self, start: int, end: int) -> AsyncIterator[bytes]:
        return self._gridfs.read(self._row, start + self._offset, end + self._offset)

    async def _decoded(self, start: int, end: int) -> AsyncIterator[bytes]:
        wanted = Range(start, end, self._line_length)
        stop = min(wanted.end, int(self._row["length"]))
        async for block in self._gridfs.read(self._row, wanted.start, stop):
            encoded = wanted.feed(block)
            if encoded:
                yield encoded
        rest = wanted.finish()
        if rest:
            yield rest


class Content:
    """
    The bytes of one stored message.

    @ivar rope: where its parts lie; give its offsets to L{blocks}.
    """

    def __init__(self, gridfs: GridFS, document: Mapping[str, Any], rope: Rope) -> None:
        self.rope = rope
        self._gridfs = gridfs
        self._strict = of_document(document) is not None
        self._map: Mapping[str, Any] = references_of(document)
        self._bodies: dict[str, _Body] = {}

    @classmethod
    async def of(
        cls, gridfs: GridFS, document: Mapping[str, Any], pool: BoundedPool, *, exact: bool = False
    ) -> Content:
        """
        @param document: with L{CONTENT_FIELDS}.
        @param pool: threads for large trees.
        @param exact: the bytes as they were stored, NULs included, instead of
            those that are sent (design.md §4 'Byte-exact').
        @raise ContentUnreadable: what makes the message exact is missing.
        """
        skeleton = None
        key = needs_blob(document)
        if key is not None:
            skeleton = await _read_blob(gridfs, document, key)
        if takes_long(document.get("mimeTree")):
            rope = await pool.run(Rope.from_document, document, skeleton, exact)
        else:
            rope = Rope.from_document(document, skeleton, exact)
        return cls(gridfs, document, rope)

    @property
    def length(self) -> int:
        """Bytes of the whole message."""
        return self.rope.length

    async def prepare(self, start: int = 0, end: int | None = None) -> None:
        """
        See that a range can be read; call it before announcing its length.

        @param end: exclusive; the end of the message without it.
        @raise ContentUnreadable: something is missing or of another length.
        """
        stop = self.length if end is None else end
        wanted = {
            segment.key: segment
            for segment in self.rope.slice(start, stop)
            if isinstance(segment, Stored) and segment.key not in self._bodies
        }
        if not wanted:
            return
        # What WildDuck stored lossily stands a second time, exactly.
        digests = {key: self._map.get(exact_key(key), segment.digest) for key, segment in wanted.items()}
        rows = await self._gridfs.rows(digests.values())
        for key, segment in wanted.items():
            row = rows.get(digests[key])
            if row is None:
                raise ContentUnreadable()
            self._bodies[key] = _Body(self._gridfs, row, segment.length, self._strict)

    async def stored_decoded(self, start: int, end: int) -> StoredDecoded | None:
        """
        What a range holds without base64, if it is one whole body that is stored so.

        @raise ContentUnreadable: it is missing or of another length.
        """
        segments = self.rope.slice(start, end)
        if len(segments) != 1 or not isinstance(segments[0], Stored):
            return None
        segment = segments[0]
        if segment.as_base64 or (segment.start, segment.end) != (0, segment.length):
            return None
        await self.prepare(start, end)
        return self._bodies[segment.key].stored_decoded()

    async def blocks(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """
        The bytes of a range, in blocks of bounded size.

        @raise ContentUnreadable: they are not what was announced; the ones
            that were given already are right, and the connection must be closed.
        """
        stop = self.length if end is None else end
        await self.prepare(start, stop)
        for segment in self.rope.slice(start, stop):
            if isinstance(segment, Inline):
                yield segment.data
                continue
            given = 0
            async for block in self._stored(segment):
                given += len(block)
                yield block
            if given != segment.size:
                raise ContentUnreadable()

    async def _stored(self, segment: Stored) -> AsyncIterator[bytes]:
        output = segment.output()
        async for data in self._bodies[segment.key].read(*segment.source()):
            block = output.feed(data)
            if block:
                yield block
        rest = output.finish()
        if rest:
            yield rest

    async def read(self, start: int = 0, end: int | None = None) -> bytes:
        """A range in one piece, for what is known to be short."""
        return b"".join([block async for block in self.blocks(start, end)])


async def _read_blob(gridfs: GridFS, document: Mapping[str, Any], key: str) -> bytes:
    """A skeleton that was stored apart, without its marker."""
    digest = document["mimeTree"]["attachmentMap"].get(key)
    row = await gridfs.file_row(digest) if digest is not None else None
    if row is None or int(row["length"]) < MARKER_LENGTH:
        raise ContentUnreadable()
    return b"".join([block async for block in gridfs.read(row, MARKER_LENGTH)])
