"""What connections of all kinds do with their transport."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial import unittest

from test.support.descriptor import Descriptor
from wildduck.network.outlet import Outlet
from wildduck.transports import flush


class FlushTests(unittest.SynchronousTestCase):
    """Writing before the reactor does."""

    def setUp(self) -> None:
        self.transport = Descriptor()
        self.outlet = Outlet(self.transport, Clock(), lambda: None)

    def test_in_one_piece(self) -> None:
        """What was sent since the last time leaves together, and with nothing to be sent nothing is done."""
        self.outlet.flush()
        self.outlet.send(b"* 1 EXISTS\r\n")
        self.outlet.send(b"a OK\r\n")
        self.assertEqual([], self.transport.pieces)
        self.outlet.flush()
        self.outlet.flush()
        self.assertEqual([b"* 1 EXISTS\r\na OK\r\n"], self.transport.pieces)

    def test_connection_that_ends(self) -> None:
        """The last bytes of a connection are left to the reactor, which then closes it."""
        self.outlet.send(b"* BYE\r\n")
        self.transport.loseConnection()
        flush(self.transport)
        self.assertEqual([], self.transport.pieces)
        self.assertTrue(self.transport.disconnecting)

    def test_other_transports(self) -> None:
        """A transport that is no descriptor of a file has its own time to write."""
        transport = StringTransport()
        transport.write(b"a")
        flush(transport)
        self.assertEqual(b"a", transport.value())
