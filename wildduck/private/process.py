"""
One child process that is started, watched, restarted and stopped.

A child that ends by itself is started again, after half a second at first and
up to half a minute when it keeps ending; what needs it meanwhile fails with a
temporary error.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

#: From the start of a process until it must be ready, recovery after a crash included.
READY_SECONDS = 60.0
#: Between two looks whether it is.
POLL_SECONDS = 0.05
#: From SIGTERM until SIGKILL.
STOP_SECONDS = 20.0
#: First and longest wait before a restart; a child that lived this long starts with the first again.
RESTART_FIRST_SECONDS = 0.5
RESTART_LAST_SECONDS = 30.0


class ChildFailed(Exception):
    """A child ended, or was not ready in time; the text says which and where its log is."""


class _Watcher(ProcessProtocol):
    """Tells when the process has ended."""

    def __init__(self) -> None:
        self.ended: str | None = None
        self._waiting: list[Deferred[None]] = []

    def processEnded(self, reason: Failure) -> None:
        """Called by Twisted once the process is reaped."""
        value: Any = reason.value
        self.ended = f"signal {value.signal}" if value.signal else f"status {value.exitCode}"
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)

    def wait(self) -> Deferred[None]:
        """Fires when the process has ended."""
        deferred: Deferred[None] = Deferred()
        if self.ended is None:
            self._waiting.append(deferred)
        else:
            deferred.callback(None)
        return deferred


class Child:
    """
    A supervised process.

    @ivar name: for the log.
    @ivar pid: while it runs, else C{None}.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        name: str,
        argv: list[str],
        log_path: str,
        lock: int,
        ready: Callable[[], Awaitable[bool]],
    ) -> None:
        """
        @param log_path: file that takes the child's standard output and error.
        @param lock: descriptor the child inherits, and with it the lock.
        @param ready: asked again and again after a start; may do the next step towards readiness.
        """
        self.name = name
        self._reactor = reactor
        self._argv = argv
        self._log_path = log_path
        self._lock = lock
        self._ready = ready
        self._watcher: _Watcher | None = None
        self._transport: Any = None
        self._stopping = False
        self._restart: Any = None
        self._wait = RESTART_FIRST_SECONDS

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._transport.pid if self._watcher and self._watcher.ended is None else None

    async def start(self) -> None:
        """
        Start it and wait until it is ready.

        @raise ChildFailed: it ended, or was not ready in time.
        """
        self._spawn()
        try:
            await self._await_ready()
        except ChildFailed:
            await self.stop()
            raise
        self._watch()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL if that does not help in time; returns once it has ended."""
        self._stopping = True
        if self._restart is not None and self._restart.active():
            self._restart.cancel()
        watcher = self._watcher
        if watcher is None or watcher.ended is not None:
            return
        self._signal("TERM")
        killer = self._reactor.callLater(STOP_SECONDS, self._signal, "KILL")
        await watcher.wait()
        if killer.active():
            killer.cancel()

    def _signal(self, name: str) -> None:
        try:
            self._transport.signalProcess(name)
        except ProcessExitedAlready:
            return

    def _spawn(self) -> None:
        watcher = _Watcher()
        null = os.open(os.devnull, os.O_RDONLY)
        output = os.open(self._log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            self._transport = self._reactor.spawnProcess(
                watcher,
                self._argv[0],
                self._argv,
                env=None,
                childFDs={0: null, 1: output, 2: output, 3: self._lock},
            )
        finally:
            os.close(null)
            os.close(output)
        self._watcher = watcher
        self._started = self._reactor.seconds()

    async def _await_ready(self) -> None:
        watcher = self._watcher
        assert watcher is not None
        deadline = self._reactor.seconds() + READY_SECONDS
        while not await self._ready():
            if watcher.ended is not None:
                raise ChildFailed(f"{self.name} ended with {watcher.ended}, see {self._log_path}")
            if self._reactor.seconds() > deadline:
                raise ChildFailed(
                    f"{self.name} was not ready within {READY_SECONDS:g} seconds, see {self._log_path}"
                )
            await deferLater(self._reactor, POLL_SECONDS)

    def _watch(self) -> None:
        """Restart it when it ends."""
        assert self._watcher is not None
        self._watcher.wait().addCallback(lambda _: self._ended())

    def _ended(self) -> None:
        if self._stopping:
            return
        assert self._watcher is not None
        if self._reactor.seconds() - self._started > RESTART_LAST_SECONDS:
            self._wait = RESTART_FIRST_SECONDS
        self._log.error(
            "{name} ended with {how}; starting it again in {wait} seconds, its log is {path}",
            name=self.name,
            how=self._watcher.ended,
            wait=self._wait,
            path=self._log_path,
        )
        self._restart = self._reactor.callLater(self._wait, self._start_again)
        self._wait = min(self._wait * 2, RESTART_LAST_SECONDS)

    def _start_again(self) -> None:
        Deferred.fromCoroutine(self._restarted()).addErrback(self._failed)

    async def _restarted(self) -> None:
        try:
            self._spawn()
            self._watch()
            await self._await_ready()
        except ChildFailed as error:
            # When it ended, _watch has scheduled the next attempt; when it hangs, it may be ready later.
            if not self._stopping:
                self._log.error("{error}", error=error)
        else:
            self._log.info("{name} runs again", name=self.name)

    def _failed(self, failure: Failure) -> None:
        """It could not even be spawned (no memory, no descriptors): try again later."""
        self._log.failure("{name} could not be started", failure, name=self.name)
        self._restart = self._reactor.callLater(self._wait, self._start_again)
        self._wait = min(self._wait * 2, RESTART_LAST_SECONDS)
