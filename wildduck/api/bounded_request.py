"""Requests whose body is bounded before it is read."""

from __future__ import annotations

from typing import Any

from twisted.web.server import Request

from wildduck import limits
from wildduck.api.channel import BODY_TOO_BIG


class BoundedRequest(Request):
    """
    Answers 413 and closes as soon as a body is known to pass the bound.

    twisted.web spools any body to a temporary file without a bound of its own.
    """

    _most_bytes: int | None = None
    _received = 0
    _refused = False

    def gotLength(self, length: int | None) -> None:
        """The Content-Length, C{None} for a chunked body."""
        if length is not None and self._is_too_big(length):
            self._refuse()
        super().gotLength(0 if self._refused else length)

    def handleContentChunk(self, data: bytes) -> None:
        """A piece of the body."""
        self._received += len(data)
        if self._is_too_big(self._received):
            self._refuse()
        if not self._refused:
            super().handleContentChunk(data)

    def requestReceived(self, *args: Any) -> None:
        """All of the body came; one that was refused is not processed."""
        if not self._refused:
            super().requestReceived(*args)

    def _is_too_big(self, length: int) -> bool:
        if length <= limits.API_BODY:
            return False
        if self._most_bytes is None:
            # The request learns its method and path only after its body; the channel has them.
            channel: Any = self.channel
            self._most_bytes = channel.site.most_body(channel._command, channel._path)
        return length > self._most_bytes

    def _refuse(self) -> None:
        if not self._refused:
            self._refused = True
            channel: Any = self.channel
            channel.refuse(BODY_TOO_BIG)
