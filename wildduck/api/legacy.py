"""The account API of 2017 (spec/api.md §19)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from wildduck.accounts import Accounts
from wildduck.accounts.usage import counted
from wildduck.api.frame.answers import UNSET, Answer, Success, UnsetType, iso
from wildduck.api.frame.application import Application
from wildduck.api.frame.call import Call
from wildduck.api.frame.route import Method, Route
from wildduck.api.frame.schema import Boolean, Integer, Schema, String
from wildduck.database import Redis
from wildduck.errors import BadInput
from wildduck.mailstore import MailStore

_USERNAME = String(required=True)
_CREATE = Schema(
    {
        "username": _USERNAME,
        "password": String(required=True, longest=256),
        "quota": Integer(default=0),
        "retention": Integer(default=0),
    }
)
_ADDRESS = Schema(
    {"username": _USERNAME, "address": String(required=True, longest=400), "main": Boolean(default=False)}
)
_QUOTA = Schema({"username": _USERNAME, "quota": Integer(), "recipients": Integer(), "forwards": Integer()})
_PASSWORD = Schema({"username": _USERNAME, "password": String(required=True, longest=256)})
_NAME_ONLY = Schema({"username": _USERNAME})


class Created(Success, kw_only=True):
    """@ivar id: of the account."""

    id: str
    username: str


class Named(Success, kw_only=True):
    """The account that was changed."""

    username: str


class AddressAdded(Named, kw_only=True):
    """@ivar address: as it is stored."""

    address: str


class LimitsSet(Named, kw_only=True):
    """Those limits that were given."""

    quota: int | UnsetType = UNSET
    recipients: int | UnsetType = UNSET
    forwards: int | UnsetType = UNSET


class NamedRecounted(Named, kw_only=True):
    """Bytes before and after."""

    previousStorageUsed: int
    storageUsed: int


class NamedAddress(Answer, kw_only=True):
    """@ivar main: it is the account's default address."""

    id: str
    address: str
    main: bool
    created: str | None


class Shown(Named, kw_only=True):
    """Limits, use and addresses of an account."""

    quota: int
    storageUsed: int
    recipients: int
    forwards: int
    recipientsLimited: bool
    recipientsSent: int
    recipientsTtl: int
    addresses: list[NamedAddress]


class LegacyApi:
    """C{/user} and below: what the first users of the API call."""

    def __init__(self, accounts: Accounts, store: MailStore, redis: Redis) -> None:
        self._accounts = accounts
        self._store = store
        self._redis = redis

    def register(self, application: Application) -> None:
        """Add the routes."""
        add(application, "POST", "/user/create", _CREATE, Created, self.create, "create")
        add(application, "POST", "/user/address/create", _ADDRESS, AddressAdded, self.add_address, "update")
        add(application, "POST", "/user/quota", _QUOTA, LimitsSet, self.set_quota, "update")
        add(application, "POST", "/user/quota/reset", _NAME_ONLY, NamedRecounted, self.reset_quota, "update")
        add(application, "POST", "/user/password", _PASSWORD, Named, self.set_password, "update")
        add(application, "GET", "/user", _NAME_ONLY, Shown, self.show, "read")

    async def create(self, call: Call) -> dict[str, Any]:
        """A new account; one whose name is an address receives mail at once."""
        account = await self._accounts.create(
            call.values["username"],
            call.values["password"],
            quota=call.values["quota"],
            retention=call.values["retention"],
        )
        return {"success": True, "id": str(account.id), "username": account.username}

    async def add_address(self, call: Call) -> dict[str, Any]:
        """One more address; the first is the main one."""
        account = await self._accounts.get(call.values["username"])
        address = await self._accounts.add_address(account, call.values["address"], main=call.values["main"])
        return {"success": True, "username": account.username, "address": address.address}

    async def set_quota(self, call: Call) -> dict[str, Any]:
        """
        Set at least one limit, answered as it was given.

        @raise BadInput: none is given.
        """
        given = {
            key: call.values[key]
            for key in ("quota", "recipients", "forwards")
            if call.values[key] is not None
        }
        if not given:
            text = "quota, recipients or forwards is required"
            raise BadInput(text, dict.fromkeys(("quota", "recipients", "forwards"), text))
        account = await self._accounts.get(call.values["username"])
        await self._accounts.set_limits(account, **given)
        return {"success": True, "username": account.username, **given}

    async def reset_quota(self, call: Call) -> dict[str, Any]:
        """Count the stored bytes anew."""
        account = await self._accounts.get(call.values["username"])
        before, after = await self._store.quota.recount(account.id)
        return {
            "success": True,
            "username": account.username,
            "previousStorageUsed": max(0, before),
            "storageUsed": max(0, after),
        }

    async def set_password(self, call: Call) -> dict[str, Any]:
        """Replace the master password."""
        account = await self._accounts.get(call.values["username"])
        await self._accounts.set_password(account, call.values["password"])
        return {"success": True, "username": account.username}

    async def show(self, call: Call) -> dict[str, Any]:
        """Limits, use and addresses of an account."""
        account = await self._accounts.get(call.values["username"])
        addresses = await self._accounts.addresses(account)
        sent = counted(await self._redis.execute("GET", f"wdr:{account.id}"))
        ttl = counted(await self._redis.execute("TTL", f"wdr:{account.id}"))
        return {
            "success": True,
            "username": account.username,
            "quota": account.quota,
            "storageUsed": account.storage_used,
            "recipients": account.recipients,
            "forwards": account.forwards,
            "recipientsLimited": 0 < account.recipients <= sent,
            "recipientsSent": sent,
            "recipientsTtl": ttl,
            "addresses": [
                {"id": str(one.id), "address": one.address, "main": one.main, "created": _time(one.created)}
                for one in addresses
            ],
        }


def add(
    application: Application,
    method: Method,
    path: str,
    schema: Schema,
    answer: type[Success],
    handler: Any,
    action: str,
) -> None:
    """A route of this API, for roles that manage every account."""
    summary = (handler.__doc__ or "").strip().splitlines()[0]
    application.add(
        Route(method, path, schema, answer, handler, ("users", action), tag="API of 2017", summary=summary)
    )


def _time(value: object) -> str | None:
    """A stored time; C{None} for a missing or odd one."""
    return iso(value) if isinstance(value, datetime) else None
