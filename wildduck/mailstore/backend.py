"""What every part of the mail store works with, put together once per worker."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall, IReactorCore, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from wildduck.config import Settings
from wildduck.database import Database, Databases, GridFS, Locks, Redis, SharedSettings
from wildduck.events import Notifier
from wildduck.limits import LATER_WORKS
from wildduck.mailstore.expected import ExpectedCounters
from wildduck.threads import BoundedPool

#: GridFS bucket of deduplicated attachments (spec/schema.md §3).
ATTACHMENTS = "attachments"


@dataclass(slots=True)
class Backend:
    """
    The surroundings of the mail store.

    @ivar clock: tells the time and what is overdue; a L{task.Clock
        <twisted.internet.task.Clock>} in tests.
    @ivar mime_pool: threads for messages too long to be analysed in between.
    """

    databases: Databases
    redis: Redis
    notifier: Notifier
    settings: Settings
    clock: IReactorTime
    mime_pool: BoundedPool
    locks: Locks = field(init=False)
    gridfs: GridFS = field(init=False)
    expected: ExpectedCounters = field(init=False)
    #: Told how many messages have come into a mailbox, for what can be done later.
    arrived: Callable[[ObjectId, int], None] = field(init=False, default=lambda *_: None)
    _steady: Callable[[], float] = field(init=False)
    _has_turns: bool = field(init=False)
    _running: set[Deferred[Any]] = field(init=False, default_factory=set)
    _later: set[IDelayedCall] = field(init=False, default_factory=set)

    _log = Logger()

    def __post_init__(self) -> None:
        self._steady = steady_seconds(self.clock)
        self._has_turns = IReactorCore.providedBy(self.clock)
        self.expected = ExpectedCounters(self._steady)
        self.locks = Locks(self.redis)
        self.gridfs = GridFS(self.databases.gridfs, ATTACHMENTS)

    @property
    def main(self) -> Database:
        """The handle of mailboxes, messages, archived, journal and threads."""
        return self.databases.main

    @property
    def users(self) -> Database:
        """The handle of accounts."""
        return self.databases.users

    @property
    def shared_settings(self) -> SharedSettings:
        """What all servers go by."""
        return self.databases.shared_settings

    def steady(self) -> float:
        """
        Seconds of a clock that nobody sets, for how long ago something here was.

        Not to be compared with what another process has written.
        """
        return self._steady()

    def now(self) -> datetime.datetime:
        """The time, in UTC, to the millisecond that BSON keeps."""
        return from_milliseconds(int(self.clock.seconds() * 1000))

    async def breathe(self) -> None:
        """Let others have their turn, in long work that waits for nothing."""
        await deferLater(self.clock, 0)

    async def answered(self) -> None:
        """
        Wait for what runs now to end: who waits for its answer comes first.

        Work that must be in L{background} before the answer, for L{settle}, begins with this.
        A test's clock has no turns.
        """
        if self._has_turns:
            await self.breathe()

    def background(self, work: Coroutine[Any, Any, Any]) -> None:
        """
        Do what an answer need not wait for: pings and cached counters.

        It may fail, for nothing that must last depends on it.
        """
        self.follow(Deferred.fromCoroutine(work))

    def follow(self, running: Deferred[Any]) -> None:
        """Let something end that nobody waits for any more."""
        running.addErrback(self._failed)
        if not running.called:
            self._running.add(running)
            running.addBoth(lambda _: self._running.discard(running))

    def later(self, seconds: float, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """
        As L{background}, in a while, unless the server ends before, or too much waits already.

        @param work: makes what is then done.
        """
        if len(self._later) >= LATER_WORKS:
            return

        def begin() -> None:
            self._later.discard(call)
            self.background(work())

        call = self.clock.callLater(seconds, begin)
        self._later.add(call)

    def _failed(self, failure: Any) -> None:
        self._log.warn("something after a change failed: {error}", error=failure.type.__name__)

    async def settle(self) -> None:
        """Wait for what runs in the background, at shutdown; what is to be done later is not."""
        while self._later:
            self._later.pop().cancel()
        if self._running:
            await DeferredList(list(self._running))

    async def changed(self, user: ObjectId) -> None:
        """Tell the sessions of an account that its journal has grown."""
        await self.notifier.changed(user)


def from_milliseconds(value: int) -> datetime.datetime:
    """The time of so many milliseconds since 1970."""
    return datetime.datetime.fromtimestamp(value // 1000, datetime.timezone.utc).replace(
        microsecond=value % 1000 * 1000
    )


def milliseconds(time: datetime.datetime) -> int:
    """Milliseconds since 1970; a time without zone is in UTC."""
    if time.tzinfo is None:
        time = time.replace(tzinfo=datetime.timezone.utc)
    difference = time - _EPOCH
    return (difference.days * 86_400 + difference.seconds) * 1000 + difference.microseconds // 1000


def steady_seconds(clock: IReactorTime) -> Callable[[], float]:
    """
    What tells how much time goes by.

    The reactor goes by the wall clock, which can be set back and forth; what
    counts here also counts while the machine sleeps, for other writers do not.
    A test's clock tells both.
    """
    return _since_boot if IReactorCore.providedBy(clock) else clock.seconds


def _since_boot() -> float:
    return time.clock_gettime(_STEADY)


#: Monotonic does not count while the machine sleeps.
_STEADY: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def javascript(value: int) -> int | float:
    """
    A number in the BSON type in which WildDuck writes it: what does not fit into
    32 bits is a double.
    """
    return value if -(2**31) <= value < 2**31 else float(value)
