"""A server that has no file descriptors left (anchors/reliability.md §4.4, row 12)."""

from __future__ import annotations

import os
import resource
import socket
import time

from test.support.server_process import ServerProcess, ServerTestCase

#: Descriptors that are left to the server, and connections that are tried.
_LEFT = 12
_TRIED = 40
#: Share of one processor that a server with nothing to do may use.
_BUSY = 0.5


class DescriptorTests(ServerTestCase):
    def test_none_left(self) -> None:
        """Connections beyond the last descriptor are closed; sessions go on, others are served later."""
        server = self.server()
        address = server.account("alice")
        with server.imap("alice") as session:
            most = self.descriptors(server) + _LEFT
            _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (most, hard))
            clients = [self.greeted(server) for _ in range(_TRIED)]
            served = [client for client in clients if client is not None]
            self.assertTrue(0 < len(served) < _TRIED, len(served))
            self.assertLess(self.processor_share(server), _BUSY)
            session.select()
            session.append("INBOX", b"Subject: x\r\n\r\nbody\r\n")
            self.assertTrue(session.fetch(1, "(BODY[])")["BODY[]"].endswith(b"body\r\n"))
            full = self.descriptors(server)
            for client in served:
                client.close()
            deadline = time.monotonic() + 30
            while self.descriptors(server) > full - len(served):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)
            with server.lmtp() as lmtp:
                self.assertEqual(lmtp.data(b"Subject: y\r\n\r\n", [address])[0].code, 250)
            with server.imap("alice") as other:
                other.select()
                self.assertEqual(other.exists, 2)

    def greeted(self, server: ServerProcess) -> socket.socket | None:
        """A connection that has got its greeting, C{None} when it was closed instead."""
        client = socket.create_connection(("127.0.0.1", server.ports["imap"]), 10)
        try:
            greeting = client.recv(1000)
        except ConnectionError:
            greeting = b""
        if greeting.startswith(b"* OK"):
            self.addCleanup(client.close)
            return client
        client.close()
        return None

    def descriptors(self, server: ServerProcess) -> int:
        """How many it has open."""
        return len(os.listdir(f"/proc/{server.pid}/fd"))

    def processor_share(self, server: ServerProcess) -> float:
        """Of one second in which nothing is asked of it."""
        before = self.ticks(server)
        time.sleep(1.0)
        return (self.ticks(server) - before) / os.sysconf("SC_CLK_TCK")

    def ticks(self, server: ServerProcess) -> int:
        """Clock ticks that it has used so far."""
        with open(f"/proc/{server.pid}/stat") as file:
            fields = file.read().rpartition(") ")[2].split()
        return int(fields[11]) + int(fields[12])
