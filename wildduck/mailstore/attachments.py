"""
Attachments, stored once each and counted (spec/schema.md §3, store.md §5).

A row of the bucket C{attachments} has the SHA-256 of the encoded body as its
C{_id}, C{metadata.c} references and C{metadata.m}, the sum of the referring
messages' magic numbers, once for each key of C{attachmentMap}.

A body is stored decoded where that gives back the same bytes.  A row that is
there already, WildDuck's, may not give back our bytes: then the message refers
to it, for WildDuck to serve, and under L{exact_key} to a second row with our
bytes, which begin with a L{marker}.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from twisted.internet.task import deferLater
from twisted.logger import Logger

from wildduck.database import Lock, WriteGroup
from wildduck.errors import DomainError, DuplicateKey, Unavailable
from wildduck.limits import CHUNK_BYTES, KIB
from wildduck.mailstore.backend import ATTACHMENTS, Backend
from wildduck.mailstore.concurrently import for_each
from wildduck.mailstore.values import number
from wildduck.mime.base64lines import Decoder
from wildduck.mime.message import Message
from wildduck.mime.native import BLOB as NATIVE_KEY

if TYPE_CHECKING:
    from wildduck.mime.analysis import External

FILES = f"{ATTACHMENTS}.files"
CHUNKS = f"{ATTACHMENTS}.chunks"

#: Attachments of one message that are stored at the same time.
WORKERS = 8
#: Messages whose attachments are released at the same time.
MESSAGES = 4

#: Life of the lock of a long upload, and how long another waits for it, in seconds.
LOCK_SECONDS = 120
LOCK_WAIT_SECONDS = 60

#: Chunks without a row, this old, were left by a crash (WildDuck's rule).
PARTIAL_SECONDS = 30 * 60

#: Chunks without a row, not that old: somebody writes them.  How often and how
#: long we wait for the row before our bytes go elsewhere.
PARTIAL_TRIES = 12
PARTIAL_WAIT_SECONDS = 0.3
FIRST_WAIT_SECONDS = 0.01

_MARKER_BITS = 64
#: Length of every marker.
MARKER_LENGTH = _MARKER_BITS + 2


def exact_key(key: str) -> str:
    """The key in C{attachmentMap} of the exact bytes of a body that WildDuck stored lossily."""
    return f"{NATIVE_KEY}-{key}"


def marker(variant: int = 0) -> bytes:
    """
    What stands before bytes that could not be stored under their own hash.

    White space only, so that WildDuck, which serves a marked row whole, gives
    a base64 body that still decodes.

    @param variant: 64 bits; another one gives another hash.
    """
    bits = f"{variant:0{_MARKER_BITS}b}".translate({48: " ", 49: "\t"})
    return bits.encode("ascii") + b"\r\n"


@dataclass(frozen=True, slots=True)
class _Item:
    """
    Something to be stored once and referred to by C{keys}.

    @ivar length: bytes of the encoded form, its marker included.
    @ivar line_length: of the base64 lines if it is stored decoded.
    @ivar decoded_length: bytes of the decoded form, 0 where that is not used.
    @ivar source: gives the encoded form, in blocks.
    """

    digest: bytes
    length: int
    keys: tuple[str, ...]
    content_type: str
    transfer_encoding: str
    source: Callable[[], Iterator[bytes]]
    line_length: int | None = None
    decoded_length: int = 0

    @property
    def name(self) -> str:
        return base64.b64encode(self.digest).decode("ascii")


@dataclass(frozen=True, slots=True)
class Kept:
    """
    What a message refers to.

    @ivar map: value of C{attachmentMap}.
    @ivar content_hashes: base64 SHA-256 of the stored content by key, where known.
    """

    map: dict[str, bytes] = field(default_factory=dict)
    content_hashes: dict[str, str] = field(default_factory=dict)

    def add(self, item: _Item, row: Mapping[str, Any]) -> None:
        """An item's keys are counted in this row."""
        content_hash = (row.get("metadata") or {}).get("fileContentHash")
        for key in item.keys:
            self.map[key] = item.digest
            if content_hash:
                self.content_hashes[key] = str(content_hash)


class Attachments:
    """Writes and counts; L{wildduck.mailstore.content} reads."""

    _log = Logger()

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._database = backend.databases.gridfs

    # --- referring to -----------------------------------------------------------------

    async def keep(
        self,
        message: Message,
        externals: Iterable[External],
        skeleton: bytes | None,
        magic: int,
        group: WriteGroup | None = None,
    ) -> Kept:
        """
        Store the external parts of a message and count it as their user.

        When one fails, those that were counted are released.

        @param skeleton: to be kept under L{NATIVE_KEY}; C{None} for none.
        """
        items = _items(message, externals)
        if skeleton is not None:
            items.append(_skeleton_item(skeleton))
        kept = Kept()

        async def one(item: _Item) -> None:
            await self._keep(item, magic, group, kept)

        try:
            await for_each(items, one, WORKERS)
        except Exception:
            await self.release(kept.map, magic)
            raise
        return kept

    async def _keep(self, item: _Item, magic: int, group: WriteGroup | None, kept: Kept) -> None:
        """See that a row gives the item's bytes and counts its keys."""
        row = await self._refer(item, magic, group)
        if row is not None:
            kept.add(item, row)
            return
        lock = await self._lock(item)
        try:
            await self._upload_or_refer(item, magic, group, lock, kept)
        finally:
            if lock is not None:
                await self._unlock(lock)

    async def _refer(self, item: _Item, magic: int, group: WriteGroup | None) -> dict[str, Any] | None:
        """Count one more user of a row that gives the item's bytes; C{None} where there is none."""
        plain = {"metadata.decoded": {"$ne": True}, "length": item.length}
        decoded = {
            "metadata.decoded": True,
            "metadata.lineLen": item.line_length,
            "length": item.decoded_length,
        }
        fits = plain if item.line_length is None else {"$or": [plain, decoded]}
        return await self._database.find_one_and_update(
            FILES,
            {"_id": item.digest, **fits},
            _counted(len(item.keys), magic, self._backend.now()),
            projection={"metadata.fileContentHash": True},
            group=group,
        )

    async def _refer_to_existing(self, item: _Item, magic: int, group: WriteGroup | None, kept: Kept) -> bool:
        """
        Refer to a row that is there: that came just now, or would not give our bytes.

        @return: C{False} when it has gone meanwhile.
        """
        row = await self._refer(item, magic, group)
        if row is not None:
            kept.add(item, row)
            return True
        row = await self._database.find_one_and_update(
            FILES,
            {"_id": item.digest},
            _counted(len(item.keys), magic, self._backend.now()),
            projection={"metadata.fileContentHash": True},
            group=group,
        )
        if row is None:
            return False
        kept.add(item, row)
        exact = replace(await self._marked(item, 0), keys=tuple(map(exact_key, item.keys)))
        await self._keep(exact, magic, group, kept)
        return True

    async def _upload_or_refer(
        self, item: _Item, magic: int, group: WriteGroup | None, lock: Lock | None, kept: Kept
    ) -> None:
        for attempt in range(PARTIAL_TRIES):
            row = await self._refer(item, magic, group)
            if row is not None:
                kept.add(item, row)
                return
            if await self._database.find_one(FILES, {"_id": item.digest}, projection={"_id": True}):
                if await self._refer_to_existing(item, magic, group, kept):
                    return
                continue
            try:
                kept.add(item, await self._upload(item, magic, group, lock))
                return
            except DuplicateKey as error:
                if error.index == "_id_":
                    continue
            if await self._purge_partial(item.digest):
                continue
            if lock is not None:
                # Whoever began it would have the lock.
                break
            await self._wait(FIRST_WAIT_SECONDS if attempt < 3 else PARTIAL_WAIT_SECONDS)
        self._log.warn("chunks without a row are in the way of attachment {name}", name=item.name)
        await self._keep(await self._marked(item, int(self._backend.clock.seconds())), magic, group, kept)

    async def _upload(
        self, item: _Item, magic: int, group: WriteGroup | None, lock: Lock | None
    ) -> dict[str, Any]:
        """
        @return: the row.
        @raise DuplicateKey: it, or a chunk of it, has come meanwhile.
        """
        uses = len(item.keys)
        metadata: dict[str, Any] = {
            "m": magic * uses,
            "c": uses,
            "cu": self._backend.now(),
            "esize": item.length,
            "transferEncoding": item.transfer_encoding,
        }
        if item.line_length is not None:
            metadata["decoded"] = True
            metadata["lineLen"] = item.line_length
        row = {"contentType": item.content_type, "metadata": metadata}
        await self._backend.gridfs.write(
            item.digest, row, self._stored_form(item, metadata, lock), group=group
        )
        return row

    async def _stored_form(
        self, item: _Item, metadata: dict[str, Any], lock: Lock | None
    ) -> AsyncIterator[bytes]:
        """The bytes to store; after the last one their hash is in C{metadata}."""
        decoder = Decoder() if item.line_length is not None else None
        content = hashlib.sha256()
        extended = self._backend.clock.seconds()
        for block in item.source():
            data = decoder.feed(block) if decoder is not None else block
            content.update(data)
            yield data
            if lock is not None and self._backend.clock.seconds() - extended > LOCK_SECONDS / 2:
                extended = self._backend.clock.seconds()
                await self._extend(lock)
        metadata["fileContentHash"] = base64.b64encode(content.digest()).decode("ascii")

    # --- what can be in the way -----------------------------------------------------------

    async def _marked(self, item: _Item, variant: int) -> _Item:
        """The item under another hash: its encoded bytes after a marker."""
        start = marker(variant)

        def source() -> Iterator[bytes]:
            yield start
            yield from item.source()

        digest = await self._backend.mime_pool.run(_digest, source)
        return replace(
            item,
            digest=digest,
            length=item.length + MARKER_LENGTH,
            source=source,
            line_length=None,
            decoded_length=0,
        )

    async def _lock(self, item: _Item) -> Lock | None:
        """The lock that WildDuck takes for long uploads; without Redis the chunks' index must do."""
        if item.length < CHUNK_BYTES:
            return None
        try:
            return await self._backend.locks.acquire(f"gs.{item.name}", LOCK_SECONDS, LOCK_WAIT_SECONDS)
        except Unavailable:
            return None

    async def _extend(self, lock: Lock) -> None:
        try:
            await lock.extend(LOCK_SECONDS)
        except Unavailable:
            # Who else writes the same chunks is refused by their index.
            return

    async def _unlock(self, lock: Lock) -> None:
        try:
            await lock.release()
        except Unavailable:
            # It ends by itself.
            return

    async def _purge_partial(self, digest: bytes) -> bool:
        """
        Remove chunks that a crash left behind.

        @return: whether there is nothing in the way any more.
        """
        ids = await self.chunk_ids(digest)
        if not ids:
            return True
        newest = max(id.generation_time for id in ids)
        if (self._backend.now() - newest).total_seconds() < PARTIAL_SECONDS:
            return False
        if await self._database.find_one(FILES, {"_id": digest}, projection={"_id": True}):
            return True
        await self.remove_chunks(digest, ids)
        return True

    async def chunk_ids(self, digest: bytes) -> list[Any]:
        """Ids of all chunks of a file."""
        ids: list[Any] = []
        async for batch in self._database.batches(
            CHUNKS, {"files_id": digest}, projection={"_id": True}, slow=False
        ):
            ids.extend(chunk["_id"] for chunk in batch)
        return ids

    async def remove_chunks(self, digest: bytes, ids: list[Any]) -> None:
        """Remove these chunks, and none that another writer makes meanwhile."""
        for start in range(0, len(ids), 100):
            await self._database.delete_many(
                CHUNKS, {"files_id": digest, "_id": {"$in": ids[start : start + 100]}}
            )

    async def _wait(self, seconds: float) -> None:
        await deferLater(self._backend.clock, seconds, lambda: None)

    async def refer_to_all(self, messages: Iterable[Mapping[str, Any]], group: WriteGroup | None) -> None:
        """
        Count further messages with the references of these, once for each key (store.md §5).

        @param messages: C{magic} and C{mimeTree.attachmentMap} of each.
        @raise Unavailable: some may have been counted.
        """
        counts: dict[bytes, list[int]] = {}
        for row in messages:
            magic = number(row.get("magic"))
            for digest in references_of(row).values():
                if isinstance(digest, bytes):
                    count = counts.setdefault(bytes(digest), [0, 0])
                    count[0] += 1
                    count[1] += magic
        if not counts:
            return
        now = {"metadata.cu": self._backend.now()}
        await self._database.update_bulk(
            FILES,
            (
                ({"_id": digest}, {"$inc": {"metadata.c": uses, "metadata.m": magic}, "$set": now})
                for digest, (uses, magic) in counts.items()
            ),
            group=group,
        )

    # --- no longer referring to --------------------------------------------------------------

    async def release(self, references: Mapping[str, bytes], magic: int) -> None:
        """
        A message that is no more does not use its attachments any longer.

        A release is never sent twice by us: where the database does not answer
        the reference stays counted until the verifier counts anew.

        @param references: value of C{attachmentMap}.
        """
        # Old documents refer by other things than digests, to rows of another form.
        uses = Counter(bytes(digest) for digest in references.values() if isinstance(digest, bytes))

        async def one(item: tuple[bytes, int]) -> None:
            digest, count = item
            try:
                await self._database.update_one(
                    FILES,
                    {"_id": digest, "metadata.c": {"$gte": count}},
                    _counted(-count, magic, self._backend.now()),
                )
            except DomainError:
                self._log.warn("a reference to an attachment was not released")

        await for_each(uses.items(), one, WORKERS)

    async def release_all(self, messages: Iterable[Mapping[str, Any]]) -> None:
        """
        L{release} what these messages refer to, for each of them.

        @param messages: C{magic} and C{mimeTree.attachmentMap} of each.
        """

        async def one(row: Mapping[str, Any]) -> None:
            references = references_of(row)
            if references:
                await self.release(references, number(row.get("magic")))

        await for_each(messages, one, MESSAGES)

    async def remove_orphan(self, digest: bytes, unchanged_since: datetime.datetime) -> bool:
        """
        Remove an attachment that nobody refers to.

        The row first, if it still is an orphan, then the chunks that belonged to
        it: another writer of the same bytes may begin anew in between.

        @return: whether it was removed.
        """
        ids = await self.chunk_ids(digest)
        orphan = {"metadata.c": 0, "metadata.m": 0, "metadata.cu": {"$lte": unchanged_since}}
        if not await self._database.delete_one(FILES, {"_id": digest, **orphan}):
            return False
        await self.remove_chunks(digest, ids)
        return True


def references_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The C{attachmentMap} of a message document."""
    tree = document.get("mimeTree")
    found = tree.get("attachmentMap") if isinstance(tree, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _items(message: Message, externals: Iterable[External]) -> list[_Item]:
    """The distinct bodies of a message; equal ones have one row and are counted together."""
    found: dict[bytes, _Item] = {}
    for external in externals:
        known = found.get(external.sha256)
        if known is not None:
            found[external.sha256] = replace(known, keys=(*known.keys, external.attachment_id))
            continue
        found[external.sha256] = _Item(
            digest=external.sha256,
            length=external.end - external.start,
            keys=(external.attachment_id,),
            content_type=external.content_type,
            transfer_encoding=external.transfer_encoding,
            source=_source(message, external),
            line_length=external.line_length,
            decoded_length=_decoded_length(message, external),
        )
    return list(found.values())


def _source(message: Message, external: External) -> Callable[[], Iterator[bytes]]:
    return lambda: message.blocks(external.start, external.end, 256 * KIB)


def _decoded_length(message: Message, external: External) -> int:
    if external.line_length is None:
        return 0
    length = external.end - external.start
    breaks = max(0, length - 1) // (external.line_length + 2)
    padding = message.read(max(external.start, external.end - 2), external.end).count(b"=")
    return (length - 2 * breaks) // 4 * 3 - padding


def _skeleton_item(skeleton: bytes) -> _Item:
    """Marked from the start: a reader need not guess."""
    data = marker() + skeleton
    return _Item(
        digest=hashlib.sha256(data).digest(),
        length=len(data),
        keys=(NATIVE_KEY,),
        content_type="application/octet-stream",
        transfer_encoding="8bit",
        source=lambda: iter((data,)),
    )


def _digest(source: Callable[[], Iterator[bytes]]) -> bytes:
    digest = hashlib.sha256()
    for block in source():
        digest.update(block)
    return digest.digest()


def _counted(uses: int, magic: int, now: datetime.datetime) -> dict[str, Any]:
    return {
        "$inc": {"metadata.c": uses, "metadata.m": uses * magic},
        "$set": {"metadata.cu": now},
    }
