"""
Who calls the API (spec/api.md 'Access token').

With a token configured, or access control switched on, every call must carry
one.  Otherwise only this machine may call, and no web page on its behalf: a
browser would send the request of any site it shows to a loopback port.
"""

from __future__ import annotations

import hmac
import ipaddress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from wildduck.accounts.tokens import AccessTokens, InvalidToken
from wildduck.api.frame.call import ROOT, Caller
from wildduck.api.frame.roles import ROLES

__all__ = ["Access", "InvalidToken"]


#: Headers by which a proxy on this machine says that the caller is another one.
_OF_PROXIES = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via")


class Access:
    """
    Tells callers by their tokens.

    @ivar tokens: role tokens; C{None} where the application has none.
    """

    def __init__(
        self, token: str = "", tokens: AccessTokens | None = None, *, required: bool = False
    ) -> None:
        """
        @param token: the configured token, which makes its holder C{root}; C{""} for none.
        @param required: no call without a token.
        """
        self._token = token.encode("utf-8")
        self.tokens = tokens
        self.protected = bool(token) or required

    async def caller(self, request: Any) -> Caller:
        """
        Who sent a request.

        @raise InvalidToken: nobody who may.
        """
        given = _given(request)
        if given is not None:
            if self._token and hmac.compare_digest(given, self._token):
                return ROOT
            return await self._holder(given)
        if self.protected:
            raise InvalidToken()
        if not _is_loopback(request.getClientAddress().host):
            raise InvalidToken("Without api.token only this machine may call the API")
        if _is_of_web_page(request) or not _is_local_name(request.getHeader(b"host")):
            raise InvalidToken("Without api.token no web page may call the API")
        if any(request.getHeader(name) is not None for name in _OF_PROXIES):
            raise InvalidToken("Without api.token nobody may call the API through a proxy")
        return ROOT

    async def _holder(self, given: bytes) -> Caller:
        if self.tokens is None:
            raise InvalidToken()
        holder = await self.tokens.check(given)
        if holder.role not in ROLES:
            raise InvalidToken()
        return Caller(holder.role, holder.user, holder.token)


def _given(request: Any) -> bytes | None:
    """The token as sent: query, then header, then bearer (first found wins)."""
    _, _, query = request.uri.partition(b"?")
    if b"accessToken" in query:
        try:
            pairs = parse_qsl(query.decode("latin-1"), max_num_fields=1000)
        except ValueError:
            pairs = []
        for name, value in pairs:
            if name == "accessToken":
                return bytes(value, "utf-8")
    header = request.getHeader(b"x-access-token")
    if header:
        return bytes(header)
    authorization: bytes = request.getHeader(b"authorization") or b""
    scheme, _, bearer = authorization.partition(b" ")
    return bearer.strip() or None if scheme.lower() == b"bearer" else None


def _is_of_web_page(request: Any) -> bool:
    """
    Whether a page made a browser send the request.

    Not every such request has an C{Origin}: pictures and links have none, but then
    browsers since 2020 say so (Fetch Metadata); C{none} is what a person has typed.
    """
    site = request.getHeader(b"sec-fetch-site")
    return request.getHeader(b"origin") is not None or site not in (None, b"none")


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
