"""
RENAME: a mailbox and all that lies under it get other names (store.md §8).

Refused whole if one of the new names is taken.  Where the database has
transactions all of it happens at once.  Elsewhere it goes step by step,
inferiors first, under a lock of the account: if a name is taken meanwhile, what
was done is undone, and after a crash the same command goes on where it was left,
for its source is there until the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from wildduck.errors import CannotDo, DuplicateKey, InUse, MailboxExists, MailboxNotFound, Unavailable
from wildduck.limits import MAILBOXES, RENAME_ATTEMPTS
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.concurrently import for_each
from wildduck.mailstore.journal import mailbox_entry
from wildduck.mailstore.paths import INBOX, lies_under, new_path, normal_path, tree
from wildduck.mailstore.uid_validity import UID_VALIDITY, Account, next_uid_validity, retire, retired
from wildduck.mailstore.values import MAILBOX_FIELDS, Mailbox

#: Life of the account's lock, and how long another renaming waits for it, in seconds.
LOCK_SECONDS = 60
LOCK_WAIT_SECONDS = 10

#: Mailboxes renamed at a time, step by step.
_WORKERS = 8


@dataclass(frozen=True, slots=True)
class _Step:
    """
    One mailbox and its new name.

    @ivar fresh: it must have a new uidvalidity.
    """

    mailbox: Mailbox
    path: str
    fresh: bool


async def rename(
    backend: Backend, user: ObjectId, source: str, target: str, *, alone: ObjectId | None = None
) -> None:
    """
    Rename a mailbox, or a level that has mailboxes under it only, with its inferiors.

    @param alone: the mailbox that is to be renamed without its inferiors; it
        must have the name C{source} still.
    @raise MailboxNotFound: there is nothing of that name.
    @raise CannotDo: it is INBOX or hidden, or the new name is impossible, or
        lies under the old one.
    @raise MailboxExists: one of the new names is taken.
    @raise InUse: other renamings of this account do not come to an end.
    """
    source, target = normal_path(source), new_path(target)
    if source == INBOX:
        raise CannotDo("INBOX can not be renamed")
    if alone is None and lies_under(target, source):
        raise CannotDo("A mailbox can not be moved under itself")
    renaming = _Renaming(backend, user, source, target, alone)
    if backend.main.has_transactions:
        await renaming.at_once()
    else:
        await renaming.step_by_step()
    backend.background(backend.changed(user))


class _Renaming:
    def __init__(
        self, backend: Backend, user: ObjectId, source: str, target: str, alone: ObjectId | None
    ) -> None:
        self._backend = backend
        self._user = user
        self._source = source
        self._target = target
        self._alone = alone

    async def _plan(self) -> tuple[Account, list[_Step]]:
        """
        What is to be done, the source itself last.

        The account is read first: if it has not changed when the mailboxes are
        renamed, no other name has either.
        """
        main = self._backend.main
        account = Account.from_document(await main.find_one(UID_VALIDITY, {"_id": self._user}))
        documents = await main.find(
            "mailboxes",
            {"user": self._user, "$or": [*tree(self._source), *tree(self._target)]},
            projection=MAILBOX_FIELDS,
            limit=10 * MAILBOXES,
        )
        present = {mailbox.path: mailbox for mailbox in map(Mailbox.from_document, documents)}
        sources = [
            mailbox for path, mailbox in sorted(present.items(), reverse=True) if self._is_meant(mailbox)
        ]
        if not sources:
            raise MailboxNotFound()
        if sources[-1].path == self._source and sources[-1].hidden:
            raise CannotDo("This mailbox can not be renamed")
        if self._target in present:
            raise MailboxExists()
        return account, [self._step(mailbox, account, present) for mailbox in sources]

    def _is_meant(self, mailbox: Mailbox) -> bool:
        if self._alone is not None:
            return mailbox.id == self._alone and mailbox.path == self._source
        return mailbox.path == self._source or lies_under(mailbox.path, self._source)

    def _step(self, mailbox: Mailbox, account: Account, present: dict[str, Mailbox]) -> _Step:
        path = new_path(self._target + mailbox.path[len(self._source) :])
        if path in present:
            raise MailboxExists(f"A mailbox with the name {path} already exists")
        return _Step(mailbox, path, not account.keeps(mailbox, path))

    def _entry(self, step: _Step, path: str) -> dict[str, Any]:
        mailbox = step.mailbox
        return mailbox_entry(
            "RENAME", self._user, mailbox.id, path, mailbox.modify_index, self._backend.now()
        )

    # --- in one transaction -------------------------------------------------------

    async def at_once(self) -> None:
        """All or nothing."""
        for _ in range(RENAME_ATTEMPTS):
            try:
                await self._try(*await self._plan())
            except DuplicateKey as error:
                if error.index != "_id_":
                    raise MailboxExists() from None
                # The account has changed since: look again.
            else:
                return
        raise InUse()

    async def _try(self, account: Account, steps: list[_Step]) -> None:
        validity = max(int(self._backend.clock.seconds()), account.last + 1)
        noted: dict[str, Any] = {"changes": (account.changes or 0) + 1}
        if any(step.fresh for step in steps):
            noted["last"] = validity
        together = self._backend.main.transaction()
        together.upsert(
            UID_VALIDITY,
            {"_id": self._user, "changes": account.changes},
            {"$push": retired(step.mailbox for step in steps), "$set": noted},
        )
        together.update("mailboxes", (_update(step, validity) for step in steps))
        together.insert("journal", (self._entry(step, step.path) for step in steps))
        await together.commit()

    # --- step by step ---------------------------------------------------------------

    async def step_by_step(self) -> None:
        """Inferiors first; undone if a name is taken meanwhile."""
        lock = await self._backend.locks.acquire(f"rename:{self._user}", LOCK_SECONDS, LOCK_WAIT_SECONDS)
        if lock is None:
            raise InUse()
        try:
            _, steps = await self._plan()
            await retire(self._backend, self._user, [step.mailbox for step in steps])
            validity = 0
            if any(step.fresh for step in steps):
                validity = await next_uid_validity(self._backend, self._user)
            await self._go(steps, validity)
        finally:
            try:
                await lock.release()
            except Unavailable:
                pass  # it ends by itself

    async def _go(self, steps: list[_Step], validity: int) -> None:
        done: list[_Step] = []

        async def go(step: _Step) -> None:
            if await self._write(*_update(step, validity), self._entry(step, step.path)):
                done.append(step)

        *inferiors, last = steps
        try:
            await for_each(inferiors, go, _WORKERS)
            await go(last)
        except DuplicateKey:
            await for_each(done, self._undo, _WORKERS)
            raise MailboxExists() from None

    async def _undo(self, step: _Step) -> None:
        mailbox = step.mailbox
        back = {"path": mailbox.path, "uidValidity": mailbox.uid_validity}
        try:
            await self._write(
                {"_id": mailbox.id, "path": step.path}, {"$set": back}, self._entry(step, mailbox.path)
            )
        except DuplicateKey:
            return  # its old name is taken too: it has the new one now

    async def _write(self, filter: dict[str, Any], update: dict[str, Any], entry: dict[str, Any]) -> bool:
        """@return: C{False}: it has gone, or has another name; then that is how it is."""
        main = self._backend.main
        if not (await main.update_one("mailboxes", filter, update, idempotent=True)).matched:
            return False
        await main.insert_one("journal", entry, durable=True)
        return True


def _update(step: _Step, validity: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """@param validity: for the one that must have a new one."""
    fields: dict[str, Any] = {"path": step.path}
    if step.fresh:
        fields["uidValidity"] = validity
    return {"_id": step.mailbox.id, "path": step.mailbox.path}, {"$set": fields}
