"""
Whom an account has written to, for completing an address while it is typed.

Source: spec/schema.md C{addressregister}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from wildduck.accounts.stored import beginning, containing, stored_string
from wildduck.database import Database
from wildduck.errors import AddressNotFound


@dataclass(frozen=True, slots=True)
class Correspondent:
    """@ivar name: C{""} for none."""

    id: ObjectId
    name: str
    address: str


class AddressRegister:
    """Over the main handle; one for each worker."""

    def __init__(self, main: Database) -> None:
        self._main = main

    async def find(self, user: ObjectId, query: str, limit: int) -> list[Correspondent]:
        """
        Those whose address has a text in it, or whose name begins with it, in any case; the latest first.

        @param limit: at most so many.
        """
        which: dict[str, Any] = {
            "user": user,
            "disabled": {"$ne": True},
            "$or": [
                {"address": containing(query, ignore_case=True)},
                {"name": beginning(query, ignore_case=True)},
            ],
        }
        rows = await self._main.find("addressregister", which, sort=[("updated", -1)], limit=limit)
        return [
            Correspondent(row["_id"], stored_string(row.get("name")), stored_string(row.get("address")))
            for row in rows
        ]

    async def change(self, user: ObjectId, id: ObjectId, *, disabled: bool, name: str | None = None) -> None:
        """
        @param disabled: it is not found any more.
        @param name: another one, C{None} for no change.
        @raise AddressNotFound: the account has no such entry.
        """
        fields: dict[str, Any] = {"disabled": disabled}
        if name is not None:
            fields["name"] = name
        done = await self._main.update_one(
            "addressregister", {"_id": id, "user": user}, {"$set": fields}, durable=True, idempotent=True
        )
        if not done.matched:
            raise AddressNotFound("Invalid or unknown address identifier")
