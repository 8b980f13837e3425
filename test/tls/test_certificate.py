"""The self-signed pair."""

from __future__ import annotations

import os
import stat
import tempfile
from unittest import mock

from cryptography import x509
from twisted.trial import unittest

from wildduck.tls import certificate
from wildduck.tls.certificate import ensure_self_signed, make_self_signed


class SelfSignedTests(unittest.SynchronousTestCase):
    """L{ensure_self_signed}."""

    def setUp(self) -> None:
        self.directory = tempfile.mkdtemp(dir=os.path.dirname(os.path.abspath(self.mktemp())))

    def test_names(self) -> None:
        """The certificate is for the host, for localhost and for both loopback addresses."""
        pem, _ = make_self_signed("mail.example.com")
        names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        self.assertEqual(
            [str(name.value) for name in names.value], ["mail.example.com", "localhost", "127.0.0.1", "::1"]
        )

    def test_long_hostname(self) -> None:
        """A hostname longer than an X.509 common name makes a certificate nonetheless."""
        pem, _ = make_self_signed("a" * 60 + ".example.com")
        self.assertIn(b"BEGIN CERTIFICATE", pem)

    def test_only_the_owner_reads(self) -> None:
        """Both files have mode 0600."""
        for path in ensure_self_signed(self.directory, "localhost"):
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)

    def test_kept(self) -> None:
        """A second start uses the same pair, so that clients need to accept it only once."""
        cert, key = ensure_self_signed(self.directory, "localhost")
        with open(cert, "rb") as file:
            before = file.read()
        self.assertEqual(ensure_self_signed(self.directory, "localhost"), (cert, key))
        with open(cert, "rb") as file:
            self.assertEqual(file.read(), before)

    def test_run_out(self) -> None:
        """A pair that has run out is replaced."""
        with mock.patch.object(certificate, "VALID_DAYS", 0):
            cert, _ = ensure_self_signed(self.directory, "localhost")
        with open(cert, "rb") as file:
            before = file.read()
        ensure_self_signed(self.directory, "localhost")
        with open(cert, "rb") as file:
            self.assertNotEqual(file.read(), before)

    def test_damaged(self) -> None:
        """A file that holds no certificate is replaced."""
        cert, _ = ensure_self_signed(self.directory, "localhost")
        with open(cert, "wb") as file:
            file.write(b"nothing")
        ensure_self_signed(self.directory, "localhost")
        with open(cert, "rb") as file:
            self.assertIn(b"BEGIN CERTIFICATE", file.read())
