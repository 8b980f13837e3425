"""A certificate authority for tests, and servers' certificates signed by it."""

from __future__ import annotations

import datetime
import ipaddress
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.trial import unittest

_DAY = datetime.timedelta(days=1)


class Authority:
    """
    @ivar certificate_path: PEM file with the authority's certificate.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        certificate = self._build(self._name, self._key, []).sign(self._key, hashes.SHA256())
        self.certificate_path = self._write(
            "authority.pem", certificate.public_bytes(serialization.Encoding.PEM)
        )

    def _build(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, names: list[x509.GeneralName]
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + 30 * _DAY)
            .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
        )
        return builder.add_extension(x509.SubjectAlternativeName(names), critical=False) if names else builder

    def server(self, *hosts: str) -> str:
        """@return: path of a PEM file with a key and a certificate for these names or addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        certificate = self._build(subject, key, [_name(host) for host in hosts]).sign(
            self._key, hashes.SHA256()
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._write(f"{hosts[0]}.pem", private + certificate.public_bytes(serialization.Encoding.PEM))

    def _write(self, name: str, data: bytes) -> str:
        path = os.path.join(self._folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path


def authority(test: unittest.SynchronousTestCase) -> Authority:
    """An authority whose files are removed with the test's."""
    folder = os.path.abspath(test.mktemp())
    os.makedirs(folder)
    return Authority(folder)


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
