"""Forwarded addresses, and whose an address is (spec/api.md §2)."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from wildduck.accounts import Accounts
from wildduck.accounts.forwarded import MOST_TARGETS, Forwarded
from wildduck.accounts.targets import Target as StoredTarget
from wildduck.accounts.usage import counted
from wildduck.accounts.values import Address
from wildduck.api.addresses.addresses import KEPT, NAME_LENGTH, TAG, kept, new
from wildduck.api.addresses.answers import (
    ForwardedAnswer,
    ForwardLimits,
    ForwardsUsed,
    ResolvedAnswer,
    address_members,
    forwarded_members,
)
from wildduck.api.frame.answers import Made, Success
from wildduck.api.frame.application import Application
from wildduck.api.frame.call import Call
from wildduck.api.frame.fields import IdOr
from wildduck.api.frame.mail_fields import MailAddress, Target
from wildduck.api.frame.route import Route
from wildduck.api.frame.schema import Boolean, Date, Field, Id, Integer, ListOf, Object, Schema, String
from wildduck.database import Databases, Redis
from wildduck.database.shared_settings import MAX_FORWARDS
from wildduck.errors import AddressNotFound
from wildduck.limits import KIB

#: Messages that an address sends on within 24 hours, where nobody says otherwise.
FORWARDS = 2000
_FORWARDED = "/addresses/forwarded"
_ONE = f"{_FORWARDED}/<id>"
_TEXTS = ("name", "subject", "text", "html")

_AUTOREPLY = Object(
    fields={
        "status": Boolean(default=True, about="It replies"),
        "start": Date(or_false=True, about="Not before"),
        "end": Date(or_false=True, about="Not after"),
        "name": String(longest=NAME_LENGTH, about="Name of the sender"),
        "subject": String(longest=2 * KIB),
        "text": String(longest=128 * KIB),
        "html": String(longest=128 * KIB),
    },
    about="The automatic reply",
)
_SETTINGS: dict[str, Field] = {
    "targets": ListOf(item=Target(), most=MOST_TARGETS, about="Where mail is sent on to"),
    "autoreply": _AUTOREPLY,
    **KEPT,
}
_ADD = Schema(
    {
        "address": MailAddress(required=True, wildcard=True),
        "forwards": Integer(default=0, about="Messages sent on within 24 hours; 0: the default"),
        "allowWildcard": Boolean(default=False, about="The address may have a *"),
        **_SETTINGS,
    }
)
_CHANGE = Schema(
    {
        "id": Id(required=True),
        "address": MailAddress(wildcard=True, about="Another address in its place"),
        "forwards": Integer(about="Messages sent on within 24 hours; 0: the default"),
        "forwardedDisabled": Boolean(about="Nothing is taken for it"),
        **_SETTINGS,
    }
)
_ADDRESS = Schema({"id": Id(required=True)})


_RESOLVE = Schema(
    {
        "address": IdOr(required=True, other=MailAddress()),
        "allowWildcard": Boolean(default=False, about="Find wildcard addresses too"),
    }
)


class ForwardedApi:
    """C{/addresses/forwarded} and C{/addresses/resolve}."""

    def __init__(self, accounts: Accounts, databases: Databases, redis: Redis) -> None:
        self._accounts = accounts
        self._databases = databases
        self._redis = redis

    def register(self, application: Application) -> None:
        """Add the routes."""
        for route in (
            Route("POST", _FORWARDED, _ADD, Made, self.add, ("addresses", "create"),
                  TAG, "Make a forwarded address"),
            Route("GET", _ONE, _ADDRESS, ForwardedAnswer, self.get, ("addresses", "read"),
                  TAG, "Show a forwarded address"),
            Route("PUT", _ONE, _CHANGE, Success, self.change, ("addresses", "update"),
                  TAG, "Change a forwarded address"),
            Route("DELETE", _ONE, _ADDRESS, Success, self.remove, ("addresses", "delete"),
                  TAG, "Delete a forwarded address"),
            Route("GET", "/addresses/resolve/<address>", _RESOLVE, ResolvedAnswer, self.resolve,
                  ("addresses", "read"), TAG, "Whose an address is, or where it is forwarded to"),
        ):  # fmt: skip
            application.add(route)

    async def add(self, call: Call) -> Made:
        """@raise BadInput: and others, see L{wildduck.accounts.forwarded.ForwardedAddresses.add}."""
        values = call.values
        added = await self._accounts.forwarded.add(
            values["address"],
            _targets(values["targets"] or []),
            wildcard=values["allowWildcard"],
            forwards=values["forwards"],
            autoreply=_autoreply(values["autoreply"]),
            **new(call),
        )
        return Made(id=str(added.id))

    async def get(self, call: Call) -> ForwardedAnswer:
        """@raise AddressNotFound: there is none, or it is an account's."""
        return ForwardedAnswer(**await self._members(await self._accounts.forwarded.get(call.values["id"])))

    async def change(self, call: Call) -> Success:
        """@raise BadInput: and others, see L{wildduck.accounts.forwarded.ForwardedAddresses.change}."""
        values = call.values
        targets = values["targets"]
        if "targets" in call.emptied:
            targets = []
        await self._accounts.forwarded.change(
            values["id"],
            address=values["address"],
            targets=None if targets is None else _targets(targets),
            forwards=values["forwards"],
            autoreply=_autoreply(values["autoreply"]),
            disabled=values["forwardedDisabled"],
            **kept(call),
        )
        return Success()

    async def remove(self, call: Call) -> Success:
        """@raise AddressNotFound: there is none, or it is an account's."""
        await self._accounts.forwarded.remove(call.values["id"])
        return Success()

    async def resolve(self, call: Call) -> ResolvedAnswer:
        """@raise AddressNotFound: nobody's, and not forwarded."""
        wanted = call.values["address"]
        try:
            row = await self._row(wanted, call.values["allowWildcard"])
        except AddressNotFound:
            raise AddressNotFound("Invalid or unknown address") from None
        if not row.get("user"):
            return ResolvedAnswer(**await self._members(Forwarded.from_document(row)))
        members = address_members(Address.from_document(row, ""))
        del members["main"], members["name"]
        return ResolvedAnswer(user=str(row["user"]), **members)

    async def _row(self, wanted: ObjectId | str, wildcards: bool) -> dict[str, Any]:
        if isinstance(wanted, str):
            return await self._accounts.directory.row(wanted, wildcards=wildcards)
        row = await self._databases.users.find_one("addresses", {"_id": wanted})
        if row is None:
            raise AddressNotFound()
        return row

    async def _members(self, forwarded: Forwarded) -> dict[str, Any]:
        allowed = forwarded.forwards or self._databases.shared_settings.value(MAX_FORWARDS, FORWARDS)
        key = f"wdf:{forwarded.id}"
        used = counted(await self._redis.execute("GET", key))
        ttl = counted(await self._redis.execute("TTL", key)) if used else 0
        limit = ForwardsUsed(allowed=allowed, used=used, ttl=ttl or False)
        return forwarded_members(forwarded, ForwardLimits(forwards=limit))


def _targets(values: list[dict[str, str]]) -> list[StoredTarget]:
    return [StoredTarget(ObjectId(), value["type"], value["value"]) for value in values]


def _autoreply(given: dict[str, Any] | None) -> dict[str, Any] | None:
    """As it is stored: an empty text is C{""}, an empty time C{False}."""
    if given is None:
        return None
    empty = dict.fromkeys(_TEXTS, "")
    return {name: empty.get(name, False) if value is None else value for name, value in given.items()}
