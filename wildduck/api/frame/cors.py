"""Which web pages may read answers (the Fetch standard, 'CORS protocol'; spec/api.md §0 'CORS')."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

#: Headers of a call that a page may set.
_HEADERS = b"X-Access-Token, Authorization, Content-Type, Last-Event-ID"
#: Seconds that a browser may remember the answer to its question.
_MAX_AGE = b"3600"


class Cors:
    """Adds the headers for pages of the origins that are allowed."""

    def __init__(self, origins: Iterable[str]) -> None:
        """@param origins: C{https://mail.example.com}, C{"*"} for all."""
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)

    def allow(self, request: Any) -> None:
        """Let the page that called read the answer, if it may."""
        if not self._origins:
            return
        request.responseHeaders.addRawHeader(b"vary", b"Origin")
        origin = request.getHeader(b"origin")
        if origin is None:
            return
        if "*" in self._origins or origin.decode("latin-1").lower() in self._origins:
            request.setHeader(b"access-control-allow-origin", origin)
            request.setHeader(b"access-control-allow-credentials", b"true")

    def preflight(self, request: Any, methods: Iterable[str]) -> bool:
        """Answer the question that a browser asks before a call; C{False} if this is none."""
        asked = request.method == b"OPTIONS" and request.getHeader(b"access-control-request-method")
        if not self._origins or not asked:
            return False
        self.allow(request)
        request.setHeader(b"access-control-allow-methods", ", ".join(sorted(methods)).encode("ascii"))
        request.setHeader(b"access-control-allow-headers", _HEADERS)
        request.setHeader(b"access-control-max-age", _MAX_AGE)
        return True
