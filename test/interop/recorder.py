"""Relays in front of the server's plain ports that keep what clients and server say to each other."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from test.interop.compression import in_clear

_READ = 1 << 16
_CONNECT_SECONDS = 10.0


@dataclass
class Conversation:
    """
    One connection.

    @ivar listener: name of the server's listener: C{"imap"} or C{"pop3"}.
    @ivar pieces: what was said in order of time, as it was sent, each with whether the server said it.
    """

    listener: str
    pieces: list[tuple[bool, bytes]] = field(default_factory=list)

    def said(self, by_server: bool) -> bytes:
        """Everything that one side has said, in clear also after COMPRESS."""
        pieces = list(self.pieces)
        client, server = (b"".join(data for side, data in pieces if side == who) for who in (False, True))
        if self.listener == "imap":
            client, server = in_clear(client, server)
        return server if by_server else client


Cut = Callable[[Conversation], bool]


class Recorder:
    """
    Relays, each with a port of its own.

    @ivar cut: asked whenever the server has said something, before that is passed on; true ends
        the connection on both sides and forgets the question.
    """

    def __init__(self) -> None:
        self.cut: Cut | None = None
        self._conversations: list[Conversation] = []
        self._listening: list[socket.socket] = []
        self._lock = threading.Lock()

    def forward(self, listener: str, port: int) -> int:
        """
        Relay to a port of this machine.

        @return: the port to connect to instead.
        """
        listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._listening.append(listening)
        self._start(self._accept, listening, listener, port)
        return int(listening.getsockname()[1])

    def take(self) -> list[Conversation]:
        """The conversations since the last call."""
        with self._lock:
            taken, self._conversations = self._conversations, []
        return taken

    def seen(self) -> list[Conversation]:
        """The conversations since the last L{take}, which stay."""
        with self._lock:
            return list(self._conversations)

    def close(self) -> None:
        """Accept no more; open connections end with their peers."""
        for listening in self._listening:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()

    def _accept(self, listening: socket.socket, listener: str, port: int) -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", port), _CONNECT_SECONDS)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            conversation = Conversation(listener)
            with self._lock:
                self._conversations.append(conversation)
            self._start(self._pump, client, server, conversation, False)
            self._start(self._pump, server, client, conversation, True)

    def _pump(
        self, source: socket.socket, target: socket.socket, conversation: Conversation, server: bool
    ) -> None:
        """Pass on one direction until it ends; the other is told that it has."""
        try:
            while data := source.recv(_READ):
                conversation.pieces.append((server, data))
                if server and self.cut is not None and self.cut(conversation):
                    self.cut = None
                    source.shutdown(socket.SHUT_RDWR)
                    break
                target.sendall(data)
        except OSError:
            pass
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR if server else socket.SHUT_WR)
        if server:  # A server that has gone hears no more.
            source.close()
            target.close()

    @staticmethod
    def _start(target: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=target, args=arguments, daemon=True).start()
