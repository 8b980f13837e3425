"""One logical database: what the domain does with MongoDB, as few methods with a deadline each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wildduck import limits
from wildduck.database.address import Address
from wildduck.database.cluster import Cluster, Repeat
from wildduck.database.codec import encode
from wildduck.database.cursors import read
from wildduck.database.group import Line, WriteGroup
from wildduck.database.statements import Filter, Update, batches_of, statement
from wildduck.database.transaction import Transaction

Document = dict[str, Any]
Projection = Mapping[str, Any]
Sort = Mapping[str, Any] | Sequence[tuple[str, Any]]


@dataclass(frozen=True)
class Updated:
    """
    What an update did.

    @ivar matched: documents that the filter matched.
    @ivar modified: of these, documents that are different now.
    @ivar upserted_id: C{_id} of the document an upsert inserted, else C{None}.
    """

    matched: int
    modified: int
    upserted_id: Any = None


class Database:
    """
    A handle: main, users, gridfs or sender (store.md §9).

    Every method raises L{wildduck.errors.Unavailable} when the server is away
    or does not answer within the deadline (C{limits.OPERATION_SECONDS}, or
    C{limits.SLOW_OPERATION_SECONDS} with C{slow}),
    L{wildduck.errors.Overloaded} when too much waits already,
    L{wildduck.errors.DuplicateKey}, and L{wildduck.errors.DatabaseFailure}
    with MongoDB's code for everything else.

    Writes (store.md §4): C{durable} waits for the majority and its journal,
    else the primary alone answers.  After a lost connection, or from a server
    that is no longer the primary, an operation is repeated once: reading, and
    an insert, whose duplicate C{_id} is then its own first try; on a replica
    set also any other write of single documents, as a retryable write that is
    carried out once.  On a standalone server an update is repeated only where
    the caller says by C{idempotent} that doing it twice is the same as once;
    any other write raises L{wildduck.errors.Unavailable} and may have been
    carried out.

    @ivar name: of the database.
    """

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.name = name
        self._cluster = cluster

    def __repr__(self) -> str:
        return f"<Database {self.name} on {self._cluster.address.label}>"

    @property
    def replica_set(self) -> bool:
        """Whether a repeated write is carried out once; else it is a standalone server."""
        return self._cluster.replica_set

    @property
    def mongos(self) -> bool:
        """Whether this is a sharded cluster."""
        return self._cluster.mongos

    @property
    def address(self) -> Address:
        """Where it is, for messages."""
        return self._cluster.address

    def sibling(self, name: str) -> Database:
        """Another database of the same deployment."""
        return Database(self._cluster, name)

    def group(self) -> WriteGroup:
        """@return: a new group whose writes become durable together with its last one."""
        return WriteGroup(self._cluster)

    def line(self, *, durable: bool) -> Line:
        """
        @param durable: the last write of it will be.
        @return: a new line, for writes or questions that follow each other without waiting.
        """
        return Line(durable)

    def leans_on(self, group: WriteGroup) -> bool:
        """Whether writes here become durable with the group's last one; else each is so by itself."""
        return not group.must_be_durable(self._cluster)

    @property
    def has_transactions(self) -> bool:
        """
        Whether L{transaction} works here: on a replica set, but not behind a
        mongos, where connections lead to several that know nothing of each other.
        """
        return self._cluster.replica_set and not self._cluster.mongos

    def transaction(self, group: WriteGroup | None = None) -> Transaction:
        """
        @param group: of which it is the last, durable write.
        @return: a new transaction; only where L{has_transactions}.
        """
        return Transaction(self._cluster, self.name, group)

    async def command(
        self, command: Document, *, slow: bool = False, seconds: float | None = None
    ) -> Document:
        """
        Run any command, once.

        @param seconds: a deadline other than the usual ones.
        @return: the reply.
        """
        answer = await self._cluster.run(
            {**command, "$db": self.name}, slow=slow, repeat=Repeat.NEVER, seconds=seconds
        )
        return answer.reply

    # --- reading -------------------------------------------------------------------

    async def find_one(
        self,
        collection: str,
        filter: Filter,
        *,
        projection: Projection | None = None,
        sort: Sort | None = None,
        slow: bool = False,
        line: Line | None = None,
    ) -> Document | None:
        """
        @param line: see L{Line}.
        @return: the first match, C{None} without one.
        """
        command = self._find(collection, filter, projection, sort, 1)
        command["singleBatch"] = True
        answer = await self._cluster.run(command, slow=slow, line=line)
        batch: list[Document] = answer.reply["cursor"]["firstBatch"]
        return batch[0] if batch else None

    async def find_one_majority(self, collection: str, filter: Filter) -> Document | None:
        """
        The document, if it is there to stay.

        What this returns survives any failover, and what it does not return
        was not written before it was asked for: it looks at the primary
        and waits until the majority has what it saw (read concern
        C{linearizable}); a standalone server's journal is waited for.

        @param filter: names one document.
        """
        command = self._find(collection, filter, None, None, 1)
        command["singleBatch"] = True
        if self._cluster.replica_set:
            command["readConcern"] = {"level": "linearizable"}
            command["maxTimeMS"] = int(limits.OPERATION_SECONDS * 1000)
        else:
            # A write that changes nothing waits for the journal too.
            nothing = [{"q": {"_id": None, "no": True}, "u": {"$set": {"no": True}}}]
            await self._cluster.write(
                self._named({"update": collection, "updates": nothing}), durable=True, repeat=Repeat.PLAIN
            )
        answer = await self._cluster.run(command)
        batch: list[Document] = answer.reply["cursor"]["firstBatch"]
        return batch[0] if batch else None

    async def find(
        self,
        collection: str,
        filter: Filter,
        *,
        projection: Projection | None = None,
        sort: Sort | None = None,
        limit: int = 1000,
        slow: bool = False,
    ) -> list[Document]:
        """@return: at most C{limit} matches, in one list."""
        found: list[Document] = []
        batches = self.batches(
            collection, filter, projection=projection, sort=sort, limit=limit, batch_size=limit, slow=slow
        )
        async for batch in batches:
            found.extend(batch)
        return found

    def batches(
        self,
        collection: str,
        filter: Filter,
        *,
        projection: Projection | None = None,
        sort: Sort | None = None,
        limit: int = 0,
        batch_size: int = 1000,
        slow: bool = True,
        hint: str | Mapping[str, Any] | None = None,
        prefetch: bool = False,
        majority: bool = False,
    ) -> AsyncIterator[list[Document]]:
        """
        All matches, a batch at a time.

        The server's cursor is closed when the iteration ends or is left early.

        @param limit: at most so many documents, 0 for all.
        @param batch_size: documents of one batch; a batch has at most 16 MiB.
            200 suits documents with bodies.
        @param hint: name or keys of the index to use.
        @param prefetch: ask for the next batch before this one is worked on.
        @param majority: leave out what a failover may yet take back; a
            standalone server has nothing of the kind.
        """
        command = self._find(collection, filter, projection, sort, limit)
        if majority and (self.replica_set or self.mongos):
            command["readConcern"] = {"level": "majority"}
        command["batchSize"] = batch_size
        if hint is not None:
            command["hint"] = hint
        return read(self._cluster, command, batch_size, slow=slow, prefetch=prefetch)

    def raw_batches(
        self,
        collection: str,
        filter: Filter,
        *,
        projection: Projection,
        sort: Sort,
        batch_size: int,
    ) -> AsyncIterator[bytes]:
        """
        As L{batches} with C{prefetch}, but each as the BSON of an array of documents.

        For small documents, many at a time: see L{wildduck.database.raw}.
        """
        command = self._find(collection, filter, projection, sort, 0)
        command["batchSize"] = batch_size
        return read(self._cluster, command, batch_size, slow=True, prefetch=True, raw=True)

    def aggregate(
        self,
        collection: str,
        pipeline: Sequence[Mapping[str, Any]],
        *,
        slow: bool = True,
        batch_size: int = 1000,
        seconds: float | None = None,
    ) -> AsyncIterator[list[Document]]:
        """
        Results of a pipeline without C{$out} and C{$merge}, a batch at a time.

        @param seconds: a deadline for each batch other than the usual ones:
            where all must be read for the first one.
        """
        command = {
            "aggregate": collection,
            "pipeline": list(pipeline),
            "cursor": {"batchSize": batch_size},
            # The default from MongoDB 6.0 on; older servers stop at 100 MB.
            "allowDiskUse": True,
            "$db": self.name,
        }
        return read(self._cluster, command, batch_size, slow=slow, seconds=seconds)

    async def count(self, collection: str, filter: Filter, *, slow: bool = True) -> int:
        """@return: number of matches."""
        answer = await self._cluster.run({"count": collection, "query": filter, "$db": self.name}, slow=slow)
        return int(answer.reply["n"])

    def _find(
        self,
        collection: str,
        filter: Filter,
        projection: Projection | None,
        sort: Sort | None,
        limit: int,
    ) -> Document:
        command: Document = {"find": collection, "filter": filter, "$db": self.name}
        if projection is not None:
            command["projection"] = projection
        if sort is not None:
            command["sort"] = dict(sort)
        if limit:
            command["limit"] = limit
        return command

    # --- writing -------------------------------------------------------------------

    async def insert_one(
        self,
        collection: str,
        document: Document,
        *,
        durable: bool = False,
        group: WriteGroup | None = None,
        shared_id: bool = False,
        line: Line | None = None,
    ) -> None:
        """
        Insert a document that has its C{_id}.

        @param shared_id: others may make the same C{_id} (a digest), so after
            a repeat its presence does not mean that it is ours.
        @param line: see L{Line}; behind another write of it this one is not repeated.
        """
        await self._cluster.write(
            self._named({"insert": collection, "documents": [document]}),
            durable=durable,
            group=group,
            repeat=Repeat.NUMBERED if shared_id else Repeat.PLAIN,
            own_ids=not shared_id,
            line=line,
        )

    async def insert_many(
        self,
        collection: str,
        documents: Iterable[Mapping[str, Any]],
        *,
        durable: bool = False,
        group: WriteGroup | None = None,
    ) -> None:
        """
        Insert documents that have their C{_id}s, made by us, in this order.

        Stops at the first that is refused.  Where that is a duplicate on a
        standalone server after a lost connection, all are tried, and those
        that are there already are taken for the first try's.
        """
        for batch in batches_of(encode(document) for document in documents):
            await self._cluster.write(
                self._named({"insert": collection, "ordered": self.replica_set}),
                ("documents", batch),
                durable=durable,
                group=group,
                repeat=Repeat.ALWAYS,
                own_ids=True,
            )

    async def update_one(
        self,
        collection: str,
        filter: Filter,
        update: Update,
        *,
        upsert: bool = False,
        durable: bool = False,
        group: WriteGroup | None = None,
        idempotent: bool = False,
        numbered: bool = True,
        line: Line | None = None,
    ) -> Updated:
        """
        Change the first match.

        @param numbered: see L{find_one_and_update}.
        @param line: see L{Line}.
        """
        reply = await self._cluster.write(
            self._named({"update": collection, "updates": [statement(filter, update, upsert=upsert)]}),
            durable=durable,
            group=group,
            repeat=_repeat(idempotent, numbered),
            line=line,
        )
        return _updated(reply)

    async def update_many(
        self,
        collection: str,
        filter: Filter,
        update: Update,
        *,
        durable: bool = False,
        group: WriteGroup | None = None,
        slow: bool = False,
    ) -> Updated:
        """
        Change all matches, with an update that may be done twice.

        After a repeat the counts are those of the second try.
        """
        many = statement(filter, update, multi=True)
        reply = await self._cluster.write(
            self._named({"update": collection, "updates": [many]}),
            durable=durable,
            group=group,
            repeat=Repeat.PLAIN,
            slow=slow,
        )
        return _updated(reply)

    async def update_groups(
        self,
        collection: str,
        updates: Iterable[tuple[Filter, Update]],
        *,
        group: WriteGroup | None = None,
    ) -> Updated:
        """
        As L{update_many}, with several filters, each with an update of its own, in one command.

        @param updates: as few as fit into one command.
        @return: sums; after a repeat, those of the second try.
        """
        many = [statement(filter, update, multi=True) for filter, update in updates]
        reply = await self._cluster.write(
            self._named({"update": collection, "updates": many}), group=group, repeat=Repeat.PLAIN
        )
        return _updated(reply)

    async def update_bulk(
        self,
        collection: str,
        updates: Iterable[tuple[Filter, Update]],
        *,
        durable: bool = False,
        group: WriteGroup | None = None,
        idempotent: bool = False,
    ) -> Updated:
        """
        Many updates of one document each, in as few commands as they fit into.

        Each is tried, whatever becomes of the others; then the last failure of
        a command is raised.

        @return: sums.
        """
        matched = modified = 0
        for batch in batches_of(encode(statement(filter, update)) for filter, update in updates):
            reply = await self._cluster.write(
                self._named({"update": collection, "ordered": False}),
                ("updates", batch),
                durable=durable,
                group=group,
                repeat=Repeat.ALWAYS if idempotent else Repeat.NUMBERED,
            )
            matched += reply["n"]
            modified += reply["nModified"]
        return Updated(matched, modified)

    async def find_one_and_update(
        self,
        collection: str,
        filter: Filter,
        update: Update,
        *,
        projection: Projection | None = None,
        sort: Sort | None = None,
        upsert: bool = False,
        return_after: bool = False,
        durable: bool = False,
        group: WriteGroup | None = None,
        idempotent: bool = False,
        numbered: bool = True,
        line: Line | None = None,
    ) -> Document | None:
        """
        Change the first match and read it in one.

        @param return_after: give the document after the change, not before.
        @param numbered: C{False}: doing it twice is the same as once, also with
            what others do in between, so it is repeated as it is.  On a replica
            set that spares mongod a record of the write and a copy of the
            document, a quarter of its work for one.
        @param line: see L{Line}.
        @return: C{None} without a match, or before an upsert.
        """
        command = self._named({"findAndModify": collection, "query": filter, "update": update})
        if projection is not None:
            command["fields"] = projection
        if sort is not None:
            command["sort"] = dict(sort)
        if upsert:
            command["upsert"] = True
        if return_after:
            command["new"] = True
        reply = await self._cluster.write(
            command,
            durable=durable,
            group=group,
            repeat=_repeat(idempotent, numbered),
            line=line,
        )
        value: Document | None = reply.get("value")
        return value

    async def delete_one(
        self,
        collection: str,
        filter: Filter,
        *,
        durable: bool = False,
        group: WriteGroup | None = None,
    ) -> int:
        """
        Remove the first match.

        On a standalone server it is not repeated, for a second match could go with it.

        @return: 1 or 0.
        """
        reply = await self._cluster.write(
            self._named({"delete": collection, "deletes": [{"q": filter, "limit": 1}]}),
            durable=durable,
            group=group,
            repeat=Repeat.ALWAYS if "_id" in filter else Repeat.NUMBERED,
        )
        return int(reply["n"])

    async def delete_many(
        self,
        collection: str,
        filter: Filter,
        *,
        durable: bool = False,
        group: WriteGroup | None = None,
        slow: bool = False,
    ) -> int:
        """
        Remove all matches.

        @return: how many; after a repeat, those of the second try.
        """
        reply = await self._cluster.write(
            self._named({"delete": collection, "deletes": [{"q": filter, "limit": 0}]}),
            durable=durable,
            group=group,
            repeat=Repeat.PLAIN,
            slow=slow,
        )
        return int(reply["n"])

    def _named(self, command: Document) -> Document:
        command["$db"] = self.name
        return command


def _repeat(idempotent: bool, numbered: bool) -> Repeat:
    if not numbered:
        return Repeat.PLAIN
    return Repeat.ALWAYS if idempotent else Repeat.NUMBERED


def _updated(reply: Document) -> Updated:
    upserted = reply.get("upserted")
    if upserted:
        return Updated(0, 0, upserted[0]["_id"])
    return Updated(reply["n"], reply["nModified"])
