"""
The account's storage: reserved before anything is stored, given back when it goes.

C{storageUsed} is the sum of C{size} over the account's messages (spec/schema.md
§6), WildDuck's size, so that both servers count the same.
"""

from __future__ import annotations

from typing import Any

from bson import ObjectId
from twisted.internet.task import deferLater
from twisted.logger import Logger

from wildduck.database import Line, WriteGroup
from wildduck.database.shared_settings import MAX_STORAGE
from wildduck.errors import DomainError, OverQuota, UserNotFound
from wildduck.limits import GROUPING_SECONDS
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.values import number

#: Stored bytes, with what drifted below zero taken for zero.
_USED = {"$max": [{"$ifNull": ["$storageUsed", 0]}, 0]}

#: Accounts without room that one worker remembers.
_TIGHT = 1000

#: L{Quota.recount} looks twice, so far apart: a message is rarely on its way for longer.
RECOUNT_SECONDS = 3.0
#: Where an account's document tells which recount may move the number.
_MARK = "native.recount"
#: And so often each time, for a moment in which nothing is added or given back.
RECOUNT_TRIES = 5


class Quota:
    """Reservations of one worker; the number itself lives in the account's document."""

    _log = Logger()

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        #: Accounts whose storage was full when they were last asked for, the latest last.
        self._tight: dict[ObjectId, None] = {}

    def is_tight(self, user: ObjectId) -> bool:
        """Whether this account had no room the last time."""
        return user in self._tight

    async def reserve(
        self, user: ObjectId, size: int, group: WriteGroup | None = None, line: Line | None = None
    ) -> bool:
        """
        Take C{size} bytes of an account's storage, or refuse.

        One conditional increment (store.md §1): of many writers at the brim none
        gets through that does not fit.

        @param group: of the message that they are for.
        @param line: on which it is asked for.
        @return: whether the account wants its messages encrypted, read in the same step.
        @raise OverQuota: it does not fit.
        @raise UserNotFound: no such account.
        """
        default = self._backend.shared_settings.value(
            MAX_STORAGE, self._backend.settings.storage.default_quota
        )
        allowed = {"$cond": [{"$gt": ["$quota", 0]}, "$quota", default]}
        # Of most accounts nothing need be read; then mongod need not keep a copy of what was read.
        usual = {
            "_id": user,
            "storageUsed": {"$gte": 0},
            "encryptMessages": {"$in": [None, False]},
            "$expr": {"$lte": [{"$add": ["$storageUsed", size]}, allowed]},
        }
        taken = await self._backend.users.update_one(
            "users", usual, {"$inc": {"storageUsed": size}}, group=group, line=line
        )
        if taken.matched:
            self._tight.pop(user, None)
            return False
        account = await self._backend.users.find_one_and_update(
            "users",
            {"_id": user, "$expr": {"$lte": [{"$add": [_USED, size]}, allowed]}},
            _taking(size),
            projection={"encryptMessages": True},
            group=group,
        )
        if account is not None:
            self._tight.pop(user, None)
            return bool(account.get("encryptMessages"))
        if await self._backend.users.find_one("users", {"_id": user}, projection={"_id": True}) is None:
            raise UserNotFound()
        self._tight[user] = None
        if len(self._tight) > _TIGHT:
            del self._tight[next(iter(self._tight))]
        raise OverQuota()

    async def reserve_again(self, user: ObjectId, size: int, group: WriteGroup) -> None:
        """
        Take the bytes of a message whose first reservation may have been taken back.

        That one was let in, so this one is not asked whether it fits, and an
        account that is gone meanwhile needs none.  Where accounts live on
        another server than messages, or behind a mongos, the first one was
        durable by itself, and nothing is done.

        @param group: the new group of the message.
        """
        users = self._backend.users
        if users.leans_on(group):
            await users.update_one("users", {"_id": user}, _taking(size), group=group)

    async def take(self, user: ObjectId, size: int) -> None:
        """
        Take bytes of something that is stored already, be there room or not.

        Where the database does not answer the verifier finds them.
        """
        try:
            await self._backend.users.update_one("users", {"_id": user}, _taking(size))
        except DomainError:
            self._log.warn("{size} bytes of account {user} are not reserved", size=size, user=str(user))

    async def release(self, user: ObjectId, size: int) -> None:
        """
        Give bytes back; never below zero.

        Where the database does not answer they stay taken until the verifier
        counts anew: a release is never sent twice by us.
        """
        if not size:
            return
        less: dict[str, Any] = {"$max": [{"$subtract": [_USED, size]}, 0]}
        try:
            await self._backend.users.update_one("users", {"_id": user}, [{"$set": {"storageUsed": less}}])
        except DomainError:
            self._log.warn("{size} bytes of account {user} stay reserved", size=size, user=str(user))

    async def stored(self, user: ObjectId) -> int:
        """Bytes that the account's messages have, counted now."""
        pipeline: list[dict[str, Any]] = [
            {"$match": {"user": user}},
            {"$group": {"_id": None, "size": {"$sum": "$size"}}},
        ]
        total = 0
        grouped = self._backend.main.aggregate("messages", pipeline, seconds=GROUPING_SECONDS)
        async for batch in grouped:
            total = sum(number(row["size"]) for row in batch)
        return total

    async def recount(self, user: ObjectId) -> tuple[int, int]:
        """
        Set C{storageUsed} to what is stored (API 'quota/reset').

        What other writers add or give back while it counts is kept: the number
        is moved by the difference.  A reservation whose message is on its way
        looks like a leak, so a difference is believed only as far as it is
        still there a while later.  Of several recounts at a time the one that
        began last moves the number, or it would be moved as often.

        @return: bytes before and after.
        @raise UserNotFound: no such account.
        """
        before, surplus = await self._surplus(user)
        if not surplus:
            return max(0, before), max(0, before)
        mark = ObjectId()
        await self._backend.users.update_one("users", {"_id": user}, {"$set": {_MARK: mark}})
        before, seen = await self._surplus(user)
        await deferLater(self._backend.clock, RECOUNT_SECONDS, lambda: None)
        surplus = min(seen, (await self._surplus(user))[1])
        moved = {"$max": [{"$subtract": [{"$ifNull": ["$storageUsed", 0]}, surplus]}, 0]}
        after = await self._backend.users.find_one_and_update(
            "users",
            {"_id": user, _MARK: mark},
            [{"$set": {"storageUsed": moved}}, {"$unset": _MARK}],
            projection={"storageUsed": True},
            return_after=True,
        )
        if after is None:
            # A later one does it, perhaps before our second look, or the account is gone.
            await self._recorded(user)
            return max(0, before), max(0, before - seen)
        return max(0, before), number(after.get("storageUsed"))

    async def _surplus(self, user: ObjectId) -> tuple[int, int]:
        """
        Look once: again while the number moves, and then the lower one counts.

        @return: bytes recorded, and how many of them are not stored: too few
            of them if need be, never too many but for what is on its way.
        """
        for _ in range(RECOUNT_TRIES):
            before = await self._recorded(user)
            stored = await self.stored(user)
            after = await self._recorded(user)
            if before == after:
                break
        return before, min(before, after) - stored

    async def _recorded(self, user: ObjectId) -> int:
        document = await self._backend.users.find_one(
            "users", {"_id": user}, projection={"storageUsed": True}
        )
        if document is None:
            raise UserNotFound()
        return number(document.get("storageUsed"))


def _taking(size: int) -> list[dict[str, Any]]:
    return [{"$set": {"storageUsed": {"$add": [_USED, size]}}}]
