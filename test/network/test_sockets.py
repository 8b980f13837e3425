"""Tests for L{wildduck.network.connection} over real sockets."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from test.network.support import Client, EchoFactory, connect, listen, server_tls
from wildduck import limits
from wildduck.network.registry import Registry


class SocketTests(TestCase):
    """What crosses a real socket."""

    async def start(self, **arguments: Any) -> tuple[EchoFactory, int]:
        from twisted.internet import reactor

        factory = EchoFactory(reactor, **arguments)
        return factory, await listen(self, factory)

    async def handshake(self, client: Client) -> None:
        client.forget()
        client.transport.startTLS(CertificateOptions(verify=False))  # type: ignore[union-attr]

    def write(self, client: Client, data: bytes) -> None:
        client.transport.write(data)  # type: ignore[union-attr]

    async def test_start_tls(self) -> None:
        """After the switch both directions are encrypted and the connection is secure."""
        factory, port = await self.start(tls_options=server_tls(self), loopback_is_secure=False)
        client = await connect(self, port)
        await client.until_has(b"hello\r\n")
        self.assertTrue(factory.latest.can_start_tls)
        self.assertFalse(factory.latest.secure)
        self.write(client, b"STARTTLS\r\n")
        await client.until_has(b"go\r\n")
        await self.handshake(client)
        self.write(client, b"private\r\n")
        self.assertEqual(await client.until_has(b"\r\n"), b"private\r\n")
        self.assertTrue(factory.latest.secure)
        self.assertFalse(factory.latest.can_start_tls)

    async def test_start_tls_injection(self) -> None:
        """Plain text pipelined behind STARTTLS in one segment is never taken for the TLS session's."""
        factory, port = await self.start(tls_options=server_tls(self))
        client = await connect(self, port)
        self.write(client, b"STARTTLS\r\ninjected\r\npart of a li")
        await client.until_has(b"go\r\n")
        await self.handshake(client)
        self.write(client, b"private\r\n")
        self.assertEqual(await client.until_has(b"private\r\n"), b"private\r\n")
        self.assertEqual(factory.latest.events, ["opened", "STARTTLS", "private"])

    async def test_plain_text_after_start_tls(self) -> None:
        """Plain text instead of a handshake ends the connection."""
        factory, port = await self.start(tls_options=server_tls(self))
        client = await connect(self, port)
        self.write(client, b"STARTTLS\r\n")
        await client.until_has(b"go\r\n")
        self.write(client, b"injected\r\n" * 10)
        await client.lost
        self.assertEqual(factory.latest.events, ["opened", "STARTTLS"])

    async def test_implicit_tls(self) -> None:
        """On a TLS port the greeting comes after the handshake."""
        factory, port = await self.start(tls_options=server_tls(self), implicit_tls=True)
        client = await connect(self, port, tls=True)
        await client.until_has(b"hello\r\n")
        self.assertTrue(factory.latest.tls_active and factory.latest.secure)
        self.assertFalse(factory.latest.can_start_tls)
        self.write(client, b"one\r\nQUIT\r\n")
        await client.until_has(b"one\r\nbye\r\n")
        await client.lost

    async def test_implicit_tls_behind_proxy(self) -> None:
        """The PROXY header comes before the handshake, also in one segment with it."""
        factory, port = await self.start(
            tls_options=server_tls(self), implicit_tls=True, proxies=["127.0.0.1"], loopback_is_secure=False
        )
        client = await connect(self, port)
        self.write(client, b"PROXY TCP4 198.51.100.1 203.0.113.5 1234 993\r\n")
        client.transport.startTLS(CertificateOptions(verify=False))  # type: ignore[union-attr]
        await client.until_has(b"hello\r\n")
        self.assertEqual(factory.latest.peer.host, "198.51.100.1")

    async def test_handshake_deadline(self) -> None:
        """A client that connects to a TLS port and says nothing is cut off."""
        clock = Clock()
        factory = EchoFactory(clock, tls_options=server_tls(self), implicit_tls=True)
        port = await listen(self, factory)
        client = await connect(self, port)
        while not factory.connections:
            await turn()
        clock.advance(limits.TLS_HANDSHAKE_SECONDS)
        await client.lost

    async def test_refused_tls_port(self) -> None:
        """Over the limit, a TLS port closes without plain text."""
        _, port = await self.start(tls_options=server_tls(self), implicit_tls=True, registry=Registry(0, 0))
        client = await connect(self, port)
        await client.lost
        self.assertEqual(client.data, b"")

    async def test_last_line_reaches_a_client_that_still_sends(self) -> None:
        """A client in the middle of sending gets our last line, not a connection reset that destroys it."""
        _, port = await self.start()
        client = await connect(self, port)
        await client.until_has(b"hello\r\n")
        client.transport.pauseProducing()  # type: ignore[union-attr]
        self.write(client, b"QUIT\r\n" + b"x" * 8 * limits.MIB)
        for _ in range(50):
            await turn()
        client.transport.resumeProducing()  # type: ignore[union-attr]
        await client.until_has(b"bye\r\n")
        await client.lost

    async def test_half_closed(self) -> None:
        """A client that closes its sending side gets the answers to all that it sent."""
        factory, port = await self.start()
        client = await connect(self, port)
        await client.until_has(b"hello\r\n")
        self.write(client, b"one\r\nHOLD\r\ntwo\r\npart")
        client.transport.loseWriteConnection()  # type: ignore[union-attr]
        await client.until_has(b"one\r\n")
        for _ in range(5):
            await turn()
        self.assertTrue(factory.latest.is_open)
        factory.latest.resume()
        await client.lost
        self.assertEqual(client.data, b"hello\r\none\r\ntwo\r\n")
        await factory.drain()

    async def test_stream_to_a_slow_reader(self) -> None:
        """A long answer is produced at the pace of the reader, plain and over TLS, and arrives whole."""
        for tls in (False, True):
            await self.stream(tls)

    async def stream(self, tls: bool) -> None:
        factory, port = await self.start(tls_options=server_tls(self), implicit_tls=tls)
        client = await connect(self, port, tls=tls)
        await client.until_has(b"hello\r\n")
        client.transport.pauseProducing()  # type: ignore[union-attr]
        block = bytes(range(256)) * 1024
        sent = 0
        most = 0

        async def produce() -> None:
            nonlocal sent, most
            for _ in range(128):
                factory.latest.send(block)
                sent += len(block)
                most = max(most, factory.latest.unsent)
                await factory.latest.drained()
            factory.latest.lose()

        produced = Deferred.fromCoroutine(produce())
        for _ in range(200):
            await turn()
        # What the kernel holds for loopback is some MiB; the rest must wait.
        self.assertLess(sent, 24 * limits.MIB)
        client.transport.resumeProducing()  # type: ignore[union-attr]
        await produced
        await client.lost
        self.assertEqual(client.data, b"hello\r\n" + block * 128)
        self.assertLessEqual(most, limits.WRITE_BUFFER + len(block))

    async def test_slow_but_alive(self) -> None:
        """A peer that takes a little within the stall time is kept although nothing was emptied."""
        clock = Clock()
        factory = EchoFactory(clock)
        port = await listen(self, factory)
        client = await connect(self, port)
        await client.until_has(b"hello\r\n")
        client.transport.pauseProducing()  # type: ignore[union-attr]
        factory.latest.send(bytes(64 * limits.MIB))
        factory.latest.send(b"waits until all of that is taken")
        for _ in range(100):
            await turn()
        self.assertGreater(factory.latest.unsent, 0)
        before = len(client.data)
        client.transport.resumeProducing()  # type: ignore[union-attr]
        await client.until(lambda data: len(data) > before + 4 * limits.MIB)
        client.transport.pauseProducing()  # type: ignore[union-attr]
        self.assertGreater(factory.latest.unsent, 0)
        clock.advance(limits.WRITE_STALL_SECONDS)
        self.assertTrue(factory.latest.is_open)
        for _ in range(100):
            await turn()
        clock.advance(limits.WRITE_STALL_SECONDS)
        clock.advance(limits.WRITE_STALL_SECONDS)
        self.assertFalse(factory.latest.is_open)

    async def test_many_connections_come_and_go(self) -> None:
        """Nothing is left of connections that were cut at any point of a dialogue."""
        factory, port = await self.start(tls_options=server_tls(self))
        for piece in (b"", b"a", b"a\r\n", b"STARTTLS\r\n", b"STARTTLS\r\n\x16\x03\x01", b"HOLD\r\nx\r\n"):
            client = await connect(self, port)
            await client.until_has(b"hello\r\n")
            self.write(client, piece)
            await turn()
            client.transport.abortConnection()  # type: ignore[union-attr]
            await client.lost
        for connection in list(factory.connections):
            connection.abort()
        await factory.drain()
        self.assertEqual(factory.registry.open, 0)


def turn() -> Deferred[None]:
    """One or more iterations of the reactor."""
    from twisted.internet import reactor

    done: Deferred[None] = Deferred()
    reactor.callLater(0.001, done.callback, None)
    return done
