"""Requests whose body is bounded before it is read."""

from __future__ import annotations

from typing import Any

from twisted.web.server import Request

from wildduck import limits
from wildduck.api.frame.channel import BODY_TOO_BIG, TOO_MANY_BODIES


class BoundedRequest(Request):
    """
    Answers 413, or 503, and reads no more as soon as a body is known to pass the bound.

    twisted.web spools any body to a temporary file without a bound of its own.
    """

    _received = 0
    _refused = False
    #: Bytes that the body may have, when it is known to be a big one.
    _most_bytes: int | None = None
    _announced: int | None = None

    def gotLength(self, length: int | None) -> None:
        """The Content-Length, C{None} for a chunked body."""
        self._announced = length
        if length is not None:
            self._judge(length)
        super().gotLength(0 if self._refused else length)

    def handleContentChunk(self, data: bytes) -> None:
        """A piece of the body."""
        self._received += len(data)
        self._judge(self._received)
        if not self._refused:
            super().handleContentChunk(data)

    def requestReceived(self, *args: Any) -> None:
        """All of the body came; one that was refused is not processed."""
        if not self._refused:
            super().requestReceived(*args)

    def _judge(self, length: int) -> None:
        """Refuse the body if it is too big, or if there are too many big ones."""
        if length <= limits.API_BODY or self._refused:
            return
        # The request learns its site, method and path only after its body; the channel has them.
        channel: Any = self.channel
        if self._most_bytes is None:
            self._most_bytes = channel.site.most_body(channel._command, channel._path)
            # A chunked body does not say how long it will be.
            announced = self._most_bytes if self._announced is None else self._announced
            if length <= self._most_bytes and not self._take_place(channel.site, announced):
                self.refuse(TOO_MANY_BODIES)
        if length > self._most_bytes and not self._refused:
            self.refuse(BODY_TOO_BIG)

    def refuse(self, response: bytes) -> None:
        """Answer, and neither read nor process the rest."""
        self._refused = True
        channel: Any = self.channel
        channel.refuse(response)

    def _take_place(self, site: Any, length: int) -> bool:
        """Have room for the body until this request has ended; one body always finds room."""
        if site.big_bodies and site.big_bodies + length > limits.API_BIG_BODIES:
            return False
        site.big_bodies += length

        def give_back(_: object) -> None:
            site.big_bodies -= length

        self.notifyFinish().addBoth(give_back)
        return True
