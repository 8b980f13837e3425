"""Password hashes as WildDuck stores them."""

from __future__ import annotations

import hashlib
import json
import os

import bcrypt
from twisted.trial.unittest import SynchronousTestCase

from wildduck.accounts import passwords, pbkdf2

#: Written by npm's WildDuck 1.51 for the password 'secretpass'.
WILDDUCK_HASH = "$pbkdf2-sha256$i=100000$bI6BoXmTXl2g993+QD0I7A$h+g8zsOK+MFtbsh1CChceYqbgFVQzgynr3X/Sg5QrVU"


class PasswordTests(SynchronousTestCase):
    def test_wildducks_hash(self) -> None:
        """A hash that WildDuck wrote opens for its password alone."""
        self.assertTrue(passwords.verify_password("secretpass", WILDDUCK_HASH))
        self.assertFalse(passwords.verify_password("Secretpass", WILDDUCK_HASH))

    def test_own_hash(self) -> None:
        """A hash of ours has WildDuck's form and is salted."""
        first, second = passwords.hash_password("pässword"), passwords.hash_password("pässword")
        self.assertNotEqual(first, second)
        self.assertRegex(first, r"^\$pbkdf2-sha256\$i=100000\$[^$=]{22}\$[^$=]{43}$")
        self.assertTrue(passwords.verify_password("pässword", first))

    def test_pbkdf2(self) -> None:
        """It is what CPython's is, whatever the lengths."""
        for name in ("sha1", "sha256", "sha512"):
            for salt in (b"", b"x", bytes(range(200))):
                for rounds, length in ((1, 1), (7, 20), (100, 512)):
                    made = pbkdf2.derive(name, b"secretpass", salt, rounds, length)
                    self.assertEqual(made, hashlib.pbkdf2_hmac(name, b"secretpass", salt, rounds, length))

    def test_every_scheme(self) -> None:
        """Hashes of every scheme that WildDuck takes, made by others, open for their password alone."""
        for name, stored in _hashes().items():
            self.assertTrue(passwords.verify_password("secretpass", stored), name)
            self.assertIsNone(passwords.fault(stored), name)
            for wrong in ("secret", "Secretpass", "x"):
                self.assertFalse(passwords.verify_password(wrong, stored), (name, wrong))

    def test_outdated(self) -> None:
        """What is weaker than a new hash is replaced, and what can not be read is not."""
        for name, stored in _hashes().items():
            self.assertEqual(passwords.is_outdated(stored), name != "pbkdf2-sha512", name)
        for stored in (passwords.hash_password("x"), WILDDUCK_HASH, "", "$7$x"):
            self.assertFalse(passwords.is_outdated(stored), stored)

    def test_what_counts_of_a_password(self) -> None:
        """bcrypt looks at 72 bytes of UTF-8, DES at 8; no byte beyond them makes a password wrong."""
        long = "\u00e4" * 36
        stored = bcrypt.hashpw(long.encode(), bcrypt.gensalt(4)).decode()
        self.assertTrue(passwords.verify_password(long + "more", stored))
        self.assertFalse(passwords.verify_password(long[:-1], stored))
        self.assertTrue(passwords.verify_password("secretpaXX", _hashes()["des"]))

    def test_possible(self) -> None:
        """One to 256 characters that have a UTF-8 form, and no NUL."""
        for password in ("x", "\u00e4" * 256, "\U0001f511", " "):
            self.assertTrue(passwords.is_possible(password))
        for password in ("", "x" * 257, "x\0", "\ud800"):
            self.assertFalse(passwords.is_possible(password))

    def test_unknown_schemes(self) -> None:
        """A hash that can't be read opens for nobody and raises nothing."""
        for stored in (
            "x",
            "secretpass",
            "{SSHA}xxxx",
            "$2b$10$abc",
            "$2x$05$" + "." * 53,
            "$pbkdf2-sha256$i=1000$A$A",
            "$pbkdf2-md5$i=1000$AAAA$AAAA",
            "$6$salt$short",
            "$6$rounds=x$salt$" + "." * 86,
            "$1$m\u00e4h$" + "." * 22,
            "$argon2x$v=19$m=1024,t=2,p=2$AAAA$AAAA",
            "$argon2id$v=19$m=1024,t=2,p=2$A$A",
            "$argon2id$m=0,t=0,p=1$AAAAAAAAAAA$AAAAAAAAAAA",
            "." * 12 + "\n",
            "$" * 3000,
            7,
            {"$ne": ""},
        ):
            self.assertFalse(passwords.verify_password("secretpass", stored), stored)
        for nothing in ("", None, False):
            self.assertFalse(passwords.verify_password("", nothing))
            self.assertIsNone(passwords.fault(nothing))
        self.assertIn("no known scheme", str(passwords.fault("x")))
        self.assertFalse(passwords.verify_password("", passwords.UNKNOWN))

    def test_too_much_work(self) -> None:
        """A hash that asks for more time or memory than a sign-in may take is not looked at."""
        for stored in (
            "$pbkdf2-sha256$i=0$AAAA$AAAA",
            "$pbkdf2-sha256$i=99999999$AAAA$AAAA",
            "$pbkdf2-sha256$i=1000$AAAA$" + "A" * 1000,
            "$2b$17$" + "." * 53,
            "$2b$31$" + "." * 53,
            "$2b$03$" + "." * 53,
            "$6$rounds=999999999$salt$" + "." * 86,
            "$5$rounds=1000001$salt$" + "." * 43,
            "$pbkdf2-sha512$i=10000000$AAAA$" + "A" * 100,
            "$pbkdf2-sha256$i=1000000$AAAA$" + "A" * 600,
            "$argon2id$v=19$m=999999999,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAA",
            "$argon2id$v=19$m=262144,t=99,p=1$AAAAAAAAAAA$AAAAAAAAAAA",
            "$argon2id$v=19$m=1024,t=1,p=99$AAAAAAAAAAA$AAAAAAAAAAA",
        ):
            self.assertIn("more work", str(passwords.fault(stored)), stored)
            self.assertFalse(passwords.verify_password("secretpass", stored), stored)
        for stored in (
            "$pbkdf2-sha512$i=10000000$AAAA$" + "A" * 86,
            "$pbkdf2-sha256$i=1000000$AAAA$" + "A" * 400,
            "$6$rounds=656000$salt$" + "." * 86,
        ):
            self.assertIsNone(passwords.fault(stored), stored)


def _hashes() -> dict[str, str]:
    with open(os.path.join(os.path.dirname(__file__), "hashes.json")) as file:
        return dict(json.load(file))
