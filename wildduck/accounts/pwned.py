"""
Passwords that are known from breaches (spec/behaviour.md §6 'HIBP').

Asked by the range API of "Have I Been Pwned": only the first 5 of the 40
digits of the password's SHA-1 leave this machine (k-anonymity).
"""

from __future__ import annotations

import hashlib
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from wildduck.limits import PWNED_BYTES, PWNED_SECONDS

_PREFIX = 5
_HEADERS = Headers({b"user-agent": [b"wildduck"], b"add-padding": [b"true"]})


class PwnedPasswords:
    """Looks passwords up; where the service does not answer none is known."""

    _log = Logger()

    def __init__(self, url: str, reactor: Any) -> None:
        """@param url: of the service, to which C{/range/PREFIX} is added; C{""}: nothing is asked."""
        self._url = url.rstrip("/")
        self._reactor = reactor

    @property
    def asks(self) -> bool:
        """Whether there is a service to ask."""
        return bool(self._url)

    async def knows(self, password: str) -> bool:
        """Whether the password is known from a breach; C{False} where that can't be told in a second."""
        return await self.look_up(password) is True

    async def look_up(self, password: str) -> bool | None:
        """As L{knows}; C{None} where it can't be told."""
        if not self._url:
            return None
        # Not for security: it is what the service goes by.
        digest = hashlib.sha1(password.encode("utf-8"), usedforsecurity=False).hexdigest().upper()
        pool = HTTPConnectionPool(self._reactor, persistent=False)
        asking = Deferred.fromCoroutine(self._range(Agent(self._reactor, pool=pool), digest[:_PREFIX]))
        asking.addTimeout(PWNED_SECONDS, self._reactor)
        try:
            rows = await asking
        except Exception as error:
            self._log.warn(
                "a password could not be looked up among breached ones: {error}", error=type(error).__name__
            )
            return None
        return _count(rows, digest[_PREFIX:]) > 0

    async def _range(self, agent: Agent, prefix: str) -> bytes:
        response = await agent.request(b"GET", f"{self._url}/range/{prefix}".encode("ascii"), _HEADERS)
        if response.code != 200:
            raise ValueError(f"status {response.code}")
        return await _body(response)


def _count(rows: bytes, suffix: str) -> int:
    """How often the password was seen: padding rows have 0."""
    for row in rows.decode("ascii", "replace").splitlines():
        digits, _, count = row.strip().partition(":")
        if digits.upper() == suffix:
            return int(count) if count.strip().isdigit() else 0
    return 0


def _body(response: IResponse) -> Deferred[bytes]:
    """The body of an answer; one that is too long fails, and its connection ends."""
    collector = _Collector()
    response.deliverBody(collector)
    return collector.done


class _Collector(Protocol):
    """
    Takes a body of at most C{PWNED_BYTES}.

    @ivar done: fires with it; when cancelled, or with a failure, the connection ends.
    """

    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._end())
        self._data = bytearray()

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > PWNED_BYTES and not self.done.called:
            self.done.errback(ValueError("too long an answer"))
            self._end()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.done.called:
            return
        if reason.check(ResponseDone):
            self.done.callback(bytes(self._data))
        else:
            self.done.errback(reason)

    def _end(self) -> None:
        self._data.clear()
        if self.transport is not None:
            self.transport.loseConnection()
