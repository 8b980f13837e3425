"""A task loop on real databases, by a clock that the test sets."""

from __future__ import annotations

import datetime
from typing import Any

from bson import ObjectId

from test.mailstore.support import StoreCase
from test.support.parts import pool
from wildduck.accounts import Accounts
from wildduck.tasks import TaskLoop


class TaskCase(StoreCase):
    """
    @ivar accounts: on the databases of L{store}.
    @ivar loop: a loop that is not started: C{run_due} does what is due.
    """

    async def _start(self) -> None:
        await super()._start()
        self.accounts = self.new_accounts(self.node.databases, self.store)
        self.loop = self.new_loop()

    def new_accounts(self, databases: Any, store: Any) -> Accounts:
        """Accounts of another worker."""
        from twisted.internet import reactor

        return Accounts(
            databases,
            self.node.redis,
            store,
            pool(self),
            reactor,  # type: ignore[arg-type]
            default_quota=10**9,
            notifier=self.node.notifier,
        )

    def new_loop(self) -> TaskLoop:
        """Another worker's loop."""
        return TaskLoop(self.node.databases.main, self.accounts, self.store, self.clock, 2)

    def now(self) -> datetime.datetime:
        """The clock's time, as pymongo gives times."""
        now = datetime.datetime.fromtimestamp(self.clock.seconds(), datetime.timezone.utc)
        return now.replace(tzinfo=None, microsecond=now.microsecond // 1000 * 1000)

    def put(self, kind: str, data: Any = None, **members: Any) -> ObjectId:
        """A row as WildDuck writes it."""
        row = {
            "_id": ObjectId(),
            "task": kind,
            "locked": False,
            "lockedUntil": self.now(),
            "created": self.now(),
            "status": "waiting",
            "data": data,
            **members,
        }
        self.db.tasks.insert_one(row)
        return ObjectId(row["_id"])

    def row(self, id: ObjectId) -> Any:
        """A row as it is now, C{None} if it is gone."""
        return self.db.tasks.find_one({"_id": id})
