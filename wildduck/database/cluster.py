"""One MongoDB deployment as seen from here: its pools, its kind, and what may be repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from wildduck import limits
from wildduck.database.address import Address
from wildduck.database.codec import encode
from wildduck.database.failures import Interrupted, already_inserted, check
from wildduck.database.group import Line, WriteGroup
from wildduck.database.pool import Pool
from wildduck.database.sessions import Sessions
from wildduck.database.wire import Answer, Request
from wildduck.errors import ConfigurationError, DatabaseFailure, Overloaded, Unavailable

#: hello's maxWireVersion of MongoDB 4.4: the first whose hello names the
#: server process (topologyVersion), on which L{WriteGroup.intact} rests.
_MIN_WIRE_VERSION = 9

#: Write concern of what must last.
MAJORITY = {"w": "majority", "j": True, "wtimeout": int(limits.OPERATION_SECONDS * 1000)}
_ONE = {"w": 1}


class Repeat(Enum):
    """How a command may be sent again after its connection was lost."""

    #: Not at all.
    NEVER = "never"
    #: As it is: reading, or writing what may be written twice.
    PLAIN = "plain"
    #: On a replica set as a retryable write; on a standalone server not at all.
    NUMBERED = "numbered"
    #: As NUMBERED; on a standalone server as it is.
    ALWAYS = "always"


#: Name and encoded documents of a document sequence.
Documents = tuple[str, Sequence[bytes]]


class _Write(NamedTuple):
    """How to send a write; see L{Cluster.write}."""

    sequence: Documents | None
    durable: bool
    group: WriteGroup | None
    again: bool
    own_ids: bool
    slow: bool
    line: Line | None


class Cluster:
    """
    @ivar replica_set: it is one (or a sharded cluster), not a standalone server.
    @ivar mongos: it is a sharded cluster.
    """

    log = Logger()

    def __init__(self, address: Address, clock: Any, quick: int, slow: int) -> None:
        """
        @param quick: connections for quick commands.
        @param slow: connections for scans.
        """
        self.address = address
        self.clock = clock
        self.replica_set = False
        self.mongos = False
        self.sessions = Sessions()
        self.quick = Pool(address, quick, limits.QUICK_PIPELINE, clock)
        self.durable = Pool(address, limits.DURABLE_CONNECTIONS, limits.DURABLE_PIPELINE, clock)
        self.slow = Pool(address, slow, limits.SLOW_PIPELINE, clock)
        self._pools = (self.quick, self.durable, self.slow)
        self._pausing: set[Deferred[None]] = set()
        self._closing = False
        for pool in self._pools:
            pool.siblings = self._pools

    # --- life --------------------------------------------------------------------

    async def start(self) -> None:
        """
        Connect, and learn what kind of deployment it is.

        @raise ConfigurationError: no answer in time, no entry, or too old.
        """
        for pool in self._pools:
            pool.start()
        ready = gatherResults([pool.ready() for pool in self._pools], consumeErrors=True)
        timer = self.clock.callLater(limits.START_SECONDS, ready.cancel)
        try:
            await ready
        except Exception:
            if self.quick.let_in:
                raise ConfigurationError(
                    f"MongoDB at {self.address.label} can not be reached, or has no primary"
                ) from None
        finally:
            if timer.active():
                timer.cancel()
        wire = self.quick.any_connection()
        if wire is None:
            raise ConfigurationError(f"MongoDB at {self.address.label} refuses the name or password")
        self._learn(wire.hello)

    def _learn(self, hello: Mapping[str, Any]) -> None:
        if hello.get("maxWireVersion", 0) < _MIN_WIRE_VERSION:
            raise ConfigurationError(f"MongoDB at {self.address.label} is older than 4.4")
        self.mongos = hello.get("msg") == "isdbgrid"
        self.replica_set = self.mongos or bool(hello.get("setName"))
        minutes = hello.get("logicalSessionTimeoutMinutes")
        if minutes:
            self.sessions.lifetime = (minutes - 1) * 60.0

    async def close(self) -> None:
        """End the sessions, close the connections; what would be repeated fails."""
        self._closing = True
        for paused in list(self._pausing):
            paused.callback(None)
        wire = self.quick.any_connection()
        ids = self.sessions.drain()
        if wire is not None and ids:
            wire.post(Request(encode({"endSessions": ids[:10_000], "$db": "admin"})))
        await gatherResults([pool.close() for pool in self._pools], consumeErrors=True)

    # --- commands ------------------------------------------------------------------

    async def run(
        self,
        command: dict[str, Any],
        *,
        slow: bool = False,
        repeat: Repeat = Repeat.PLAIN,
        seconds: float | None = None,
        line: Line | None = None,
        raw: bool = False,
    ) -> Answer:
        """
        Run a command that is not a write of documents.

        @param command: with its C{$db}.
        @param line: send it behind the others of this line.
        @param raw: leave the reply's batch as it is.
        @raise DomainError: see L{wildduck.database.failures.check}.
        """
        if seconds is None:
            seconds = limits.SLOW_OPERATION_SECONDS if slow else limits.OPERATION_SECONDS
        deadline = self.clock.seconds() + seconds
        pool = self.slow if slow else self.quick
        request = make_request(command, raw=raw)
        try:
            answer = await pool.submit(request, deadline, line=line)
            check(answer.reply)
        except Interrupted:
            if repeat is not Repeat.PLAIN:
                raise
            await self.pause()
            answer = await pool.submit(request, deadline, patient=True)
            check(answer.reply)
        return answer

    async def write(
        self,
        command: dict[str, Any],
        sequence: Documents | None = None,
        *,
        durable: bool = False,
        group: WriteGroup | None = None,
        repeat: Repeat = Repeat.NUMBERED,
        own_ids: bool = False,
        slow: bool = False,
        line: Line | None = None,
    ) -> dict[str, Any]:
        """
        Run a command that writes documents, repeated at most once.

        @param command: with its C{$db}; the write concern and the session are added.
        @param sequence: name and encoded documents of a document sequence.
        @param durable: acknowledged by the majority, and in its journal.
        @param own_ids: the command inserts documents whose ids nobody else
            makes, so one that is there already was inserted by the first try.
        @param line: send it behind the other writes of this line; the first of
            them may be repeated, as no other is.
        @raise DomainError: see L{wildduck.database.failures.check}.
        """
        if group is not None and group.must_be_durable(self):
            durable = True
        command["writeConcern"] = MAJORITY if durable else _ONE
        again = repeat in (Repeat.PLAIN, Repeat.ALWAYS)
        write = _Write(sequence, durable, group, again, own_ids, slow, line)
        if not self.replica_set or repeat not in (Repeat.NUMBERED, Repeat.ALWAYS):
            return await self._send_write(command, write)
        session = self.sessions.take(self.clock.seconds())
        command["lsid"] = session.id
        command["txnNumber"] = session.next_number()
        try:
            reply = await self._send_write(command, write._replace(again=True, own_ids=False))
        except DatabaseFailure:
            self.sessions.give(session, self.clock.seconds())
            raise
        self.sessions.give(session, self.clock.seconds())
        return reply

    async def _send_write(self, command: dict[str, Any], write: _Write) -> dict[str, Any]:
        seconds = limits.SLOW_OPERATION_SECONDS if write.slow else limits.OPERATION_SECONDS
        deadline = self.clock.seconds() + seconds
        line = write.line
        waits = write.durable or (line is not None and line.durable)
        pool = self.slow if write.slow else self.durable if waits else self.quick
        request = make_request(command, write.sequence)
        # Another connection would not know of those before it.
        follows = line is not None and line.wire(pool) is not None
        try:
            answer = await pool.submit(request, deadline, line=line)
            check(answer.reply)
        except Interrupted:
            if follows or not write.again:
                raise
            answer = await self._repeat_write(pool, request, deadline, write)
        if write.group is not None:
            await self._note(write.group, answer, write.durable)
        return answer.reply

    async def _repeat_write(self, pool: Pool, request: Request, deadline: float, write: _Write) -> Answer:
        if write.group is not None:
            write.group.repeated = True
        await self.pause()
        try:
            answer = await pool.submit(request, deadline, patient=True)
        except Overloaded:
            # "Nothing was done" is true of this try alone.
            raise Unavailable() from None
        if not (write.own_ids and already_inserted(answer.reply)):
            check(answer.reply)
        return answer

    async def pause(self) -> None:
        """
        A dying server loses all its connections: let all be noticed, or the repeat goes to the next.

        @raise Unavailable: it is us who close.
        """
        if not self._closing:
            paused: Deferred[None] = Deferred()
            self._pausing.add(paused)
            timer = self.clock.callLater(limits.REPEAT_PAUSE_SECONDS, paused.callback, None)
            try:
                await paused
            finally:
                self._pausing.discard(paused)
                if timer.active():
                    timer.cancel()
        if self._closing:
            raise Unavailable()

    async def _note(self, group: WriteGroup, answer: Answer, durable: bool) -> None:
        """Tell the group in which election the write was done."""
        wire = answer.connection
        election = answer.reply.get("electionId")
        if election is not None:
            wire.election = election
        elif durable and wire.election is not None:
            # findAndModify does not say: ask, for a group may end with one.
            hello = (await wire.send(make_request({"hello": 1, "$db": "admin"}), self._soon())).reply
            wire.election = hello.get("electionId")
        group.note(self, wire)

    def _soon(self) -> float:
        return float(self.clock.seconds()) + limits.OPERATION_SECONDS


def make_request(
    command: Mapping[str, Any], sequence: Documents | None = None, *, raw: bool = False
) -> Request:
    """Encode a command."""
    body = encode(command)
    if sequence is None:
        return Request(body, size=len(body), raw=raw)
    name, documents = sequence
    return Request(body, name.encode("ascii"), documents, len(body) + sum(map(len, documents)))
