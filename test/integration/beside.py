"""A mail store in the test's process, beside the server on the same databases."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock
from twisted.trial import unittest

from test.support.databases import data_folder
from test.support.parts import connected, pool
from test.support.server_process import ServerProcess
from wildduck.events import Notifier
from wildduck.mailstore.store import MailStore


class _Stopped(Clock):
    """Stands still; but who only lets others have their turn gets his own again."""

    def callLater(self, when: float, what: Callable[..., object], *a: Any, **kw: Any) -> IDelayedCall:
        if when > 0:
            return super().callLater(when, what, *a, **kw)
        from twisted.internet import reactor

        real: Any = reactor
        call: IDelayedCall = real.callLater(0, what, *a, **kw)
        return call


async def store_beside(test: unittest.TestCase, server: ServerProcess, later: float = 0) -> MailStore:
    """
    A store whose clock shows another time.

    @param server: one that uses the run's databases.
    @param later: seconds that its clock is ahead of the machine's.
    """
    settings, databases, redis = await connected(test, server.settings(data_folder(test)))
    clock = _Stopped()
    clock.advance(time.time() + later)
    timer: Any = clock
    return MailStore(databases, redis, Notifier(redis), settings, timer, pool(test))
