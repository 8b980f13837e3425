"""POP3 as a user has it: another client, other faces, and a message that is larger than all buffers."""

from __future__ import annotations

import base64
import hashlib
import poplib
import random
import socket
import ssl
import time

from test.support.server_process import PASSWORD, ServerProcess, ServerTestCase
from wildduck.limits import MIB

#: What delivery puts before a message: two lines.
_ADDED = 2
_LARGE = 30 * MIB
#: What the server's process may grow by while it sends a message of that size.
_GROWTH = 12 * MIB


def _large(size: int) -> bytes:
    """A message with an attachment of C{size} bytes in base64."""
    text = base64.encodebytes(random.Random(1).randbytes(size * 3 // 4)).replace(b"\n", b"\r\n")
    return (
        b"Subject: large\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + text
    )


class Pop3Tests(ServerTestCase):
    def test_bounded_together(self) -> None:
        """An account has its sessions on all servers together."""
        first, second = self.pair("pop3.connections_per_user=1")
        first.account("alice")
        client = self._client(first)
        with self.assertRaisesRegex(poplib.error_proto, "IN-USE"):
            self._client(second)
        client.quit()
        self._client(second)

    def _client(self, server: ServerProcess, tls: bool = False) -> poplib.POP3:
        if tls:
            context = ssl._create_unverified_context()
            client: poplib.POP3 = poplib.POP3_SSL("127.0.0.1", server.ports["pop3_tls"], context=context)
        else:
            client = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=60)
        self.addCleanup(client.close)
        client.user("alice")
        client.pass_(PASSWORD)
        return client

    def _deliver(self, server: ServerProcess, *messages: bytes) -> None:
        with server.lmtp() as lmtp:
            for message in messages:
                (reply,) = lmtp.data(message, ["alice@example.com"])
                self.assertEqual(reply.code, 250, reply)

    def test_leave_and_delete(self) -> None:
        """Mail is left on the server or deleted, over TLS too, and IMAP shows what became of it."""
        server = self.server()
        server.account("alice")
        bodies = [b"Subject: %d\r\n\r\n.dot\r\n..\r\nText %d.\r\n" % (number, number) for number in range(3)]
        self._deliver(server, *bodies)
        client = self._client(server, tls=True)
        count, size = client.stat()
        self.assertEqual(count, 3)
        uids = client.uidl()[1]
        for number, body in enumerate(bodies, 1):
            _, lines, octets = client.retr(number)
            self.assertEqual(b"\r\n".join([*lines[_ADDED:], b""]), body)
            size -= octets
        self.assertEqual(size, 0)
        client.quit()
        client = self._client(server)
        self.assertEqual(client.uidl()[1], uids)
        client.dele(2)
        client.close()  # without QUIT
        client = self._client(server)
        self.assertEqual(client.uidl()[1], uids)
        client.dele(1)
        client.dele(3)
        client.quit()
        client = self._client(server)
        self.assertEqual(client.uidl()[1], [b"1 " + uids[1].split()[1]])
        with server.imap("alice") as imap:
            imap.select()
            self.assertEqual(imap.exists, 1)
            imap.select("Trash")
            self.assertEqual(imap.exists, 2)
            self.assertIn(b"\\Seen", imap.fetch(imap.uids()[0], "(FLAGS)")["FLAGS"])
        self.assertEqual(server.command("verify", "--min-age", "0").stdout, "nothing found\n")

    def test_large_message(self) -> None:
        """30 MiB to a client that reads slowly: exact, and the server holds a small part of it."""
        server = self.server()
        server.account("alice")
        message = _large(_LARGE)
        self._deliver(server, message)
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.settimeout(60)
            client.connect(("127.0.0.1", server.ports["pop3"]))
            stream = client.makefile("rb")
            stream.readline()
            client.sendall(b"USER alice\r\nPASS %b\r\nTOP 1 10\r\n" % PASSWORD.encode())
            while stream.readline() != b".\r\n":
                pass
            before = server.memory()
            client.sendall(b"RETR 1\r\nNOOP\r\n")
            size = int(stream.readline().split()[1])
            for _ in range(_ADDED):
                size -= len(stream.readline())
            most = 0
            digest = hashlib.sha256()
            left = size
            while left:
                block = stream.read(min(left, MIB))
                digest.update(block)
                left -= len(block)
                time.sleep(0.02)
                most = max(most, server.memory())
            self.assertEqual((size, digest.digest()), (len(message), hashlib.sha256(message).digest()))
            self.assertEqual(stream.readline() + stream.readline(), b".\r\n+OK\r\n")
            self.assertLess(most - before, _GROWTH)
