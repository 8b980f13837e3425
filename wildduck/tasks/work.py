"""
What the tasks do (spec/behaviour.md §11, spec/schema.md §7).

Each takes its lease and gives the members of C{data} that must still be what they
were, for the task to be done.  Every step may be repeated, for a run may end
anywhere.  Between two steps it asks whether it may go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from bson import ObjectId
from twisted.logger import Logger

from wildduck.accounts import Accounts
from wildduck.database import Database
from wildduck.errors import MailboxNotFound, Unavailable, UserNotFound
from wildduck.mailstore.concurrently import for_each
from wildduck.mailstore.selection import Selection
from wildduck.mailstore.store import MailStore
from wildduck.mailstore.values import Mailbox, number
from wildduck.tasks.lease import Lease

#: Members of C{data} that say whether new work has come.
Unchanged: TypeAlias = dict[str, Any]

#: Accounts of one step of a recount, and how many at a time: one that is found
#: wrong is looked at again three seconds later.
_ACCOUNTS = 500
_COUNTING = 8

#: Messages of one step of a clearing.
_MESSAGES = 1000


class Malformed(Exception):
    """The row lacks what its kind needs; it can never be done."""


class Work:
    """
    The tasks that are done here.

    @ivar kinds: by the name in C{tasks.task}; all other kinds are WildDuck's.
    """

    _log = Logger()

    def __init__(self, main: Database, accounts: Accounts, store: MailStore, clock: Any) -> None:
        self._main = main
        self._accounts = accounts
        self._store = store
        self.kinds: dict[str, Callable[[Lease], Awaitable[Unchanged]]] = {
            "user-delete": self.delete_user,
            "quota": self.recount,
            "clear-folder": self.clear_mailbox,
            "mailbox-retention": self.stamp_messages,
        }

    async def delete_user(self, lease: Lease) -> Unchanged:
        """Remove what is left of a deleted account; its messages go after 14 days."""
        user = _needed(lease.task.id_of("user"))
        await self._accounts.purge(user, lease.check)
        return {}

    async def recount(self, lease: Lease) -> Unchanged:
        """
        Count the storage of every account anew.

        A run that was cut off goes on behind the last accounts that it had counted.
        """
        last = lease.task.native.get("counted")
        while True:
            after = {"_id": {"$gt": last}} if isinstance(last, ObjectId) else {}
            users = await self._accounts.ids(after, _ACCOUNTS)
            if not users:
                return {}
            await for_each(users, self._recount, _COUNTING)
            last = users[-1]
            await lease.note("counted", last)

    async def _recount(self, user: ObjectId) -> None:
        try:
            before, after = await self._store.quota.recount(user)
        except UserNotFound:
            return
        if before != after:
            self._log.info(
                "account {user} stores {after} bytes, {before} were counted",
                user=str(user),
                after=after,
                before=before,
            )

    async def clear_mailbox(self, lease: Lease) -> Unchanged:
        """
        Remove the messages that a mailbox had when this began for the first time.

        Those that come later stay, whatever happens to the run.
        """
        mailbox = await self._mailbox(lease)
        if mailbox is None:
            return {}
        top = number(lease.task.native.get("top"))
        if not top:
            top = await self._store.chores.highest_uid(mailbox)
            await lease.note("top", top)
        archive = not lease.task.data.get("skipArchive")
        last = errors = 0
        while uids := await self._store.chores.uids_after(mailbox, last, top, _MESSAGES):
            lease.check()
            cleared = await self._store.clear(mailbox, Selection.of(uids), archive=archive)
            errors += cleared.errors
            last = uids[-1]
        if errors:
            # They could not be archived now.
            raise Unavailable()
        return {}

    async def stamp_messages(self, lease: Lease) -> Unchanged:
        """Give the messages of a mailbox its retention."""
        mailbox = await self._mailbox(lease)
        # Changed again meanwhile: then there is new work.
        unchanged = {"retentionCounter": lease.task.data.get("retentionCounter")}
        if mailbox is not None:
            await self._store.chores.stamp_retention(mailbox, lease.check)
        return unchanged

    async def _mailbox(self, lease: Lease) -> Mailbox | None:
        """@return: C{None} when it has been deleted."""
        user, mailbox = _needed(lease.task.id_of("user")), _needed(lease.task.id_of("mailbox"))
        try:
            return await self._store.mailboxes.get_by_id(user, mailbox)
        except MailboxNotFound:
            return None


def _needed(id: ObjectId | None) -> ObjectId:
    if id is None:
        raise Malformed()
    return id
