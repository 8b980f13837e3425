"""
The verifier: names every difference between what is stored and what should be.

What a crash can leave behind (store.md §1, §5) and what counts drift to.  It
goes through sorted streams side by side, so its memory does not grow with the
store.  It may run beside a working server: what is younger than C{min_age} is
spared, and each repair is conditional on what was judged.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from twisted.internet.task import deferLater

from wildduck.errors import ContentUnreadable
from wildduck.limits import BATCH_ROWS, GROUPING_SECONDS, MODSEQ_HOLE_SECONDS
from wildduck.mailstore.attachments import CHUNKS, FILES, Attachments
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.deleted_mailboxes import expire
from wildduck.mailstore.quota import Quota
from wildduck.mailstore.recovery import restore_row
from wildduck.mailstore.side_by_side import Document, flat, side_by_side
from wildduck.mailstore.values import Finding, number
from wildduck.mime.base64lines import Encoder

#: What a L{Finding} can be about.
KINDS = {
    "reference-count": "an attachment's counters are not what the messages say",
    "missing-attachment": "messages refer to an attachment that is not there",
    "missing-chunks": "an attachment lacks chunks, or has too many",
    "chunks-without-row": "an upload that was never finished",
    "inexact-content": "an attachment does not give back the bytes that its name is the digest of",
    "archived-twice": "a message is in its mailbox and in the archive",
    "no-mailbox": "messages belong to a mailbox that is not there",
    "counter-behind": "messages have a UID or MODSEQ that their mailbox has not given out yet",
    "quota": "an account's stored bytes are not the sum of its messages",
}

#: Keys of chunks in one batch.
_KEYS = 10_000

_LONG_AGO = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)

_EVERY_ATTACHMENT: list[dict[str, Any]] = [
    {"$match": {"mimeTree.attachmentMap": {"$gt": {}}}},
    {"$project": {"magic": True, "refers": {"$objectToArray": "$mimeTree.attachmentMap"}}},
    {"$unwind": "$refers"},
]


class Verifier:
    """Makes runs; one for each worker."""

    def __init__(self, backend: Backend, attachments: Attachments, quota: Quota) -> None:
        self._backend = backend
        self._attachments = attachments
        self._quota = quota

    async def verify(
        self, *, repair: bool = False, min_age: float = 86_400.0, contents: bool = False
    ) -> list[Finding]:
        """
        Compare what is stored with what should be.

        @param repair: put right what can be; else nothing is written.
        @param min_age: seconds; what has changed since is spared.  0 is for a
            store that nobody uses.
        @param contents: also read every attachment and compare its digest.
        @return: the differences, in the order of discovery.
        """
        options = _Options(repair, float(min_age), contents)
        return await _Run(self._backend, self._attachments, self._quota, options).run()


@dataclass(frozen=True, slots=True)
class _Options:
    repair: bool
    min_age: float
    contents: bool


class _Run:
    """One run; see L{Verifier.verify} for its options."""

    def __init__(self, backend: Backend, attachments: Attachments, quota: Quota, options: _Options) -> None:
        self._backend = backend
        self._attachments = attachments
        self._quota = quota
        self._repair = options.repair
        self._min_age = options.min_age
        self._contents = options.contents
        self._before = backend.now() - datetime.timedelta(seconds=options.min_age)
        self.findings: list[Finding] = []
        #: Rows with wrong counters and what they should be, to be counted again.
        self._wrong: dict[bytes, tuple[Mapping[str, Any], _Counters]] = {}

    async def run(self) -> list[Finding]:
        twice = await self._archived_twice()
        await self._attachments_and_chunks(twice)
        await self._mailboxes()
        await self._quotas()
        return self.findings

    def _found(self, kind: str, subject: object, detail: str, repaired: bool = False) -> None:
        assert kind in KINDS
        self.findings.append(Finding(kind, str(subject), detail, repaired))

    def _grouped(self, collection: str, pipeline: list[dict[str, Any]]) -> AsyncIterator[Document]:
        """
        What a pipeline makes of a whole collection, which takes as long as that is large.

        Of several streams it is to be the first: MongoDB forgets a cursor that
        nobody has asked for ten minutes.
        """
        return flat(self._backend.main.aggregate(collection, pipeline, seconds=GROUPING_SECONDS))

    def _is_young(self, time: datetime.datetime) -> bool:
        """Whether what was done then may still be under way."""
        return self._min_age > 0 and time > self._before

    # --- messages in two places -------------------------------------------------------

    async def _archived_twice(self) -> list[ObjectId]:
        """@return: ids of messages that are also in the archive: their references count once."""
        main = self._backend.main
        pipeline: list[dict[str, Any]] = [
            {"$project": {"archived": True}},
            {"$lookup": {"from": "messages", "localField": "_id", "foreignField": "_id", "as": "live"}},
            {"$match": {"live": {"$ne": []}}},
            {"$project": {"archived": True}},
        ]
        twice = []
        async for row in self._grouped("archived", pipeline):
            twice.append(row["_id"])
            if self._is_young(row.get("archived") or _LONG_AGO):
                continue
            repaired = self._repair and bool(
                await main.delete_one(
                    "archived", {"_id": row["_id"], "archived": row.get("archived")}, durable=True
                )
            )
            self._found("archived-twice", row["_id"], "the copy in the archive is superfluous", repaired)
        return twice

    # --- attachments --------------------------------------------------------------------

    async def _attachments_and_chunks(self, twice: list[ObjectId]) -> None:
        gridfs = self._backend.databases.gridfs
        rows = gridfs.batches(
            FILES, {}, projection={"length": True, "chunkSize": True, "metadata": True}, sort=[("_id", 1)]
        )
        # Answered from the index alone; the first batch does not wait for the last.
        chunks = gridfs.batches(
            CHUNKS,
            {},
            projection={"_id": False, "files_id": True, "n": True},
            sort=[("files_id", 1), ("n", 1)],
            batch_size=_KEYS,
        )
        streams = (self._grouped("messages", _counting(twice)), flat(rows), _by_file(flat(chunks)))
        async for digest, (references, row, parts) in side_by_side(_digest_key, *streams):
            if row is None:
                await self._without_row(digest, references, parts)
                continue
            await self._count(digest, references or {}, row)
            await self._chunks(row, parts or {})
            if len(self._wrong) >= BATCH_ROWS:
                await self._mend_counts(twice)
        await self._mend_counts(twice)

    async def _without_row(
        self, digest: Any, references: Mapping[str, Any] | None, parts: Mapping[str, Any] | None
    ) -> None:
        if references is not None:
            # Chunks that something refers to are never removed.
            if not await self._row_came(digest):
                uses, magic = _counters(references)
                repaired = (
                    self._repair
                    and parts is not None
                    and isinstance(digest, bytes)
                    and await restore_row(self._backend, digest, uses, magic)
                )
                self._found("missing-attachment", _name(digest), f"{uses} references", repaired)
            return
        if parts is None:
            return
        ids = await self._attachments.chunk_ids(digest)
        if not ids or self._is_young(max(id.generation_time for id in ids)) or await self._row_came(digest):
            return
        if self._repair:
            await self._attachments.remove_chunks(digest, ids)
        self._found("chunks-without-row", _name(digest), f"{len(ids)} chunks", self._repair)

    async def _row_came(self, digest: Any) -> bool:
        """Whether a row is there by now: the streams are not of one moment."""
        gridfs = self._backend.databases.gridfs
        return await gridfs.find_one(FILES, {"_id": digest}, projection={"_id": True}) is not None

    async def _count(self, digest: Any, references: Mapping[str, Any], row: Mapping[str, Any]) -> None:
        metadata = row.get("metadata") or {}
        right = _counters(references)
        changed = metadata.get("cu")
        if _counters(metadata) == right or (changed is not None and self._is_young(changed)):
            return
        if self._repair:
            self._wrong[digest] = row, right
        else:
            await self._wrong_count(digest, row, right)

    async def _mend_counts(self, twice: list[ObjectId]) -> None:
        """
        Repair the counters that are wrong a second time too.

        A message that went into the archive or came back from it between the
        looks at the one and the other was counted twice, or not at all.
        """
        wrong, self._wrong = self._wrong, {}
        if not wrong:
            return
        again: dict[bytes, _Counters] = {}
        only = [{"$match": {"refers.v": {"$in": list(wrong)}}}]
        async for counted in self._grouped("messages", _counting(twice, only)):
            again[counted["_id"]] = _counters(counted)
        for digest, (row, right) in wrong.items():
            if again.get(digest, (0, 0)) == right:
                await self._wrong_count(digest, row, right)

    async def _wrong_count(self, digest: Any, row: Mapping[str, Any], right: _Counters) -> None:
        metadata = row.get("metadata") or {}
        stored = _counters(metadata)
        repaired = False
        if self._repair:
            # Only if nobody has changed it since it was read.
            judged = {f"metadata.{name}": metadata.get(name) for name in ("c", "m", "cu")}
            change = {"metadata.c": right[0], "metadata.m": right[1], "metadata.cu": self._backend.now()}
            updated = await self._backend.databases.gridfs.update_one(
                FILES, {"_id": digest, **judged}, {"$set": change}, durable=True
            )
            repaired = bool(updated.matched)
        detail = f"c, m are {stored[0]}, {stored[1]}, should be {right[0]}, {right[1]}"
        self._found("reference-count", _name(digest), detail, repaired)

    async def _chunks(self, row: Mapping[str, Any], parts: Mapping[str, Any]) -> None:
        length, size = number(row.get("length")), max(1, number(row.get("chunkSize")))
        wanted = -(-length // size)
        count, last = number(parts.get("count")), number(parts.get("last", -1))
        if (count, last) != (wanted, wanted - 1):
            if len(await self._attachments.chunk_ids(row["_id"])) != wanted and await self._row_came(
                row["_id"]
            ):
                self._found("missing-chunks", _name(row["_id"]), f"{count} chunks, should be {wanted}")
        elif self._contents and not await self._is_exact(row):
            self._found("inexact-content", _name(row["_id"]), f"{length} bytes")

    async def _is_exact(self, row: Mapping[str, Any]) -> bool:
        metadata = row.get("metadata") or {}
        encoder = Encoder(number(metadata["lineLen"])) if metadata.get("decoded") else None
        digest = hashlib.sha256()
        try:
            async for block in self._backend.gridfs.read(row):
                digest.update(encoder.feed(block) if encoder is not None else block)
        except ContentUnreadable:
            return False
        if encoder is not None:
            digest.update(encoder.finish())
        return digest.digest() == bytes(row["_id"])

    # --- mailboxes ------------------------------------------------------------------------

    async def _mailboxes(self) -> None:
        main = self._backend.main
        highest: list[dict[str, Any]] = [
            {"$group": {"_id": "$mailbox", "uid": {"$max": "$uid"}, "modseq": {"$max": "$modseq"}}},
            {"$sort": {"_id": 1}},
        ]
        mailboxes = main.batches(
            "mailboxes", {}, projection={"uidNext": True, "modifyIndex": True}, sort=[("_id", 1)]
        )
        streams = (self._grouped("messages", highest), flat(mailboxes))
        async for id, (messages, mailbox) in side_by_side(_plain_key, *streams):
            if messages is None:
                continue
            if mailbox is None:
                await self._no_mailbox(id)
            elif not _given_out(messages, mailbox):
                await self._counter_behind(id, messages)

    async def _no_mailbox(self, id: ObjectId) -> None:
        main = self._backend.main
        orphan = {"mailbox": id, "exp": {"$ne": True}}
        count = await main.count("messages", orphan)
        newest = await main.find_one(
            "messages", orphan, projection={"_id": True}, sort=[("_id", -1)], slow=True
        )
        if not count or newest is None or self._is_young(newest["_id"].generation_time):
            return
        if await main.find_one("mailboxes", {"_id": id}, projection={"_id": True}) is not None:
            return
        if self._repair:
            await expire(self._backend, id)
        self._found("no-mailbox", id, f"{count} messages", self._repair)

    async def _counter_behind(self, id: ObjectId, messages: Mapping[str, Any]) -> None:
        main = self._backend.main
        mailbox = await main.find_one("mailboxes", {"_id": id})
        if mailbox is None or _given_out(messages, mailbox):
            return
        uid, modseq = number(messages["uid"]), number(messages["modseq"])
        if self._repair:
            raised = {"$max": {"uidNext": uid + 1, "modifyIndex": modseq}}
            await main.update_one("mailboxes", {"_id": id}, raised, durable=True)
        self._found("counter-behind", id, f"UID {uid} or MODSEQ {modseq} is in use", self._repair)

    # --- quota ----------------------------------------------------------------------------

    async def _quotas(self) -> None:
        sums: list[dict[str, Any]] = [
            {"$group": {"_id": "$user", "size": {"$sum": "$size"}}},
            {"$sort": {"_id": 1}},
        ]
        users = self._backend.users.batches("users", {}, projection={"storageUsed": True}, sort=[("_id", 1)])
        streams = (self._grouped("messages", sums), flat(users))
        differences: dict[ObjectId, int] = {}
        async for id, (messages, user) in side_by_side(_plain_key, *streams):
            difference = number((messages or {}).get("size")) - number((user or {}).get("storageUsed"))
            if user is not None and difference:
                differences[id] = difference
        if differences and self._min_age:
            # A reservation whose message is on its way looks the same now, not later.
            await self._wait(2 * MODSEQ_HOLE_SECONDS)
        for id, difference in differences.items():
            await self._quota_of(id, difference)

    async def _quota_of(self, user: ObjectId, difference: int) -> None:
        users = self._backend.users
        document = await users.find_one("users", {"_id": user}, projection={"storageUsed": True})
        if document is None:
            return
        recorded = document.get("storageUsed")
        stored = await self._quota.stored(user)
        if stored - number(recorded) != difference:
            return
        repaired = False
        if self._repair:
            updated = await users.update_one(
                "users",
                {"_id": user, "storageUsed": recorded},
                {"$set": {"storageUsed": stored}},
                durable=True,
            )
            repaired = bool(updated.matched)
        detail = f"{number(recorded)} bytes recorded, {stored} stored"
        self._found("quota", user, detail, repaired)

    async def _wait(self, seconds: float) -> None:
        await deferLater(self._backend.clock, seconds, lambda: None)


#: C{c} and C{m} of an attachment.
_Counters = tuple[int, int]


def _counters(values: Mapping[str, Any]) -> _Counters:
    return number(values.get("c")), number(values.get("m"))


def _counting(twice: list[ObjectId], only: Sequence[dict[str, Any]] = ()) -> list[dict[str, Any]]:
    """
    The pipeline that counts who refers to each attachment.

    @param twice: copies in the archive that do not count.
    @param only: stages that choose some.
    """
    archived = [{"$match": {"_id": {"$nin": twice}}}, *_EVERY_ATTACHMENT, *only]
    return [
        *_EVERY_ATTACHMENT,
        *only,
        {"$unionWith": {"coll": "archived", "pipeline": archived}},
        {"$group": {"_id": "$refers.v", "c": {"$sum": 1}, "m": {"$sum": "$magic"}}},
        {"$sort": {"_id": 1}},
    ]


async def _by_file(chunks: AsyncIterator[Document]) -> AsyncIterator[Document]:
    """Number of chunks and the last one's place, by file, of keys sorted by both."""
    file: Document | None = None
    async for chunk in chunks:
        id = chunk.get("files_id")
        if file is None or id != file["_id"]:
            if file is not None:
                yield file
            file = {"_id": id, "count": 0, "last": -1}
        file["count"] += 1
        file["last"] = number(chunk.get("n"))
    if file is not None:
        yield file


def _given_out(messages: Mapping[str, Any], mailbox: Mapping[str, Any]) -> bool:
    """Whether a mailbox's counters are past its messages."""
    return number(messages["uid"]) < number(mailbox.get("uidNext")) and number(messages["modseq"]) <= number(
        mailbox.get("modifyIndex")
    )


def _digest_key(id: Any) -> Any:
    """The order in which MongoDB sorts binary values: by length, then by bytes."""
    return (1, len(id), id) if isinstance(id, bytes) else (0, 0, str(id).encode("utf-8"))


def _plain_key(id: Any) -> Any:
    """MongoDB sorts what is missing or a string before ids."""
    return isinstance(id, ObjectId), str(id)


def _name(digest: Any) -> str:
    return base64.b64encode(digest).decode("ascii") if isinstance(digest, bytes) else str(digest)
