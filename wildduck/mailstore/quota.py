"""
The account's storage: reserved before anything is stored, given back when it goes.

C{storageUsed} is the sum of C{size} over the account's messages (spec/schema.md
§6), WildDuck's size, so that both servers count the same.
"""

from __future__ import annotations

from typing import Any

from bson import ObjectId
from twisted.logger import Logger

from wildduck.errors import DomainError, OverQuota, UserNotFound
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.values import number

#: Stored bytes, with what drifted below zero taken for zero.
_USED = {"$max": [{"$ifNull": ["$storageUsed", 0]}, 0]}


class Quota:
    """Reservations of one worker; the number itself lives in the account's document."""

    _log = Logger()

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def reserve(self, user: ObjectId, size: int) -> None:
        """
        Take C{size} bytes of an account's storage, or refuse.

        One conditional increment (store.md §1): of many writers at the brim none
        gets through that does not fit.

        @raise OverQuota: it does not fit.
        @raise UserNotFound: no such account.
        """
        default = self._backend.settings.storage.default_quota
        allowed = {"$cond": [{"$gt": ["$quota", 0]}, "$quota", default]}
        updated = await self._backend.users.update_one(
            "users",
            {"_id": user, "$expr": {"$lte": [{"$add": [_USED, size]}, allowed]}},
            [{"$set": {"storageUsed": {"$add": [_USED, size]}}}],
        )
        if updated.matched:
            return
        if await self._backend.users.find_one("users", {"_id": user}, projection={"_id": True}) is None:
            raise UserNotFound()
        raise OverQuota()

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
        async for batch in self._backend.main.aggregate("messages", pipeline):
            total = sum(number(row["size"]) for row in batch)
        return total

    async def recount(self, user: ObjectId) -> tuple[int, int]:
        """
        Set C{storageUsed} to what is stored (API 'quota/reset').

        What other writers add or give back while it counts is kept: the number
        is moved by the difference.

        @return: bytes before and after.
        @raise UserNotFound: no such account.
        """
        users = self._backend.users
        document = await users.find_one("users", {"_id": user}, projection={"storageUsed": True})
        if document is None:
            raise UserNotFound()
        before = number(document.get("storageUsed"))
        difference = await self.stored(user) - before
        moved = {"$max": [{"$add": [{"$ifNull": ["$storageUsed", 0]}, difference]}, 0]}
        after = await users.find_one_and_update(
            "users",
            {"_id": user},
            [{"$set": {"storageUsed": moved}}],
            projection={"storageUsed": True},
            return_after=True,
        )
        if after is None:
            raise UserNotFound()
        return max(0, before), number(after.get("storageUsed"))
