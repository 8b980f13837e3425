"""
Writes that take effect together or not at all: MongoDB's transactions.

All commands of a transaction, the one that commits it included, leave at once
on one connection.  So it holds its documents no longer than the server needs
for them: nobody waits for a transaction whose owner is slow or dead, and none
of its commands can wait on a connection behind a write that waits for it.  If
one fails, the server ends the transaction, and refuses those that follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from twisted.internet.defer import DeferredList

from wildduck import limits
from wildduck.database.cluster import MAJORITY, Cluster, Documents, make_request
from wildduck.database.codec import encode
from wildduck.database.failures import check
from wildduck.database.sessions import Session
from wildduck.database.statements import Filter, Update, batches_of, statement
from wildduck.database.wire import Request
from wildduck.errors import DatabaseFailure, Unavailable

#: The server's word for "nothing was written, try all of it again".
_TRANSIENT = "TransientTransactionError"


class Transaction:
    """
    Made by L{wildduck.database.Database.transaction}: collects writes, then L{commit}s them.

    A write can not depend on what became of another.  One that must find a
    document as it was read is an L{upsert}.
    """

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._name = name
        self._commands: list[tuple[dict[str, Any], Documents]] = []

    def upsert(self, collection: str, filter: Filter, update: Update) -> None:
        """
        Change the match, or insert it.

        @param filter: C{_id}, and more that must be as it was read: if the
            document of that C{_id} is another now, it is a duplicate, and the
            transaction fails.
        """
        self._add({"update": collection}, "updates", [encode(statement(filter, update, upsert=True))])

    def update(self, collection: str, updates: Iterable[tuple[Filter, Update]]) -> None:
        """Updates of one document each."""
        for batch in batches_of(encode(statement(filter, update)) for filter, update in updates):
            self._add({"update": collection}, "updates", batch)

    def insert(self, collection: str, documents: Iterable[Mapping[str, Any]]) -> None:
        """Insert documents that have their C{_id}s."""
        for batch in batches_of(encode(document) for document in documents):
            self._add({"insert": collection}, "documents", batch)

    def _add(self, command: dict[str, Any], kind: str, documents: list[bytes]) -> None:
        command["$db"] = self._name
        self._commands.append((command, (kind, documents)))

    async def commit(self) -> None:
        """
        Do it all, for good.

        Where another writer gets in between it is done again, as often as the
        time of one operation allows.

        @raise DuplicateKey: as any other refusal: nothing was written.
        @raise Unavailable: nothing was written, or whether it was can't be told.
        """
        cluster = self._cluster
        deadline = cluster.clock.seconds() + limits.OPERATION_SECONDS
        session = cluster.sessions.take(cluster.clock.seconds())
        try:
            while not await self._try(session, deadline):
                if cluster.clock.seconds() >= deadline:
                    raise Unavailable()
                await cluster.pause()
        except DatabaseFailure:
            cluster.sessions.give(session, cluster.clock.seconds())
            raise
        cluster.sessions.give(session, cluster.clock.seconds())

    async def _try(self, session: Session, deadline: float) -> bool:
        """@return: C{False}: another writer was faster."""
        wire = self._cluster.durable.any_connection()
        if wire is None:
            raise Unavailable()
        sent = [wire.send(request, deadline) for request in self._requests(session)]
        results: list[tuple[bool, Any]] = await DeferredList(sent, consumeErrors=True)
        for success, result in results:
            if not success:
                # The transaction may be open yet: the session is not used again.
                raise result.value
            if _TRANSIENT in result.reply.get("errorLabels", ()):
                return False
            check(result.reply)
        return True

    def _requests(self, session: Session) -> list[Request]:
        named = {"lsid": session.id, "txnNumber": session.next_number(), "autocommit": False}
        requests: list[Request] = []
        for command, documents in self._commands:
            begin = {} if requests else {"startTransaction": True}
            requests.append(make_request({**command, **named, **begin}, documents))
        commit = {"commitTransaction": 1, **named, "writeConcern": MAJORITY, "$db": "admin"}
        return [*requests, make_request(commit)]
