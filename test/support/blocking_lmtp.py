"""An LMTP client that blocks (RFC 2033), with DATA and BDAT fed by blocks."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_SECONDS = 120.0
_READ = 1 << 16


@dataclass(frozen=True)
class Reply:
    """
    One reply.

    @ivar text: of all its lines, joined by line feeds.
    """

    code: int
    text: str


class Lmtp:
    """One connection, greeted; C{extensions} are those of LHLO in upper case."""

    def __init__(self, port: int, host: str = "127.0.0.1", timeout: float = _SECONDS) -> None:
        self._socket = socket.create_connection((host, port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self.reply()
        self.extensions = {line.upper() for line in self.command("LHLO test.example").text.split("\n")[1:]}

    def __enter__(self) -> Lmtp:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close without QUIT."""
        self._socket.close()

    def command(self, line: str) -> Reply:
        """Send a line, read its reply."""
        self._socket.sendall(line.encode() + b"\r\n")
        return self.reply()

    def data(
        self, message: bytes | Iterable[bytes], recipients: Sequence[str], sender: str = "sender@example.net"
    ) -> list[Reply]:
        """
        One transaction by DATA; the replies of MAIL, RCPT and DATA are checked.

        @param message: CRLF text that ends with CRLF; in blocks, each of whole lines.
        @return: one reply for each recipient.
        """
        self.envelope(sender, recipients)
        return self.content(message, len(recipients))

    def content(self, message: bytes | Iterable[bytes], recipients: int) -> list[Reply]:
        """DATA after L{envelope}; as many replies as there are recipients."""
        self.send(message)
        return [self.reply() for _ in range(recipients)]

    def send(self, message: bytes | Iterable[bytes]) -> None:
        """The first half of L{content}: the replies are still to be read."""
        self._expect(354, self.command("DATA"))
        for block in [message] if isinstance(message, bytes) else message:
            stuffed = block.replace(b"\r\n.", b"\r\n..")
            self._socket.sendall(b"." + stuffed if stuffed.startswith(b".") else stuffed)
        self._socket.sendall(b".\r\n")

    def fileno(self) -> int:
        """For C{select}."""
        return self._socket.fileno()

    def bdat(
        self,
        message: bytes | Iterable[bytes],
        recipients: Sequence[str],
        sender: str = "sender@example.net",
        options: str = "",
    ) -> list[Reply]:
        """One transaction by BDAT, one chunk for each block and an empty last one."""
        self.envelope(sender, recipients, options)
        for block in _halves(message) if isinstance(message, bytes) else message:
            if block:
                self._socket.sendall(b"BDAT %d\r\n" % len(block))
                self._socket.sendall(block)
                self._expect(250, self.reply())
        self._socket.sendall(b"BDAT 0 LAST\r\n")
        return [self.reply() for _ in recipients]

    def envelope(self, sender: str, recipients: Sequence[str], options: str = "") -> None:
        """MAIL and RCPT, pipelined."""
        lines = [f"MAIL FROM:<{sender}>{' ' if options else ''}{options}"]
        lines += [f"RCPT TO:<{recipient}>" for recipient in recipients]
        self._socket.sendall("".join(f"{line}\r\n" for line in lines).encode())
        for _ in lines:
            self._expect(250, self.reply())

    def reply(self) -> Reply:
        """
        The next reply.

        @raise ConnectionError: the server closed.
        """
        lines = []
        while True:
            while b"\n" not in self._buffer:
                data = self._socket.recv(_READ)
                if not data:
                    raise ConnectionError("the server closed the connection")
                self._buffer += data
            line, _, self._buffer = self._buffer.partition(b"\n")
            text = line.decode("utf-8", "replace").rstrip("\r")
            lines.append(text[4:])
            if text[3:4] != "-":
                return Reply(int(text[:3]), "\n".join(lines))

    @staticmethod
    def _expect(code: int, reply: Reply) -> None:
        if reply.code != code:
            raise AssertionError(f"LMTP: {reply.code} {reply.text}, not {code}")


def _halves(message: bytes) -> Iterator[bytes]:
    """Two chunks, cut where it hurts: between the CR and the LF in the middle, if there are any."""
    cut = message.find(b"\r\n", len(message) // 2) + 1 or len(message) // 2
    yield message[:cut]
    yield message[cut:]
