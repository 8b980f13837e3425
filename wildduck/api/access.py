"""
Who may call the API (spec/api.md 'Access token').

With a token configured every call must carry it.  Without one only this
machine may call, and no web page on its behalf: a browser would send the
request of any site it shows to a loopback port.
"""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import urlsplit

from twisted.web.iweb import IRequest

from wildduck.errors import DomainError


class InvalidToken(DomainError):
    """The token is missing or wrong, or the caller needs one."""

    http = (403, "InvalidToken")
    text = "Invalid accessToken value"


def check(request: IRequest, token: str) -> None:
    """
    @param token: the configured token, C{""} for none.
    @raise InvalidToken: the caller may not go on.
    """
    given = _given(request)
    if token:
        if given is None or not hmac.compare_digest(given, token.encode()):
            raise InvalidToken()
    elif given is not None:
        raise InvalidToken()
    elif not _is_loopback(request.getClientAddress().host):
        raise InvalidToken("Without api.token only this machine may call the API")
    elif request.getHeader(b"origin") is not None or not _is_local_name(request.getHeader(b"host")):
        raise InvalidToken("Without api.token no web page may call the API")


def _given(request: IRequest) -> bytes | None:
    """The token as sent: query, then header, then bearer (first found wins)."""
    query = request.args.get(b"accessToken")
    if query:
        return bytes(query[0])
    header = request.getHeader(b"x-access-token")
    if header is not None:
        return bytes(header)
    scheme, _, bearer = (request.getHeader(b"authorization") or b"").partition(b" ")
    return bearer.strip() if scheme.lower() == b"bearer" else None


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _is_local_name(header: bytes | None) -> bool:
    """Whether a Host header names this machine, which a rebound DNS name does not."""
    if header is None:
        return True
    try:
        name = urlsplit("//" + header.decode("ascii")).hostname or ""
    except ValueError:
        return False
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name)
