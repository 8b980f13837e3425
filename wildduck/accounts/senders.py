"""Which addresses an account may write as (spec/api.md: 'Draft From is forced to an allowed address')."""

from __future__ import annotations

from bson import ObjectId

from wildduck.accounts import normalise
from wildduck.accounts.directory import Directory
from wildduck.errors import AddressNotFound, UserNotFound


async def sender_address(directory: Directory, user: ObjectId, wanted: str) -> str:
    """
    An address that the account may write as: the wanted one, or its default.

    Allowed are its own addresses, with labels and at alias domains too, and what
    its C{fromWhitelist} says: whole addresses, C{*suffix} or C{prefix*}.

    @param wanted: C{""} for none.
    @return: C{""} where the account has no address at all.
    @raise UserNotFound: no such account.
    """
    found = await directory.find({"_id": user}, {"fromWhitelist": True})
    if found is None:
        raise UserNotFound()
    account, document = found
    whitelist = document.get("fromWhitelist")
    if not wanted or is_listed(wanted, whitelist if isinstance(whitelist, list) else []):
        return wanted or account.address
    try:
        row = await directory.row(wanted, wildcards=False)
    except AddressNotFound:
        return account.address
    return wanted if row.get("user") == user else account.address


def is_listed(address: str, whitelist: list[object]) -> bool:
    """Whether one of a whitelist's entries allows an address."""
    address = normalise.address(address)
    return any(_allows(entry.strip().lower(), address) for entry in whitelist if isinstance(entry, str))


def _allows(entry: str, address: str) -> bool:
    if entry.startswith("*"):
        return address.endswith(entry[1:])
    if entry.endswith("*"):
        return address.startswith(entry[:-1])
    return bool(entry) and address == normalise.address(entry)
