"""
The addresses of accounts: given, changed, taken away.

One row of C{addresses} for each; its C{addrview} is unique, so that an address
is one account's, or forwarded.  The account's default address is named in its
user document; it changes after the row, so that it never names what is not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from bson import ObjectId
from twisted.internet.interfaces import IReactorTime

from wildduck.accounts import normalise
from wildduck.accounts.stored import meta_text, tag_fields
from wildduck.accounts.values import Address
from wildduck.database import Database
from wildduck.errors import (
    AddressExists,
    AddressNotFound,
    BadInput,
    ChangeNotAllowed,
    DuplicateKey,
    NotPermitted,
    UserNotFound,
    WildcardNotPermitted,
)

#: Addresses of one account that are listed.
MOST_ADDRESSES = 10_000

_NOT_FOUND = "Invalid or unknown email address identifier"


class Addresses:
    """Over the C{users} handle; one for each worker."""

    def __init__(self, users: Database, clock: IReactorTime) -> None:
        self._users = users
        self._clock = clock

    # --- looking ----------------------------------------------------------------------

    async def of(self, user: ObjectId) -> list[Address]:
        """
        All addresses of an account, in the order of their normalised form.

        @raise UserNotFound: no such account.
        """
        default = await self._default(user)
        rows = await self._users.find(
            "addresses", {"user": user}, sort=[("addrview", 1)], limit=MOST_ADDRESSES
        )
        return [Address.from_document(row, default) for row in rows]

    async def get(self, user: ObjectId, address: ObjectId) -> Address:
        """
        @raise UserNotFound: no such account.
        @raise AddressNotFound: it has no such address.
        """
        default = await self._default(user)
        return Address.from_document(await self._row(user, address), default)

    async def _default(self, user: ObjectId) -> str:
        document = await self._users.find_one("users", {"_id": user}, projection={"address": True})
        if document is None:
            raise UserNotFound()
        return str(document.get("address") or "")

    async def _row(self, user: ObjectId, address: ObjectId) -> dict[str, Any]:
        row = await self._users.find_one("addresses", {"_id": address, "user": user})
        if row is None:
            raise AddressNotFound(_NOT_FOUND)
        return row

    # --- changing ---------------------------------------------------------------------

    async def add(
        self,
        user: ObjectId,
        address: str,
        *,
        main: bool = False,
        wildcard: bool = True,
        name: str = "",
        tags: Sequence[str] | None = None,
        meta_data: Mapping[str, Any] | None = None,
        internal_data: Mapping[str, Any] | None = None,
    ) -> Address:
        """
        Give an account an address; its first one without wildcard is its default address.

        @param main: make it the default address.
        @param wildcard: whether it may have one.
        @raise BadInput: no address, or a wildcard where there can be none.
        @raise UserNotFound: no such account.
        @raise AddressExists: it is taken.
        """
        stored = normalise.new_address(address)
        check_wildcard(stored, wildcard)
        if "*" in stored and main:
            text = str(WildcardNotPermitted())
            raise BadInput(text, {"main": text})
        await self._default(user)
        row = new_row(stored, self.now(), name, tags, meta_data, internal_data)
        row["user"] = user
        await self.insert(row)
        became = False
        if "*" not in stored:
            which: dict[str, Any] = {"_id": user}
            if not main:
                which["address"] = {"$in": ["", None]}
            done = await self._users.update_one(
                "users", which, {"$set": {"address": stored}}, durable=True, idempotent=True
            )
            became = bool(done.matched)
        if (
            not became
            and await self._users.find_one("users", {"_id": user}, projection={"_id": True}) is None
        ):
            # The account went meanwhile, and its addresses with it.
            await self._users.delete_one("addresses", {"_id": row["_id"]}, durable=True)
            raise UserNotFound()
        return Address.from_document(row, stored if became else "")

    async def insert(self, row: dict[str, Any]) -> None:
        """
        Store a new row, and its domain in WildDuck's list of them.

        @raise AddressExists: the address is taken.
        """
        try:
            await self._users.insert_one("addresses", row, durable=True)
        except DuplicateKey as error:
            raise AddressExists() from error
        await self.know_domain(row["address"])

    async def know_domain(self, address: str) -> None:
        """Remember the domain of an address (spec/schema.md C{domaincache})."""
        domain = address.rpartition("@")[2]
        if domain and "*" not in domain:
            try:
                await self._users.update_one(
                    "domaincache", {"domain": domain}, {"$set": {"domain": domain}}, upsert=True
                )
            except DuplicateKey:
                pass  # another has just done so

    async def change(
        self,
        user: ObjectId,
        id: ObjectId,
        *,
        address: str | None = None,
        main: bool = False,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        meta_data: Mapping[str, Any] | None = None,
        internal_data: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Change an address; C{None} leaves what is there.

        @param address: another one in its place; the default address stays the default.
        @param main: make it the account's default address.
        @raise BadInput: no address.
        @raise ChangeNotAllowed: from or to an address with a wildcard.
        @raise WildcardNotPermitted: a wildcard for default address.
        @raise UserNotFound: no such account.
        @raise AddressNotFound: it has no such address.
        @raise AddressExists: the other address is taken.
        """
        default = await self._default(user)
        before = await self._row(user, id)
        old = str(before.get("address") or "")
        fields = changed_fields(name, tags, meta_data, internal_data)
        fields.update(renamed_fields(old, address))
        new = str(fields.get("address", old))
        if main and "*" in new:
            raise WildcardNotPermitted()
        await self.update({"_id": id, "user": user}, fields)
        which: dict[str, Any] = {"_id": user} if main else {"_id": user, "address": old}
        if main or (new != old and old == default):
            await self._users.update_one(
                "users", which, {"$set": {"address": new}}, durable=True, idempotent=True
            )
            await self._still_there(user, id, new, default)

    async def _still_there(self, user: ObjectId, id: ObjectId, new: str, default: str) -> None:
        """
        After an address became the default one: somebody may have removed it before.

        @param default: what was the default before.
        @raise AddressNotFound: so it was; the default is what it was.
        """
        if await self._users.find_one("addresses", {"_id": id, "user": user}, projection={"_id": True}):
            return
        kept = await self._users.find_one(
            "addresses", {"user": user, "address": default}, projection={"_id": True}
        )
        await self._set_default(user, new, default if kept is not None else "")
        raise AddressNotFound(_NOT_FOUND)

    async def _set_default(self, user: ObjectId, old: str, new: str) -> bool:
        """Another default address in the place of one; C{False}: that is not it any more."""
        which = {"_id": user, "address": old}
        done = await self._users.update_one(
            "users", which, {"$set": {"address": new}}, durable=True, idempotent=True
        )
        return bool(done.matched)

    async def update(self, which: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        """
        Set fields of one row.

        @raise AddressNotFound: there is none.
        @raise AddressExists: its new address is taken.
        """
        if not fields:
            return
        try:
            done = await self._users.update_one(
                "addresses", which, {"$set": dict(fields)}, durable=True, idempotent=True
            )
        except DuplicateKey as error:
            raise AddressExists() from error
        if not done.matched:
            raise AddressNotFound(_NOT_FOUND)
        if "address" in fields:
            await self.know_domain(fields["address"])

    async def remove(self, user: ObjectId, id: ObjectId) -> Address:
        """
        Take an address away from an account.

        @return: what it was.
        @raise NotPermitted: it is the default address.
        @raise UserNotFound: no such account.
        @raise AddressNotFound: it has no such address.
        """
        default = await self._default(user)
        row = await self._row(user, id)
        address = Address.from_document(row, default)
        if address.main:
            raise NotPermitted()
        if not await self._users.delete_one("addresses", {"_id": id, "user": user}, durable=True):
            raise AddressNotFound(_NOT_FOUND)
        if await self._default(user) == address.address:
            # It became the default one meanwhile, which must not name what is not there.
            try:
                await self._users.insert_one("addresses", row, durable=True)
            except DuplicateKey:
                await self._set_default(user, address.address, default)
                return address
            raise NotPermitted()
        return address

    def now(self) -> datetime:
        """The time, to the millisecond that BSON keeps."""
        seconds = int(self._clock.seconds() * 1000) / 1000
        return datetime.fromtimestamp(seconds, timezone.utc)


def check_wildcard(stored: str, allowed: bool) -> None:
    """
    @param stored: as L{normalise.new_address} gives it.
    @raise BadInput: a wildcard that is not allowed.
    """
    if "*" in stored and not allowed:
        text = "address can not have a wildcard"
        raise BadInput(text, {"address": text})


def new_row(
    stored: str,
    created: datetime,
    name: str = "",
    tags: Sequence[str] | None = None,
    meta_data: Mapping[str, Any] | None = None,
    internal_data: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """
    A row of C{addresses}, in WildDuck's form; what was not given is left out.

    @param stored: as L{normalise.new_address} gives it.
    """
    row: dict[str, Any] = {"_id": ObjectId()}
    if name:
        row["name"] = name
    row.update(address=stored, addrview=normalise.address_view(stored))
    row.update(changed_fields(None, tags, meta_data, internal_data))
    row["created"] = created
    return row


def changed_fields(
    name: str | None,
    tags: Sequence[str] | None,
    meta_data: Mapping[str, Any] | None,
    internal_data: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The fields to set for what is not C{None}."""
    fields: dict[str, Any] = {}
    if name is not None:
        fields["name"] = name
    if tags is not None:
        fields.update(tag_fields(tags))
    if meta_data is not None:
        fields["metaData"] = meta_text(meta_data)
    if internal_data is not None:
        fields["internalData"] = meta_text(internal_data)
    return fields


def renamed_fields(old: str, address: str | None) -> dict[str, str]:
    """
    The fields to set for another address in the place of an old one.

    @raise BadInput: no address.
    @raise ChangeNotAllowed: from or to an address with a wildcard.
    """
    if address is None:
        return {}
    new = normalise.new_address(address)
    if new == old:
        return {}
    if "*" in old or "*" in new:
        raise ChangeNotAllowed()
    return {"address": new, "addrview": normalise.address_view(new)}
