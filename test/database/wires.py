"""Connections to MongoDB on in-memory transports, and the messages on them."""

from __future__ import annotations

import struct
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from wildduck.database.address import Address
from wildduck.database.codec import decode, encode
from wildduck.database.pool import Pool
from wildduck.database.wire import Request, Wire


class _Transport(StringTransport):
    """Remembers that it was aborted."""

    aborted = False

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Called by the protocol."""

    def abortConnection(self) -> None:
        self.aborted = True
        self.loseConnection()


class _Factory:
    """What txmongo's factory is to a connection."""

    maxDelay = 0.0

    def __init__(self) -> None:
        self.instance: Any = None

    def setInstance(self, instance: Any = None, reason: Any = None) -> None:
        self.instance = instance

    def notifyReady(self) -> Any:
        return Deferred()


def make_pool(depth: int = 4) -> tuple[Pool, Clock]:
    """A pool that is not started: connections are given to it."""
    clock = Clock()
    return Pool(Address((("host", 1),), "db"), 2, depth, clock), clock


def make_wire(pool: Pool) -> Wire:
    """A usable connection of the pool on an in-memory transport."""
    wire = Wire(pool)
    wire.factory = _Factory()
    wire.factory.instance = wire
    wire.makeConnection(_Transport())
    pool._usable(wire.factory)
    return wire


def request(**command: Any) -> Request:
    """An encoded command."""
    body = encode(command)
    return Request(body, size=len(body))


def sent(wire: Wire) -> list[tuple[int, dict[str, Any]]]:
    """(request id, command) of what was written since the last call."""
    data = wire.transport.value()
    wire.transport.clear()
    commands = []
    while data:
        length, request_id, _, opcode = struct.unpack_from("<iiii", data)
        assert opcode == 2013
        end = 21 + struct.unpack_from("<i", data, 21)[0]
        commands.append((request_id, decode(data[21:end])))
        data = data[length:]
    return commands


def reply(to: int, **document: Any) -> bytes:
    """A server's reply."""
    body = encode(document)
    return struct.pack("<iiiiIB", 21 + len(body), 7, to, 2013, 0, 0) + body
