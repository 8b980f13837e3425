"""What a sign-in leaves behind its answer: bounded, and none of it can fail the sign-in."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

#: Notes that may be on their way at a time; further ones are left out.
MOST = 1000


class Aside:
    """Runs what nobody waits for."""

    _log = Logger()

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._running: set[Deferred[Any]] = set()

    def run(self, work: Coroutine[Any, Any, Any]) -> bool:
        """
        Begin, and log what goes wrong.

        @return: C{False} when too much is under way: it is left out.
        """
        if len(self._running) >= self._most:
            work.close()
            self._log.warn("too many notes of sign-ins are under way, one is left out")
            return False
        running = Deferred.fromCoroutine(work)
        running.addErrback(self._failed)
        if not running.called:
            self._running.add(running)
            running.addBoth(lambda _: self._running.discard(running))
        return True

    def _failed(self, failure: Any) -> None:
        self._log.warn("a note of a sign-in failed: {error}", error=failure.type.__name__)

    async def settle(self) -> None:
        """Wait for what is under way."""
        while self._running:
            await DeferredList(list(self._running))
