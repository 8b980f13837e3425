"""
What TLS the server speaks: one object for STARTTLS and for the TLS ports.

The certificate can be read again while the server runs (SIGHUP): connections
made later have the new one, those under way keep theirs.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from wildduck.errors import ConfigurationError

#: What a client that names a protocol (ALPN, RFC 7301) may mean to speak to us.
PROTOCOLS = (b"imap", b"pop3", b"lmtp", b"smtp")

_VERSIONS = {"1.2": TLSVersion.TLSv1_2, "1.3": TLSVersion.TLSv1_3}


@implementer(IOpenSSLServerConnectionCreator)
class ServerTls:
    """
    A certificate with its key, as C{transport.startTLS} and TLS listeners take it.

    @ivar cert_path: PEM file with the certificate, then its chain.
    @ivar key_path: PEM file with the private key, without a password.
    """

    def __init__(self, cert_path: str, key_path: str, min_version: str) -> None:
        """
        @param min_version: C{"1.2"} or C{"1.3"}.
        @raise ConfigurationError: with one line, when the files can't be used.
        """
        self.cert_path = cert_path
        self.key_path = key_path
        self._min_version = _VERSIONS[min_version]
        self._context = self._load()

    def reload(self) -> None:
        """
        Read the files again; when that fails, the old pair stays in use.

        @raise ConfigurationError: with one line.
        """
        self._context = self._load()

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Called by Twisted for each connection that begins TLS."""
        return SSL.Connection(self._context, None)

    def _load(self) -> SSL.Context:
        chain = self._certificates()
        options = CertificateOptions(
            privateKey=self._key(),
            certificate=chain[0],
            extraCertChain=chain[1:],
            raiseMinimumTo=self._min_version,
        )
        try:
            context = options.getContext()
            context.check_privatekey()
        except SSL.Error:
            problem = f"tls.key: {self.key_path} does not belong to {self.cert_path}"
            raise ConfigurationError(problem) from None
        # A client may not make the server repeat the costly part of TLS 1.2 at will.
        context.set_options(SSL.OP_NO_RENEGOTIATION)
        context.set_alpn_select_callback(_select_protocol)
        return context

    def _certificates(self) -> list[crypto.X509]:
        try:
            chain = x509.load_pem_x509_certificates(_read("tls.cert", self.cert_path))
        except ValueError:
            raise ConfigurationError(f"tls.cert: {self.cert_path} holds no PEM certificate") from None
        return [crypto.X509.from_cryptography(certificate) for certificate in chain]

    def _key(self) -> crypto.PKey:
        try:
            key = serialization.load_pem_private_key(_read("tls.key", self.key_path), password=None)
            return crypto.PKey.from_cryptography_key(key)  # type: ignore[arg-type]
        except (ValueError, TypeError):
            raise ConfigurationError(
                f"tls.key: {self.key_path} holds no PEM private key without a password"
            ) from None


def _select_protocol(connection: SSL.Connection, offered: list[bytes]) -> bytes:
    """
    Choose among what a client offers; one that offers nothing never comes here.

    @raise SSL.Error: it takes us for a server of another protocol (a browser that
        was led to a mail port, the ALPACA attack): the handshake fails.
    """
    for name in offered:
        if name in PROTOCOLS:
            return name
    raise SSL.Error([("SSL routines", "", "no application protocol")])


def _read(name: str, path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ConfigurationError(f"{name}: {path}: {error.strerror}") from None
