"""
Content-Transfer-Encoding, forgivingly decoded (RFC 2045 §6).

Nothing here raises: what is not valid in the encoding is left out or kept as
it stands.
"""

from __future__ import annotations

import binascii
import re

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def base64(data: bytes) -> bytes:
    """
    Decode base64 (RFC 2045 §6.8), also without padding or in the URL alphabet.

    Characters outside the alphabet are skipped, an incomplete last group
    gives the bytes that it holds.
    """
    kept = _NOT_BASE64.sub(b"", data.translate(_URL_SAFE))
    if len(kept) % 4 == 1:
        kept = kept[:-1]
    return binascii.a2b_base64(kept + b"=" * (-len(kept) % 4))


def quoted_printable(data: bytes) -> bytes:
    """Decode quoted-printable (RFC 2045 §6.7); a wrong C{=} stays as it is."""
    return binascii.a2b_qp(data)


def q_word(data: bytes) -> bytes:
    """Decode the Q encoding of encoded-words (RFC 2047 §4.2)."""
    return binascii.a2b_qp(data.replace(b"_", b" "))


def decode(data: bytes, encoding: str) -> bytes:
    """
    Undo a transfer encoding.

    @param encoding: as in Content-Transfer-Encoding, any case; an unknown one
        leaves the data as they are (RFC 2045 §6.4 treats them as opaque).
    """
    name = encoding.strip().lower()
    if name == "base64":
        return base64(data)
    if name == "quoted-printable":
        return quoted_printable(data)
    return data
