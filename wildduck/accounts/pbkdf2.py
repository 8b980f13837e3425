"""
PBKDF2 by the OpenSSL that comes with C{cryptography}.

The one that CPython is linked to is the system's: that of Debian 12 takes twice
the time, for each sign-in.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

_HASHES: dict[str, type[hashes.SHA1 | hashes.SHA256 | hashes.SHA512]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha512": hashes.SHA512,
}


def derive(algorithm: str, password: bytes, salt: bytes, rounds: int, length: int) -> bytes:
    """
    What C{hashlib.pbkdf2_hmac} gives (RFC 8018 §5.2); it lets go of the GIL too.

    @param algorithm: C{sha1}, C{sha256} or C{sha512}.
    @param length: bytes that are wanted, at least 1.
    """
    return PBKDF2HMAC(_HASHES[algorithm](), length, salt, rounds).derive(password)
