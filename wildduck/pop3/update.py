"""The UPDATE state (RFC 1939 §6): what a session leaves behind in the mailbox."""

from __future__ import annotations

from twisted.logger import Logger

from wildduck.accounts import Account
from wildduck.errors import DomainError, MailboxExists, MailboxNotFound
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.folder_names import folder_name
from wildduck.mailstore.store import MailStore
from wildduck.mailstore.values import Mailbox
from wildduck.pop3.maildrop import SEEN, Maildrop

TRASH = "\\Trash"
_DELETED = "\\Deleted"
_log = Logger()


class Update:
    """The end of one session."""

    def __init__(self, store: MailStore, account: Account, maildrop: Maildrop, session: str) -> None:
        """@param session: id for the log and the journal."""
        self._store = store
        self._account = account
        self._maildrop = maildrop
        self._session = session

    async def run(self, how: str) -> None:
        """
        Mark what was retrieved as seen, and take away what was deleted.

        @param how: C{"trash"} or C{"expunge"} (C{pop3.delete}).
        @raise DomainError: some deleted messages were not removed (RFC 1939 §6).
        """
        delete = self._move_to_trash if how == "trash" else self._expunge
        await gather(delete(self._maildrop.to_delete()), self._mark_seen(self._maildrop.to_mark_seen()))

    async def _mark_seen(self, uids: list[int]) -> None:
        """A message that stays unseen is lost to nobody: a failure is the log's."""
        if not uids:
            return
        try:
            await self._store.store_flags(self._maildrop.mailbox, uids, "+", (SEEN,), session=self._session)
        except DomainError as error:
            _log.warn(
                "{n} messages not marked seen: {error}", n=len(uids), error=error, session=self._session
            )

    async def _move_to_trash(self, uids: list[int]) -> None:
        if uids:
            trash = await self._trash()
            await self._store.move(
                self._maildrop.mailbox, uids, trash, session=self._session, add_flags=(SEEN,)
            )

    async def _expunge(self, uids: list[int]) -> None:
        if uids:
            mailbox = self._maildrop.mailbox
            await self._store.store_flags(mailbox, uids, "+", (_DELETED,), session=self._session)
            await self._store.expunge(mailbox, uids, session=self._session)

    async def _trash(self) -> Mailbox:
        """
        Where deleted messages go; made if the account has none, for to remove
        them for good, or to keep them in INBOX for ever, is not what was meant.

        @raise MailboxNotFound: INBOX is gone, as it is with a deleted account,
            for which nothing is made any more.
        """
        account = self._account
        mailboxes = self._store.mailboxes
        try:
            return await mailboxes.get_special(account.id, TRASH)
        except MailboxNotFound:
            pass
        await mailboxes.get_by_id(account.id, self._maildrop.mailbox.id)
        name = folder_name(TRASH, account.language)
        try:
            return await mailboxes.create(account.id, name, TRASH, user_retention=account.retention)
        except MailboxExists:
            # Without the special use, perhaps another client's.
            return await mailboxes.get(account.id, name)
