"""Accounts: made, listed, shown, changed (spec/api.md §1)."""

from __future__ import annotations

from typing import Any

import msgspec

from wildduck.accounts import Accounts, normalise
from wildduck.accounts.fields import NewUser, UserChange
from wildduck.accounts.listing import LISTED, UserQuery
from wildduck.accounts.notes import Origin
from wildduck.accounts.tokens import AccessTokens
from wildduck.api.frame.answers import UNSET, Success
from wildduck.api.frame.application import Application
from wildduck.api.frame.call import Call
from wildduck.api.frame.paging import find_page
from wildduck.api.frame.route import Route
from wildduck.api.users.answers import MadeUser, ShownUser, UserPage, listed, shown_user
from wildduck.api.users.fields import CREATE, LIST, NOTHING, RESOLVE, UPDATE
from wildduck.database import Databases
from wildduck.errors import BadInput, DomainError, UserNotFound

TAG = "Users"
USERS, USER = "/users", "/users/<user>"

#: Parameters that are no settings of the account.
_NO_SETTINGS = frozenset(("user", "sess", "ip", "protocol"))
#: Parameters that an empty string clears.
_CLEARED = frozenset(("name", "pubKey", "mtaRelay", "password"))


class UsersApi:
    """C{/users} and C{/users/:user}."""

    def __init__(
        self,
        accounts: Accounts,
        databases: Databases,
        tokens: AccessTokens,
    ) -> None:
        self._accounts = accounts
        self._users = databases.users
        self._tokens = tokens

    def register(self, application: Application) -> None:
        """Add the routes."""
        for route in (
            Route("GET", USERS, LIST, UserPage, self.page, ("userlisting", "read"), TAG,
                  "List accounts", own=True),
            Route("POST", USERS, CREATE, MadeUser, self.create, ("users", "create"), TAG, "Make an account"),
            Route("GET", f"{USERS}/resolve/<username>", RESOLVE, MadeUser, self.resolve, ("users", "read"),
                  TAG, "The id of a username"),
            Route("GET", USER, NOTHING, ShownUser, self.get, ("users", "read"), TAG, "Show an account"),
            Route("PUT", USER, UPDATE, Success, self.update, ("users", "update"), TAG, "Change an account"),
        ):  # fmt: skip
            application.add(route)

    async def page(self, call: Call) -> UserPage:
        """A page of accounts, or the caller's own alone."""
        values = call.values
        query = UserQuery(
            text=values["query"] or "",
            forward=values["forward"] or "",
            tags=[tag for tag in values["tags"] or () if tag not in (values["requiredTags"] or ())],
            required_tags=values["requiredTags"] or (),
            only=call.only_user(),
        ).filter()
        shown = {name: values[name] for name in ("metaData", "internalData")}
        long = [name for name, wanted in shown.items() if wanted]
        projection = {**LISTED, **dict.fromkeys(long, True)}
        rows = await find_page(self._users, "users", query, values, projection=projection, long=long)
        results = [
            listed(
                row,
                self._accounts.usages.default_quota,
                meta=shown["metaData"],
                internal=shown["internalData"],
            )
            for row in rows.documents
        ]
        total = await self._users.count("users", query)
        return UserPage(**rows.members(total), query=values["query"] or UNSET, results=results)

    async def create(self, call: Call) -> MadeUser:
        """
        @raise BadInput: with every failed field.
        @raise DomainError: and others, see L{Accounts.create_user}; they name the username too.
        """
        given = {name: call.values[name] for name in call.given if name not in _NO_SETTINGS}
        given.setdefault("password", "")
        if "mailboxes" in given:
            given["mailboxes"] = {name: path or "" for name, path in given["mailboxes"].items()}
        wanted = msgspec.convert(_targets(given), NewUser)
        try:
            return MadeUser(id=str(await self._accounts.create_user(wanted, origin(call))))
        except BadInput:
            raise
        except DomainError as error:
            error.extra = {**error.extra, "username": wanted.username}
            raise

    async def resolve(self, call: Call) -> MadeUser:
        """@raise UserNotFound: nobody has this username."""
        view = normal_view(call.values["username"])
        found = await self._users.find_one("users", {"unameview": view}, projection={"_id": True})
        if found is None:
            raise UserNotFound()
        return MadeUser(id=str(found["_id"]))

    async def get(self, call: Call) -> ShownUser:
        """@raise UserNotFound: no such account."""
        document = await self._users.find_one("users", {"_id": call.user})
        if document is None:
            raise UserNotFound()
        usage = await self._accounts.usages.of(document)
        return shown_user(document, usage, await self._accounts.read_keys(document))

    async def update(self, call: Call) -> Success:
        """
        Change an account; who changes his own password stays signed in.

        @raise BadInput: with every failed field.
        @raise DomainError: and others, see L{Accounts.update}.
        """
        given: dict[str, Any] = dict.fromkeys(call.emptied & _CLEARED, "")
        given.update({name: call.values[name] for name in call.given if name not in _NO_SETTINGS})
        change = msgspec.convert(_targets(given), UserChange)
        by = Origin(call.ip, call.sess, call.values["protocol"])
        changed = await self._accounts.update(call.user, change, by)
        shut = change.disabled is True or change.suspended is True
        if changed.signed_out and not shut and call.caller.token and call.caller.user == call.user:
            await self._tokens.renew(call.caller.token, changed.auth_version)
        return Success()


def origin(call: Call) -> Origin:
    """Where a call came from, for the account's log."""
    return Origin(call.ip, call.sess)


def normal_view(username: str) -> str:
    """The unique form of a username from a path."""
    return normalise.address_view(username) if "@" in username else normalise.name_view(username)


def _targets(given: dict[str, Any]) -> dict[str, Any]:
    """Targets as text; their kind is told again when they are stored."""
    if "targets" in given:
        given["targets"] = [target["value"] for target in given["targets"]]
    return given
