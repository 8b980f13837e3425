"""
Changing an account.

The document changes by one update.  What follows it (counters, caches, the
end of sessions) is done afterwards and may fail where Redis does not answer;
that is logged.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from msgspec import UNSET
from twisted.logger import Logger

from wildduck.accounts import checking, features, passwords
from wildduck.accounts.checking import Failures
from wildduck.accounts.documents import temporary_password, without_second_factors
from wildduck.accounts.fields import UserChange
from wildduck.accounts.notes import Notes, Origin
from wildduck.accounts.policy import FailureCounter
from wildduck.accounts.surroundings import Surroundings
from wildduck.accounts.temporary import TemporaryPassword
from wildduck.errors import (
    DomainError,
    InsecurePassword,
    NoUpdates,
    PasswordMismatch,
    Unavailable,
    UserNotFound,
)
from wildduck.limits import OLD_PASSWORDS

#: Redis counters that begin anew with another limit (spec/api.md 'PUT /users/:user').
_COUNTERS = {
    "recipients": "wdr",
    "forwards": "wdf",
    "imapMaxUpload": "iup",
    "imapMaxDownload": "idw",
    "pop3MaxDownload": "pdw",
    "pop3MaxMessages": "pxm",
    "receivedMax": "rl:rcpt",
}

#: What clients are told whose session ends because of a change; WildDuck's words.
LOGGED_OUT = "Authentication required"

#: Characters of a temporary password.
_TEMPORARY_LENGTH = 12

#: Tries when another changes the password at the same time.
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Changed:
    """
    What an update did.

    @ivar auth_version: of the account now; tokens below it are void.
    @ivar signed_out: whether it rose, and sessions were ended.
    """

    auth_version: int
    signed_out: bool


class Updating:
    """Changes accounts."""

    _log = Logger()

    def __init__(self, surroundings: Surroundings, failures: FailureCounter, notes: Notes) -> None:
        self._around = surroundings
        self._users = surroundings.users
        self._failures = failures
        self._notes = notes

    async def update(self, user: ObjectId, change: UserChange, origin: Origin) -> Changed:
        """
        @raise BadInput: with every failed field.
        @raise NoUpdates: nothing is to be different.
        @raise UserNotFound: no such account.
        @raise PasswordMismatch: C{existing_password} is not right.
        @raise RateLimited: it was wrong too often.
        @raise InsecurePassword: it is known from a breach, and C{allow_unsafe} is not set.
        """
        fields = await self._fields(change)
        password = change.password if change.password is not UNSET else None
        if not fields and password is None and change.disable2fa is UNSET:
            raise NoUpdates()
        if change.disable2fa is True:
            fields.update(without_second_factors())
        before = await self._before(user)
        hashed = None if password is None else await self._hashed(password, change)
        after = await self._write(user, before, change, fields, hashed, origin)
        ends = hashed is not None or change.suspended is True or change.disabled is True
        await self._follow(user, before, change, fields, origin)
        if ends:
            await self._around.notifier.log_out(user, LOGGED_OUT)
        return Changed(_version(after), ends)

    async def reset_password(self, user: ObjectId, valid_after: datetime | None, origin: Origin) -> str:
        """
        Give an account a temporary password beside its own, for 24 hours.

        @param valid_after: when it begins to be valid, C{None} for now.
        @return: the password.
        @raise UserNotFound: no such account.
        """
        password = _temporary()
        hashed = await self._around.pool.run(passwords.hash_password, password)
        temporary = temporary_password(hashed, self._around.now(), valid_after)
        done = await self._users.update_one(
            "users", {"_id": user}, {"$set": {"tempPassword": temporary}}, durable=True, idempotent=True
        )
        if not done.matched:
            raise UserNotFound()
        await self._notes.add(user, "reset", origin, None)
        return password

    # --- what is to be written --------------------------------------------------------

    async def _fields(self, change: UserChange) -> dict[str, Any]:
        """@raise BadInput: with every failed field."""
        failures: Failures = {}
        fields = checking.document_fields(change, failures)
        if isinstance(change.password, str):
            checking.check_password(change.password, change.hashed_password, failures)
            checking.check_look_up(change, self._around.pwned.asks, failures)
        if fields.get("pubKey") or fields.get("smimeCerts"):
            failures.update(await self._around.pool.run(checking.check_keys, fields))
        checking.raise_for(failures)
        for name in ("disabled", "suspended"):
            if getattr(change, name) is not UNSET:
                fields[name] = getattr(change, name)
        return fields

    async def _hashed(self, password: str, change: UserChange) -> str:
        if not password or change.hashed_password:
            return password
        if not change.allow_unsafe and await self._around.pwned.knows(password):
            raise InsecurePassword()
        return await self._around.pool.run(passwords.hash_password, password)

    async def _before(self, user: ObjectId) -> dict[str, Any]:
        wanted = dict.fromkeys(("password", "tempPassword", "targets", "authVersion"), True)
        document = await self._users.find_one("users", {"_id": user}, projection=wanted)
        if document is None:
            raise UserNotFound()
        return document

    async def _write(
        self,
        user: ObjectId,
        before: dict[str, Any],
        change: UserChange,
        fields: dict[str, Any],
        hashed: str | None,
        origin: Origin,
    ) -> dict[str, Any]:
        """One update; where the password it goes by has changed meanwhile it is looked at again."""
        update = self._statement(fields, hashed, change)
        for _ in range(_ATTEMPTS):
            which: dict[str, Any] = {"_id": user}
            if isinstance(change.existing_password, str) and change.existing_password:
                await self._check(user, before, change.existing_password, origin)
                which.update(password=before.get("password"), tempPassword=before.get("tempPassword"))
            if hashed is not None:
                which["password"] = before.get("password")
                self._push_old(update, before)
            if not update:
                return before
            after = await self._users.find_one_and_update(
                "users", which, update, projection={"authVersion": True}, return_after=True, durable=True
            )
            if after is not None:
                return after
            before = await self._before(user)
        raise Unavailable()

    def _statement(self, fields: dict[str, Any], hashed: str | None, change: UserChange) -> dict[str, Any]:
        setting = {name: value for name, value in fields.items() if value is not None}
        removing = {name: "" for name, value in fields.items() if value is None}
        if hashed is not None:
            setting.update(
                password=hashed,
                tempPassword=False,
                passwordChange=self._around.now(),
                requirePasswordChange=False,
            )
            removing.update(lastPwnedCheck="", passwordPwned="")
        update: dict[str, Any] = {"$set": setting, "$unset": removing}
        if hashed is not None or change.suspended is True or change.disabled is True:
            update["$inc"] = {"authVersion": 1}
        return {operator: members for operator, members in update.items() if members}

    def _push_old(self, update: dict[str, Any], before: dict[str, Any]) -> None:
        """Keep the hash that goes, among the last ones."""
        update.pop("$push", None)
        old = before.get("password")
        if isinstance(old, str) and old:
            entry = {"date": self._around.now(), "hash": old}
            update["$push"] = {"oldPasswords": {"$each": [entry], "$slice": -OLD_PASSWORDS}}

    async def _check(self, user: ObjectId, before: dict[str, Any], password: str, origin: Origin) -> None:
        """
        The existing password; a wrong one counts as a failed sign-in.

        Who was given a temporary one has no other yet, so that counts as well.

        @raise PasswordMismatch: it is not right.
        """
        await self._failures.check(str(user))
        temporary = TemporaryPassword.from_document(before.get("tempPassword"), self._around.now())
        hashes = [before.get("password"), temporary.hash if temporary and temporary.is_valid else ""]
        # In one go, or the right one of many guesses at once would be ahead of the wrong ones.
        if await self._around.pool.run(_opens_one, password, hashes):
            # Guesses that were made at the same time have been counted meanwhile.
            await self._failures.check(str(user))
        else:
            await self._failures.failed(str(user))
            await self._notes.add(user, "password change", origin, "fail")
            raise PasswordMismatch()

    # --- what follows -----------------------------------------------------------------

    async def _follow(
        self,
        user: ObjectId,
        before: dict[str, Any],
        change: UserChange,
        fields: dict[str, Any],
        origin: Origin,
    ) -> None:
        await self._forget(user, fields)
        await features.mirror(self._around, user, fields.get("featureFlags") or {}, tasks=True)
        if change.password is not UNSET:
            await self._notes.add(user, "password change", origin)
        if change.disable2fa is True:
            await self._notes.add(user, "disable 2fa", origin, None)
        old = before.get("targets")
        known = {row.get("value") for row in old if isinstance(row, dict)} if isinstance(old, list) else set()
        for target in fields.get("targets") or ():
            if target["value"] not in known:
                await self._notes.add(
                    user, "user forward added", origin, target=target["value"], protocol="API"
                )

    async def _forget(self, user: ObjectId, names: Iterable[str]) -> None:
        """Counters of limits that changed begin anew, and what others keep of the account is void."""
        keys = [f"cached:{user}", *(f"{_COUNTERS[name]}:{user}" for name in names if name in _COUNTERS)]
        try:
            await self._around.redis.execute("DEL", *keys)
            if "imapMaxConnections" in names:
                await self._around.redis.execute("HDEL", "lim:imap", str(user))
        except DomainError as error:
            self._log.warn(
                "counters of account {user} stay: {error}", user=str(user), error=type(error).__name__
            )


def _opens_one(password: str, hashes: list[Any]) -> bool:
    return any(passwords.verify_password(password, stored) for stored in hashes)


def _version(document: dict[str, Any]) -> int:
    version = document.get("authVersion")
    return int(version) if isinstance(version, (int, float)) and 0 <= version < 2**53 else 0


def _temporary() -> str:
    """Twelve letters and digits, of each kind one at least."""
    kinds = (string.ascii_uppercase, string.ascii_lowercase, string.digits)
    while True:
        password = "".join(secrets.choice("".join(kinds)) for _ in range(_TEMPORARY_LENGTH))
        if all(any(character in kind for character in password) for kind in kinds):
            return password
