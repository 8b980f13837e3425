"""
Deleting an account, and taking that back.

An account that is deleted moves to C{deletedusers} with its addresses; they
are free at once, and its mail goes later, by a task.  Until that has begun
the account can be restored (spec/api.md §1, spec/schema.md §7).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from twisted.logger import Logger

from wildduck.accounts import features, normalise
from wildduck.accounts.addresses import MOST_ADDRESSES, Addresses
from wildduck.accounts.notes import Notes, Origin
from wildduck.accounts.stored import stored_string
from wildduck.accounts.surroundings import Surroundings
from wildduck.database import GridFS
from wildduck.database.task_rows import add_task
from wildduck.errors import (
    AccountFound,
    AccountNotFound,
    AddressExists,
    DeleteInProgress,
    DomainError,
    DuplicateKey,
    Overloaded,
    RestoreTaskNotFound,
    Unavailable,
    UserNotFound,
)

#: Collections whose rows go with their user, by the handle that holds them.
_USER_ROWS = (
    ("users", "asps"),
    # Of WildDuck 1.51.
    ("users", "mcptokens"),
    ("main", "filters"),
    ("main", "autoreplies"),
    ("main", "addressregister"),
)

_TASK = "user-delete"
#: Status of a task whose time has not come.
_WAITS = "delayed"
#: Tries to move a document that others change at the same time.
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Deleted:
    """
    What a deletion did.

    @ivar addresses: how many were taken away.
    @ivar delete_after: when the mail goes.
    @ivar task: that does it.
    """

    addresses: int
    delete_after: datetime
    task: ObjectId


@dataclass(frozen=True, slots=True)
class Recoverable:
    """
    A deleted account.

    @ivar addresses: those that nobody else has meanwhile.
    """

    document: Mapping[str, Any]
    deleted: datetime | None
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """
    What a restoration did.

    @ivar task: the deletion that was called off, C{None} if there was none.
    @ivar addresses: how many were given back.
    @ivar main: the default address now, C{""} for none.
    """

    task: ObjectId | None
    addresses: int
    main: str


class Deletion:
    """Deletes and restores accounts."""

    _log = Logger()

    def __init__(self, surroundings: Surroundings, addresses: Addresses, notes: Notes) -> None:
        self._around = surroundings
        self._users = surroundings.users
        self._main = surroundings.databases.main
        self._addresses = addresses
        self._notes = notes

    async def delete(self, user: ObjectId, delete_after: datetime | None, origin: Origin) -> Deleted:
        """
        Delete an account; repeatable, also after a crash and for another time.

        @param delete_after: its mail is kept, and it can be restored, until then; C{None}: it goes at once.
        @raise UserNotFound: there never was such an account, or nothing is left of it.
        """
        moved = await self._move(user)
        tasks = await self._tasks(user)
        if not moved and not tasks and await self._deleted(user) is None:
            raise UserNotFound()
        removed = await self._users.delete_many("addresses", {"user": user}, durable=True)
        due, task_id = await self._schedule(user, tasks, delete_after)
        await self._around.notifier.log_out(user, "The account was deleted")
        await self._forget(user, moved)
        await self._notes.add(user, "delete user", origin)
        return Deleted(removed, due, task_id)

    async def purge(self, user: ObjectId, check: Callable[[], None] | None = None) -> None:
        """
        Remove what is left of a deleted account; its messages go after 14 days. Repeatable.

        An account that was restored meanwhile is left alone.

        @param check: called between steps; what it raises ends this.
        """
        if await self._users.find_one("users", {"_id": user}, projection={"_id": True}) is not None:
            self._log.warn("account {user} is there: nothing of it is removed", user=str(user))
            return
        await self._around.mail.delete_user_data(user, check)
        await remove_rows(self._around, user)
        await self._remove_left(user, check)
        await self._users.delete_one("deletedusers", {"_id": user}, durable=True)

    async def _remove_left(self, user: ObjectId, check: Callable[[], None] | None) -> None:
        """What WildDuck leaves behind: stored files, threads and webhooks; the log expires by itself."""
        files = GridFS(self._around.databases.gridfs, "storage")
        mine = {"metadata.user": user}
        async for batch in self._around.databases.gridfs.batches(files.files, mine, projection={"_id": True}):
            for row in batch:
                if check is not None:
                    check()
                await files.remove(row["_id"])
        await self._main.delete_many("threads", {"user": user}, slow=True)
        await self._users.delete_many("webhooks", {"user": user}, slow=True)

    # --- the steps ----------------------------------------------------------------

    async def _move(self, user: ObjectId) -> Mapping[str, Any] | None:
        """
        The document to C{deletedusers}, exactly as it was when it went.

        @return: it, C{None} if there was none.
        """
        for attempt in range(_ATTEMPTS):
            document = await self._users.find_one("users", {"_id": user})
            if document is None:
                return None
            rows = await self._users.find("addresses", {"user": user}, limit=MOST_ADDRESSES)
            info = {
                "deletedAt": self._around.now(),
                "mainAddress": document.get("address"),
                "addresses": rows,
            }
            await self._users.update_one(
                "deletedusers",
                {"_id": user},
                {**document, "deleteInfo": info},
                upsert=True,
                durable=True,
                idempotent=True,
            )
            # Where something has changed meanwhile (mail that came in), it is copied again.
            same: dict[str, Any] = {"_id": user}
            if attempt < _ATTEMPTS - 1:
                same["$expr"] = {"$eq": ["$$ROOT", {"$literal": document}]}
            if await self._users.delete_one("users", same, durable=True):
                return document
        raise Unavailable()

    async def _tasks(self, user: ObjectId) -> list[dict[str, Any]]:
        """
        The tasks that remove the mail, the one to be told of first.

        WildDuck makes one for each call, two of our calls at once make two; one
        that has begun goes first.  Older versions of WildDuck name the user beside C{data}.
        """
        query = {"task": _TASK, "$or": [{"data.user": user}, {"user": user}]}
        tasks = await self._main.find("tasks", query, sort=[("_id", 1)])
        return sorted(tasks, key=lambda task: task.get("status") == _WAITS)

    async def _schedule(
        self, user: ObjectId, tasks: list[dict[str, Any]], delete_after: datetime | None
    ) -> tuple[datetime, ObjectId]:
        """A task for the wanted time; one that has begun already is left as it is."""
        now = self._around.now()
        if not tasks:
            task_id = await add_task(self._main, _TASK, {"user": user}, now, not_before=delete_after)
            return delete_after or now, task_id
        due = delete_after or now
        waiting = {"_id": {"$in": [task["_id"] for task in tasks]}, "status": _WAITS}
        done = await self._main.update_many("tasks", waiting, {"$set": {"lockedUntil": due}}, durable=True)
        task = tasks[0]
        if done.matched < len(tasks):
            locked = task.get("lockedUntil")
            due = locked if isinstance(locked, datetime) else now
        return due, task["_id"]

    async def _forget(self, user: ObjectId, document: Mapping[str, Any] | None) -> None:
        """What Redis holds of the account."""
        flags = (document or {}).get("featureFlags")
        try:
            await self._around.redis.execute("DEL", f"limits:{user}", f"cached:{user}")
            for flag in flags if isinstance(flags, Mapping) else ():
                await self._around.redis.execute("SREM", f"feature:{flag}", str(user))
        except DomainError as error:
            self._log.warn(
                "what Redis holds of account {user} stays: {error}",
                user=str(user),
                error=type(error).__name__,
            )

    # --- taking it back -------------------------------------------------------------

    async def _deleted(self, user: ObjectId) -> dict[str, Any] | None:
        return await self._users.find_one("deletedusers", {"_id": user})

    async def named(self, name: str) -> list[ObjectId]:
        """Deleted accounts that had this sign-in name, the last deleted first."""
        rows = await self._users.find(
            "deletedusers",
            {"unameview": normalise.name_view(name)},
            projection={"_id": True},
            sort=[("deleteInfo.deletedAt", -1)],
            limit=100,
        )
        return [row["_id"] for row in rows]

    async def recoverable(self, user: ObjectId) -> Recoverable:
        """
        What a restoration would give back.

        @raise AccountNotFound: no such account is deleted.
        """
        document = await self._deleted(user)
        if document is None:
            raise AccountNotFound()
        info = _info(document)
        rows = _rows(info)
        views = [row["addrview"] for row in rows if isinstance(row.get("addrview"), str)]
        taken = await self._users.find(
            "addresses", {"addrview": {"$in": views}, "user": {"$ne": user}}, limit=MOST_ADDRESSES
        )
        gone = {row["addrview"] for row in taken}
        free = tuple(stored_string(row.get("address")) for row in rows if row.get("addrview") not in gone)
        deleted = info.get("deletedAt")
        return Recoverable(document, deleted if isinstance(deleted, datetime) else None, free)

    async def restore(self, user: ObjectId, origin: Origin) -> Restored:
        """
        Give a deleted account back, with those of its addresses that are free.

        @raise DeleteInProgress: its mail is being removed already.
        @raise RestoreTaskNotFound: that began this moment.
        @raise AccountNotFound: no such account is deleted.
        @raise AccountFound: it is there, or another has its name meanwhile.
        """
        document = await self._deleted(user)
        tasks = await self._tasks(user)
        if document is None and not tasks:
            raise AccountNotFound()
        if document is not None and await self._is_taken(document):
            raise AccountFound()
        task_id = await self._call_off(tasks)
        if document is None:
            raise AccountNotFound()
        try:
            await self._insert_again(document)
        except (AccountFound, Overloaded):
            # Taken this moment, or not even asked for: it stays deleted, and its mail goes when
            # it was to go.  Where it may be there again no task may be, for that would empty it.
            for task in tasks:
                await self._main.insert_one("tasks", task, durable=True)
            raise
        info = _info(document)
        recovered = [row for row in _rows(info) if await self._give_back(user, row)]
        main = _main_address(info, recovered)
        if main:
            await self._users.update_one(
                "users",
                {"_id": user, "address": ""},
                {"$set": {"address": main}},
                durable=True,
                idempotent=True,
            )
        await self._users.delete_one("deletedusers", {"_id": user}, durable=True)
        flags = document.get("featureFlags")
        await features.mirror(self._around, user, flags if isinstance(flags, Mapping) else {})
        await self._notes.add(user, "restore user", origin)
        return Restored(task_id, len(recovered), main)

    async def _is_taken(self, document: Mapping[str, Any]) -> bool:
        """Whether another account has the name."""
        view = document.get("unameview")
        other = {"unameview": view, "_id": {"$ne": document["_id"]}}
        return (
            isinstance(view, str)
            and await self._users.find_one("users", other, projection={"_id": True}) is not None
        )

    async def _insert_again(self, document: Mapping[str, Any]) -> None:
        """
        The user document; one that a restoration which was cut off has put there already stays.

        @raise AccountFound: another account has the name meanwhile.
        """
        account = {key: value for key, value in document.items() if key != "deleteInfo"}
        # The default address comes back when its row has.
        account["address"] = ""
        try:
            await self._users.insert_one("users", account, durable=True)
        except DuplicateKey:
            if await self._users.find_one("users", {"_id": account["_id"]}, projection={"_id": True}) is None:
                raise AccountFound() from None

    async def _call_off(self, tasks: list[dict[str, Any]]) -> ObjectId | None:
        """All of them: one that is left would remove the mail of an account that is there again."""
        if any(task.get("status") != _WAITS for task in tasks):
            raise DeleteInProgress()
        for task in tasks:
            if not await self._main.delete_one("tasks", {"_id": task["_id"], "status": _WAITS}, durable=True):
                raise RestoreTaskNotFound()
        return ObjectId(tasks[0]["_id"]) if tasks else None

    async def _give_back(self, user: ObjectId, row: dict[str, Any]) -> bool:
        """@return: C{False} if somebody else has the address."""
        try:
            await self._addresses.insert({**row, "user": user})
        except AddressExists:
            own = {"_id": row.get("_id"), "user": user}
            return await self._users.find_one("addresses", own, projection={"_id": True}) is not None
        return True


async def remove_rows(surroundings: Surroundings, user: ObjectId) -> None:
    """Remove the rows that belong to an account, its document and addresses excepted; repeatable."""
    for handle, collection in _USER_ROWS:
        await getattr(surroundings.databases, handle).delete_many(collection, {"user": user})


def _info(document: Mapping[str, Any]) -> Mapping[str, Any]:
    info = document.get("deleteInfo")
    return info if isinstance(info, Mapping) else {}


def _rows(info: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The address rows of a deleted account; what is none is left out."""
    rows = info.get("addresses")
    if not isinstance(rows, list):
        return []
    return [row for row in rows if isinstance(row, dict) and isinstance(row.get("address"), str)]


def _main_address(info: Mapping[str, Any], recovered: list[dict[str, Any]]) -> str:
    """The former default address, else the first one that was given back."""
    wanted = stored_string(info.get("mainAddress"))
    plain = [row["address"] for row in recovered if "*" not in row["address"]]
    return wanted if wanted in plain else next(iter(plain), "")
