"""What listens: connections and big bodies are counted, and more of them are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.web.resource import IResource
from twisted.web.server import Site

from wildduck import limits
from wildduck.api.frame.bounded_request import BoundedRequest
from wildduck.api.frame.channel import ApiChannel
from wildduck.network.address import NetworkAddress
from wildduck.network.registry import Registry


class ApiSite(Site):
    """
    The factory to listen with.

    @ivar most_body: bytes that the body of a request may have, by method and path.
    @ivar crowded: connections beyond the bounds, which wait for the one answer that they get.
    @ivar big_bodies: bytes of the bodies over C{limits.API_BODY} of all requests at work.
    """

    displayTracebacks = False

    def __init__(
        self, resource: IResource, most_body: Callable[[bytes, bytes], int], registry: Registry
    ) -> None:
        """@param registry: counts the connections."""
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
        self._registry = registry
        self.crowded = 0
        self.big_bodies = 0

    def buildProtocol(self, addr: Any) -> Any:
        """
        The protocol of a connection, one that only refuses if there are too many.

        @return: C{None}, which closes it at once, if too many are being refused.
        """
        peer = NetworkAddress.from_twisted(addr)
        crowded = not self._take_place(peer)
        if crowded:
            if self.crowded >= limits.API_REFUSED_CONNECTIONS:
                return None
            self.crowded += 1
        channel: Any = super().buildProtocol(addr)
        channel.peer = peer
        channel.crowded = crowded
        return channel

    def left(self, channel: ApiChannel) -> None:
        """A connection is gone."""
        if channel.crowded:
            self.crowded -= 1
        else:
            self._registry.release(channel.peer)
            self._registry.leave()

    def _take_place(self, peer: NetworkAddress) -> bool:
        if not self._registry.enter():
            return False
        if self._registry.claim(peer):
            return True
        self._registry.leave()
        return False


def _log_line(_timestamp: str, request: Any) -> str:
    """The access log's line: without the query, which can hold a token or a password."""
    path = request.uri.partition(b"?")[0][:500].decode("ascii", "backslashreplace")
    method = request.method[:20].decode("ascii", "backslashreplace")
    return f"{request.getClientAddress().host} {method!r} {path!r} {request.code} {request.sentLength}"
