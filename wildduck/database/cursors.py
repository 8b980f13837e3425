"""Reading many documents: batches by raw C{find}, C{aggregate} and C{getMore} commands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from wildduck import limits
from wildduck.database.cluster import Cluster, Repeat, make_request
from wildduck.database.failures import check
from wildduck.database.wire import Answer, Request, Wire


async def read(
    cluster: Cluster,
    command: dict[str, Any],
    batch_size: int,
    *,
    slow: bool,
    prefetch: bool = False,
    seconds: float | None = None,
    raw: bool = False,
) -> AsyncIterator[Any]:
    """
    Run a command that opens a cursor and go through it.

    The cursor stays with the connection that opened it (behind a mongos no
    other knows it) and is killed when the iteration is left early, by
    C{break} as by an exception.

    @param command: with its C{$db}.
    @param prefetch: ask for the next batch before this one is worked on, which
        holds two of them in memory.
    @param seconds: for each batch; the usual ones if not given.
    @param raw: leave batches as they come (L{wildduck.database.raw}).
    @return: iterates over batches that are not empty, C{bytes} if C{raw}, else
        lists of documents.
    @raise Unavailable: no answer in time, or the connection that holds the
        cursor was lost.
    """
    if seconds is None:
        seconds = limits.SLOW_OPERATION_SECONDS if slow else limits.OPERATION_SECONDS
    answer = await cluster.run(command, slow=slow, repeat=Repeat.PLAIN, seconds=seconds, raw=raw)
    wire = answer.connection
    cursor = answer.reply["cursor"]
    batch = cursor["firstBatch"]
    next_batch: Deferred[Answer] | None = None
    namespace: str = cursor["ns"]
    database, _, collection = namespace.partition(".")
    try:
        while True:
            more = {
                "getMore": cursor["id"],
                "collection": collection,
                "batchSize": batch_size,
                "$db": database,
            }
            if cursor["id"] and prefetch:
                next_batch = _ask(cluster, wire, make_request(more, raw=raw), seconds)
                await _sent(cluster)
            if batch:
                yield batch
            if not cursor["id"]:
                return
            if next_batch is None:
                next_batch = _ask(cluster, wire, make_request(more, raw=raw), seconds)
            asked, next_batch = next_batch, None
            reply = (await asked).reply
            check(reply)
            cursor = reply["cursor"]
            batch = cursor["nextBatch"]
    finally:
        # Nothing is awaited here: an iterator that is dropped half-way is
        # closed by the interpreter, outside of any coroutine.
        if next_batch is not None:
            next_batch.addErrback(lambda _: None)
            next_batch.cancel()
        if cursor["id"]:
            kill = {"killCursors": collection, "cursors": [cursor["id"]], "$db": database}
            wire.post(make_request(kill))


def _ask(cluster: Cluster, wire: Wire, request: Request, seconds: float) -> Deferred[Answer]:
    return wire.send(request, cluster.clock.seconds() + seconds)


async def _sent(cluster: Cluster) -> None:
    """
    Let the reactor write what a transport has taken, for who will not wait for anything soon.

    A transport writes when the reactor next looks what is ready.  Calls that
    are due come before that look, so those of the turn after it are waited for.
    """
    for _ in range(2):
        await deferLater(cluster.clock, 0)
