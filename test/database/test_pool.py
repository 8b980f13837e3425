"""The queue in front of a few connections."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial import unittest

from test.database.wires import make_pool, make_wire, reply, request, sent
from test.support.descriptor import Descriptor
from wildduck import limits
from wildduck.database.failures import Interrupted
from wildduck.database.group import Line
from wildduck.database.wire import Answer, Request, Wire
from wildduck.errors import Overloaded, Unavailable


class PoolTests(unittest.SynchronousTestCase):
    """The queue in front of the connections."""

    def test_least_loaded(self) -> None:
        """Commands are spread over the connections."""
        pool, _ = make_pool()
        one, two = make_wire(pool), make_wire(pool)
        for _ in range(4):
            pool.submit(request(a=1), 5.0)
        self.assertEqual((one.load, two.load), (2, 2))

    def test_line(self) -> None:
        """Commands of one line go the same way in their order, as long as that leads anywhere."""
        pool, _ = make_pool()
        one, two = make_wire(pool), make_wire(pool)
        line = Line(durable=False)
        self.assertFalse(line.open)
        for n in range(3):
            pool.submit(request(n=n), 5.0, line=line)
            self.assertTrue(line.open)
        self.assertEqual([{"n": n} for n in range(3)], [command for _, command in sent(one)])
        self.assertIsNone(line.wire(make_pool()[0]))
        one.retire()
        self.assertFalse(line.open)
        pool.submit(request(n=3), 5.0, line=line)
        self.assertEqual(two.load, 1)

    def test_line_is_flushed(self) -> None:
        """What was given to a line goes out at once when that is asked for, in one piece."""
        pool, _ = make_pool()
        wire, line = make_wire(pool), Line(durable=False)
        line.flush()
        transport = wire.transport = Descriptor()
        waiting = [pool.submit(request(n=n), 5.0, line=line) for n in range(3)]
        self.assertEqual([], transport.pieces)
        line.flush()
        self.assertEqual(1, len(transport.pieces))
        self.assertEqual(3, transport.pieces[0].count(request(n=1).body[:4]))
        line.flush()
        self.assertEqual(1, len(list(filter(None, transport.pieces))))
        wire.connectionLost(None)
        line.flush()
        for answer in waiting:
            self.failureResultOf(answer, Interrupted)

    def test_line_that_is_lost(self) -> None:
        """Once its connection is gone the next command goes another way, and nothing is said to nobody."""
        pool, _ = make_pool()
        one, two = make_wire(pool), make_wire(pool)
        line = Line(durable=False)
        first = pool.submit(request(n=0), 5.0, line=line)
        one.connectionLost(None)
        self.failureResultOf(first, Interrupted)
        self.assertFalse(line.open)
        pool.submit(request(n=1), 5.0, line=line)
        self.assertEqual([{"n": 1}], [command for _, command in sent(two)])
        # As a cursor would, which stays with its connection.
        self.failureResultOf(one.send(request(getMore=1), 5.0), Interrupted)
        self.assertEqual(0, one.load)

    def test_line_that_waits(self) -> None:
        """Where its first command waits for room, there is no way yet that the second could go."""
        pool, _ = make_pool(depth=1)
        make_wire(pool)
        pool.submit(request(a=1), 5.0)
        line = Line(durable=False)
        pool.submit(request(n=1), 5.0, line=line)
        self.assertFalse(line.open)

    def test_depth(self) -> None:
        """What exceeds the connections' depth waits, and goes out in order as answers come."""
        pool, _ = make_pool(depth=1)
        wire = make_wire(pool)
        waiting = [pool.submit(request(n=n), 5.0) for n in range(3)]
        for n in range(3):
            ((request_id, command),) = sent(wire)
            self.assertEqual(command, {"n": n})
            wire.dataReceived(reply(request_id, ok=1))
            self.successResultOf(waiting[n])

    def test_bytes(self) -> None:
        """Commands of many bytes wait before memory fills with them."""
        pool, _ = make_pool(depth=100)
        wire = make_wire(pool)
        large = Request(b"x" * 100, size=limits.PIPELINE_BYTES)
        pool.submit(large, 5.0)
        pool.submit(request(a=1), 5.0)
        self.assertEqual(wire.load, 1)

    def test_full(self) -> None:
        """A full queue refuses."""
        self.patch(limits, "DATABASE_QUEUE", 2)
        pool, _ = make_pool(depth=1)
        make_wire(pool)
        waiting = [pool.submit(request(n=n), 5.0) for n in range(4)]
        self.failureResultOf(waiting[3], Overloaded)
        self.assertNoResult(waiting[2])

    def test_deadline_in_queue(self) -> None:
        """A command that was never sent fails at its deadline, too."""
        pool, clock = make_pool(depth=1)
        wire = make_wire(pool)
        pool.submit(request(a=1), 60.0)
        second = pool.submit(request(b=1), 5.0)
        clock.advance(5)
        self.failureResultOf(second, Unavailable)
        self.assertEqual(len(sent(wire)), 1)
        self.assertEqual(len(pool._queue), 0)

    def test_down(self) -> None:
        """Without a connection a command waits a short time, and later ones fail at once."""
        pool, clock = make_pool()
        wire = make_wire(pool)
        wire.connectionLost(None)
        first = pool.submit(request(a=1), clock.seconds() + 5)
        patient = pool.submit(request(a=1), clock.seconds() + 5, patient=True)
        clock.advance(limits.RECONNECT_SECONDS)
        self.failureResultOf(first, Unavailable)
        self.failureResultOf(pool.submit(request(a=1), clock.seconds() + 5), Unavailable)
        self.assertNoResult(patient)
        clock.advance(3)
        self.failureResultOf(patient, Unavailable)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_back_in_time(self) -> None:
        """What waits for a connection goes out when there is one."""
        pool, clock = make_pool()
        make_wire(pool).connectionLost(None)
        waiting = pool.submit(request(a=1), 5.0)
        clock.advance(1)
        wire = make_wire(pool)
        ((request_id, _),) = sent(wire)
        wire.dataReceived(reply(request_id, ok=1))
        self.successResultOf(waiting)

    def test_lost_in_hello(self) -> None:
        """A connection that is lost before its hello was answered does not list the next one twice."""
        pool, _ = make_pool()
        wire = make_wire(pool)
        waits: list[Deferred[Any]] = []

        def wait() -> Deferred[Any]:
            waits.append(Deferred())
            return waits[-1]

        wire.factory.notifyReady = wait
        for _ in range(3):
            wire.connectionLost(None)
        wire.factory.instance = wire
        for deferred in waits:
            deferred.callback(wire.factory)
        self.assertEqual(len(pool._live), 1)

    def test_lost_in_use(self) -> None:
        """A command for a connection that is lost fails at its deadline, whatever was on its way before."""
        pool, clock = make_pool()
        wire = make_wire(pool)
        self.failureResultOf(self._lost(wire))
        late = wire.send(request(a=2), 5.0)
        clock.advance(5)
        self.failureResultOf(late)

    def _lost(self, wire: Wire) -> Deferred[Answer]:
        waiting = wire.send(request(a=1), 5.0)
        wire.connectionLost(None)
        return waiting

    def test_not_primary(self) -> None:
        """
        Connections to a server that stepped down are left for good, in all
        pools; what they still carry is answered.
        """
        pool, _ = make_pool()
        sibling, _ = make_pool()
        pool.siblings = (pool, sibling)
        wire, idle = make_wire(pool), make_wire(sibling)
        first, second = pool.submit(request(a=1), 5.0), pool.submit(request(b=1), 5.0)
        (one, _), (two, _) = sent(wire)
        wire.dataReceived(reply(one, ok=0, code=10107))
        self.assertEqual(self.successResultOf(first).reply["code"], 10107)
        self.assertTrue(idle.transport.disconnecting)
        pool.submit(request(c=1), 5.0)
        sibling.submit(request(c=1), 5.0)
        self.assertEqual((sent(wire), sent(idle)), ([], []))
        self.assertFalse(wire.transport.disconnecting)
        wire.dataReceived(reply(two, ok=1))
        self.successResultOf(second)
        self.assertTrue(wire.transport.disconnecting)

    def test_not_primary_and_cancelled(self) -> None:
        """Such a connection is left, too, when nobody waits any more for what it still carries."""
        for give_up in ("cancel", "wait"):
            pool, clock = make_pool()
            wire = make_wire(pool)
            first, second = pool.submit(request(a=1), 9.0), pool.submit(request(b=1), 5.0)
            (one, _), (two, _) = sent(wire)
            clock.advance(1.0)
            wire.dataReceived(reply(one, ok=0, code=10107))
            self.successResultOf(first)
            if give_up == "cancel":
                second.cancel()
            else:
                clock.advance(5.0)
            self.failureResultOf(second)
            wire.dataReceived(reply(two, ok=1))
            self.assertTrue(wire.transport.disconnecting)

    def test_cancelled_in_queue(self) -> None:
        """A cancelled command leaves the queue; one that was sent from it is cancelled there."""
        pool, clock = make_pool(depth=1)
        wire = make_wire(pool)
        pool.submit(request(a=1), 5.0)
        queued, sent_later = pool.submit(request(b=1), 5.0), pool.submit(request(c=1), 5.0)
        queued.cancel()
        self.failureResultOf(queued)
        ((one, _),) = sent(wire)
        wire.dataReceived(reply(one, ok=1))
        self.assertEqual([command for _, command in sent(wire)], [{"c": 1}])
        sent_later.cancel()
        self.failureResultOf(sent_later)
        self.assertEqual(wire.load, 0)

    def test_memory_is_flat_while_down(self) -> None:
        """Commands during an outage leave nothing behind."""
        pool, clock = make_pool()
        make_wire(pool).connectionLost(None)
        for _ in range(50):
            failed = pool.submit(request(a=1), clock.seconds() + 5)
            clock.advance(limits.RECONNECT_SECONDS)
            self.failureResultOf(failed, Unavailable)
        self.assertEqual((len(pool._queue), clock.getDelayedCalls(), pool._live), (0, [], []))
