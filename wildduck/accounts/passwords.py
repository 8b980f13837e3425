"""
Password hashes: those that WildDuck stores, and new ones (spec/behaviour.md §6).

New ones are PBKDF2 in the PHC string format, C{$pbkdf2-sha256$i=100000$<salt>$<hash>},
salt and hash in base64 without padding.  L{hash_password} and L{verify_password}
take tens of milliseconds of CPU: call them in the password pool, never in the
reactor thread.
"""

from __future__ import annotations

import base64
import os

from wildduck.accounts import password_schemes, pbkdf2

ITERATIONS = 100_000
SALT_BYTES = 16
HASH_BYTES = 32
#: spec/api.md 'Common parameter types'.
PASSWORD_LENGTH = 256


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii").rstrip("=")


def is_possible(password: str) -> bool:
    """
    Whether a password may be used at all: it must have a UTF-8 form, and no NUL.

    With a NUL it may not, for HMAC pads a short key with NULs: it would open the
    account of the password without it.
    """
    if not 1 <= len(password) <= PASSWORD_LENGTH or "\0" in password:
        return False
    try:
        password.encode()
    except UnicodeEncodeError:
        return False
    return True


def hash_password(password: str) -> str:
    """The PHC string of a new hash."""
    salt = os.urandom(SALT_BYTES)
    digest = pbkdf2.derive("sha256", password.encode(), salt, ITERATIONS, HASH_BYTES)
    return f"$pbkdf2-sha256$i={ITERATIONS}${_encode(salt)}${_encode(digest)}"


def fault(stored: object) -> str | None:
    """
    Why a stored hash opens for nobody, in words for the log; C{None} for one that may open.

    @param stored: what the document holds: C{""}, C{None} or C{False} is an account
        without a password, which is no fault.
    """
    if not stored:
        return None
    found = password_schemes.find(stored) if isinstance(stored, str) else None
    if found is None:
        return "is of no known scheme"
    scheme, match = found
    return None if scheme.bearable(match) else "asks for more work than a sign-in may take"


def verify_password(password: str, stored: object) -> bool:
    """
    Whether a password belongs to a hash; C{False} for one that L{fault} or emptiness shuts.

    @param password: one that L{is_possible}.
    """
    found = password_schemes.find(stored) if isinstance(stored, str) else None
    if found is None:
        return False
    scheme, match = found
    if not scheme.bearable(match):
        return False
    try:
        return scheme.verify(password.encode(), match)
    except ValueError:
        return False


def is_outdated(stored: str) -> bool:
    """
    Whether a hash is to be replaced at the next sign-in (spec/behaviour.md §6 'Rehash').

    All are but PBKDF2 with SHA-256 or SHA-512 and at least L{ITERATIONS}.
    """
    found = password_schemes.find(stored)
    if found is None:
        return False
    groups = found[1].groupdict()
    return groups.get("hash") not in ("sha256", "sha512") or int(groups["rounds"]) < ITERATIONS


#: Verified in place of the hash of an unknown account, so that it takes as long.
UNKNOWN = f"$pbkdf2-sha256$i={ITERATIONS}${_encode(bytes(SALT_BYTES))}${_encode(bytes(HASH_BYTES))}"
