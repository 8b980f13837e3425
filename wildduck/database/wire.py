"""
One connection to a MongoDB server, with commands straight on the protocol.

txmongo connects, signs in, follows the replica set and watches the server;
commands of ours do not pass its collection methods, which cost twice as much
(anchors/performance.md §3.9), nor its receive buffer, which is quadratic
(anchors/stack.md P1).  The format is OP_MSG of MongoDB's wire protocol.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from txmongo.protocol import MongoDecoder, MongoProtocol

from wildduck import transports
from wildduck.database.codec import decode, encode
from wildduck.database.failures import Interrupted, TimedOut, is_not_primary
from wildduck.database.raw import decode_around_batch
from wildduck.limits import PIPELINE_BYTES

if TYPE_CHECKING:
    from wildduck.database.pool import Pool

_OP_MSG = 2013
#: Message header, flag bits, and the kind of the first section: a document.
_PREFIX = struct.Struct("<iiiiIB")
_HEADER = struct.Struct("<iiii")
#: Kind of a document sequence, and its length.
_SEQUENCE = struct.Struct("<Bi")

#: Request ids from here on are ours; txmongo counts its few from 1.
_FIRST_ID = 2**30
_LAST_ID = 2**31 - 1

#: No reply is longer (maxMessageSizeBytes).
_LONGEST = 48_000_000


class Request(NamedTuple):
    """
    An encoded command.

    @ivar body: the command document.
    @ivar sequence: name of its document sequence, C{b""} for none.
    @ivar documents: the documents of the sequence.
    @ivar size: bytes of all.
    @ivar raw: the batch of the reply stays as it is (L{decode_around_batch}).
    """

    body: bytes
    sequence: bytes = b""
    documents: Sequence[bytes] = ()
    size: int = 0
    raw: bool = False


class Answer(NamedTuple):
    """A reply and the connection it came by."""

    connection: Wire
    reply: dict[str, Any]


class _Waiting(NamedTuple):
    """A command on its way; times in seconds of the reactor's clock."""

    deferred: Deferred[Answer]
    sent: float
    deadline: float
    size: int
    raw: bool


class Wire(MongoProtocol):
    """
    @ivar load: commands on their way.
    @ivar process: identity of the server process, C{None} before MongoDB 4.4.
    @ivar election: the primary's election as last heard, C{None} outside a
        replica set.
    @ivar hello: what the server said of itself.
    @ivar refused: it did not accept our name and password.
    """

    log = Logger()

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self.pool = pool
        self.hello: dict[str, Any] = {}
        self.process: Any = None
        self.election: Any = None
        self.refused = False
        self._retired = False
        self._waiting: dict[int, _Waiting] = {}
        self._next_id = _FIRST_ID
        self._bytes_out = 0
        self._pieces: list[bytes] = []
        self._held = 0
        self._needed = _HEADER.size
        self._heard = 0.0
        self._alarm: IDelayedCall | None = None
        self._alarm_at = 0.0

    # --- what txmongo calls ------------------------------------------------------

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.pool.connection_made(self)
        super().connectionMade()

    def connectionLost(self, reason: Any) -> None:
        # Twisted leaves it as it was.
        self.connected = 0
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        self._alarm = None
        self._pieces.clear()
        # Before commands fail, so that who repeats one does not meet this connection again.
        self.pool.unusable(self)
        super().connectionLost(reason)
        self.pool.connection_lost(self)
        waiting, self._waiting = self._waiting, {}
        for request in waiting.values():
            request.deferred.errback(Failure(Interrupted()))

    def fail(self, reason: object) -> None:
        """The handshake failed; the factory tries again."""
        self.log.info(
            "connection to MongoDB {address} failed: {kind}", address=self.pool.label, kind=_kind(reason)
        )
        # Not loseConnection, which waits for a peer that may be silent.
        self.transport.abortConnection()

    def init_from_hello_response(self, config: dict[str, Any]) -> None:
        super().init_from_hello_response(config)
        self.hello = config
        self.process = (config.get("topologyVersion") or {}).get("processId")
        self.election = config.get("electionId")

    def send_op_query_command(self, database: str, query: dict[str, Any]) -> Deferred[dict[str, Any]]:
        deferred = super().send_op_query_command(database, query)
        if self.pool.address.direct:
            deferred.addCallback(_without_hosts)
        return deferred  # type: ignore[no-any-return]

    def authenticate(self, *arguments: Any) -> Deferred[Any]:
        """txmongo swallows the failure of this (P7); it is kept here and ends the connection."""
        return super().authenticate(*arguments).addErrback(self._not_let_in)  # type: ignore[no-any-return]

    def _not_let_in(self, failure: Failure) -> Failure:
        self.refused = True
        self.pool.refused(self)
        self.transport.loseConnection()
        return failure

    # --- receiving ---------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        """Linear: each byte is joined at most twice, however the messages lie in the segments."""
        self._heard = self.pool.clock.seconds()
        if self._held:
            self._pieces.append(data)
            self._held += len(data)
            if self._held < self._needed:
                return
            data = b"".join(self._pieces)
            self._pieces.clear()
            self._held = 0
        start, end = 0, len(data)
        while end - start >= _HEADER.size:
            length, _, response_to, opcode = _HEADER.unpack_from(data, start)
            if not _PREFIX.size < length <= _LONGEST:
                self.fail(ValueError())
                return
            if end - start < length:
                self._needed = length
                break
            self._message(data, start, length, response_to, opcode)
            start += length
        else:
            self._needed = _HEADER.size
        if start < end:
            self._pieces.append(data[start:] if start else data)
            self._held = end - start

    def _message(self, data: bytes, start: int, length: int, response_to: int, opcode: int) -> None:
        waiting = self._waiting.pop(response_to, None)
        if waiting is None:
            if response_to < _FIRST_ID:
                self.handle(MongoDecoder.decode(data[start : start + length]))
            else:
                self._unwanted(data[start + _PREFIX.size : start + length])
                self._leave()
            return
        self._bytes_out -= waiting.size
        try:
            # The only section of a reply is one document up to the end.
            document = memoryview(data)[start + _PREFIX.size : start + length]
            reply = decode_around_batch(bytes(document)) if waiting.raw else decode(document)
        except Exception:
            self._leave()
            self.pool.freed()
            waiting.deferred.errback(Failure())
            return
        if is_not_primary(reply):
            self.pool.stepped_down(self)
        else:
            self._leave()
        self.pool.freed()
        waiting.deferred.callback(Answer(self, reply))

    def _unwanted(self, document: bytes) -> None:
        """Nobody waits for this reply any more: a cursor that it opens would stay open for minutes."""
        try:
            cursor = decode_around_batch(document).get("cursor") or {}
            database, _, collection = cursor.get("ns", "").partition(".")
        except Exception:
            return
        if cursor.get("id"):
            kill = encode({"killCursors": collection, "cursors": [cursor["id"]], "$db": database})
            self.post(Request(kill, size=len(kill)))

    def retire(self) -> None:
        """Its server is no longer the primary: be closed once the commands on their way are answered."""
        self._retired = True
        self.pool.unusable(self)
        self._leave()

    def _leave(self) -> None:
        """Close it if it is to be closed and nobody waits for anything."""
        if self._retired and not self._waiting:
            self.transport.loseConnection()

    # --- sending -----------------------------------------------------------------

    @property
    def load(self) -> int:
        return len(self._waiting)

    @property
    def live(self) -> bool:
        """Whether commands may be sent at all."""
        return bool(self.connected) and not self._retired

    def has_room(self, depth: int) -> bool:
        """Whether another command may be sent now."""
        return len(self._waiting) < depth and self._bytes_out < PIPELINE_BYTES

    def send(self, request: Request, deadline: float) -> Deferred[Answer]:
        """
        @param deadline: in seconds of the reactor's clock.
        @return: fires with the reply, whatever it says; fails with
            L{Interrupted} or L{TimedOut}.
        """
        if not self.connected:
            return fail(Interrupted())
        request_id = self._post(request)
        deferred: Deferred[Answer] = Deferred(self._canceller(request_id))
        now = self.pool.clock.seconds()
        self._waiting[request_id] = _Waiting(deferred, now, deadline, request.size, request.raw)
        self._bytes_out += request.size
        if self._alarm is None:
            self._set_alarm(now, deadline)
        elif deadline < self._alarm_at:
            self._alarm_at = deadline
            self._alarm.reset(max(0.0, deadline - now))
        return deferred

    def post(self, request: Request) -> None:
        """Send a command whose answer does not matter."""
        if self.connected:
            self._post(request)

    def flush(self) -> None:
        """See L{transports.flush}."""
        if self.connected:
            transports.flush(self.transport)

    def _post(self, request: Request) -> int:
        request_id = self._next_id
        self._next_id = request_id + 1 if request_id < _LAST_ID else _FIRST_ID
        body = request.body
        if not request.sequence:
            head = _PREFIX.pack(_PREFIX.size + len(body), request_id, 0, _OP_MSG, 0, 0)
            self.transport.write(head + body)
            return request_id
        documents = request.documents
        sequence = 4 + len(request.sequence) + 1 + sum(map(len, documents))
        length = _PREFIX.size + len(body) + 1 + sequence
        head = _PREFIX.pack(length, request_id, 0, _OP_MSG, 0, 0)
        named = _SEQUENCE.pack(1, sequence) + request.sequence + b"\0"
        self.transport.writeSequence([head, body, named, *documents])
        return request_id

    def _canceller(self, request_id: int) -> Callable[[object], None]:
        def forget(_: object) -> None:
            # The reply is dropped when it comes.
            waiting = self._waiting.pop(request_id, None)
            if waiting is not None:
                self._bytes_out -= waiting.size

        return forget

    # --- deadlines ---------------------------------------------------------------
    #
    # One timer for all commands, set for the earliest deadline known when it
    # was set and left alone by replies: nearly all commands of a pool have the
    # same time, so this costs next to nothing for each.

    def _set_alarm(self, now: float, deadline: float) -> None:
        self._alarm_at = deadline
        self._alarm = self.pool.clock.callLater(max(0.0, deadline - now), self._ring)

    def _ring(self) -> None:
        self._alarm = None
        now = self.pool.clock.seconds()
        late = [key for key, waiting in self._waiting.items() if waiting.deadline <= now]
        silent = False
        for key in late:
            waiting = self._waiting.pop(key)
            self._bytes_out -= waiting.size
            silent = silent or self._heard <= waiting.sent
            waiting.deferred.errback(Failure(TimedOut()))
        if self._waiting and self._alarm is None:
            self._set_alarm(now, min(waiting.deadline for waiting in self._waiting.values()))
        if silent:
            # Not slow but dead, or busy with a command nobody waits for any
            # more: mongod ends that when the connection goes.
            self.transport.abortConnection()
        elif late:
            self.pool.freed()


def _without_hosts(reply: dict[str, Any]) -> dict[str, Any]:
    reply.pop("hosts", None)
    return reply


def _kind(reason: object) -> str:
    return type(reason.value if isinstance(reason, Failure) else reason).__name__
