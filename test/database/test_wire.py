"""Messages on one connection to MongoDB."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import given, strategies
from twisted.trial import unittest

from test.database.wires import make_pool, make_wire, reply, request, sent
from test.support.chance import by_chance
from wildduck.database.codec import encode
from wildduck.database.failures import Interrupted, TimedOut
from wildduck.database.wire import Request


class ReceiveTests(unittest.SynchronousTestCase):
    """Replies are found however they lie in the segments."""

    @by_chance(50)
    @given(strategies.lists(strategies.integers(0, 3000), min_size=1, max_size=6), strategies.randoms())
    def test_any_segments(self, lengths: list[int], random: Any) -> None:
        """Every cut of the stream gives the same replies in the same order."""
        pool, _ = make_pool(depth=100)
        wire = make_wire(pool)
        waiting = [wire.send(request(ping=1), 5.0) for _ in lengths]
        ids = [request_id for request_id, _ in sent(wire)]
        stream = b"".join(reply(i, ok=1, b=b"x" * n) for i, n in zip(ids, lengths, strict=True))
        while stream:
            cut = random.choice((1, 2, 15, 16, 17, 100, 4096, len(stream)))
            wire.dataReceived(stream[:cut])
            stream = stream[cut:]
        self.assertEqual([len(self.successResultOf(d).reply["b"]) for d in waiting], lengths)
        self.assertEqual(wire.load, 0)

    def test_linear(self) -> None:
        """A long reply in small segments is joined once, not at every segment."""
        pool, _ = make_pool()
        wire = make_wire(pool)
        waiting = wire.send(request(ping=1), 5.0)
        ((request_id, _),) = sent(wire)
        stream = reply(request_id, ok=1, b=b"x" * (4 << 20))
        for start in range(0, len(stream), 1000):
            wire.dataReceived(stream[start : start + 1000])
            self.assertLessEqual(sum(len(piece) > 1000 for piece in wire._pieces), 1)
        self.assertEqual(len(self.successResultOf(waiting).reply["b"]), 4 << 20)

    def test_out_of_order(self) -> None:
        """A reply is matched by the id it names."""
        pool, _ = make_pool()
        wire = make_wire(pool)
        first, second = wire.send(request(a=1), 5.0), wire.send(request(b=1), 5.0)
        (one, _), (two, _) = sent(wire)
        wire.dataReceived(reply(two, ok=1, n=2) + reply(one, ok=1, n=1))
        self.assertEqual(self.successResultOf(first).reply["n"], 1)
        self.assertEqual(self.successResultOf(second).reply["n"], 2)

    def test_unknown_reply(self) -> None:
        """A reply nobody waits for is dropped."""
        pool, _ = make_pool()
        wire = make_wire(pool)
        wire.dataReceived(reply(2**30 + 5, ok=1))
        self.assertFalse(wire.transport.disconnecting)

    def test_nonsense(self) -> None:
        """What is not the protocol ends the connection."""
        for length in (-1, 0, 20, 2**31 - 1):
            pool, _ = make_pool()
            wire = make_wire(pool)
            wire.dataReceived(struct.pack("<iiii", length, 1, 2**30, 2013) + b"\0" * 100)
            self.assertTrue(wire.transport.aborted)

    def test_broken_document(self) -> None:
        """A reply that is not BSON fails its own command only."""
        pool, _ = make_pool()
        wire = make_wire(pool)
        first, second = wire.send(request(a=1), 5.0), wire.send(request(b=1), 5.0)
        (one, _), (two, _) = sent(wire)
        wire.dataReceived(reply(one, ok=1, s="ab").replace(b"ab", b"\xff\xff") + reply(two, ok=1))
        self.failureResultOf(first)
        self.successResultOf(second)


class SendTests(unittest.SynchronousTestCase):
    """Commands as bytes."""

    def test_sequence(self) -> None:
        """A document sequence is a section of its own, with the lengths that the protocol wants."""
        pool, _ = make_pool()
        wire = make_wire(pool)
        body, documents = encode({"insert": "a"}), [encode({"_id": 1}), encode({"_id": 2})]
        wire.send(Request(body, b"documents", documents, 100), 5.0)
        data = wire.transport.value()
        self.assertEqual(struct.unpack_from("<i", data)[0], len(data))
        section = data[21 + len(body) :]
        self.assertEqual(section[0], 1)
        self.assertEqual(struct.unpack_from("<i", section, 1)[0], len(section) - 1)
        self.assertEqual(section[5:], b"documents\0" + b"".join(documents))

    def test_ids_wrap(self) -> None:
        """Ids never leave the range that is ours."""
        pool, _ = make_pool()
        wire = make_wire(pool)
        wire._next_id = 2**31 - 1
        for _ in range(2):
            wire.send(request(a=1), 5.0)
        self.assertEqual([request_id for request_id, _ in sent(wire)], [2**31 - 1, 2**30])


class DeadlineTests(unittest.SynchronousTestCase):
    """No command waits for ever."""

    def test_silence(self) -> None:
        """Without an answer the command fails at its deadline and the connection is cut."""
        pool, clock = make_pool()
        wire = make_wire(pool)
        first = wire.send(request(a=1), 5.0)
        clock.advance(1)
        second = wire.send(request(b=1), 6.0)
        clock.advance(3.9)
        self.assertNoResult(first)
        clock.advance(0.1)
        self.failureResultOf(first, TimedOut)
        self.assertTrue(wire.transport.aborted)
        self.assertNoResult(second)
        wire.connectionLost(None)
        self.failureResultOf(second, Interrupted)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_slow_but_alive(self) -> None:
        """A server that answered something since is not dead: the connection stays."""
        pool, clock = make_pool()
        wire = make_wire(pool)
        first, second = wire.send(request(a=1), 5.0), wire.send(request(b=1), 5.0)
        (one, _), (two, _) = sent(wire)
        clock.advance(3)
        wire.dataReceived(reply(one, ok=1))
        clock.advance(2)
        self.successResultOf(first)
        self.failureResultOf(second, TimedOut)
        self.assertFalse(wire.transport.aborted)
        wire.dataReceived(reply(two, ok=1))
        self.assertEqual(wire.load, 0)

    def test_earlier_deadline(self) -> None:
        """A later command with an earlier deadline fails at its own."""
        pool, clock = make_pool()
        wire = make_wire(pool)
        first, second = wire.send(request(a=1), 60.0), wire.send(request(b=1), 5.0)
        clock.advance(5)
        self.failureResultOf(second, TimedOut)
        self.assertNoResult(first)

    def test_cancelled(self) -> None:
        """A cancelled command is forgotten, its late reply dropped."""
        pool, _ = make_pool()
        wire = make_wire(pool)
        first = wire.send(request(a=1), 5.0)
        ((one, _),) = sent(wire)
        first.cancel()
        self.failureResultOf(first)
        wire.dataReceived(reply(one, ok=1))
        self.assertEqual(wire.load, 0)
