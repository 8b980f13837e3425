"""Password hashes as WildDuck stores them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from wildduck.accounts import passwords

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

    def test_unknown_schemes(self) -> None:
        """A hash that can't be read, or costs too much, opens for nobody and raises nothing."""
        for stored in (
            "",
            "x",
            "$2b$10$abc",
            "$pbkdf2-sha256$i=0$AAAA$AAAA",
            "$pbkdf2-sha256$i=99999999$AAAA$AAAA",
            "$pbkdf2-sha256$i=1000$A$A",
            "$pbkdf2-md5$i=1000$AAAA$AAAA",
        ):
            self.assertFalse(passwords.verify_password("", stored))
        self.assertFalse(passwords.verify_password("", passwords.UNKNOWN))
