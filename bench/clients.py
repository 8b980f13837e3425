"""
Clients that cost next to nothing: blocking sockets, and no parsing beyond the end of a reply.

They leave the processor to the servers that they share it with.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator, Sequence

SECONDS = 600.0
_BLOCK = 1 << 18
_TAIL = 4096


class Refused(Exception):
    """The server did not do what it was asked."""


class _Client:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._block = bytearray(_BLOCK)
        self._view = memoryview(self._block)

    def fileno(self) -> int:
        """For C{select}."""
        return self.socket.fileno()

    def close(self) -> None:
        self.socket.close()

    def _receive(self) -> memoryview:
        count = self.socket.recv_into(self._block)
        if not count:
            raise Refused("the server closed the connection")
        return self._view[:count]


class Imap(_Client):
    """One IMAP connection."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._number = 0
        self._tag = b""
        self.line()

    def send(self, command: str) -> None:
        """The first half of L{do}."""
        self._number += 1
        self._tag = b"zQ%d " % self._number
        self.socket.sendall(self._tag + command.encode() + b"\r\n")

    def finish(self) -> bytes:
        """
        The second half of L{do}.

        @return: the end of what came: the tagged line and up to 4 KB before it.
        """
        tail = b""
        while True:
            block = self._receive()
            tail = (tail + block[-_TAIL:])[-_TAIL:] if len(block) < _TAIL else bytes(block[-_TAIL:])
            if tail.endswith(b"\r\n"):
                last = tail[tail.rfind(b"\n", 0, -1) + 1 :]
                if last.startswith(self._tag):
                    if not last.startswith(self._tag + b"OK"):
                        raise Refused(last.decode("latin-1").strip())
                    return tail

    def do(self, command: str) -> bytes:
        """
        Send a command, read up to its tagged response.

        @raise Refused: it is not OK.
        """
        self.send(command)
        return self.finish()

    def login(self, name: str, password: str) -> None:
        self.do(f"LOGIN {name} {password}")

    def found(self, criteria: str) -> int:
        """SEARCH: how many messages."""
        self.send(f"SEARCH {criteria}")
        count = 0
        while True:
            line = self.line(1 << 24)
            if line.startswith(b"* SEARCH"):
                count += len(line.split()) - 2
            elif line.startswith(self._tag):
                if not line.startswith(self._tag + b"OK"):
                    raise Refused(line.decode("latin-1").strip())
                return count

    def append(self, mailbox: str, message: bytes) -> None:
        """APPEND with a literal that waits for its go-ahead, for not every server has LITERAL+."""
        self.send(f"APPEND {mailbox} {{{len(message)}}}")
        answer = self.line()
        if not answer.startswith(b"+"):
            raise Refused(answer.decode("latin-1").strip())
        self.socket.sendall(message + b"\r\n")
        self.finish()

    def idle(self) -> None:
        """IDLE, up to its continuation."""
        self.send("IDLE")
        while not self.line().startswith(b"+"):
            pass

    def until(self, end: bytes) -> None:
        """Read lines up to one that ends so."""
        while not self.line().endswith(end):
            pass

    def done(self) -> None:
        """End IDLE."""
        self.socket.sendall(b"DONE\r\n")
        self.finish()

    def line(self, most: int = 1 << 16) -> bytes:
        """One line, byte by byte only in effect: what follows stays in the socket."""
        line = b""
        while len(line) < most:
            seen = self.socket.recv(_BLOCK, socket.MSG_PEEK)
            if not seen:
                raise Refused("the server closed the connection")
            end = seen.find(b"\n") + 1
            line += self.socket.recv(end or len(seen))
            if end:
                return line[:-2]
        raise Refused("a line without end")


class Lmtp(_Client):
    """One LMTP connection, greeted."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._buffer = b""
        self._replies(1)
        self.socket.sendall(b"LHLO bench.example\r\n")
        self._replies(1)

    def stages(self, recipient: str, sender: str, message: bytes) -> Iterator[None]:
        """
        One delivery; it stands still where there is a reply to be waited for, four times.

        Nothing is pipelined: with Nagle's algorithm, as WildDuck leaves it, three replies at once
        take 40 ms more, and nobody would learn what the server needs.
        """
        self._say(b"MAIL FROM:<%s>\r\n" % sender.encode())
        yield
        self._replies(1)
        self._say(b"RCPT TO:<%s>\r\n" % recipient.encode())
        yield
        self._replies(1)
        self._say(b"DATA\r\n")
        yield
        self._replies(1)
        self._say(message.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        yield
        self._replies(1)

    def begin(self, recipient: str, sender: str, message: bytes) -> None:
        """A delivery up to the message's last byte; L{finish} reads the reply."""
        self._stages = self.stages(recipient, sender, message)
        for _ in range(4):
            next(self._stages)

    def finish(self) -> None:
        """The reply of L{begin}'s message."""
        for _ in self._stages:
            pass

    def _say(self, text: bytes) -> None:
        self.socket.sendall(text)

    def _replies(self, count: int) -> None:
        """Read so many replies, each of any number of lines."""
        while count:
            end = self._buffer.find(b"\n") + 1
            if not end:
                self._buffer += self._receive()
                continue
            line, self._buffer = self._buffer[:end], self._buffer[end:]
            if line[:1] not in b"23":
                raise Refused(line.decode("latin-1").strip())
            count -= line[3:4] != b"-"


class Pop3(_Client):
    """One POP3 connection."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._read(b"\r\n")

    def do(self, command: str) -> bytes:
        """A command whose answer is one line."""
        return self._ask(command, b"\r\n")

    def lines(self, command: str) -> bytes:
        """A command whose answer ends with a line of one dot."""
        return self._ask(command, b"\r\n.\r\n")

    def _ask(self, command: str, end: bytes) -> bytes:
        self.socket.sendall(command.encode() + b"\r\n")
        return self._read(end)

    def _read(self, end: bytes) -> bytes:
        answer = bytes(self._receive())
        while not answer.endswith(end):
            answer += self._receive()
        if not answer.startswith(b"+OK"):
            raise Refused(answer[:200].decode("latin-1"))
        return answer


def deliver_all(port: int, sender: str, recipients: Sequence[str], messages: Sequence[bytes]) -> None:
    """Deliver by as many connections at once as there are recipients, one for each."""
    left = iter(messages)
    clients = [Lmtp(port) for _ in recipients]
    # Client, its recipient and what it is at, by descriptor; epoll tells which can go on.
    poll = select.epoll()
    busy: dict[int, tuple[Lmtp, str, Iterator[None]]] = {}

    def begin(client: Lmtp, recipient: str) -> None:
        message = next(left, None)
        if message is None:
            busy.pop(client.fileno(), None)
            return
        work = client.stages(recipient, sender, message)
        next(work)
        busy[client.fileno()] = (client, recipient, work)

    try:
        for client, recipient in zip(clients, recipients, strict=True):
            poll.register(client.fileno(), select.EPOLLIN)
            begin(client, recipient)
        while busy:
            ready = poll.poll(SECONDS)
            if not ready:
                raise Refused("no reply")
            for descriptor, _ in ready:
                if descriptor not in busy:
                    raise Refused("a connection was closed")
                client, recipient, work = busy[descriptor]
                if next(work, work) is work:  # its end
                    begin(client, recipient)
    finally:
        poll.close()
        for client in clients:
            client.close()
