"""
Mailboxes that messages were stored in a moment ago.

Whoever stores a message need not ask the database once more where the mailbox
of a name is.  What is remembered may be wrong: taking numbers
(L{wildduck.mailstore.allocation}) names mailbox and path, so a mailbox that
was renamed or deleted meanwhile, here or by another server, is found out there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bson import ObjectId

from wildduck.limits import REMEMBERED_ACCOUNTS, REMEMBERED_MAILBOXES, REMEMBERED_SECONDS
from wildduck.mailstore.values import Mailbox


class RememberedMailboxes:
    """Those of one worker, a few of each account; the account that was asked for least lately goes first."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        """@param seconds: of a clock that nobody sets."""
        self._seconds = seconds
        self._accounts: dict[ObjectId, dict[str, tuple[Mailbox, float]]] = {}

    def find(self, user: ObjectId, path: str) -> Mailbox | None:
        """@return: with L{Mailbox.remembered}; C{None} if it is not known, or no longer believed."""
        of_account = self._accounts.pop(user, None)
        if of_account is None:
            return None
        self._accounts[user] = of_account
        mailbox, since = of_account.get(path, (None, 0.0))
        if mailbox is None or not 0 <= self._seconds() - since < REMEMBERED_SECONDS:
            return None
        return mailbox

    def keep(self, mailbox: Mailbox) -> None:
        """Remember a mailbox that was just read; not one that wants encryption, for that may end."""
        if mailbox.encrypted:
            return
        of_account = self._accounts.setdefault(mailbox.user, {})
        of_account.pop(mailbox.path, None)
        of_account[mailbox.path] = (replace(mailbox, remembered=True), self._seconds())
        if len(of_account) > REMEMBERED_MAILBOXES:
            del of_account[next(iter(of_account))]
        if len(self._accounts) > REMEMBERED_ACCOUNTS:
            del self._accounts[next(iter(self._accounts))]

    def forget(self, user: ObjectId) -> None:
        """Mailboxes of this account have been changed."""
        self._accounts.pop(user, None)
