"""
All addresses of a domain get another domain.

Each step can be done again, and what is done already is not found by the next
one: after a crash the same call goes on where it was left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wildduck.accounts import normalise
from wildduck.accounts.addresses import Addresses
from wildduck.accounts.stored import ending, stored_string
from wildduck.database import Databases
from wildduck.errors import AddressExists, BadInput, DuplicateKey

#: Rows of one step.
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Renamed:
    """How many rows of each kind were changed."""

    addresses: int = 0
    users: int = 0
    dkim: int = 0
    aliases: int = 0


def domain_name(value: str, field: str) -> str:
    """
    A domain as it is stored.

    @raise BadInput: it is none.
    """
    domain = normalise.domain(value)
    if not normalise.is_address(f"x@{domain}"):
        text = f"{field} must be a domain name"
        raise BadInput(text, {field: text})
    return domain


async def rename_domain(databases: Databases, addresses: Addresses, old: str, new: str) -> Renamed:
    """
    Rename a domain in addresses, default addresses, DKIM keys and targets of domain aliases.

    @param old: and C{new}: as L{domain_name} gives them.
    @raise AddressExists: the new domain has one of the addresses already; nothing is changed.
    """
    if old == new:
        return Renamed()
    await _check_free(databases, old, new)
    users = databases.users
    changed = await _rename(databases, "addresses", old, new)
    defaults = await _rename(databases, "users", old, new)
    if changed:
        await addresses.know_domain(f"x@{new}")
    aliases = await users.update_many(
        "domainaliases", {"domain": old}, {"$set": {"domain": new}}, durable=True
    )
    return Renamed(changed, defaults, await _rename_key(databases, old, new), aliases.modified)


def _of(domain: str) -> dict[str, Any]:
    return {"address": ending("@" + domain)}


async def _check_free(databases: Databases, old: str, new: str) -> None:
    batches = databases.users.batches("addresses", _of(old), projection={"addrview": True}, batch_size=_BATCH)
    async for rows in batches:
        views = [_moved(stored_string(row.get("addrview")), new) for row in rows]
        taken = await databases.users.find_one(
            "addresses", {"addrview": {"$in": views}}, projection={"address": True}
        )
        if taken is not None:
            raise AddressExists(f"The address {taken.get('address')} exists already")


def _moved(address: str, new: str) -> str:
    return address.rpartition("@")[0] + "@" + new


async def _rename(databases: Databases, collection: str, old: str, new: str) -> int:
    """@return: rows that were changed."""
    changed = 0
    fields = {"address": True, "addrview": True}
    while True:
        rows = await databases.users.find(collection, _of(old), projection=fields, limit=_BATCH, slow=True)
        if not rows:
            return changed

        def updates(rows: list[dict[str, Any]] = rows) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
            for row in rows:
                to = {"address": _moved(row["address"], new)}
                if collection == "addresses":
                    to["addrview"] = normalise.address_view(to["address"])
                yield {"_id": row["_id"], "address": row["address"]}, {"$set": to}

        try:
            done = await databases.users.update_bulk(collection, updates(), durable=True, idempotent=True)
        except DuplicateKey as error:
            # One was made meanwhile; the others have the new domain, and this is said.
            raise AddressExists() from error
        changed += done.modified


async def _rename_key(databases: Databases, old: str, new: str) -> int:
    """The new domain keeps a key of its own."""
    try:
        done = await databases.main.update_many(
            "dkim", {"domain": old}, {"$set": {"domain": new}}, durable=True
        )
    except DuplicateKey:
        return 0
    return done.modified
