"""TLS as it is spoken, over real sockets."""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial import unittest
from zope.interface.verify import verifyObject

from wildduck.errors import ConfigurationError
from wildduck.tls import ServerTls
from wildduck.tls.certificate import make_self_signed


class _Greeter(Protocol):
    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(b"* OK hello\r\n")
        self.transport.loseConnection()


class ServerTlsTests(unittest.TestCase):
    """L{ServerTls}."""

    def setUp(self) -> None:
        directory = tempfile.mkdtemp(dir=os.path.dirname(os.path.abspath(self.mktemp())))
        self.cert = os.path.join(directory, "cert.pem")
        self.key = os.path.join(directory, "key.pem")
        self.renew()

    def renew(self) -> bytes:
        cert, key = make_self_signed("localhost")
        self.write(self.cert, cert)
        self.write(self.key, key)
        return cert

    def write(self, path: str, content: bytes) -> None:
        with open(path, "wb") as file:
            file.write(content)

    def listen(self, tls: ServerTls) -> int:
        from twisted.internet import reactor

        factory = TLSMemoryBIOFactory(tls, False, Factory.forProtocol(_Greeter))
        port: Any = reactor.listenTCP(0, factory, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    def connect(self, port: int, maximum: ssl.TLSVersion | None = None) -> Deferred[tuple[bytes, bytes, str]]:
        """The certificate, the first bytes and the TLS version of one connection."""

        def run() -> tuple[bytes, bytes, str]:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            if maximum:
                context.maximum_version = maximum
            with (
                socket.create_connection(("127.0.0.1", port), 10) as plain,
                context.wrap_socket(plain) as secure,
            ):
                certificate = secure.getpeercert(True)
                assert certificate is not None
                return certificate, secure.recv(100), str(secure.version())

        return deferToThread(run)

    def test_interface(self) -> None:
        """It is what Twisted takes for STARTTLS and for TLS listeners."""
        verifyObject(IOpenSSLServerConnectionCreator, ServerTls(self.cert, self.key, "1.2"))

    async def test_spoken(self) -> None:
        """A client gets the certificate of the file, and the protocol's bytes."""
        port = self.listen(ServerTls(self.cert, self.key, "1.2"))
        certificate, greeting, _ = await self.connect(port)
        with open(self.cert) as file:
            self.assertEqual(certificate, ssl.PEM_cert_to_DER_cert(file.read()))
        self.assertEqual(greeting, b"* OK hello\r\n")

    async def test_min_version(self) -> None:
        """TLS 1.2 is spoken, unless the settings ask for 1.3 at least."""
        port = self.listen(ServerTls(self.cert, self.key, "1.2"))
        self.assertEqual((await self.connect(port, ssl.TLSVersion.TLSv1_2))[2], "TLSv1.2")
        port = self.listen(ServerTls(self.cert, self.key, "1.3"))
        self.assertEqual((await self.connect(port))[2], "TLSv1.3")
        with self.assertRaises(ssl.SSLError):
            await self.connect(port, ssl.TLSVersion.TLSv1_2)

    async def test_reload(self) -> None:
        """After a reload new connections get the new certificate."""
        tls = ServerTls(self.cert, self.key, "1.2")
        port = self.listen(tls)
        first = (await self.connect(port))[0]
        renewed = self.renew()
        self.assertEqual((await self.connect(port))[0], first)
        tls.reload()
        self.assertEqual((await self.connect(port))[0], ssl.PEM_cert_to_DER_cert(renewed.decode()))

    async def test_failed_reload(self) -> None:
        """A reload that fails raises and leaves the old certificate in use."""
        tls = ServerTls(self.cert, self.key, "1.2")
        port = self.listen(tls)
        first = (await self.connect(port))[0]
        self.write(self.cert, b"rubbish")
        self.assertRaises(ConfigurationError, tls.reload)
        self.assertEqual((await self.connect(port))[0], first)

    def refused(self) -> str:
        return str(self.assertRaises(ConfigurationError, ServerTls, self.cert, self.key, "1.2"))

    def test_missing(self) -> None:
        """A missing file is named with its key."""
        os.unlink(self.cert)
        self.assertEqual(self.refused(), f"tls.cert: {self.cert}: No such file or directory")

    def test_no_certificate(self) -> None:
        """A file without a certificate is refused with one line."""
        self.write(self.cert, b"-----BEGIN nothing")
        self.assertEqual(self.refused(), f"tls.cert: {self.cert} holds no PEM certificate")

    def test_no_key(self) -> None:
        """A file without a private key is refused with one line."""
        self.write(self.key, b"")
        self.assertEqual(self.refused(), f"tls.key: {self.key} holds no PEM private key without a password")

    def test_other_key(self) -> None:
        """A key of another certificate is refused with one line."""
        self.write(self.key, make_self_signed("localhost")[1])
        self.assertEqual(self.refused(), f"tls.key: {self.key} does not belong to {self.cert}")
