"""
Which server works on which task (spec/schema.md C{tasks}).

In WildDuck's form, seen at 1.51, so that its nodes and ours take each task once: one
that is free has C{locked: false}; who takes it puts twelve random bytes there and
an hour into C{lockedUntil}, and moves that on while it works.  What has passed its
time is free again.  A task for later is locked by nobody, C{locked: true}.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from bson import Binary, ObjectId
from twisted.internet.interfaces import IReactorTime

from wildduck.database import Database
from wildduck.mailstore.values import number

#: A task is taken for so long, and that is renewed so often.
LEASE = timedelta(hours=1)
RENEW_SECONDS = 600.0

#: After a failure a task waits so long, twice as long after each further one.
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)

_TASKS = "tasks"


class LeaseLost(Exception):
    """The task may be another server's now, or this one is to stop: nothing more may be done for it."""


@dataclass(frozen=True, slots=True)
class Task:
    """
    A row of C{tasks} that was taken.

    @ivar data: what it was told; never more trusted than any document.
    @ivar native: what earlier runs of ours noted.
    @ivar failures: runs of ours that failed.
    """

    id: ObjectId
    kind: str
    data: Mapping[str, Any]
    native: Mapping[str, Any]
    failures: int

    def id_of(self, name: str) -> ObjectId | None:
        """An id among what it was told; C{None} where there is none."""
        value = self.data.get(name)
        return value if isinstance(value, ObjectId) else None


class Lease:
    """
    Holds one task.

    @ivar task: which.
    """

    def __init__(self, leases: Leases, task: Task, token: Binary, until: datetime) -> None:
        self.task = task
        self._leases = leases
        self._held = {"_id": task.id, "locked": token}
        self._until = until
        self._lost = False

    def check(self) -> None:
        """
        Call between two steps.

        @raise LeaseLost: go no further.
        """
        if self._lost or self._leases.now() >= self._until:
            raise LeaseLost()

    def lose(self) -> None:
        """Let the run end at its next step."""
        self._lost = True

    async def renew(self) -> None:
        """
        Hold it for another hour from now.

        @raise DomainError: the database does not say; it is held until the time before.
        """
        now = self._leases.now()
        change = {
            "$set": {"lockedUntil": now + LEASE, "extendTime": now},
            "$inc": {"extendCount": 1},
        }
        if await self._change(change):
            self._until = now + LEASE
        else:
            self.lose()

    async def note(self, name: str, value: Any) -> None:
        """
        Remember something for a run that has to begin anew.

        @raise LeaseLost: it is no longer ours.
        """
        if not await self._change({"$set": {f"native.{name}": value}}):
            self.lose()
        self.check()

    async def finish(self, **unchanged: Any) -> None:
        """
        The work is done: the row goes.

        @param unchanged: members of C{data}; where one is another by now there is
            new work, and the task is free again.
        """
        same = {f"data.{name}": value for name, value in unchanged.items()}
        if not await self._leases.main.delete_one(_TASKS, {**self._held, **same}, durable=True):
            await self.release()

    async def release(self) -> None:
        """Let somebody else do it."""
        await self._change({"$set": {"locked": False, "status": "waiting"}})

    async def fail(self) -> datetime:
        """
        Let somebody do it again later.

        It stays locked until then, so that WildDuck's nodes wait too.

        @return: when.
        """
        pause: timedelta = min(FIRST_PAUSE * 2 ** min(self.task.failures, 20), LONGEST_PAUSE)
        until = self._leases.now() + pause
        change = {"$set": {"lockedUntil": until, "status": "waiting"}, "$inc": {"native.failures": 1}}
        await self._change(change)
        return until

    async def _change(self, change: dict[str, Any]) -> bool:
        """@return: C{False} when the task is no longer ours."""
        return bool((await self._leases.main.update_one(_TASKS, self._held, change, durable=True)).matched)


class Leases:
    """
    Takes tasks of some kinds; others are left as they are, for WildDuck's nodes.

    @ivar main: the handle of C{tasks}.
    """

    def __init__(self, main: Database, clock: IReactorTime, kinds: Sequence[str]) -> None:
        self.main = main
        self._clock = clock
        self._kinds = {"$in": list(kinds)}

    def now(self) -> datetime:
        """The time, in UTC, to the millisecond."""
        now = datetime.fromtimestamp(self._clock.seconds(), timezone.utc)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    async def take(self) -> Lease | None:
        """
        The task that is due for the longest time; C{None} when there is none.

        @raise DomainError: the database does not answer; at worst one is held for an hour in vain.
        """
        free = {"locked": False, "task": self._kinds}
        # Looking costs the database nothing, and mostly there is nothing.
        if await self.main.find_one(_TASKS, free, projection={"_id": True}) is None:
            return None
        now = self.now()
        token = Binary(os.urandom(12))
        row = await self.main.find_one_and_update(
            _TASKS,
            free,
            {
                "$set": {
                    "locked": token,
                    "lockedUntil": now + LEASE,
                    "status": "active",
                    "runStart": now,
                },
                "$inc": {"runCount": 1},
            },
            sort=[("lockedUntil", 1)],
            return_after=True,
            durable=True,
        )
        return None if row is None else Lease(self, _task(row), token, now + LEASE)

    async def free(self) -> int:
        """
        Free tasks that are due: delayed, failed, or held by a server that is no more.

        @return: how many.
        """
        overdue = {"task": self._kinds, "locked": {"$ne": False}, "lockedUntil": {"$lte": self.now()}}
        freed = {"$set": {"locked": False, "status": "waiting"}}
        return (await self.main.update_many(_TASKS, overdue, freed)).matched


def _task(row: Mapping[str, Any]) -> Task:
    data, native = row.get("data"), row.get("native")
    native = native if isinstance(native, Mapping) else {}
    members = dict(data) if isinstance(data, Mapping) else {}
    if "user" not in members and "user" in row:
        # Older versions of WildDuck name the user beside the data.
        members["user"] = row["user"]
    return Task(row["_id"], str(row.get("task")), members, native, max(0, number(native.get("failures"))))
