"""TLS towards MongoDB and Redis: whose certificates are believed, and for which name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from OpenSSL import SSL
from twisted.internet import ssl
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from zope.interface import implementer

_PEM = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True)
class Secure:
    """
    How to do TLS.

    @ivar authorities: PEM file with the certificates that are trusted; empty:
        those of the system.
    @ivar certificate: PEM file with our own certificate and its key; empty:
        none is shown.
    @ivar any_name: do not compare the server's name with its certificate.
    @ivar any_certificate: believe everything.
    @raise OSError: a file can not be read.
    @raise ValueError: a file holds no certificate.
    """

    authorities: str = ""
    certificate: str = ""
    any_name: bool = False
    any_certificate: bool = False

    def __post_init__(self) -> None:
        self.creator("localhost")

    def creator(self, host: str) -> Any:
        """
        @return: L{IOpenSSLClientConnectionCreator} for a connection to C{host}.
        """
        own = self._own()
        if self.any_certificate or self.any_name:
            keys = {"privateKey": own.privateKey.original, "certificate": own.original} if own else {}
            trust = {} if self.any_certificate else {"trustRoot": self._trust()}
            return ssl.CertificateOptions(**keys, **trust)
        return ssl.optionsForClientTLS(host, trustRoot=self._trust(), clientCertificate=own)

    def _trust(self) -> Any:
        if not self.authorities:
            return ssl.platformTrust()
        with open(self.authorities, "rb") as file:
            blocks = [_PEM + block for block in file.read().split(_PEM)[1:]]
        try:
            certificates = [ssl.Certificate.loadPEM(block) for block in blocks]
        except SSL.Error:
            certificates = []
        if not certificates:
            raise ValueError(f"{self.authorities} holds no certificate")
        return ssl.trustRootFromCertificates(certificates)

    def _own(self) -> ssl.PrivateCertificate | None:
        if not self.certificate:
            return None
        with open(self.certificate, "rb") as file:
            data = file.read()
        try:
            own: ssl.PrivateCertificate = ssl.PrivateCertificate.loadPEM(data)
        except SSL.Error:
            raise ValueError(f"{self.certificate} holds no certificate with its key") from None
        return own


@implementer(IOpenSSLClientConnectionCreator)
class ManyHosts:
    """
    TLS for txmongo, which uses one context factory for all members of a replica set.

    The name to verify is that of the connector.  txmongo's pings connect to
    the bare address of a server: L{names} knows the name it was reached by.

    @ivar names: (address, port) to the name that was connected to.
    """

    def __init__(self, secure: Secure) -> None:
        self._secure = secure
        self._creators: dict[str, Any] = {}
        self.names: dict[tuple[str, int], str] = {}

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        connector = tlsProtocol.wrappedProtocol.factory.connector
        host = self.names.get((connector.host, connector.port), connector.host)
        creator = self._creators.get(host)
        if creator is None:
            creator = self._creators[host] = self._secure.creator(host)
        connection: SSL.Connection = creator.clientConnectionForTLS(tlsProtocol)
        return connection
