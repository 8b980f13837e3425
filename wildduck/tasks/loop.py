"""Looks for tasks and does them, one by one in each of a few runners."""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from wildduck.accounts import Accounts
from wildduck.database import Database
from wildduck.errors import DomainError
from wildduck.mailstore.store import MailStore
from wildduck.tasks.lease import RENEW_SECONDS, Lease, LeaseLost, Leases
from wildduck.tasks.work import Malformed, Work

#: Tasks of one server at a time, so that a long one holds up no short one.
RUNNERS = 2

#: Tasks that are due are freed so often; WildDuck's nodes do it every five minutes.
FREE_SECONDS = 30.0


class TaskLoop(Service):
    """
    Does tasks while it runs.

    A task is done in steps that may be repeated, and forgotten when all are done:
    after a crash another server begins it anew an hour later.
    """

    name = "tasks"
    _log = Logger()

    def __init__(
        self, main: Database, accounts: Accounts, store: MailStore, clock: Any, poll_seconds: float
    ) -> None:
        """@param poll_seconds: between two looks when there was nothing to do."""
        work = Work(main, accounts, store, clock)
        self._kinds = work.kinds
        self._leases = Leases(main, clock, list(work.kinds))
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._loops: list[LoopingCall] = []
        self._ends: list[Deferred[Any]] = []
        self._held: set[Lease] = set()
        self._stopping = False

    def startService(self) -> None:
        super().startService()
        self._stopping = False
        self._repeat(self.free_due, FREE_SECONDS, now=True)
        for _ in range(RUNNERS):
            self._repeat(self.run_due, self._poll_seconds, now=False)

    def _repeat(self, function: Any, seconds: float, *, now: bool) -> None:
        loop = LoopingCall(lambda: Deferred.fromCoroutine(function()))
        loop.clock = self._clock
        self._loops.append(loop)
        self._ends.append(loop.start(seconds, now=now))

    def stopService(self) -> Deferred[Any]:
        """@return: fires when the tasks in hand have come to their next step and are free again."""
        super().stopService()
        self._stopping = True
        loops, self._loops = self._loops, []
        ends, self._ends = self._ends, []
        for lease in self._held:
            lease.lose()
        for loop in loops:
            if loop.running:
                loop.stop()
        return DeferredList(ends, consumeErrors=True)

    async def free_due(self) -> None:
        """Free what is due; C{run_due} takes it."""
        try:
            await self._leases.free()
        except DomainError as error:
            self._log.debug("tasks that are due were not freed: {kind}", kind=type(error).__name__)

    async def run_due(self) -> int:
        """
        Do all tasks that are free.

        @return: how many were done, or failed.
        """
        count = 0
        while not self._stopping and (self.running or not count):
            try:
                lease = await self._leases.take()
            except DomainError as error:
                self._log.debug("no task was taken: {kind}", kind=type(error).__name__)
                return count
            if lease is None:
                return count
            count += 1
            await self._run(lease)
        return count

    async def _run(self, lease: Lease) -> None:
        """Do one task; never raises."""
        self._held.add(lease)
        renewing = LoopingCall(lambda: Deferred.fromCoroutine(self._renew(lease)))
        renewing.clock = self._clock
        renewing.start(RENEW_SECONDS, now=False)
        try:
            await self._do(lease)
        except DomainError as error:
            # The task stays held, and is free when its time is over.
            self._log.warn("what became of {what} was not noted: {kind}", what=_name(lease), kind=error)
        except Exception:
            self._log.failure("{what} failed", what=_name(lease))
        finally:
            renewing.stop()
            self._held.discard(lease)

    async def _do(self, lease: Lease) -> None:
        try:
            if self._stopping:
                lease.lose()
            lease.check()
            unchanged = await self._kinds[lease.task.kind](lease)
            lease.check()
        except LeaseLost:
            self._log.info("{what} was left to others", what=_name(lease))
            await lease.release()
        except Malformed:
            self._log.error("{what} says nothing that could be done: it is removed", what=_name(lease))
            await lease.finish()
        except Exception as error:
            until = await lease.fail()
            if isinstance(error, DomainError):
                self._log.warn(
                    "{what} failed with {kind}, it is tried again at {until}",
                    what=_name(lease),
                    kind=type(error).__name__,
                    until=until,
                )
            else:
                self._log.failure(
                    "{what} failed, it is tried again at {until}", what=_name(lease), until=until
                )
        else:
            await lease.finish(**unchanged)
            self._log.info("{what} is done", what=_name(lease))

    async def _renew(self, lease: Lease) -> None:
        try:
            await lease.renew()
        except DomainError as error:
            self._log.warn("{what} was not renewed: {kind}", what=_name(lease), kind=type(error).__name__)


def _name(lease: Lease) -> str:
    return f"task {lease.task.kind} {lease.task.id}"
