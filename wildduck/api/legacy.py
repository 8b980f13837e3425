"""The account API of 2017 (spec/api.md §19)."""

from __future__ import annotations

from typing import Any

from wildduck.accounts import Accounts
from wildduck.api.application import Application
from wildduck.api.schema import Boolean, Integer, Schema, String
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


class LegacyApi:
    """C{/user} and below: what the first users of the API call."""

    def __init__(self, accounts: Accounts, store: MailStore, redis: Redis) -> None:
        self._accounts = accounts
        self._store = store
        self._redis = redis

    def register(self, application: Application) -> None:
        """Add the routes."""
        application.add("POST", "/user/create", _CREATE, self.create)
        application.add("POST", "/user/address/create", _ADDRESS, self.add_address)
        application.add("POST", "/user/quota", _QUOTA, self.set_quota)
        application.add("POST", "/user/quota/reset", _NAME_ONLY, self.reset_quota)
        application.add("POST", "/user/password", _PASSWORD, self.set_password)
        application.add("GET", "/user", _NAME_ONLY, self.show)

    async def create(self, values: dict[str, Any]) -> dict[str, Any]:
        """A new account; one whose name is an address receives mail at once."""
        account = await self._accounts.create(
            values["username"], values["password"], quota=values["quota"], retention=values["retention"]
        )
        return {"success": True, "id": str(account.id), "username": account.username}

    async def add_address(self, values: dict[str, Any]) -> dict[str, Any]:
        """One more address; the first is the main one."""
        account = await self._accounts.get(values["username"])
        address = await self._accounts.add_address(account, values["address"], main=values["main"])
        return {"success": True, "username": account.username, "address": address.address}

    async def set_quota(self, values: dict[str, Any]) -> dict[str, Any]:
        """
        Set at least one limit, answered as it was given.

        @raise BadInput: none is given.
        """
        given = {key: values[key] for key in ("quota", "recipients", "forwards") if values[key] is not None}
        if not given:
            text = "quota, recipients or forwards is required"
            raise BadInput(text, dict.fromkeys(("quota", "recipients", "forwards"), text))
        account = await self._accounts.get(values["username"])
        await self._accounts.set_limits(account, **given)
        return {"success": True, "username": account.username, **given}

    async def reset_quota(self, values: dict[str, Any]) -> dict[str, Any]:
        """Count the stored bytes anew."""
        account = await self._accounts.get(values["username"])
        before, after = await self._store.quota.recount(account.id)
        return {
            "success": True,
            "username": account.username,
            "previousStorageUsed": max(0, before),
            "storageUsed": max(0, after),
        }

    async def set_password(self, values: dict[str, Any]) -> dict[str, Any]:
        """Replace the master password."""
        account = await self._accounts.get(values["username"])
        await self._accounts.set_password(account, values["password"])
        return {"success": True, "username": account.username}

    async def show(self, values: dict[str, Any]) -> dict[str, Any]:
        """Limits, use and addresses of an account."""
        account = await self._accounts.get(values["username"])
        addresses = await self._accounts.addresses(account)
        sent = _number(await self._redis.execute("GET", f"wdr:{account.id}"))
        ttl = _number(await self._redis.execute("TTL", f"wdr:{account.id}"))
        return {
            "success": True,
            "username": account.username,
            "quota": account.quota,
            "storageUsed": account.storage_used,
            "recipients": account.recipients,
            "forwards": account.forwards,
            "recipientsLimited": 0 < account.recipients <= sent,
            "recipientsSent": sent,
            "recipientsTtl": max(0, ttl),
            "addresses": [
                {"id": str(one.id), "address": one.address, "main": one.main, "created": one.created}
                for one in addresses
            ],
        }


def _number(value: object) -> int:
    """A Redis reply as a number, 0 for a missing or odd one."""
    if isinstance(value, int):
        return value
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    return int(text) if text.isdigit() else 0
