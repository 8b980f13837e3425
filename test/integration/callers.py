"""Threads that ask a server for something until it has been killed and started again."""

from __future__ import annotations

import threading
from collections.abc import Sized

from test.support.server_process import ServerProcess


class Callers:
    """
    @ivar accepted: what the server has answered for.
    @ivar problems: answers that there should not be.
    """

    accepted: Sized

    def __init__(self, server: ServerProcess, threads: int) -> None:
        self.problems: list[str] = []
        self._server = server
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def wait_for(self, count: int) -> None:
        """
        Return when so many are accepted.

        @raise AssertionError: that takes too long.
        """
        with self._changed:
            done = self._changed.wait_for(lambda: len(self.accepted) >= count or self.problems, 120)
        assert done and not self.problems, (len(self.accepted), self.problems)

    def join(self) -> None:
        """Wait for their end."""
        for thread in self._threads:
            thread.join(120)

    def _run(self, number: int) -> None:
        raise NotImplementedError
