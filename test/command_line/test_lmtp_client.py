"""What C{wildduck deliver} sends."""

from __future__ import annotations

import io
import socket
import threading

from twisted.trial import unittest

from wildduck.command_line import lmtp_client
from wildduck.command_line.lmtp_client import CHUNK_BYTES, DeliveryFailed, LmtpClient


class BlocksTests(unittest.SynchronousTestCase):
    """The bytes of a file as they are sent."""

    def sent(self, content: bytes) -> bytes:
        return b"".join(lmtp_client._blocks(io.BytesIO(content)))

    def test_unix(self) -> None:
        """A file whose lines end in LF alone is sent with CRLF."""
        self.assertEqual(self.sent(b"a: b\n\ntext\n"), b"a: b\r\n\r\ntext\r\n")

    def test_as_it_is(self) -> None:
        """A file with CRLF anywhere is sent as it is, bare LF, NUL and a missing last line break included."""
        for content in (b"a: b\r\n\r\nbare\nlf", b"\r\n\x00", b"", b"a: b\r\n\r\n.\r\n"):
            self.assertEqual(self.sent(content), content)

    def test_crlf_at_the_edge(self) -> None:
        """A CRLF that two blocks share is seen."""
        content = b"x" * (CHUNK_BYTES - 1) + b"\r\n" + b"y\n"
        self.assertEqual(self.sent(content), content)


class _Script(threading.Thread):
    """A server that says what it is told to say, and notes what it hears."""

    def __init__(self, *replies: bytes) -> None:
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.replies = list(replies)
        self.heard: list[bytes] = []

    def run(self) -> None:
        connection, _ = self.socket.accept()
        with connection, connection.makefile("rb") as lines:
            connection.sendall(b"220 hello\r\n")
            for reply in self.replies:
                line = lines.readline()
                self.heard.append(line)
                if line.startswith(b"BDAT"):
                    lines.read(int(line.split()[1]))
                connection.sendall(reply)
        self.socket.close()


_HELLO = b"250-hello\r\n250-CHUNKING\r\n250 SMTPUTF8\r\n"


class ClientTests(unittest.SynchronousTestCase):
    """L{LmtpClient} against scripted answers."""

    def script(self, *replies: bytes) -> _Script:
        script = _Script(*replies)
        script.start()
        self.addCleanup(script.join, 10)
        return script

    def file(self, content: bytes) -> str:
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(content)
        return path

    def test_answers(self) -> None:
        """Each recipient has its own answer, in order, whether refused at RCPT or after the message."""
        script = self.script(
            _HELLO,
            b"250 ok\r\n",
            b"550 no\r\n",
            b"250 ok\r\n",
            b"250 ok\r\n",
            b"250 a\r\n452 full\r\n",
            b"221 x\r\n",
        )
        with LmtpClient("127.0.0.1", script.port) as client:
            answers = client.deliver(self.file(b"a: b\n\nc\n"), "", ["x@x", "y@y", "z@z"])
        self.assertEqual(
            [(answer.recipient, answer.accepted, answer.answer) for answer in answers],
            [("x@x", False, "550 no"), ("y@y", True, "250 a"), ("z@z", False, "452 full")],
        )
        self.assertTrue(script.heard[0].upper().startswith(b"LHLO"))
        self.assertEqual(script.heard[5], b"BDAT 11 LAST\r\n")

    def test_all_refused(self) -> None:
        """When nobody takes it, the message is not sent."""
        script = self.script(_HELLO, b"250 ok\r\n", b"550 no\r\n", b"250 reset\r\n", b"221 x\r\n")
        with LmtpClient("127.0.0.1", script.port) as client:
            (answer,) = client.deliver(self.file(b"a: b\n"), "", ["x@x"])
        self.assertFalse(answer.accepted)
        self.assertEqual(script.heard[3].upper(), b"RSET\r\n")

    def test_unicode(self) -> None:
        """An address outside ASCII is sent in UTF-8, with SMTPUTF8 asked for."""
        script = self.script(_HELLO, b"250 ok\r\n", b"250 ok\r\n", b"250 a\r\n", b"221 x\r\n")
        with LmtpClient("127.0.0.1", script.port) as client:
            (answer,) = client.deliver(self.file(b"a: b\n"), "", ["õ@õ.example"])
        self.assertTrue(answer.accepted)
        self.assertIn(b"SMTPUTF8", script.heard[1])
        self.assertIn("õ@õ.example".encode(), script.heard[2])

    def test_big(self) -> None:
        """A long file goes in chunks, each answered before the next."""
        script = self.script(_HELLO, b"250 ok\r\n", b"250 ok\r\n", b"250 ok\r\n", b"250 a\r\n", b"221 x\r\n")
        with LmtpClient("127.0.0.1", script.port) as client:
            client.deliver(self.file(b"\r\n" + b"x" * CHUNK_BYTES), "", ["x@x"])
        self.assertEqual(script.heard[3:5], [f"BDAT {CHUNK_BYTES}\r\n".encode(), b"BDAT 2 LAST\r\n"])

    def test_no_server(self) -> None:
        """Nobody listening is one line."""
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        error = self.assertRaises(DeliveryFailed, LmtpClient, "127.0.0.1", port)
        self.assertEqual(str(error), f"LMTP at 127.0.0.1:{port}: Connection refused")

    def test_broken_off(self) -> None:
        """A server that hangs up is one line."""
        script = self.script(_HELLO, b"250 ok\r\n")
        with LmtpClient("127.0.0.1", script.port) as client:
            self.assertRaises(DeliveryFailed, client.deliver, self.file(b"a: b\n"), "", ["x@x"])

    def test_no_file(self) -> None:
        """A file that is not there is one line."""
        script = self.script(_HELLO, b"221 x\r\n")
        with LmtpClient("127.0.0.1", script.port) as client:
            error = self.assertRaises(DeliveryFailed, client.deliver, "/nonexistent", "", ["x@x"])
        self.assertEqual(str(error), "/nonexistent: No such file or directory")
