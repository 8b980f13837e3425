"""
A self-signed pair for servers that have no certificate configured.

It encrypts, and proves nothing: clients must be told to accept it.
"""

from __future__ import annotations

import datetime
import ipaddress
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

#: Days the pair is valid; it is made again when it has run out.
VALID_DAYS = 3650
#: An X.509 common name has at most 64 characters (RFC 5280 appendix A, ub-common-name).
_COMMON_NAME = 64


def ensure_self_signed(directory: str, hostname: str) -> tuple[str, str]:
    """
    The paths of certificate and key in a folder, made where one is missing or has run out.

    @param directory: an existing folder that only the server reads.
    @raise OSError: they can't be written.
    """
    cert_path, key_path = os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem")
    if not (os.path.exists(key_path) and _is_valid(cert_path)):
        cert, key = make_self_signed(hostname)
        _write(key_path, key)
        _write(cert_path, cert)
    return cert_path, key_path


def make_self_signed(hostname: str) -> tuple[bytes, bytes]:
    """A certificate and its key (ECDSA P-256) in PEM, for a host and for loopback."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:_COMMON_NAME])])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(_names(hostname)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def _names(hostname: str) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in dict.fromkeys((hostname, "localhost"))]
    addresses = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))
    return names + [x509.IPAddress(address) for address in addresses]


def _is_valid(path: str) -> bool:
    """Whether a certificate is there and has not run out."""
    try:
        with open(path, "rb") as file:
            certificate = x509.load_pem_x509_certificate(file.read())
    except (OSError, ValueError):
        return False
    return certificate.not_valid_after_utc > datetime.datetime.now(datetime.timezone.utc)


def _write(path: str, content: bytes) -> None:
    """Mode 0600 from the first byte on."""
    temporary = f"{path}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
    os.replace(temporary, path)
