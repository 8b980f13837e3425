"""Accounts: sessions ended, storage counted, passwords reset, deleted and restored (spec/api.md §1)."""

from __future__ import annotations

from datetime import datetime, timezone

from twisted.internet.interfaces import IReactorTime

from wildduck.accounts import Accounts
from wildduck.accounts.stored import stored_string, stored_tags
from wildduck.accounts.usage import positive
from wildduck.api.frame.answers import UNSET, Success, iso
from wildduck.api.frame.application import Application
from wildduck.api.frame.call import Call
from wildduck.api.frame.roles import MissingPrivileges
from wildduck.api.frame.route import Route
from wildduck.api.users.answers import (
    DeletedAddresses,
    DeletedUser,
    NewPassword,
    Recounted,
    RecountQueued,
    RecoverableUser,
    RecoveredAddresses,
    RestoredUser,
)
from wildduck.api.users.fields import DELETE, LOGOUT, NOTHING, RESET
from wildduck.api.users.users import TAG, USER, origin
from wildduck.database import Databases
from wildduck.database.task_rows import add_task
from wildduck.mailstore import MailStore

#: What clients are told where the call says nothing; WildDuck's words.
LOGGED_OUT = "Logout requested from API"


class UserUpkeepApi:
    """What is done to accounts but not to their settings."""

    def __init__(
        self, accounts: Accounts, store: MailStore, databases: Databases, clock: IReactorTime
    ) -> None:
        self._accounts = accounts
        self._store = store
        self._databases = databases
        self._clock = clock

    def register(self, application: Application) -> None:
        """Add the routes."""
        read, update = ("users", "read"), ("users", "update")
        restore = f"{USER}/restore"
        for route in (
            Route("PUT", f"{USER}/logout", LOGOUT, Success, self.log_out, read, TAG,
                  "End the IMAP and POP3 sessions of an account"),
            Route("POST", f"{USER}/quota/reset", NOTHING, Recounted, self.recount, update, TAG,
                  "Count what an account stores"),
            Route("POST", "/quota/reset", NOTHING, RecountQueued, self.recount_all, update, TAG,
                  "Count what all accounts store"),
            Route("POST", f"{USER}/password/reset", RESET, NewPassword, self.reset_password, update, TAG,
                  "Give an account a temporary password"),
            Route("DELETE", USER, DELETE, DeletedUser, self.delete, ("users", "delete"), TAG,
                  "Delete an account"),
            Route("GET", restore, NOTHING, RecoverableUser, self.recoverable, read, TAG,
                  "Show a deleted account"),
            Route("POST", restore, NOTHING, RestoredUser, self.restore, update, TAG,
                  "Restore a deleted account"),
        ):  # fmt: skip
            application.add(route)

    async def log_out(self, call: Call) -> Success:
        """@raise UserNotFound: no such account."""
        await self._accounts.log_out(call.user, call.values["reason"] or LOGGED_OUT)
        return Success()

    async def recount(self, call: Call) -> Recounted:
        """@raise UserNotFound: no such account."""
        before, after = await self._store.quota.recount(call.user)
        return Recounted(storageUsed=max(0, after), previousStorageUsed=max(0, before))

    async def recount_all(self, call: Call) -> RecountQueued:
        """By a task, for there may be many."""
        task = await add_task(self._databases.main, "quota", {}, self._now())
        return RecountQueued(task=str(task))

    async def reset_password(self, call: Call) -> NewPassword:
        """@raise UserNotFound: no such account."""
        _require_any(call)
        valid_after = call.values["validAfter"] or None
        password = await self._accounts.reset_password(call.user, valid_after, origin(call))
        return NewPassword(password=password, validAfter=iso(valid_after or self._now()))

    async def delete(self, call: Call) -> DeletedUser:
        """@raise UserNotFound: there is no such account, and nothing is left of it."""
        deleted = await self._accounts.delete(call.user, call.values["deleteAfter"] or None, origin(call))
        return DeletedUser(
            user=str(call.user),
            addresses=DeletedAddresses(deleted=deleted.addresses),
            deleteAfter=iso(deleted.delete_after),
            task=str(deleted.task),
        )

    async def recoverable(self, call: Call) -> RecoverableUser:
        """@raise AccountNotFound: no such account is deleted."""
        found = await self._accounts.recoverable(call.user)
        return RecoverableUser(
            user=str(call.user),
            username=stored_string(found.document.get("username")),
            storageUsed=positive(found.document.get("storageUsed")),
            tags=list(stored_tags(found.document.get("tags"))),
            deleted=iso(found.deleted) if found.deleted else None,
            recoverableAddresses=list(found.addresses),
        )

    async def restore(self, call: Call) -> RestoredUser:
        """@raise AccountNotFound: and others, see L{Accounts.restore}."""
        _require_any(call)
        restored = await self._accounts.restore(call.user, origin(call))
        return RestoredUser(
            code="TaskCancelled" if restored.task else "RequestProcessed",
            user=str(call.user),
            task=str(restored.task) if restored.task else UNSET,
            addresses=RecoveredAddresses(recovered=restored.addresses, main=restored.main or UNSET),
        )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._clock.seconds() * 1000) / 1000, timezone.utc)


def _require_any(call: Call) -> None:
    """@raise MissingPrivileges: the caller may act on his own account only."""
    if not call.permission.any:
        raise MissingPrivileges()
