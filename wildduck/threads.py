"""Threads for what would block the reactor: password hashing, large MIME scans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from wildduck.errors import Overloaded

T = TypeVar("T")


class BoundedPool:
    """
    A few threads, and a bounded number of calls that wait for one.

    @ivar name: of the threads.
    """

    def __init__(self, reactor: Any, name: str, threads: int, queue: int) -> None:
        """
        @param threads: calls that run at a time.
        @param queue: calls that may wait; one more is refused.
        """
        self.name = name
        self._reactor = reactor
        self._pool = ThreadPool(0, threads, name)
        self._room = threads + queue
        self._taken = 0
        self._idle: list[Deferred[None]] = []

    def start(self) -> None:
        """Accept calls; threads are made as they are needed."""
        self._pool.start()

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """
        Call a function in a thread.

        @return: what it returns; its exceptions are raised here.
        @raise Overloaded: too many calls wait already, or the pool is not started.
        """
        if self._taken >= self._room or not self._pool.started or self._pool.joined:
            raise Overloaded()
        self._taken += 1
        called = deferToThreadPool(self._reactor, self._pool, function, *arguments)
        # A cancelled call runs on in its thread: it is done when the thread is.
        waiter: Deferred[T] = Deferred()
        called.addBoth(self._done, waiter)
        return await waiter

    def _done(self, result: Any, waiter: Deferred[Any]) -> None:
        self._taken -= 1
        if not waiter.called:
            waiter.callback(result)
        if not self._taken:
            idle, self._idle = self._idle, []
            for deferred in idle:
                deferred.callback(None)

    def stop(self) -> Deferred[None]:
        """
        Refuse further calls, let those that run or wait come to their end.

        @return: fires when they have and the threads are gone.
        """
        if not self._pool.started or self._pool.joined:
            return succeed(None)
        self._room = 0
        idle: Deferred[None] = Deferred()
        if self._taken:
            self._idle.append(idle)
        else:
            idle.callback(None)
        return idle.addCallback(lambda _: self._pool.stop())
