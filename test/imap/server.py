"""An IMAP server on real databases, spoken to over an in-memory transport."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from test.support.databases import fresh_settings
from wildduck.accounts import Account
from wildduck.composition import Domain
from wildduck.config import Settings
from wildduck.imap.factory import ImapFactory
from wildduck.mailstore.values import Appended, Mailbox
from wildduck.mime.message import scan

PASSWORD = "secret pass"
#: Longest wait for an answer; only a failing test waits so long.
PATIENCE = 20.0


class Lost(Exception):
    """The server has closed the connection."""


class MemoryTransport(StringTransport):
    """Hands what is written to the client at once."""

    def __init__(self, client: MemoryClient, peer: str) -> None:
        super().__init__(IPv4Address("TCP", "192.0.2.1", 143), IPv4Address("TCP", peer, 40000))
        self._client = client
        self.tls_options: Any = None

    def write(self, data: bytes) -> None:
        self._client.arrived(data)

    def loseConnection(self) -> None:
        self._client.closed()

    def abortConnection(self) -> None:
        self._client.closed()

    def startTLS(self, options: Any) -> None:
        self.tls_options = options


class MemoryClient:
    """
    One client.

    @ivar connection: the server's side.
    @ivar data: what the server has sent and nobody has read.
    """

    def __init__(self, factory: ImapFactory, peer: str) -> None:
        from twisted.internet import reactor

        self._reactor: Any = reactor
        self._waiting: Deferred[None] | None = None
        self._closed = False
        self.data = b""
        self.transport = MemoryTransport(self, peer)
        connection: Any = factory.buildProtocol(self.transport.getPeer())
        self.connection = connection
        connection.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        if not self._closed:
            self.connection.dataReceived(data)

    def finish_handshake(self) -> None:
        """TLS is on now."""
        assert self.transport.tls_options is not None, "the server did not begin TLS"
        self.connection.handshakeCompleted()

    def arrived(self, data: bytes) -> None:
        self.data += data
        self._wake()

    def closed(self) -> None:
        if not self._closed:
            self._closed = True
            self._reactor.callLater(0, self.connection.connectionLost, Failure(ConnectionDone()))
            self._wake()

    def _wake(self) -> None:
        # Later, as over a network: not while the server is about to write more.
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._reactor.callLater(0, waiting.callback, None)

    async def line(self) -> bytes:
        """The next line, without its CRLF."""
        while b"\r\n" not in self.data:
            await self._more()
        line, _, self.data = self.data.partition(b"\r\n")
        return line

    async def until(self, text: bytes) -> bytes:
        """What comes up to and with a text."""
        while text not in self.data:
            await self._more()
        end = self.data.index(text) + len(text)
        found, self.data = self.data[:end], self.data[end:]
        return found

    async def command(self, text: bytes, tag: bytes = b"t") -> bytes:
        """Everything that answers a command, its tagged response included."""
        self.send(tag + b" " + text + b"\r\n")
        lines = [await self.line()]
        while not lines[-1].startswith(tag + b" "):
            lines.append(await self.line())
        return b"\r\n".join(lines) + b"\r\n"

    async def end(self) -> bytes:
        """What comes until the server closes."""
        try:
            while True:
                await self._more()
        except Lost:
            found, self.data = self.data, b""
            return found

    async def _more(self) -> None:
        if self._closed:
            raise Lost(self.data)
        self._waiting = Deferred()
        await self._waiting.addTimeout(PATIENCE, self._reactor)

    async def login(self, name: str) -> None:
        """Sign in, the greeting included."""
        await self.line()
        answer = await self.command(b'LOGIN %b "%b"' % (name.encode(), PASSWORD.encode()))
        assert answer.startswith(b"t OK"), answer


class ImapServer:
    """
    @ivar domain: accounts and store on databases of the test's own.
    @ivar factory: the IMAP port.
    """

    settings: Settings
    domain: Domain
    factory: ImapFactory

    @classmethod
    async def start(
        cls, test: TestCase, *sets: str, tls_options: Any = "tls", clock: Any = None
    ) -> ImapServer:
        """
        @param sets: settings, C{SECTION.KEY=VALUE}.
        @param tls_options: C{None}: the server has no STARTTLS.
        @param clock: of the connections; the reactor if not given.
        """
        from twisted.internet import reactor

        server = cls()
        server.settings = fresh_settings(test, *sets)
        server._make_spool()
        server.domain = Domain(server.settings, reactor)
        server._clients = []
        test.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        await server.domain.open(ensure_indexes=True)
        server.factory = ImapFactory(
            server.domain.accounts, server.domain.store, server.settings, tls_options, clock or reactor
        )
        return server

    _clients: list[MemoryClient]

    def _make_spool(self) -> None:
        import os

        os.makedirs(self.settings.spool, exist_ok=True)

    async def stop(self) -> None:
        for connection in list(self.factory.connections):
            connection.abort()
        await self.factory.drain()
        await self.domain.close()

    def connect(self, peer: str = "127.0.0.1") -> MemoryClient:
        return MemoryClient(self.factory, peer)

    async def account(self, name: str = "fred") -> Account:
        return await self.domain.accounts.create(name, PASSWORD)

    async def signed_in(self, name: str = "fred") -> MemoryClient:
        """A session of a new account."""
        await self.account(name)
        client = self.connect()
        await client.login(name)
        return client

    async def mailbox(self, account: Account, path: str, special_use: str | None = None) -> Mailbox:
        """The mailbox of this name, made if it is missing."""
        mailboxes = self.domain.store.mailboxes
        found = {mailbox.path: mailbox for mailbox in await mailboxes.list(account.id)}
        return found.get(path) or await mailboxes.create(account.id, path, special_use)

    async def add(self, account: Account, path: str, content: bytes, *flags: str) -> Appended:
        """Put a message into a mailbox, not through IMAP."""
        mailbox = await self.mailbox(account, path)
        message = scan(content)
        try:
            return await self.domain.store.add(
                account, mailbox, message, flags=flags, meta={"source": "MX"}, session=""
            )
        finally:
            message.close()
