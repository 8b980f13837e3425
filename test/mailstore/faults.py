"""A database that stops at its n-th write, as a process that is killed there does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wildduck.database import Database, Databases

#: Methods of L{Database} that write.
WRITES = frozenset(
    {
        "insert_one",
        "insert_many",
        "update_one",
        "update_many",
        "update_bulk",
        "find_one_and_update",
        "delete_one",
        "delete_many",
    }
)


class Killed(Exception):
    """The process is no more."""


class Killer:
    """
    Counts the writes of a mail store and ends it before one of them.

    @ivar writes: (method, collection) of the writes so far.
    """

    def __init__(self, databases: Databases, *, transactions: bool = True) -> None:
        """@param transactions: C{False}: as on a standalone server, there are none."""
        self._databases = databases
        self.transactions = transactions
        self._at = 0
        self._dead = False
        self.writes: list[tuple[str, str]] = []

    def arm(self, at: int) -> None:
        """Live again, and die before write number C{at}, from 1; 0 for never."""
        self._at = at
        self._dead = False
        self.writes = []

    def databases(self) -> Databases:
        """The same databases as the mail store sees them."""
        handles = {
            name: _Handle(self, getattr(self._databases, name))
            for name in ("main", "users", "gridfs", "sender")
        }
        databases = Databases(handles, ())  # type: ignore[arg-type]
        databases.shared_settings = self._databases.shared_settings
        return databases

    def write(self, method: str, collection: str) -> None:
        """A write is about to be sent."""
        self.alive()
        self.writes.append((method, collection))
        if len(self.writes) == self._at:
            self._dead = True
        self.alive()

    def alive(self) -> None:
        """@raise Killed: nothing is sent any more."""
        if self._dead:
            raise Killed()


class _Handle:
    """A L{Database} that asks before each operation."""

    def __init__(self, killer: Killer, database: Database) -> None:
        self._killer = killer
        self._database = database

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._database, name)
        if name == "has_transactions":
            return attribute and self._killer.transactions
        if not callable(attribute):
            return attribute
        if name in WRITES:
            return self._writing(name, attribute)
        if name == "transaction":
            return self._transacting(attribute)
        if name == "command":
            return self._commanding(attribute)

        def asked(*arguments: Any, **options: Any) -> Any:
            self._killer.alive()
            return attribute(*arguments, **options)

        return asked

    def _writing(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        async def write(collection: str, *arguments: Any, **options: Any) -> Any:
            self._killer.write(name, collection)
            return await method(collection, *arguments, **options)

        return write

    def _transacting(self, begin: Callable[..., Any]) -> Callable[..., Any]:
        """A transaction is one write: that which commits it."""

        def transaction(*arguments: Any) -> Any:
            self._killer.alive()
            made = begin(*arguments)
            commit = made.commit

            async def counted() -> Any:
                self._killer.write("transaction", "")
                return await commit()

            made.commit = counted
            return made

        return transaction

    def _commanding(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def command(command: dict[str, Any], **options: Any) -> Any:
            if "aggregate" in command and "$merge" in command["pipeline"][-1]:
                self._killer.write("merge", command["pipeline"][-1]["$merge"]["into"])
            return await method(command, **options)

        return command
