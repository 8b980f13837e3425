"""Addresses of accounts, and the list of all (spec/api.md §2)."""

from __future__ import annotations

from typing import Any

from wildduck.accounts import Accounts
from wildduck.accounts.address_register import AddressRegister
from wildduck.accounts.domain_renaming import domain_name, rename_domain
from wildduck.accounts.stored import containing
from wildduck.api.addresses.answers import (
    AddressPage,
    Correspondents,
    Data,
    OneAddress,
    RenamedAnswer,
    ShownAddress,
    ShownCorrespondent,
    UserAddresses,
    address_members,
    listed,
)
from wildduck.api.frame.answers import UNSET, Made, Success
from wildduck.api.frame.application import Application
from wildduck.api.frame.call import Call
from wildduck.api.frame.mail_fields import MailAddress, MetaData, TagQuery, Tags
from wildduck.api.frame.paging import PAGE_FIELDS, find_page
from wildduck.api.frame.route import Route
from wildduck.api.frame.schema import Boolean, Field, Id, Integer, Schema, String
from wildduck.database import Databases
from wildduck.errors import BadInput

TAG = "Addresses"
NAME_LENGTH = 128
_ADDRESSES = "/users/<user>/addresses"
_ONE = f"{_ADDRESSES}/<id>"
_REGISTER = "/users/<user>/addressregister"

#: What is kept beside an address.
KEPT: dict[str, Field] = {
    "name": String(longest=NAME_LENGTH, about="Name of the sender who uses it"),
    "tags": Tags(about="Words that it is found by"),
    "metaData": MetaData(about="Anything, for the application"),
    "internalData": MetaData(about="Anything, not shown to the account's own user"),
}
_SHOW: dict[str, Field] = {
    "metaData": Boolean(default=False, about="Show metaData"),
    "internalData": Boolean(default=False, about="Show internalData"),
}
_LIST = Schema(
    {
        "query": String(longest=255, about="Part of the address"),
        "forward": String(longest=255, about="Part of a target that mail is forwarded to"),
        "tags": TagQuery(about="Any of these"),
        "requiredTags": TagQuery(about="All of these"),
        **_SHOW,
        **PAGE_FIELDS,
    },
    loose=True,
)
_ADD = Schema(
    {
        "address": MailAddress(required=True, wildcard=True),
        "main": Boolean(default=False, about="Make it the default address"),
        "allowWildcard": Boolean(default=False, about="The address may have a *"),
        **KEPT,
    }
)
_CHANGE = Schema(
    {
        "id": Id(required=True),
        "address": MailAddress(wildcard=True, about="Another address in its place"),
        "main": Boolean(about="true makes it the default address"),
        **KEPT,
    }
)
_ADDRESS = Schema({"id": Id(required=True)})
_RENAME = Schema(
    {"oldDomain": String(required=True, longest=255), "newDomain": String(required=True, longest=255)}
)
_FIND = Schema(
    {
        "query": String(required=True, longest=255, about="Part of the address or begin of the name"),
        "limit": Integer(least=1, most=250, default=20),
    }
)
_DISABLE = Schema(
    {
        "id": Id(required=True),
        "disabled": Boolean(required=True, about="It is not found any more"),
        "name": String(longest=255),
    }
)


class AddressesApi:
    """C{/users/:user/addresses}, C{/users/:user/addressregister} and C{/addresses}."""

    def __init__(self, accounts: Accounts, databases: Databases) -> None:
        self._accounts = accounts
        self._databases = databases
        self._register = AddressRegister(databases.main)

    def register(self, application: Application) -> None:
        """Add the routes."""
        for route in (
            Route("GET", "/addresses", _LIST, AddressPage, self.page, ("addresslisting", "read"),
                  TAG, "List all addresses", own=True),
            Route("PUT", "/addresses/renameDomain", _RENAME, RenamedAnswer, self.rename_domain,
                  ("addresses", "update"), TAG, "Give all addresses of a domain another domain"),
            Route("GET", _ADDRESSES, Schema(_SHOW), UserAddresses, self.list, ("addresses", "read"),
                  TAG, "List the addresses of an account"),
            Route("POST", _ADDRESSES, _ADD, Made, self.add, ("addresses", "create"),
                  TAG, "Give an account an address"),
            Route("GET", _ONE, _ADDRESS, OneAddress, self.get, ("addresses", "read"),
                  TAG, "Show an address"),
            Route("PUT", _ONE, _CHANGE, Success, self.change, ("addresses", "update"),
                  TAG, "Change an address"),
            Route("DELETE", _ONE, _ADDRESS, Success, self.remove, ("addresses", "delete"),
                  TAG, "Take an address away from an account"),
            Route("GET", _REGISTER, _FIND, Correspondents, self.find, ("addresses", "read"),
                  TAG, "Find somebody whom the account has written to"),
            Route("PUT", f"{_REGISTER}/<id>", _DISABLE, Success, self.disable, ("addresses", "update"),
                  TAG, "Let somebody be found no more, or again"),
        ):  # fmt: skip
            application.add(route)

    # --- of one account ---------------------------------------------------------------

    async def list(self, call: Call) -> UserAddresses:
        """All of them: an account has few."""
        data = Data(call.values["metaData"], call.values["internalData"])
        found = await self._accounts.book.of(call.user)
        return UserAddresses(results=[ShownAddress(**address_members(one, data)) for one in found])

    async def get(self, call: Call) -> OneAddress:
        """@raise AddressNotFound: the account has no such address."""
        found = await self._accounts.book.get(call.user, call.values["id"])
        return OneAddress(**address_members(found))

    async def add(self, call: Call) -> Made:
        """@raise BadInput: and others, see L{wildduck.accounts.addresses.Addresses.add}."""
        values = call.values
        added = await self._accounts.book.add(
            call.user,
            values["address"],
            main=values["main"],
            wildcard=values["allowWildcard"],
            **new(call),
        )
        return Made(id=str(added.id))

    async def change(self, call: Call) -> Success:
        """@raise BadInput: and others, see L{wildduck.accounts.addresses.Addresses.change}."""
        values = call.values
        if values["main"] is False:
            text = '"main" can not be taken away, only given to another address'
            raise BadInput(text, {"main": text})
        await self._accounts.book.change(
            call.user, values["id"], address=values["address"], main=bool(values["main"]), **kept(call)
        )
        return Success()

    async def remove(self, call: Call) -> Success:
        """@raise NotPermitted: it is the default address."""
        await self._accounts.book.remove(call.user, call.values["id"])
        return Success()

    # --- of all -----------------------------------------------------------------------

    async def page(self, call: Call) -> AddressPage:
        """By the form without dots; who may see only his own is shown these."""
        values = call.values
        query = _filter(values)
        user = call.only_user()
        if user is not None:
            query["user"] = user
        users = self._databases.users
        long = [name for name in _SHOW if values[name]]
        hidden = {name: False for name in _SHOW if not values[name]}
        rows = await find_page(
            users, "addresses", query, values, sort="addrview", projection=hidden or None, long=long
        )
        total = await users.count("addresses", query)
        data = Data(values["metaData"], values["internalData"])
        return AddressPage(
            query=values["query"] or "",
            results=[listed(row, data) for row in rows.documents],
            **rows.members(total),
        )

    async def rename_domain(self, call: Call) -> RenamedAnswer:
        """@raise AddressExists: the new domain has one of the addresses already; nothing is changed."""
        names: dict[str, str] = {}
        failed: dict[str, str] = {}
        for field in ("oldDomain", "newDomain"):
            try:
                names[field] = domain_name(call.values[field], field)
            except BadInput as error:
                failed.update(error.fields)
        if failed:
            raise BadInput(". ".join(failed.values()), failed)
        done = await rename_domain(
            self._databases, self._accounts.book, names["oldDomain"], names["newDomain"]
        )
        return RenamedAnswer(
            modifiedAddresses=done.addresses,
            modifiedUsers=done.users,
            modifiedDkim=done.dkim,
            modifiedAliases=done.aliases,
        )

    # --- whom an account has written to ---------------------------------------------------

    async def find(self, call: Call) -> Correspondents:
        """@raise UserNotFound: no such account."""
        await self._accounts.directory.by_id(call.user)
        found = await self._register.find(call.user, call.values["query"], call.values["limit"])
        return Correspondents(
            results=[
                ShownCorrespondent(id=str(one.id), name=one.name or UNSET, address=one.address)
                for one in found
            ]
        )

    async def disable(self, call: Call) -> Success:
        """@raise AddressNotFound: the account has no such entry."""
        values = call.values
        await self._register.change(call.user, values["id"], disabled=values["disabled"], name=values["name"])
        return Success()


def new(call: Call) -> dict[str, Any]:
    """What is kept beside a new address."""
    return {**kept(call), "name": call.values["name"] or ""}


def kept(call: Call) -> dict[str, Any]:
    """What is to be kept beside an address; an empty name is none."""
    values = call.values
    return {
        "name": "" if "name" in call.emptied else values["name"],
        "tags": values["tags"],
        "meta_data": values["metaData"],
        "internal_data": values["internalData"],
    }


def _filter(values: dict[str, Any]) -> dict[str, Any]:
    query: dict[str, Any] = {}
    if values["query"]:
        # Stored in lower case.
        query["address"] = containing(values["query"].lower())
    if values["forward"]:
        query["targets.value"] = containing(values["forward"], ignore_case=True)
    required = values["requiredTags"] or []
    some = [tag for tag in values["tags"] or [] if tag not in required]
    tags: dict[str, Any] = {}
    if required:
        tags["$all"] = required
    if some:
        tags["$in"] = some
    if tags:
        query["tagsview"] = tags
    return query
