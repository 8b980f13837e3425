"""
Password hashes in the form that WildDuck stores (spec/behaviour.md §6).

PBKDF2 in the PHC string format, C{$pbkdf2-sha256$i=100000$<salt>$<hash>}, salt
and hash in base64 without padding.  Both functions take tens of milliseconds
of CPU: call them in the password pool, never in the reactor thread.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re

ITERATIONS = 100_000
SALT_BYTES = 16
HASH_BYTES = 32
#: A stored hash that asks for more work than this is refused: one document
#: must not be able to occupy a password thread.
MOST_ITERATIONS = 10_000_000
MOST_HASH_BYTES = 512
#: spec/api.md 'Common parameter types'.
PASSWORD_LENGTH = 256

_PHC = re.compile(
    r"\$pbkdf2-(sha1|sha256|sha512)\$i=(\d{1,8})(?:,l=\d{1,4})?\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)\Z"
)


def _decode(text: str) -> bytes:
    return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii").rstrip("=")


def is_possible(password: str) -> bool:
    """
    Whether a password may be used at all.

    One with a NUL may not: HMAC pads a short key with NULs, so that it would
    open the account of the password without it.
    """
    return 1 <= len(password) <= PASSWORD_LENGTH and "\0" not in password


def hash_password(password: str) -> str:
    """The PHC string of a new hash."""
    salt = os.urandom(SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS, HASH_BYTES)
    return f"$pbkdf2-sha256$i={ITERATIONS}${_encode(salt)}${_encode(digest)}"


def verify_password(password: str, stored: str) -> bool:
    """Whether the password belongs to the hash; C{False} for a scheme that is not known."""
    match = _PHC.match(stored)
    if not match:
        return False
    algorithm, rounds = match.group(1), int(match.group(2))
    try:
        salt, expected = _decode(match.group(3)), _decode(match.group(4))
    except (binascii.Error, ValueError):
        return False
    if not 0 < rounds <= MOST_ITERATIONS or not 0 < len(expected) <= MOST_HASH_BYTES:
        return False
    digest = hashlib.pbkdf2_hmac(algorithm, password.encode(), salt, rounds, len(expected))
    return hmac.compare_digest(digest, expected)


#: Verified in place of the hash of an unknown account, so that it takes as long.
UNKNOWN = f"$pbkdf2-sha256$i={ITERATIONS}${_encode(bytes(SALT_BYTES))}${_encode(bytes(HASH_BYTES))}"
