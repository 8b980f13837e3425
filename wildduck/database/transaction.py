"""
Writes that take effect together or not at all: MongoDB's transactions.

All commands of a transaction, the one that commits it included, leave at once
on one connection.  So it holds its documents no longer than the server needs
for them, and none of its commands can wait on a connection behind a write that
waits for it.  If one fails, the server ends the transaction, and refuses those
that follow.  If the connection is lost among them, we end it; where we are dead
by then, the server does so after a minute (transactionLifetimeLimitSeconds).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from twisted.internet.defer import DeferredList

from wildduck import limits
from wildduck.database.cluster import MAJORITY, Cluster, Documents, make_request
from wildduck.database.codec import encode
from wildduck.database.failures import check
from wildduck.database.group import WriteGroup
from wildduck.database.sessions import Session
from wildduck.database.statements import Filter, Update, batches_of, statement
from wildduck.database.wire import Request
from wildduck.errors import DatabaseFailure, Unavailable

#: The server's word for "nothing was written, try all of it again".
_TRANSIENT = "TransientTransactionError"
#: TransactionCommitted.
_COMMITTED = 256


class Transaction:
    """
    Made by L{wildduck.database.Database.transaction}: collects writes, then L{commit}s them.

    A write can not depend on what became of another.  One that must find a
    document as it was read is an L{upsert}.
    """

    def __init__(self, cluster: Cluster, name: str, group: WriteGroup | None = None) -> None:
        """@param group: of which it is the last, durable write."""
        self._cluster = cluster
        self._name = name
        self._group = group
        self._commands: list[tuple[dict[str, Any], Documents]] = []
        self._counts: list[int] | None = None

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

    def delete(self, collection: str, filter: Filter) -> None:
        """Remove the match."""
        self._add({"delete": collection}, "deletes", [encode({"q": filter, "limit": 1})])

    def _add(self, command: dict[str, Any], kind: str, documents: list[bytes]) -> None:
        self._commands.append((command, (kind, documents)))

    async def commit(self) -> list[int] | None:
        """
        Do it all, for good.

        Where another writer gets in between it is done again, as often as the
        time of one operation allows.

        @return: of each command how many documents it has found or made; C{None} where its
            answers were lost.
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
        return self._counts

    async def _try(self, session: Session, deadline: float) -> bool:
        """@return: C{False}: another writer was faster."""
        self._counts = None
        wire = self._cluster.durable.any_connection()
        if wire is None:
            raise Unavailable()
        named = {"lsid": session.id, "txnNumber": session.next_number(), "autocommit": False, "$db": "admin"}
        sent = [wire.send(request, deadline) for request in self._requests(named)]
        results: list[tuple[bool, Any]] = await DeferredList(sent, consumeErrors=True)
        for success, result in results:
            if not success:
                await self._find_out(named, result.value)
                return True
            if _TRANSIENT in result.reply.get("errorLabels", ()):
                return False
            check(result.reply)
        if self._group is not None:
            self._group.note(self._cluster, wire)
        self._counts = [int(result.reply.get("n", 0)) for _, result in results[:-1]]
        return True

    def _requests(self, named: Mapping[str, Any]) -> list[Request]:
        requests: list[Request] = []
        for command, documents in self._commands:
            begin = {} if requests else {"startTransaction": True}
            requests.append(make_request({**command, **named, **begin, "$db": self._name}, documents))
        return [*requests, _commit(named)]

    async def _find_out(self, named: Mapping[str, Any], lost: Exception) -> None:
        """
        There were no answers: end the transaction, which the server would keep
        open for a minute, and everybody else from its documents.

        Returns if it turns out that it was done.
        """
        if self._group is not None:
            # On which server, and in which election, nobody can tell now.
            self._group.repeated = True
        deadline = self._cluster.clock.seconds() + limits.OPERATION_SECONDS
        abort = make_request({"abortTransaction": 1, **named})
        answer = await self._cluster.durable.submit(abort, deadline, patient=True)
        if answer.reply.get("code") != _COMMITTED:
            raise lost
        # Again, to know that it is there for good.
        answer = await self._cluster.durable.submit(_commit(named), deadline, patient=True)
        check(answer.reply)


def _commit(named: Mapping[str, Any]) -> Request:
    return make_request({"commitTransaction": 1, **named, "writeConcern": MAJORITY})
