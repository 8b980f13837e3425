"""Tests for L{wildduck.network.deflate}, and for connections that compress."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable

from hypothesis import given, strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from test.network.support import Echo, EchoFactory, connect_in_memory
from test.support.chance import by_chance
from wildduck import limits
from wildduck.errors import ProtocolError
from wildduck.network.deflate import Deflater, Inflater


class Peer:
    """The client's side of a compressed connection."""

    def __init__(self) -> None:
        self._out = zlib.compressobj(6, zlib.DEFLATED, -15)
        self._in = zlib.decompressobj(-15)

    def compress(self, data: bytes) -> bytes:
        return self._out.compress(data) + self._out.flush(zlib.Z_SYNC_FLUSH)

    def read(self, data: bytes) -> bytes:
        return self._in.decompress(data)


def taken(inflater: Inflater, most: int = 1000) -> bytes:
    """All that can be taken."""
    pieces = []
    while piece := inflater.take(most):
        assert len(piece) <= most
        pieces.append(piece)
    return b"".join(pieces)


class StreamTests(SynchronousTestCase):
    """The two directions by themselves."""

    @by_chance(50)
    @given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 50), st.integers(1, 100))
    def test_round_trip(self, messages: list[bytes], most: int, step: int) -> None:
        """Whatever is compressed, cut and taken in whatever pieces comes out as it was."""
        deflater, inflater = Deflater(), Inflater()
        data = b"".join(map(deflater.compress, messages))
        found = b""
        for start in range(0, len(data), step):
            inflater.feed(data[start : start + step])
            found += taken(inflater, most)
        self.assertEqual(found, b"".join(messages))
        self.assertFalse(inflater.waiting)

    def test_flush_by_flush(self) -> None:
        """What follows a flush is left alone until it is asked for."""
        peer, inflater = Peer(), Inflater()
        inflater.feed(peer.compress(b"one\r\n") + b"two in plain text\r\n")
        self.assertEqual(inflater.take(1000), b"one\r\n")
        self.assertEqual(inflater.end(), b"two in plain text\r\n")
        self.assertFalse(inflater.waiting)

    def test_finished_stream(self) -> None:
        """A peer may also end its stream; what follows is plain."""
        stream, inflater = zlib.compressobj(6, zlib.DEFLATED, -15), Inflater()
        inflater.feed(stream.compress(b"one\r\n") + stream.flush() + b"plain\r\n")
        self.assertEqual(inflater.take(1000), b"one\r\n")
        self.assertEqual(inflater.end(), b"plain\r\n")

    def test_broken(self) -> None:
        """What is no DEFLATE, or comes behind the stream's end, is an error."""
        inflater = Inflater()
        inflater.feed(b"a NOOP\r\n")
        self.assertRaises(ProtocolError, taken, inflater)
        inflater = Inflater()
        stream = zlib.compressobj(6, zlib.DEFLATED, -15)
        inflater.feed(stream.compress(b"one") + stream.flush() + b"two")
        self.assertEqual(inflater.take(10), b"one")
        self.assertRaises(ProtocolError, inflater.take, 10)


class ConnectionTests(SynchronousTestCase):
    """A connection that is told to compress."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.connection: Echo = connect_in_memory(EchoFactory(self.clock))
        self.transport = self.connection.transport
        self.transport.taken()
        self.peer = Peer()

    def begin(self) -> None:
        self.connection.dataReceived(b"DEFLATE\r\n")
        self.assertEqual(self.transport.taken(), b"from now on\r\n")

    def turns(self, count: int = 20) -> None:
        self.clock.pump([0] * count)

    def answer(self) -> bytes:
        self.turns()
        return self.peer.read(self.transport.taken())

    def test_both_ways(self) -> None:
        """From the answer on both sides compress; pieces of one turn leave as one."""
        self.begin()
        self.connection.dataReceived(self.peer.compress(b"one\r\ntwo\r\n"))
        self.assertEqual(self.transport.taken(), b"")
        self.assertEqual(self.answer(), b"one\r\ntwo\r\n")

    def test_byte_by_byte(self) -> None:
        """The segments do not matter."""
        self.begin()
        for byte in self.peer.compress(b"one\r\n") + self.peer.compress(b"two\r\n"):
            self.connection.dataReceived(bytes([byte]))
        self.assertEqual(self.answer(), b"one\r\ntwo\r\n")

    def test_eager_client(self) -> None:
        """What came with the command itself counts as compressed."""
        self.connection.dataReceived(b"DEFLATE\r\n" + self.peer.compress(b"one\r\n"))
        self.assertEqual(self.transport.taken(), b"from now on\r\n")
        self.assertEqual(self.answer(), b"one\r\n")

    def test_plain_text(self) -> None:
        """A client that does not compress is cut off, and nothing of it is executed."""
        self.connection.dataReceived(b"DEFLATE\r\nnot compressed\r\n")
        self.turns()
        self.assertFalse(self.connection.is_open)
        self.assertNotIn("not compressed", self.connection.events)

    def test_end(self) -> None:
        """The answer is the last that is compressed; the client's plain text may be on its way already."""
        self.begin()
        self.connection.dataReceived(self.peer.compress(b"PLAIN\r\n") + b"one\r\n")
        self.turns()
        answer = self.transport.taken()
        ended = zlib.decompressobj(-15)
        place = answer.index(b"\x00\x00\xff\xff") + 4
        self.assertEqual(ended.decompress(answer[:place]), b"no more\r\n")
        self.assertEqual(answer[place:], b"one\r\n")
        self.connection.dataReceived(b"two\r\n")
        self.assertEqual(self.transport.taken(), b"two\r\n")

    def test_bomb(self) -> None:
        """Few bytes that stand for many are inflated as they are taken, some in each turn."""
        self.begin()
        bomb = self.peer.compress(b"HOLD\r\n") + self.peer.compress(b"x" * 50_000_000)
        self.connection.dataReceived(bomb)
        self.turns()
        self.assertLess(self.connection.framer.buffered, 1000)
        self.assertEqual(self.transport.producerState, "paused")
        most = 0

        def received() -> None:
            nonlocal most
            most = max(most, self.connection.framer.buffered)
            self.connection.framer.clear()

        self.connection.received = received  # type: ignore[method-assign]
        self.connection.resume()
        later = Counter[str]()
        call_later = self.clock.callLater

        def counted(delay: float, function: Callable[[], object]) -> object:
            later[function.__name__] += 1
            return call_later(delay, function)

        self.patch(self.clock, "callLater", counted)
        self.turns()
        self.assertEqual(self.transport.producerState, "producing")
        self.assertEqual(most, limits.INFLATED_PIECE)
        self.assertGreater(later["_inflate"], 50)

    def test_leaves_while_much_waits(self) -> None:
        """What waits to be inflated is dropped with the connection."""
        self.begin()
        self.connection.dataReceived(self.peer.compress(b"QUIT\r\n" + b"x" * 5_000_000))
        self.turns()
        self.assertEqual(self.peer.read(self.transport.taken()), b"bye\r\n")
        self.connection.connectionLost()
        self.assertEqual([call for call in self.clock.getDelayedCalls() if call.active()], [])
