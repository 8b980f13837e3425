"""
Modified UTF-7 of mailbox names (RFC 3501 §5.1.3), strictly, both ways.

Every name has one spelling only: printable ASCII stands for itself, C{&-} is an
ampersand, all else is UTF-16BE in base64 with comma for slash, without padding,
its spare bits zero, no two such runs side by side.  Other spellings are refused,
so that two byte strings never name one mailbox.
"""

from __future__ import annotations

import base64
import binascii
import re

from wildduck.errors import ProtocolError

_SHIFTED = re.compile(r"[^\x20-\x7e]+")
_PIECE = re.compile(rb"([\x20-\x25\x27-\x7e]+)|&([A-Za-z0-9+,]*)-")
_DIRECT = re.compile(r"[\x20-\x7e]")


def encode(name: str) -> bytes:
    """
    The spelling of a name on the wire.

    A lone surrogate, which no UTF-8 text can hold, is written as U+FFFD.
    """
    return _SHIFTED.sub(_shift, name.replace("&", "&-")).encode("ascii")


def _shift(match: re.Match[str]) -> str:
    raw = match.group().encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")
    packed = base64.b64encode(raw.encode("utf-16-be"), b"+,")
    return "&" + packed.decode("ascii").rstrip("=") + "-"


def decode(name: bytes) -> str:
    """
    The name that was spelled.

    @raise ProtocolError: it is not modified UTF-7, or not its one spelling.
    """
    pieces: list[str] = []
    position = 0
    shifted = False
    while position < len(name):
        match = _PIECE.match(name, position)
        if match is None:
            raise ProtocolError("mailbox name is not modified UTF-7")
        position = match.end()
        direct, packed = match.groups()
        if direct is not None:
            pieces.append(direct.decode("ascii"))
        elif not packed:
            pieces.append("&")
        elif shifted:
            raise ProtocolError("mailbox name has two encoded runs side by side")
        else:
            pieces.append(_unpack(packed))
        shifted = bool(packed)
    return "".join(pieces)


def _unpack(packed: bytes) -> str:
    """One run of base64."""
    try:
        raw = base64.b64decode(packed + b"=" * (-len(packed) % 4), b"+,", validate=True)
        text = raw.decode("utf-16-be")
    except (binascii.Error, ValueError):
        raise ProtocolError("mailbox name is not modified UTF-7") from None
    if _DIRECT.search(text) or base64.b64encode(raw, b"+,").rstrip(b"=") != packed:
        raise ProtocolError("mailbox name is not in the canonical form of modified UTF-7")
    return text
