"""Tests for L{wildduck.network.connection}, L{outlet} and L{factory}, in memory."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from test.network.support import (
    Echo,
    EchoFactory,
    connect_in_memory,
    hang_up,
)
from wildduck import limits
from wildduck.network.registry import Registry


class DialogueTests(SynchronousTestCase):
    """Receiving: segments, pausing, errors."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.factory = EchoFactory(self.clock)
        self.connection = connect_in_memory(self.factory)
        self.transport = self.connection.transport
        self.transport.taken()

    def test_segments(self) -> None:
        """Lines are answered however they are cut."""
        for byte in b"one\r\ntwo\r\n":
            self.connection.dataReceived(bytes([byte]))
        self.assertEqual(self.transport.taken(), b"one\r\ntwo\r\n")

    def test_pause_holds_pipelined_lines(self) -> None:
        """While paused nothing is delivered; resuming goes on in order."""
        self.connection.dataReceived(b"HOLD\r\nnext\r\n")
        self.connection.dataReceived(b"later\r\n")
        self.assertEqual(self.transport.taken(), b"")
        self.connection.resume()
        self.assertEqual(self.transport.taken(), b"next\r\nlater\r\n")

    def test_pause_bounds_what_is_read(self) -> None:
        """A client that goes on sending while paused is read up to the bound, and again after it."""
        self.connection.dataReceived(b"HOLD\r\n" + b"x" * (limits.READ_AHEAD - 1))
        self.assertEqual(self.transport.producerState, "producing")
        self.connection.dataReceived(b"x")
        self.assertEqual(self.transport.producerState, "paused")
        self.connection.dataReceived(b"\r\n")  # TLS may still hold some
        self.connection.resume()
        self.assertEqual(len(self.transport.taken()), limits.READ_AHEAD + 2)
        self.assertEqual(self.transport.producerState, "producing")

    def test_peer_leaves_while_paused(self) -> None:
        """The end is noticed although a handler is at work, which may resume later without effect."""
        self.connection.dataReceived(b"HOLD\r\nnext\r\n")
        hang_up(self.connection)
        self.assertFalse(self.connection.is_open)
        self.connection.resume()
        self.assertEqual(self.transport.value(), b"")

    def test_resume_within_received_does_not_recurse(self) -> None:
        """A hundred thousand lines whose work is done at once are handled in one loop."""

        class Instant(Echo):
            def answer(self, line: bytes) -> None:
                self.pause()
                self.resume()
                super().answer(line)

        self.factory.protocol = Instant
        connection = connect_in_memory(self.factory)
        connection.dataReceived(b"x\r\n" * 100_000)
        self.assertEqual(connection.transport.value().count(b"x\r\n"), 100_000)

    def test_nothing_after_lose(self) -> None:
        """Lines pipelined behind the one that closes, and what still comes, are dropped."""
        self.connection.dataReceived(b"QUIT\r\nafter\r\n")
        self.connection.dataReceived(b"late\r\n")
        self.connection.send(b"too late\r\n")
        self.assertEqual(self.transport.value(), b"bye\r\n")
        self.assertTrue(self.transport.disconnecting)
        self.assertFalse(self.connection.is_open)

    def test_handler_fails(self) -> None:
        """An exception that a face did not catch is logged and ends that connection."""
        self.connection.dataReceived(b"FAIL\r\nx\r\n")
        self.assertTrue(self.transport.aborted)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_closed_once(self) -> None:
        """The end is told, and nothing of the connection is left: no timer, no place in the registry."""
        self.connection.set_timeout(60.0)
        hang_up(self.connection)
        self.assertEqual(self.factory.connections, set())
        self.assertEqual(self.factory.registry.open, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_session_ids_differ(self) -> None:
        """Each connection has an id of 16 characters."""
        other = connect_in_memory(self.factory)
        self.assertEqual(len(other.session), 16)
        self.assertNotEqual(other.session, self.connection.session)


class IdleTests(SynchronousTestCase):
    """L{Connection.set_timeout}."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.connection = connect_in_memory(EchoFactory(self.clock))
        self.connection.set_timeout(100.0)

    def said(self) -> bool:
        return b"too slow" in self.connection.transport.value()

    def test_silence(self) -> None:
        """Without a byte the time-out comes at its time, and not before."""
        self.clock.advance(99)
        self.assertFalse(self.said())
        self.clock.advance(1)
        self.assertTrue(self.said())
        self.assertTrue(self.connection.transport.disconnecting)

    def test_activity(self) -> None:
        """Each byte begins the time anew."""
        for _ in range(5):
            self.clock.advance(90)
            self.connection.dataReceived(b"x")
        self.assertFalse(self.said())
        self.clock.advance(100)
        self.assertTrue(self.said())

    def test_not_while_paused(self) -> None:
        """While a handler works the client need not speak; afterwards it has the whole time."""
        self.connection.pause()
        self.clock.advance(1000)
        self.connection.resume()
        self.clock.advance(99)
        self.assertFalse(self.said())
        self.clock.advance(1)
        self.assertTrue(self.said())

    def test_changed_and_off(self) -> None:
        """A new time-out replaces the old one, C{None} ends it."""
        self.connection.set_timeout(500.0)
        self.clock.advance(400)
        self.assertFalse(self.said())
        self.connection.set_timeout(None)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SlowReaderTests(SynchronousTestCase):
    """Sending to a peer that does not keep up."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.connection = connect_in_memory(EchoFactory(self.clock))
        self.transport = self.connection.transport
        self.transport.taken()
        self.transport.full_above = 64 * limits.KIB

    def produce(self, blocks: int) -> tuple[list[int], Deferred[None]]:
        """A producer of blocks of 64 KiB that waits for L{Connection.drained} after each."""
        done: list[int] = []

        async def run() -> None:
            for number in range(blocks):
                self.connection.send(bytes([number % 256]) * 64 * limits.KIB)
                done.append(number)
                await self.connection.drained()

        return done, Deferred.fromCoroutine(run())

    def test_producer_waits(self) -> None:
        """Held back bytes stay near the bound, and all arrive in order once the peer reads."""
        done, finished = self.produce(100)
        got = b""
        for _ in range(200):
            self.assertLessEqual(self.connection.unsent, limits.WRITE_BUFFER + 64 * limits.KIB)
            self.assertLess(len(self.transport.value()), 256 * limits.KIB)
            got += self.transport.taken()
        self.successResultOf(finished)
        self.assertEqual(got, b"".join(bytes([n]) * 64 * limits.KIB for n in range(100)))

    def test_fast_peer_never_waits(self) -> None:
        """With little unsent L{Connection.drained} returns at once."""
        self.transport.full_above = None
        self.successResultOf(self.produce(100)[1])

    def test_small_pieces_behind_a_large_one(self) -> None:
        """What waited is joined into blocks, not written piece by piece."""
        self.connection.send(b"x" * 100 * limits.KIB)
        for _ in range(1000):
            self.connection.send(b"0123456789")
        written: list[bytes] = []
        self.transport.write = written.append
        self.transport.taken()
        self.assertEqual(written, [b"0123456789" * 1000])

    def test_peer_that_takes_nothing(self) -> None:
        """After the stall time the connection is cut and the producer told."""
        _, finished = self.produce(100)
        self.clock.advance(limits.WRITE_STALL_SECONDS)
        self.assertTrue(self.transport.aborted)
        self.failureResultOf(finished, ConnectionLost)

    def test_stall_time_begins_anew(self) -> None:
        """A peer that took something has the whole time again."""
        self.produce(100)
        for _ in range(3):
            self.clock.advance(limits.WRITE_STALL_SECONDS - 1)
            self.transport.taken()
        self.assertFalse(self.transport.aborted)

    def test_connection_lost_while_waiting(self) -> None:
        """A producer that waits, or asks later, learns of the end."""
        _, finished = self.produce(100)
        hang_up(self.connection)
        self.failureResultOf(finished, ConnectionLost)
        self.failureResultOf(Deferred.fromCoroutine(self.connection.drained()), ConnectionLost)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_commands_of_a_peer_that_does_not_read(self) -> None:
        """No answers are made for a client that leaves the former ones unread; later it goes on."""
        line = b"y" * 1000 + b"\r\n"
        sent = 0
        while self.transport.producerState == "producing" and sent < 5000:
            self.connection.dataReceived(line * 50)
            sent += 50
        self.assertLess(self.connection.unsent, limits.WRITE_BUFFER + 51 * len(line))
        self.assertLess(sent * len(line), 1_000_000)
        got = b""
        for _ in range(20):
            got += self.transport.taken()
        self.assertEqual(got, line * sent)
        self.assertEqual(self.transport.producerState, "producing")

    def test_lose_sends_what_waits(self) -> None:
        """Closing hands everything over first."""
        self.connection.send(b"x" * 100 * limits.KIB)
        self.connection.send(b"last words")
        self.connection.lose()
        self.assertTrue(self.transport.value().endswith(b"xlast words"))
        self.assertTrue(self.transport.disconnecting)

    def test_close_has_a_deadline(self) -> None:
        """A peer that neither reads nor closes its side is cut off in the end."""
        self.connection.lose()
        self.clock.advance(limits.CLOSE_SECONDS)
        self.assertTrue(self.transport.aborted)

    def test_idle_time_does_not_run_while_sending(self) -> None:
        """A client that reads a long answer is not idle."""
        self.connection.set_timeout(60.0)
        self.produce(100)
        self.clock.advance(100)
        self.assertFalse(self.transport.disconnecting)


class LimitTests(SynchronousTestCase):
    """How many connections are let in, and shutting down."""

    def test_per_worker(self) -> None:
        """Over the worker's bound a connection is told so and closed; a place that is left is free again."""
        factory = EchoFactory(Clock(), registry=Registry(2, 100))
        first, _ = connect_in_memory(factory), connect_in_memory(factory)
        third = connect_in_memory(factory)
        self.assertEqual(third.transport.value(), b"refused: Too many connections\r\n")
        self.assertTrue(third.transport.disconnecting)
        hang_up(third)
        hang_up(first)
        self.assertTrue(connect_in_memory(factory).is_open)
        self.assertEqual(factory.registry.open, 2)

    def test_per_address(self) -> None:
        """Over the bound for its address a client is refused, another address is not."""
        factory = EchoFactory(Clock(), registry=Registry(100, 1))
        first = connect_in_memory(factory, "192.0.2.7")
        second = connect_in_memory(factory, "192.0.2.7")
        self.assertIn(b"refused: Too many connections from your address", second.transport.value())
        self.assertTrue(connect_in_memory(factory, "192.0.2.8").is_open)
        hang_up(second)
        hang_up(first)
        self.assertTrue(connect_in_memory(factory, "192.0.2.7").is_open)

    def test_shared_registry(self) -> None:
        """Two ports of a worker count together."""
        registry = Registry(1, 100)
        connect_in_memory(EchoFactory(Clock(), registry=registry))
        self.assertFalse(connect_in_memory(EchoFactory(Clock(), registry=registry)).is_open)

    def test_drain(self) -> None:
        """Connections are asked to end, new ones are refused, and the last one's end is told."""
        factory = EchoFactory(Clock())
        connection = connect_in_memory(factory)
        drained = factory.drain()
        self.assertTrue(connection.transport.disconnecting)
        late = connect_in_memory(factory)
        self.assertIn(b"refused: The server is shutting down", late.transport.value())
        hang_up(late)
        self.assertNoResult(drained)
        hang_up(connection)
        self.successResultOf(drained)
        self.successResultOf(factory.drain())

    def test_silent_peer_does_not_hold_up_the_end(self) -> None:
        """A peer that does not close after the last words is waited for a moment only."""
        clock = Clock()
        factory = EchoFactory(clock)
        connection = connect_in_memory(factory)
        factory.drain()
        clock.advance(limits.DRAIN_CLOSE_SECONDS)
        self.assertTrue(connection.transport.aborted)

    def test_drain_cuts_the_rest(self) -> None:
        """A connection with endless work is cut off at the deadline."""

        class Busy(Echo):
            def drain(self) -> None:
                pass

        clock = Clock()
        factory = EchoFactory(clock)
        factory.protocol = Busy
        connection = connect_in_memory(factory)
        factory.drain()
        clock.advance(limits.DRAIN_SECONDS - 1)
        self.assertFalse(connection.transport.aborted)
        clock.advance(1)
        self.assertTrue(connection.transport.aborted)

    def test_implicit_tls_needs_a_certificate(self) -> None:
        """A TLS port without TLS options is a programming error, told at start-up."""
        self.assertRaises(ValueError, EchoFactory, Clock(), implicit_tls=True)


class ProxiedTests(SynchronousTestCase):
    """A PROXY header in front, see C{test_proxy} for its syntax."""

    def make(self, peer: str, **arguments: Any) -> Any:
        self.clock = Clock()
        self.factory = EchoFactory(self.clock, proxies=["192.0.2.0/28", "127.0.0.1"], **arguments)
        return connect_in_memory(self.factory, peer)

    def test_addresses(self) -> None:
        """Nothing is said before the header; peer, local address and the count are those it names."""
        connection = self.make("192.0.2.7")
        self.assertEqual(connection.transport.value(), b"")
        connection.dataReceived(b"PROXY TCP4 198.51.100.1 203.0.113.5 1234 143\r\nfirst\r\n")
        self.assertEqual(connection.transport.value(), b"hello\r\nfirst\r\n")
        self.assertEqual((connection.peer.host, connection.peer.port), ("198.51.100.1", 1234))
        self.assertEqual((connection.local.host, connection.local.port), ("203.0.113.5", 143))
        self.assertEqual(self.factory.registry.connections_from(connection.peer), 1)
        hang_up(connection)
        self.assertEqual(self.factory.registry.connections_from(connection.peer), 0)

    def test_other_sources(self) -> None:
        """From an address that is not configured a header is an ordinary line, and believed in nothing."""
        connection = self.make("192.0.2.99")
        connection.dataReceived(b"PROXY TCP4 127.0.0.1 203.0.113.5 1234 143\r\n")
        self.assertEqual(connection.peer.host, "192.0.2.99")
        self.assertIn(b"PROXY TCP4", connection.transport.value())
        self.assertFalse(connection.secure)

    def test_missing_header(self) -> None:
        """A configured source that sends none is cut off without an answer."""
        connection = self.make("192.0.2.7")
        connection.dataReceived(b"a1 CAPABILITY\r\n")
        self.assertTrue(connection.transport.aborted)
        self.assertEqual(connection.transport.value(), b"")

    def test_late_header(self) -> None:
        """The header has a deadline, which ends with it."""
        connection = self.make("192.0.2.7")
        connection.dataReceived(b"PROXY ")
        self.clock.advance(limits.PROXY_SECONDS)
        self.assertTrue(connection.transport.aborted)
        connection = self.make("192.0.2.7")
        connection.dataReceived(b"PROXY TCP4 198.51.100.1 203.0.113.5 1234 143\r\n")
        self.clock.advance(limits.PROXY_SECONDS)
        self.assertFalse(connection.transport.aborted)

    def test_secure_by_the_address_after_proxy(self) -> None:
        """A balancer on this machine does not make its clients local; one that names a local client does."""
        for header, expected in (
            (b"PROXY TCP4 198.51.100.1 203.0.113.5 1 2\r\n", False),
            (b"PROXY UNKNOWN\r\n", False),
            (b"PROXY TCP4 127.0.0.9 203.0.113.5 1 2\r\n", True),
            (b"PROXY TCP6 ::1 ::1 1 2\r\n", True),
        ):
            connection = self.make("127.0.0.1")
            connection.dataReceived(header)
            self.assertEqual((header, connection.secure), (header, expected))

    def test_secure_by_setting(self) -> None:
        """A local client is secure only where the settings say so."""
        self.assertTrue(connect_in_memory(EchoFactory(Clock()), "127.0.0.1").secure)
        self.assertTrue(connect_in_memory(EchoFactory(Clock()), "::ffff:127.0.0.1").secure)
        self.assertFalse(
            connect_in_memory(EchoFactory(Clock(), loopback_is_secure=False), "127.0.0.1").secure
        )
        self.assertFalse(connect_in_memory(EchoFactory(Clock()), "192.0.2.7").secure)
