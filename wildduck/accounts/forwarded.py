"""
Addresses that belong to nobody: what comes for them is sent on.

They are kept and shown as WildDuck keeps them; nothing is forwarded yet, so
mail for one is put off (L{DeliveryNotPossible
<wildduck.errors.DeliveryNotPossible>}).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bson import ObjectId

from wildduck.accounts import normalise
from wildduck.accounts.addresses import (
    Addresses,
    changed_fields,
    check_wildcard,
    new_row,
    renamed_fields,
)
from wildduck.accounts.stored import stored_string, stored_tags
from wildduck.accounts.targets import MAIL, Target, stored_targets
from wildduck.database import Database
from wildduck.errors import AddressNotFound, BadInput

#: Targets of one address.
MOST_TARGETS = 1000

_NOT_FOUND = "Invalid or unknown email address identifier"


@dataclass(frozen=True, slots=True)
class Forwarded:
    """
    One row of C{addresses} that belongs to no account.

    @ivar forwards: messages a day that are sent on, 0 for the default.
    @ivar autoreply: status, start, end, name, subject, text, html, as they were stored; C{None} for none.
    @ivar disabled: nothing is taken for it.
    """

    id: ObjectId
    address: str
    created: Any = None
    name: str = ""
    targets: tuple[Target, ...] = ()
    forwards: int = 0
    autoreply: Mapping[str, Any] | None = None
    disabled: bool = False
    tags: tuple[str, ...] = ()
    meta_data: str = ""
    internal_data: str = ""

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Forwarded:
        """@param document: a row without C{user}."""
        autoreply = document.get("autoreply")
        forwards = document.get("forwards")
        return cls(
            id=document["_id"],
            address=stored_string(document.get("address")),
            created=document.get("created"),
            name=stored_string(document.get("name")),
            targets=stored_targets(document.get("targets")),
            forwards=int(forwards) if isinstance(forwards, (int, float)) and 0 <= forwards < 2**63 else 0,
            autoreply=autoreply if isinstance(autoreply, Mapping) else None,
            disabled=bool(document.get("forwardedDisabled")),
            tags=stored_tags(document.get("tags")),
            meta_data=stored_string(document.get("metaData")),
            internal_data=stored_string(document.get("internalData")),
        )


class ForwardedAddresses:
    """Over the C{users} handle; one for each worker."""

    def __init__(self, users: Database, addresses: Addresses) -> None:
        self._users = users
        self._addresses = addresses

    async def get(self, id: ObjectId) -> Forwarded:
        """@raise AddressNotFound: there is none, or it is an account's."""
        return Forwarded.from_document(await self._row(id))

    async def _row(self, id: ObjectId) -> dict[str, Any]:
        row = await self._users.find_one("addresses", {"_id": id, "user": None})
        if row is None:
            raise AddressNotFound(_NOT_FOUND)
        return row

    async def add(
        self,
        address: str,
        targets: Sequence[Target] = (),
        *,
        wildcard: bool = False,
        name: str = "",
        forwards: int = 0,
        autoreply: Mapping[str, Any] | None = None,
        tags: Sequence[str] | None = None,
        meta_data: Mapping[str, Any] | None = None,
        internal_data: Mapping[str, Any] | None = None,
    ) -> Forwarded:
        """
        Make a forwarded address.

        @param wildcard: whether it may have one.
        @param forwards: messages a day, 0 for the default.
        @raise BadInput: no address, or one of the targets is it.
        @raise AddressExists: it is taken.
        """
        stored = normalise.new_address(address)
        check_wildcard(stored, wildcard)
        row = new_row(stored, self._addresses.now(), name, tags, meta_data, internal_data)
        row["targets"] = await self._stored(stored, targets)
        row["forwards"] = forwards
        row["autoreply"] = {"status": False} if autoreply is None else dict(autoreply)
        await self._addresses.insert(row)
        return Forwarded.from_document(row)

    async def change(
        self,
        id: ObjectId,
        *,
        address: str | None = None,
        targets: Sequence[Target] | None = None,
        name: str | None = None,
        forwards: int | None = None,
        autoreply: Mapping[str, Any] | None = None,
        disabled: bool | None = None,
        tags: Sequence[str] | None = None,
        meta_data: Mapping[str, Any] | None = None,
        internal_data: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Change a forwarded address; C{None} leaves what is there.

        @param autoreply: what it lacks stays as it is.
        @raise BadInput: no address, or one of the targets is it.
        @raise ChangeNotAllowed: from or to an address with a wildcard.
        @raise AddressNotFound: there is none, or it is an account's.
        @raise AddressExists: the other address is taken.
        """
        before = await self._row(id)
        old = stored_string(before.get("address"))
        fields = changed_fields(name, tags, meta_data, internal_data)
        fields.update(renamed_fields(old, address))
        if targets is not None or "address" in fields:
            wanted = stored_targets(before.get("targets")) if targets is None else targets
            stored = await self._stored(str(fields.get("address", old)), wanted)
            if targets is not None:
                fields["targets"] = stored
        if forwards is not None:
            fields["forwards"] = forwards
        if autoreply is not None:
            kept = before.get("autoreply")
            fields["autoreply"] = {**(kept if isinstance(kept, Mapping) else {}), **autoreply}
        if disabled is not None:
            fields["forwardedDisabled"] = disabled
        await self._addresses.update({"_id": id, "user": None}, fields)

    async def remove(self, id: ObjectId) -> Forwarded:
        """
        @return: what it was.
        @raise AddressNotFound: there is none, or it is an account's.
        """
        forwarded = await self.get(id)
        if not await self._users.delete_one("addresses", {"_id": id, "user": None}, durable=True):
            raise AddressNotFound(_NOT_FOUND)
        return forwarded

    async def _stored(self, address: str, targets: Sequence[Target]) -> list[dict[str, Any]]:
        """
        The targets as they are stored: each once, with the account whose address it is.

        @raise BadInput: one of them is the address itself.
        """
        view = normalise.address_view(address)
        views = {normalise.address_view(target.value) for target in targets if target.kind == MAIL}
        if view in views:
            text = "targets can not have the address itself"
            raise BadInput(text, {"targets": text})
        owners: dict[str, Any] = {}
        if views:
            rows = await self._users.find(
                "addresses", {"addrview": {"$in": sorted(views)}}, projection={"addrview": True, "user": True}
            )
            owners = {row["addrview"]: row.get("user") for row in rows}
        once = {target.value: target for target in targets}
        return [replace(target, user=_owner(owners, target)).document() for target in once.values()]


def _owner(owners: Mapping[str, Any], target: Target) -> ObjectId | None:
    owner = owners.get(normalise.address_view(target.value)) if target.kind == MAIL else None
    return owner if isinstance(owner, ObjectId) else None
