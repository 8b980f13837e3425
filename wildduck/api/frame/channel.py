"""
Connections of the API: what is too big or no HTTP gets an answer that the client can read.

twisted.web closes at once where bytes of the client are unread, and then the
system tells the client that the connection broke before it tells the answer.
"""

from __future__ import annotations

import re
from time import monotonic
from typing import Any

import msgspec
from twisted.web.http import HTTPChannel

from wildduck import limits
from wildduck.network.address import NetworkAddress


def _response(status: bytes, code: str, text: str, *headers: bytes) -> bytes:
    body = msgspec.json.format(msgspec.json.encode({"error": text, "code": code}), indent=2) + b"\n"
    return (
        b"HTTP/1.1 %s\r\nContent-Type: application/json; charset=utf-8\r\n"
        b"%sContent-Length: %d\r\nConnection: close\r\n\r\n"
        % (status, b"".join(header + b"\r\n" for header in headers), len(body))
    ) + body


BODY_TOO_BIG = _response(b"413 Content Too Large", "RequestTooBig", "The request body is too big")
#: Bodies and connections come and go: a little later there mostly is room (RFC 9110 §10.2.3).
_LATER = b"Retry-After: 5"
TOO_MANY_BODIES = _response(
    b"503 Service Unavailable", "ServiceUnavailable", "The server is busy, please try again", _LATER
)
_TOO_MANY_CONNECTIONS = _response(
    b"503 Service Unavailable", "TooManyConnections", "There are too many connections", _LATER
)
_HEAD_TOO_BIG = _response(
    b"431 Request Header Fields Too Large", "RequestHeadTooBig", "The URL or the headers are too long"
)
_TOO_SLOW = _response(b"408 Request Timeout", "RequestTimeout", "The request came too slowly")
_NO_HOST = _response(b"400 Bad Request", "BadRequest", "A request must have one Host header")
_NO_HTTP = _response(b"400 Bad Request", "BadRequest", "This is no HTTP request")


#: A target in absolute form: the authority, without userinfo (RFC 9110 §4.2.4), and path and query.
_ABSOLUTE = re.compile(rb"(?i:https?)://([\w.:%\[\]-]+)((?:[/?].*)?)", re.DOTALL)


class ApiChannel(HTTPChannel):
    """
    One connection.

    @ivar site: its L{ApiSite <wildduck.api.frame.site.ApiSite>}.
    @ivar peer: the other end.
    @ivar crowded: there are too many already: the first request is refused.
    """

    site: Any
    peer: NetworkAddress
    crowded = False
    _refused = False
    #: When the first byte of the present request came, and how many have come.
    _began: float | None = None
    _bytes = 0

    def connectionMade(self) -> None:
        """A client is there."""
        super().connectionMade()
        if self.crowded:
            self.setTimeout(limits.API_LINGER_SECONDS)

    def dataReceived(self, data: bytes) -> None:
        """Bytes came; those after a refusal are dropped."""
        if self._refused:
            return
        if self.crowded:
            self.refuse(_TOO_MANY_CONNECTIONS)
            return
        # While a handler runs, what comes is the next request, which waits.
        if not self._handlingRequest and self._is_slow(len(data)):
            self.refuse(_TOO_SLOW)
            return
        super().dataReceived(data)

    def allHeadersReceived(self) -> None:
        """The head is complete; one of HTTP/1.1 must have a Host, and none more than one (RFC 9112 §3.2)."""
        request: Any = self.requests[-1]
        hosts = request.requestHeaders.getRawHeaders(b"host", [])
        if len(hosts) > 1 or (self._version == b"HTTP/1.1" and not hosts):
            request.refuse(_NO_HOST)
        # Whoever takes this server for a proxy names it in the target, which counts then (RFC 9112 §3.2.2).
        absolute = _ABSOLUTE.fullmatch(self._path)
        if absolute is not None:
            host, path = absolute.groups()
            request.requestHeaders.setRawHeaders(b"host", [host])
            self._path = path if path.startswith(b"/") else b"/" + path
        super().allHeadersReceived()

    def allContentReceived(self) -> None:
        """The request is complete."""
        self._began = None
        super().allContentReceived()

    def _is_slow(self, length: int) -> bool:
        """
        Whether a request drips in: each byte puts off twisted.web's timeout for
        silence, and would keep a connection for ever.
        """
        now = monotonic()
        if self._began is None:
            self._began, self._bytes = now, 0
        self._bytes += length
        return now - self._began > limits.API_REQUEST_SECONDS + self._bytes / limits.API_REQUEST_RATE

    def lineLengthExceeded(self, line: bytes) -> None:
        """A line of the head is longer than C{MAX_LENGTH}."""
        self.refuse(_HEAD_TOO_BIG)

    def refuse(self, response: bytes) -> None:
        """
        Answer and take nothing more in.

        What the client still sends is read away for C{limits.API_LINGER_SECONDS}, or until
        it closes.
        """
        if self._refused:
            return
        self._refused = True
        self.setTimeout(None)
        # Nothing of it is a line any more, and nothing is kept.
        self.clearLineBuffer()
        transport: Any = self.transport
        transport.write(response)
        # TLS has no half of its own to close.
        half_close = getattr(transport, "loseWriteConnection", None)
        if half_close is not None:
            half_close()
        self._linger = self.callLater(limits.API_LINGER_SECONDS, transport.abortConnection)

    def connectionLost(self, reason: Any = None) -> None:
        """The connection is gone."""
        self.site.left(self)
        if self._refused and self._linger.active():
            self._linger.cancel()
        super().connectionLost(reason)

    def _send100Continue(self) -> None:
        """The client may send its body, unless that was refused already (RFC 9110 §10.1.1)."""
        if not self._refused:
            super()._send100Continue()

    def _respondToBadRequestAndDisconnect(self) -> None:
        """What twisted.web does with a head that it does not understand, or that is too long."""
        too_many = self._receivedHeaderCount > self.maxHeaders
        too_long = too_many or self._receivedHeaderSize > self.totalHeadersSize
        self.refuse(_HEAD_TOO_BIG if too_long else _NO_HTTP)
