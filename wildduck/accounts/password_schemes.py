"""
The schemes of stored password hashes (spec/behaviour.md §6 'Accepted').

Each scheme says what form its hashes have, how much work one asks for, and how
it is verified.  One document must not be able to occupy a password thread or
the machine's memory, so a hash that asks for more than L{MOST_WORK} is not
looked at.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass

import bcrypt
from argon2 import low_level as argon2
from argon2.exceptions import Argon2Error
from passlib.hash import des_crypt, md5_crypt, sha256_crypt, sha512_crypt

from wildduck.accounts import pbkdf2

#: PBKDF2 iterations (some seconds of a thread), over all blocks of its result, and bytes of that.
PBKDF2_ITERATIONS = 10_000_000
PBKDF2_BYTES = 512
#: bcrypt's cost: each further one doubles the time, 16 is some seconds.
BCRYPT_COST = 16
#: Bytes of a password that bcrypt looks at; the rest never counted.
BCRYPT_BYTES = 72
#: Rounds of sha256-crypt and sha512-crypt (some seconds of a thread, for passlib
#: does them in Python); the most that are in use are passlib's own 656,000.
CRYPT_ROUNDS = 1_000_000
#: KiB of memory, KiB times passes, and lanes of argon2.
ARGON2_MEMORY = 256 * 1024
ARGON2_WORK = 8 * ARGON2_MEMORY
ARGON2_LANES = 16

#: Each block of PBKDF2's result takes all iterations (RFC 8018 §5.2).
_BLOCK_BYTES = {"sha1": 20, "sha256": 32, "sha512": 64}
#: Rounds of sha256-crypt and sha512-crypt that name none.
_CRYPT_DEFAULT = 5000


@dataclass(frozen=True, slots=True)
class Scheme:
    """
    @ivar form: matches a whole hash.
    @ivar bearable: takes the match; whether the work it asks for is within bounds.
    @ivar verify: takes the password as UTF-8 and the match; may raise C{ValueError}.
    """

    form: re.Pattern[str]
    bearable: Callable[[re.Match[str]], bool]
    verify: Callable[[bytes, re.Match[str]], bool]


def find(stored: str) -> tuple[Scheme, re.Match[str]] | None:
    """The scheme of a hash and its match; C{None} for none of them."""
    if len(stored) > _LONGEST:
        return None
    for scheme in SCHEMES:
        match = scheme.form.match(stored)
        if match:
            return scheme, match
    return None


def decode(text: str) -> bytes:
    """@raise ValueError: not base64, with or without padding."""
    text = text.rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


# --- PBKDF2 ---------------------------------------------------------------------


def _pbkdf2_bearable(match: re.Match[str]) -> bool:
    length = len(match["digest"].rstrip("=")) * 3 // 4
    blocks = max(1, -(-length // _BLOCK_BYTES[match["hash"]]))
    return 0 < int(match["rounds"]) * blocks <= PBKDF2_ITERATIONS and length <= PBKDF2_BYTES


def _pbkdf2(password: bytes, match: re.Match[str]) -> bool:
    salt, expected = decode(match["salt"]), decode(match["digest"])
    if not expected:
        return False
    digest = pbkdf2.derive(match["hash"], password, salt, int(match["rounds"]), len(expected))
    return hmac.compare_digest(digest, expected)


# --- bcrypt ---------------------------------------------------------------------


def _bcrypt_bearable(match: re.Match[str]) -> bool:
    return 4 <= int(match["cost"]) <= BCRYPT_COST


def _bcrypt(password: bytes, match: re.Match[str]) -> bool:
    return bcrypt.checkpw(password[:BCRYPT_BYTES], match.string.encode("ascii"))


# --- argon2 ---------------------------------------------------------------------

_ARGON2_TYPES = {"d": argon2.Type.D, "i": argon2.Type.I, "id": argon2.Type.ID}


def _argon2_bearable(match: re.Match[str]) -> bool:
    memory, passes, lanes = int(match["memory"]), int(match["passes"]), int(match["lanes"])
    return memory <= ARGON2_MEMORY and memory * passes <= ARGON2_WORK and 0 < lanes <= ARGON2_LANES


def _argon2(password: bytes, match: re.Match[str]) -> bool:
    try:
        return argon2.verify_secret(match.string.encode("ascii"), password, _ARGON2_TYPES[match["type"]])
    except Argon2Error:
        return False


# --- crypt(3) -------------------------------------------------------------------


def _sha_crypt_bearable(match: re.Match[str]) -> bool:
    return int(match["rounds"] or _CRYPT_DEFAULT) <= CRYPT_ROUNDS


def _always_bearable(match: re.Match[str]) -> bool:
    return True


def _crypt(handler: type) -> Callable[[bytes, re.Match[str]], bool]:
    def verify(password: bytes, match: re.Match[str]) -> bool:
        return bool(handler.verify(password, match.string))  # type: ignore[attr-defined]

    return verify


def _form(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern + r"\Z", re.ASCII)


_SHA_CRYPT = r"(?:rounds=(?P<rounds>[0-9]{1,9})\$)?[^$\x00-\x20\x7f-\U0010ffff]{0,16}\$[./0-9A-Za-z]"
_BASE64 = r"[A-Za-z0-9+/]"

SCHEMES = (
    Scheme(
        _form(
            r"\$pbkdf2-(?P<hash>sha1|sha256|sha512)\$i=(?P<rounds>[0-9]{1,9})(?:,l=[0-9]{1,4})?"
            rf"\$(?P<salt>{_BASE64}+=*)\$(?P<digest>{_BASE64}+=*)"
        ),
        _pbkdf2_bearable,
        _pbkdf2,
    ),
    Scheme(_form(r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{53}"), _bcrypt_bearable, _bcrypt),
    Scheme(
        _form(
            r"\$argon2(?P<type>d|i|id)\$(?:v=[0-9]{1,3}\$)?"
            r"m=(?P<memory>[0-9]{1,9}),t=(?P<passes>[0-9]{1,6}),p=(?P<lanes>[0-9]{1,6})"
            rf"\${_BASE64}+\${_BASE64}+"
        ),
        _argon2_bearable,
        _argon2,
    ),
    Scheme(_form(r"\$6\$" + _SHA_CRYPT + "{86}"), _sha_crypt_bearable, _crypt(sha512_crypt)),
    Scheme(_form(r"\$5\$" + _SHA_CRYPT + "{43}"), _sha_crypt_bearable, _crypt(sha256_crypt)),
    Scheme(
        _form(r"\$1\$[^$\x00-\x20\x7f-\U0010ffff]{0,8}\$[./0-9A-Za-z]{22}"),
        _always_bearable,
        _crypt(md5_crypt),
    ),
    Scheme(_form(r"[./0-9A-Za-z]{13}"), _always_bearable, _crypt(des_crypt)),
)

#: No hash of these schemes is longer.
_LONGEST = 2048
