"""What listens: connections and big bodies are counted, and more of them are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.web.resource import IResource
from twisted.web.server import Site

from wildduck import limits
from wildduck.api.bounded_request import BoundedRequest
from wildduck.api.channel import ApiChannel


class ApiSite(Site):
    """
    The factory to listen with.

    @ivar most_body: bytes that the body of a request may have, by method and path.
    @ivar connections: open ones.
    @ivar big_bodies: bytes of the bodies over C{limits.API_BODY} of all requests at work.
    """

    displayTracebacks = False

    def __init__(self, resource: IResource, most_body: Callable[[bytes, bytes], int]) -> None:
        # Forms are read by the routes that take them, when the caller has been told to be
        # one who may call: twisted.web reads any, of any length and for anybody, at once.
        super().__init__(
            resource,
            requestFactory=BoundedRequest,
            logFormatter=_log_line,
            parsePOSTFormSubmission=False,
        )
        self.protocol = ApiChannel  # type: ignore[method-assign, assignment]
        self.most_body = most_body
        self.connections = 0
        self.big_bodies = 0

    def buildProtocol(self, addr: Any) -> Any:
        """C{None} closes the connection at once."""
        if self.connections >= limits.API_CONNECTIONS:
            return None
        self.connections += 1
        return super().buildProtocol(addr)


def _log_line(_timestamp: str, request: Any) -> str:
    """The access log's line: without the query, which can hold a token or a password."""
    path = request.uri.partition(b"?")[0][:500].decode("ascii", "backslashreplace")
    method = request.method[:20].decode("ascii", "backslashreplace")
    return f"{request.getClientAddress().host} {method!r} {path!r} {request.code} {request.sentLength}"
