"""Work that many ask for at the same moment, done once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure


class Together:
    """
    One piece of work that is repeated whenever somebody asks, never twice at a time.

    Who asks while it runs does not get that run's result, which may have begun
    before what he wants to see: he and all others who asked meanwhile share the next one.
    """

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._running = False
        self._asking: list[Deferred[None]] = []

    def ask(self) -> Deferred[None]:
        """@return: fires when the work, begun after this call, has ended; fails as it does."""
        asked: Deferred[None] = Deferred()
        self._asking.append(asked)
        if not self._running:
            self._start()
        return asked

    def _start(self) -> None:
        self._running = True
        asked, self._asking = self._asking, []
        Deferred.fromCoroutine(self._work()).addBoth(self._ended, asked)

    def _ended(self, result: None | Failure, asked: list[Deferred[None]]) -> None:
        self._running = False
        if self._asking:
            self._start()
        for one in asked:
            if one.called:
                continue  # cancelled: nobody waits for it any more
            if isinstance(result, Failure):
                one.errback(result)
            else:
                one.callback(None)
