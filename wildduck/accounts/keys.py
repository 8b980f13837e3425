"""
Keys that people give for the encryption of their mail: read, tried and described.

Encryption itself is not done here.  All functions may take milliseconds of
CPU and are for a thread pool.  Source: spec/behaviour.md §5, spec/api.md §1.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

import pysequoia
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pysequoia.packet import PacketPile, Tag

#: Characters of a key, and certificates of one account.
KEY_LENGTH = 256 * 1024
MOST_CERTIFICATES = 16
RSA_BITS = 2048

_ARMOR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_PEM = "-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """
    Whose OpenPGP key it is, by its first user id.

    @ivar fingerprint: lower-case hexadecimal.
    """

    name: str
    address: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class CertificateInfo:
    """
    What identifies an X.509 certificate.

    @ivar subject: distinguished name, one attribute a line as WildDuck shows it.
    @ivar serial: upper-case hexadecimal, whole bytes.
    @ivar fingerprint: SHA-256, upper-case hexadecimal with colons.
    """

    subject: str
    serial: str
    fingerprint: str


def check_key(armored: str) -> None:
    """
    Encrypt something to an OpenPGP key.

    @param armored: RFC 9580 §6, a public key.
    @raise ValueError: why nothing can be encrypted to it, as the rest of a
        sentence that begins with the field's name.
    """
    certificate = _certificate(armored)
    now = datetime.now(timezone.utc)
    try:
        revoked, expires = certificate.is_revoked, certificate.expiration
        usable = _encrypts(certificate, now)
        if usable:
            pysequoia.encrypt(recipients=[certificate], bytes=b"wildduck")
    except BaseException as error:
        _raise_if_not_its_own(error)
        # Sequoia's policy: RSA under 2048 bits, algorithms that are broken.
        raise ValueError("can not be encrypted to: it is too weak, or damaged") from None
    if revoked:
        raise ValueError("is revoked")
    if not usable or expires is not None and expires <= now:
        raise ValueError("is expired, or holds no key for encryption")


def _encrypts(certificate: pysequoia.Cert, now: datetime) -> bool:
    """Whether one of its keys is for encryption and not expired, which Sequoia does not look at."""
    created = None
    for packet in PacketPile.from_bytes(bytes(certificate)):
        created = packet.key_created or created
        flags, life = packet.key_flags, packet.key_validity_period
        if flags is not None and (flags.transport_encryption or flags.storage_encryption):
            if life is None or created is None or created + life > now:
                return True
    return False


def key_info(armored: str) -> KeyInfo | None:
    """@return: C{None} for what is no key."""
    try:
        certificate = _certificate(armored)
        for packet in PacketPile.from_bytes(bytes(certificate)):
            if packet.tag == Tag.UserID:
                name = packet.user_id_name or ""
                return KeyInfo(name, packet.user_id_email or "", certificate.fingerprint)
        return KeyInfo("", "", certificate.fingerprint)
    except BaseException as error:
        _raise_if_not_its_own(error)
        return None


def _certificate(armored: str) -> pysequoia.Cert:
    if not armored.startswith(_ARMOR):
        raise ValueError(f"must begin with {_ARMOR}")
    if len(armored) > KEY_LENGTH:
        raise ValueError(f"length must be less than or equal to {KEY_LENGTH} characters long")
    try:
        certificate = pysequoia.Cert.from_bytes(armored.encode("utf-8"))
        secret = certificate.has_secret_keys
    except BaseException as error:
        _raise_if_not_its_own(error)
        raise ValueError("is no OpenPGP key") from None
    if secret:
        raise ValueError("holds a secret key, which nobody else must have")
    return certificate


def _raise_if_not_its_own(error: BaseException) -> None:
    """Rust's panic, which a hostile key may bring about, is a C{BaseException} in Python."""
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        raise error


def check_certificate(pem: str) -> None:
    """
    Whether S/MIME can encrypt to a certificate (RFC 8551 §2.3: by RSA here).

    @raise ValueError: why not.
    """
    key = _x509(pem).public_key()
    if not isinstance(key, RSAPublicKey):
        raise ValueError("must have an RSA key")
    if key.key_size < RSA_BITS:
        raise ValueError(f"must have a key of at least {RSA_BITS} bits")


def certificate_info(pem: str) -> CertificateInfo | None:
    """@return: C{None} for what is no certificate."""
    try:
        certificate = _x509(pem)
        digest = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
        subject = "\n".join(rdn.rfc4514_string() for rdn in certificate.subject.rdns)
        serial = f"{certificate.serial_number:X}"
        return CertificateInfo(subject, serial.rjust(len(serial) + len(serial) % 2, "0"), digest)
    except Exception:
        return None


def _x509(pem: str) -> x509.Certificate:
    if len(pem) > KEY_LENGTH or _PEM not in pem:
        raise ValueError("must be a certificate in PEM form")
    try:
        return x509.load_pem_x509_certificate(pem.encode("utf-8"))
    except Exception:
        raise ValueError("must be a certificate in PEM form") from None
