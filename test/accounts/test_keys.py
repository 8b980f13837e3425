"""Keys for encryption: which can be used, and what is shown of them."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from twisted.trial.unittest import SynchronousTestCase

from test.accounts.key_samples import EXPIRED, FINE, PRIMARY_EXPIRED, SIGNS, WEAK
from wildduck.accounts import keys


def certificate(bits: int = 2048, serial: int = 0xABC) -> str:
    """A self-signed certificate in PEM form; 0 bits: on an elliptic curve."""
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    key = rsa.generate_private_key(65537, bits) if bits else ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
            x509.NameAttribute(NameOID.COMMON_NAME, "Me"),
        ]
    )
    begin = datetime.datetime(2026, 1, 1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), serial, begin, begin.replace(year=2046))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


class OpenPgpTests(SynchronousTestCase):
    def test_fine(self) -> None:
        keys.check_key(FINE)
        info = keys.KeyInfo("fine", "fine@example.com", "37fdfeab1dec4bfc3e89c53ac389a60861b66da0")
        self.assertEqual(keys.key_info(FINE), info)

    def test_refused(self) -> None:
        """Each with its reason."""
        for key, reason in (
            (WEAK, "too weak"),
            (SIGNS, "no key for encryption"),
            (EXPIRED, "expired"),
            (PRIMARY_EXPIRED, "expired"),
            (FINE[:300], "no OpenPGP key"),
            (FINE.replace("m", "n"), "OpenPGP key|damaged|expired"),
            ("", "must begin"),
            (" " + FINE, "must begin"),
            (FINE + "x" * keys.KEY_LENGTH, "length"),
        ):
            self.assertRaisesRegex(ValueError, reason, keys.check_key, key)

    def test_secret(self) -> None:
        """A secret key under the name of a public one is no key to store."""
        import pysequoia

        secret = pysequoia.Tsk.generate("x <x@example.com>")
        armored = str(pysequoia.armor(bytes(secret), pysequoia.ArmorKind.PublicKey))
        self.assertRaisesRegex(ValueError, "secret", keys.check_key, armored)

    def test_info_of_none(self) -> None:
        for key in ("", "x", FINE[:300]):
            self.assertIsNone(keys.key_info(key))


class SmimeTests(SynchronousTestCase):
    def test_fine(self) -> None:
        pem = certificate()
        keys.check_certificate(pem)
        info = keys.certificate_info(pem)
        assert info
        self.assertEqual((info.subject, info.serial), ("O=Example\nCN=Me", "0ABC"))
        self.assertRegex(info.fingerprint, r"\A([0-9A-F]{2}:){31}[0-9A-F]{2}\Z")

    def test_refused(self) -> None:
        for pem, reason in (
            (certificate(1024), "2048 bits"),
            (certificate(0), "RSA"),
            ("x", "PEM"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "PEM"),
        ):
            self.assertRaisesRegex(ValueError, reason, keys.check_certificate, pem)
        self.assertIsNone(keys.certificate_info("x"))
