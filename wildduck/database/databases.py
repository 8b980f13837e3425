"""The four handles of store.md §9, connected and checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from wildduck import limits
from wildduck.database import indexes
from wildduck.database.address import Address, parse
from wildduck.database.cluster import Cluster
from wildduck.database.database import Database
from wildduck.database.settings import MongoSettingsLike
from wildduck.database.shared_settings import SharedSettings
from wildduck.errors import ConfigurationError, DatabaseFailure, DomainError

#: CannotCreateIndex (unique against the shard key), IndexOptionsConflict and
#: IndexKeySpecsConflict (one of the same keys or name is there), duplicates.
_INDEX_REFUSED = frozenset({67, 85, 86, 11000})
_NAMESPACE_EXISTS = 48
#: Unauthorized, AuthenticationFailed.
_NO_ENTRY = frozenset({13, 18})


class Databases:
    """
    @ivar main: mailboxes, messages, journal and what else spec/schema.md §0 lists.
    @ivar users: users, addresses.
    @ivar gridfs: attachments.
    @ivar sender: outgoing queue.
    @ivar shared_settings: what all servers go by.
    @ivar replica_set: of the main database; else it is a standalone server.
    @ivar sharded: names of the sharded collections, all handles together.
    """

    log = Logger()

    def __init__(self, handles: dict[str, Database], clusters: Iterable[Cluster]) -> None:
        self.main = handles["main"]
        self.users = handles["users"]
        self.gridfs = handles["gridfs"]
        self.sender = handles["sender"]
        self.shared_settings = SharedSettings(self.main)
        self.sharded: set[str] = set()
        self._clusters = tuple(clusters)

    @property
    def replica_set(self) -> bool:
        return self.main.replica_set

    @classmethod
    async def connect(cls, settings: MongoSettingsLike, reactor: Any) -> Databases:
        """
        Connect all handles and check that they can be used.

        @raise ConfigurationError: with one line: malformed URI, unreachable,
            no entry, too old.
        """
        clusters: dict[Address, Cluster] = {}
        opened: dict[tuple[Address, str], Database] = {}
        handles: dict[str, Database] = {}
        main = parse(settings.uri)
        for handle in ("main", "users", "gridfs", "sender"):
            value = "" if handle == "main" else getattr(settings, handle)
            address, name = _place(main, value, f"mongo.{handle}")
            if address not in clusters:
                clusters[address] = Cluster(address, reactor, settings.connections, settings.slow_connections)
            if (address, name) not in opened:
                opened[address, name] = Database(clusters[address], name)
            handles[handle] = opened[address, name]
        databases = cls(handles, clusters.values())
        try:
            await databases._start()
        except BaseException:
            await databases.close()
            raise
        return databases

    async def _start(self) -> None:
        for cluster in self._clusters:
            await cluster.start()
        for handle in {id(handle): handle for handle in self._handles()}.values():
            await self._check(handle)
        await self.shared_settings.read()

    async def _check(self, handle: Database) -> None:
        """txmongo does not tell of a refused sign-in (P7), so ask for something that needs it."""
        where = f"database {handle.name} on {handle.address.label}"
        try:
            await handle.command({"listCollections": 1, "nameOnly": True, "authorizedCollections": True})
            if handle.mongos:
                self.sharded.update(await self._sharded(handle))
        except DatabaseFailure as error:
            if error.code in _NO_ENTRY:
                raise ConfigurationError(f"MongoDB gives no access to {where} (code {error.code})") from None
            raise ConfigurationError(f"MongoDB can not use {where} (code {error.code})") from None
        except DomainError:
            raise ConfigurationError(f"MongoDB does not answer for {where}") from None

    async def _sharded(self, handle: Database) -> set[str]:
        prefix = f"{handle.name}."
        query = {"_id": {"$gte": prefix, "$lt": f"{handle.name}/"}, "dropped": {"$ne": True}}
        rows = await handle.sibling("config").find("collections", query, projection={"_id": 1})
        return {row["_id"][len(prefix) :] for row in rows}

    def _handles(self) -> tuple[Database, ...]:
        return (self.main, self.users, self.gridfs, self.sender)

    async def close(self) -> None:
        """Close all connections; what waits for an answer fails."""
        closing = [Deferred.fromCoroutine(cluster.close()) for cluster in self._clusters]
        await gatherResults(closing, consumeErrors=True)

    # --- indexes -------------------------------------------------------------------

    async def ensure_indexes(self, *, mixed_cluster: bool = False) -> None:
        """
        Make the collections that need options, and the indexes of L{indexes.INDEXES}.

        Repeatable, and safe while others do the same.  An index that is
        there under another name, or that the documents do not allow, is
        logged and left: the server works, slower or less safe.

        @param mixed_cluster: also those that WildDuck's queries need.
        """
        for collection in indexes.COMPRESSED:
            await self._create_compressed(collection)
        for collection, rows in indexes.by_collection(mixed_cluster).items():
            await self._create_indexes(collection, rows)

    def _handle(self, collection: str) -> Database:
        handle: Database = getattr(self, indexes.HANDLES.get(collection, "main"))
        return handle

    async def _create_compressed(self, collection: str) -> None:
        engine = {"wiredTiger": {"configString": f"block_compressor={indexes.COMPRESSOR}"}}
        try:
            await self._handle(collection).command({"create": collection, "storageEngine": engine})
        except DatabaseFailure as error:
            if error.code != _NAMESPACE_EXISTS:
                raise

    async def _create_indexes(self, collection: str, rows: list[indexes.Index]) -> None:
        handle = self._handle(collection)
        present = await self._present(handle, collection)
        for row in rows:
            if row.fingerprint() not in present:
                await self._create_index(handle, row)

    async def _create_index(self, handle: Database, row: indexes.Index) -> None:
        command = {"createIndexes": row.collection, "indexes": [row.specification()]}
        try:
            await handle.command(command, slow=True, seconds=limits.INDEX_SECONDS)
        except DatabaseFailure as error:
            if error.code not in _INDEX_REFUSED:
                raise
            self.log.warn(
                "index {name} on {collection} can not be made (code {code}): {reason}",
                name=row.name,
                collection=row.collection,
                code=error.code,
                reason=row.reason,
            )
            other = indexes.replacement(row)
            if other is not None:
                await self._create_index(handle, other)

    async def _present(self, handle: Database, collection: str) -> set[object]:
        try:
            reply = await handle.command({"listIndexes": collection, "cursor": {"batchSize": 1000}})
        except DatabaseFailure:
            # NamespaceNotFound: createIndexes makes the collection.
            return set()
        return {indexes.fingerprint(row) for row in reply["cursor"]["firstBatch"]}


def _place(main: Address, value: str | None, key: str) -> tuple[Address, str]:
    """The deployment and the database that a handle's setting names."""
    if not value:
        return main, main.database
    if "/" not in value and ":" not in value:
        return main, value
    address = parse(value, key)
    same = (address.hosts, address.username, address.password, address.auth_source, address.secure)
    if same == (main.hosts, main.username, main.password, main.auth_source, main.secure):
        return main, address.database
    return address, address.database
