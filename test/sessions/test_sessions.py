"""
Two and three sessions on one mailbox, in one process and in two: what each is
told, replayed, is the truth.  C{python -m test.soak sessions} does it for long.
"""

from __future__ import annotations

from collections.abc import Sequence

from test.sessions import machine
from test.support.databases import blocking_database
from test.support.server_process import ServerProcess, ServerTestCase

_EXAMPLES = 4
_STEPS = 40


class SessionsTests(ServerTestCase):
    """Random interleavings on real servers."""

    def _play(self, servers: Sequence[ServerProcess], seed: int) -> None:
        database = blocking_database(servers[0].settings(servers[0].data))
        with servers[0].lmtp() as lmtp:
            stage = machine.Stage(servers, database, lmtp)
            machine.run(stage, examples=_EXAMPLES, steps=_STEPS, seed=seed)

    def test_one_process(self) -> None:
        """All sessions share one index of the mailbox."""
        self._play([self.server()], seed=1)

    def test_two_processes(self) -> None:
        """Each process has an index of its own, and hears of the other by pings."""
        self._play(self.pair(), seed=2)
