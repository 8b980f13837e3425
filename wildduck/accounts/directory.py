"""
Who is meant by a name or an address: look-ups only.

Order and normalisation follow spec/schema.md §9.
"""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from wildduck.accounts import normalise
from wildduck.accounts.values import ACCOUNT_FIELDS, Account, Recipient
from wildduck.database import Database, Line, SharedSettings
from wildduck.database.shared_settings import MAX_STORAGE
from wildduck.errors import AccountDisabled, AddressNotFound, DeliveryNotPossible, UserNotFound

Row = dict[str, Any]


class Directory:
    """Reads C{users}, C{addresses} and C{domainaliases}."""

    def __init__(self, users: Database, default_quota: int, settings: SharedSettings) -> None:
        """@param default_quota: bytes for accounts without their own, where all servers share no number."""
        self._users = users
        self._default_quota = default_quota
        self._settings = settings

    async def find(
        self, query: Row, more_fields: Row | None = None, line: Line | None = None
    ) -> tuple[Account, Row] | None:
        """The account that a query on C{users} finds, and its document."""
        document = await self._users.find_one(
            "users", query, projection={**ACCOUNT_FIELDS, **(more_fields or {})}, line=line
        )
        if document is None:
            return None
        return self._account(document), document

    def _account(self, document: Row) -> Account:
        return Account.from_document(document, self._settings.value(MAX_STORAGE, self._default_quota))

    async def by_id(self, user: ObjectId) -> Account:
        """@raise UserNotFound: no such account."""
        found = await self.find({"_id": user})
        if found is None:
            raise UserNotFound()
        return found[0]

    async def require(self, user: ObjectId) -> None:
        """@raise UserNotFound: no such account."""
        if await self._users.find_one("users", {"_id": user}, projection={"_id": True}) is None:
            raise UserNotFound()

    async def by_name(self, name: str) -> Account:
        """
        The account of a sign-in name, which can also be one of its addresses.

        @raise UserNotFound: no such account.
        """
        found = await self.find_by_name(name)
        if found is None:
            raise UserNotFound()
        return found[0]

    async def find_by_name(self, name: str, more_fields: Row | None = None) -> tuple[Account, Row] | None:
        """
        As L{by_name}, with further fields of the document; C{None} for nobody.

        An address that is nobody's can still be a sign-in name; a forwarded
        address belongs to nobody.
        """
        if "@" in name:
            row = await self._address_row(normalise.address_view(name))
            if row is not None:
                user = row.get("user")
                return await self.find({"_id": user}, more_fields) if user else None
            name = normalise.address_view(name)
        return await self.find({"unameview": normalise.name_view(name)}, more_fields)

    async def recipient(self, address: str) -> Recipient:
        """
        Who receives mail for an address: exact, domain alias, wildcards.

        @raise AddressNotFound: nobody.
        @raise DeliveryNotPossible: a forwarded address.
        @raise AccountDisabled: a forwarded address that is switched off.
        """
        row = await self.row(address, wildcards=True)
        if not row.get("user"):
            raise (
                AccountDisabled("Address is disabled")
                if row.get("forwardedDisabled")
                else DeliveryNotPossible()
            )
        found = await self.find({"_id": row["user"]})
        if found is None:
            raise AddressNotFound()
        return Recipient(account=found[0], address=address, matched=str(row.get("address") or ""))

    async def row(self, address: str, *, wildcards: bool, line: Line | None = None) -> Row:
        """
        The row of C{addresses} that an address leads to: exact, domain alias, wildcards.

        @param address: in any case, with dots and label.
        @param wildcards: whether those are looked for.
        @param line: on which it is asked for.
        @raise AddressNotFound: nobody's, and not forwarded.
        """
        view = normalise.address_view(address)
        row = await self._address_row(view, line)
        if row is None and wildcards:
            row = await self._wildcard_row(view)
        if row is None:
            raise AddressNotFound()
        return row

    async def page(self, after: str = "", limit: int = 1000) -> list[tuple[str, Account]]:
        """
        Accounts with their unique names, in the order of these.

        @param after: the unique name that the page before ended with.
        """
        rows = await self._users.find(
            "users", {"unameview": {"$gt": after}}, sort=[("unameview", 1)], limit=limit
        )
        return [(row["unameview"], self._account(row)) for row in rows]

    async def _address_row(self, view: str, line: Line | None = None) -> Row | None:
        """The row of a normalised address, at its own domain or the alias target's."""
        row = await self._users.find_one("addresses", {"addrview": view}, line=line)
        if row is not None:
            return row
        local, at, domain = view.rpartition("@")
        target = await self._alias_target(domain) if at else None
        if target is None:
            return None
        return await self._users.find_one("addresses", {"addrview": f"{local}@{target}"})

    async def _alias_target(self, domain: str) -> str | None:
        alias = await self._users.find_one("domainaliases", {"alias": domain})
        return normalise.domain(str(alias["domain"])) if alias and alias.get("domain") else None

    async def _wildcard_row(self, view: str) -> Row | None:
        """The longest partial wildcard wins, a domain before its alias target, C{local@*} last."""
        local, at, domain = view.rpartition("@")
        if not at:
            return None
        views = list(normalise.wildcard_views(local, domain))
        target = await self._alias_target(domain)
        if target is not None:
            views += normalise.wildcard_views(local, target)
        views.append(f"{local}@*")
        rows = await self._users.find("addresses", {"addrview": {"$in": views}}, limit=len(views))
        by_view = {row["addrview"]: row for row in rows}
        return next((by_view[view] for view in views if view in by_view), None)
