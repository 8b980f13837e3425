"""What crosses a socket: TLS, PROXY."""

from __future__ import annotations

from typing import Any

from twisted.internet.ssl import CertificateOptions
from twisted.trial.unittest import TestCase

from test.network.support import connect, listen, server_tls
from test.pop3.server import PASSWORD, Pop3Server

AUTH = b"USER fred\r\nPASS %b\r\n" % PASSWORD.encode()
CAPABILITIES = b"+OK Capability list follows\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n"


class SocketTests(TestCase):
    async def _port(self, *sets: str, implicit_tls: bool = False) -> int:
        server = await Pop3Server.start(self, *sets)
        await server.account()
        self.factory = server.make_factory(server_tls(self), server.factory.clock, implicit_tls=implicit_tls)
        return await listen(self, self.factory)

    async def test_stls(self) -> None:
        """After STLS the session goes on in TLS, and what was sent in the clear behind it is gone."""
        client = await connect(self, await self._port())
        transport: Any = client.transport
        await client.until_has(b"\r\n")
        client.forget()
        transport.write(b"USER nobody\r\nSTLS\r\n" + AUTH + b"STAT\r\nQUIT\r\n")
        await client.until_has(b"+OK Begin TLS negotiation\r\n")
        client.forget()
        transport.startTLS(CertificateOptions(verify=False))
        transport.write(b"CAPA\r\n" + AUTH)
        found = await client.until_has(b"maildrop")
        self.assertTrue(found.startswith(CAPABILITIES + b"USER\r\nSASL PLAIN\r\nIMPLEMENTATION"), found)

    async def test_implicit_tls(self) -> None:
        """The TLS port greets in TLS and offers no STLS."""
        client = await connect(self, await self._port(implicit_tls=True), tls=True)
        await client.until_has(b"ready\r\n")
        client.forget()
        [connection] = self.factory.connections
        self.assertTrue(connection.transport.getTcpNoDelay())  # anchors/peers.md: RETR's end came 40 ms late
        assert client.transport is not None
        client.transport.write(b"CAPA\r\nQUIT\r\n")
        await client.lost
        self.assertTrue(client.data.startswith(CAPABILITIES + b"USER\r\nSASL PLAIN\r\nIMPL"), client.data)
        self.assertTrue(client.data.endswith(b".\r\n+OK Bye\r\n"), client.data)

    async def test_proxy(self) -> None:
        """A balancer of pop3.proxy tells who the client is, and that is not this machine."""
        client = await connect(self, await self._port('pop3.proxy=["127.0.0.1"]'))
        assert client.transport is not None
        client.transport.write(b"PROXY TCP4 198.51.100.7 192.0.2.1 1000 110\r\nUSER fred\r\n")
        await client.until_has(b"ready\r\n-ERR [AUTH] Encryption is required, issue STLS first\r\n")
