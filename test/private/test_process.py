"""A supervised child, with small shell scripts as children and a clock for the waits."""

from __future__ import annotations

import os
import signal
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.process import reapAllProcesses
from twisted.internet.task import Clock, deferLater
from twisted.trial import unittest

from wildduck.private import process
from wildduck.private.process import Child, ChildFailed


class _Reactor:
    """The reactor's processes with a clock of the test's."""

    def __init__(self, clock: Clock) -> None:
        from twisted.internet import reactor

        self.callLater = clock.callLater
        self.seconds = clock.seconds
        self.spawnProcess = reactor.spawnProcess  # type: ignore[attr-defined]


class ChildTests(unittest.TestCase):
    """L{Child}."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.directory = os.path.abspath(self.mktemp())
        os.mkdir(self.directory)
        self.log_path = os.path.join(self.directory, "log")
        self.lock = os.open(os.devnull, os.O_RDONLY)
        self.addCleanup(os.close, self.lock)
        self.is_ready = True

    def child(self, script: str) -> Child:
        async def ready() -> bool:
            return self.is_ready

        argv = ["/bin/sh", "-c", script]
        child = Child(_Reactor(self.clock), "it", argv, self.log_path, self.lock, ready)
        self.addCleanup(lambda: Deferred.fromCoroutine(self._end(child)))
        return child

    async def _end(self, child: Child) -> None:
        # Not by SIGTERM: between fork and exec it is lost, and the clock would have to wait.
        stopped = Deferred.fromCoroutine(child.stop())
        if child.pid is not None:
            os.kill(child.pid, signal.SIGKILL)
        await self.until(lambda: stopped.called)

    async def says(self, word: str) -> None:
        """Wait until the child has said a word."""
        await self.until(lambda: os.path.exists(self.log_path) and word in self.log())

    async def until(self, condition: Any) -> None:
        """Let the reactor work until something has happened."""
        from twisted.internet import reactor

        while True:
            await deferLater(reactor, 0.01)
            # A child that ended before trial ran the reactor has sent its SIGCHLD to nobody.
            reapAllProcesses()
            if condition():
                return

    def log(self) -> str:
        with open(self.log_path) as file:
            return file.read()

    def ends(self, child: Child) -> Any:
        return lambda: child.pid is None

    async def test_output(self) -> None:
        """What the child says is in its log, and it inherits the lock as descriptor 3."""
        child = self.child("echo out; echo err >&2; test -e /proc/self/fd/3 && echo locked; exec sleep 60")
        await child.start()
        await self.says("locked")
        self.assertEqual(self.log(), "out\nerr\nlocked\n")

    async def test_stop(self) -> None:
        """Stopping sends SIGTERM and waits for the end."""
        child = self.child("echo up; exec sleep 60")
        await child.start()
        await self.says("up")
        self.assertIsNotNone(child.pid)
        await child.stop()
        self.assertIsNone(child.pid)
        await child.stop()

    async def test_deaf(self) -> None:
        """A child that ignores SIGTERM is killed after a while."""
        child = self.child("trap '' TERM; echo deaf; while :; do sleep 1; done")
        await child.start()
        await self.says("deaf")
        stopped = Deferred.fromCoroutine(child.stop())
        self.assertNoResult(stopped)
        self.clock.advance(process.STOP_SECONDS)
        await stopped
        self.assertIsNone(child.pid)

    async def test_ends_at_start(self) -> None:
        """A child that ends before it is ready fails the start with its status and where its log is."""
        self.is_ready = False
        child = self.child("exit 48")
        started = Deferred.fromCoroutine(child.start())
        await self.until(self.ends(child))
        self.clock.advance(process.POLL_SECONDS)
        error = self.failureResultOf(started, ChildFailed).value
        self.assertEqual(str(error), f"it ended with status 48, see {self.log_path}")

    async def test_never_ready(self) -> None:
        """A child that is not ready in time fails the start and is stopped."""
        self.is_ready = False
        child = self.child("echo up; exec sleep 60")
        started = Deferred.fromCoroutine(child.start())
        await self.says("up")
        self.clock.advance(process.READY_SECONDS + 1)
        with self.assertRaises(ChildFailed) as raised:
            await started
        self.assertIn("not ready within 60 seconds", str(raised.exception))
        self.assertIsNone(child.pid)

    async def crash(self, child: Child) -> None:
        pid = child.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await self.until(self.ends(child))

    async def test_restart(self) -> None:
        """A child that crashes is started again, each time after a longer wait."""
        child = self.child("exec sleep 60")
        await child.start()
        for wait in (0.5, 1, 2, 4, 8, 16, 30, 30):
            await self.crash(child)
            self.clock.advance(wait - 0.1)
            self.assertIsNone(child.pid)
            self.clock.advance(0.1)
            self.assertIsNotNone(child.pid)

    async def test_restart_of_a_long_lived(self) -> None:
        """One that ran for a while is started again with the shortest wait."""
        child = self.child("exec sleep 60")
        await child.start()
        for _ in range(3):
            await self.crash(child)
            self.clock.advance(process.RESTART_FIRST_SECONDS)
            self.assertIsNotNone(child.pid)
            self.clock.advance(process.RESTART_LAST_SECONDS + 1)

    async def test_stop_between(self) -> None:
        """A child that is stopped while it waits for its restart is not started again."""
        child = self.child("exec sleep 60")
        await child.start()
        await self.crash(child)
        await child.stop()
        self.clock.advance(process.RESTART_LAST_SECONDS)
        self.assertIsNone(child.pid)
