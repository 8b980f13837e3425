"""
SASL responses: base64 lines (RFC 4954 §4, RFC 3501 §6.2.2) and the PLAIN mechanism (RFC 4616).
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field

from wildduck.errors import ProtocolError

#: Longest response line that is decoded; what PLAIN needs three times over.
RESPONSE_BYTES = 4096
#: RFC 4616 §2 leaves the bound to the server.
_NAME_BYTES = 255
_PASSWORD_BYTES = 1024

_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\Z")


class Cancelled(ProtocolError):
    """The client sent C{*}: it gives up this authentication."""


@dataclass(frozen=True, slots=True)
class PlainCredentials:
    """
    What a PLAIN message carries.

    @ivar authorization: whose rights are asked for; C{""}: those of C{username}.
    @ivar username: who signs in.
    """

    authorization: str
    username: str
    password: str = field(repr=False)


def decode_response(line: bytes) -> bytes:
    """
    The bytes of a client's response line.

    An empty line and C{=} (RFC 4959 §3, RFC 4954 §4) are an empty response.

    @raise Cancelled: the line is C{*}.
    @raise ProtocolError: too long, or not exactly base64: a character outside the
        alphabet, missing or misplaced padding (RFC 4648 §3.3).
    """
    if line == b"*":
        raise Cancelled("Authentication cancelled")
    if line == b"=":
        return b""
    if len(line) > RESPONSE_BYTES:
        raise ProtocolError("Authentication response too long")
    if not _BASE64.match(line):
        raise ProtocolError("Invalid base64 in authentication response")
    return binascii.a2b_base64(line)


def parse_plain(message: bytes) -> PlainCredentials:
    """
    Take a PLAIN message apart: C{[authzid] NUL authcid NUL passwd}.

    @raise ProtocolError: another number of NULs, an empty name or password, a
        part that is too long or not UTF-8.
    """
    parts = message.split(b"\0")
    if len(parts) != 3:
        raise ProtocolError("Malformed PLAIN message")
    authorization, username, password = parts
    if not username or not password:
        raise ProtocolError("Empty user name or password")
    if len(authorization) > _NAME_BYTES or len(username) > _NAME_BYTES or len(password) > _PASSWORD_BYTES:
        raise ProtocolError("User name or password too long")
    try:
        return PlainCredentials(authorization.decode(), username.decode(), password.decode())
    except UnicodeDecodeError:
        raise ProtocolError("User name and password must be UTF-8") from None
