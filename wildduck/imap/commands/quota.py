"""
GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208).

Each account has one quota root, whose name is empty, for all of its mailboxes.
Its storage is what the account's quota bounds; its messages have no bound of
ours, and the one that UIDs and the number of mailboxes make is told.
"""

from __future__ import annotations

from wildduck.errors import MailboxNotFound, NoPermission
from wildduck.imap.grammar.mailbox_responses import QuotaData, QuotaRootData
from wildduck.imap.grammar.quota import GetQuota, GetQuotaRoot, SetQuota
from wildduck.imap.session import Done, Session
from wildduck.limits import KIB, MAX_UID
from wildduck.mailstore.concurrently import gather
from wildduck.mailstore.statuses import Fact

_ROOT = ""


async def get_quota(session: Session, command: GetQuota) -> Done:
    """@raise MailboxNotFound: there is no such quota root."""
    if command.root != _ROOT:
        raise MailboxNotFound("There is no such quota root")
    session.respond(await _quota(session))
    return Done("GETQUOTA completed")


async def get_quota_root(session: Session, command: GetQuotaRoot) -> Done:
    """Also for a mailbox that is not there: it would have this root (RFC 9208 §4.1.2)."""
    quota = await _quota(session)
    session.respond(QuotaRootData(command.mailbox, (_ROOT,)))
    session.respond(quota)
    return Done("GETQUOTAROOT completed")


async def set_quota(session: Session, command: SetQuota) -> Done:
    """@raise NoPermission: always, for quotas are the administrator's."""
    raise NoPermission("Quotas are set by the administrator")


async def _quota(session: Session) -> QuotaData:
    user = session.user.id
    account, messages = await gather(
        session.services.accounts.directory.by_id(user),
        session.store.statuses.total(user, Fact.MESSAGES),
    )
    return QuotaData(
        _ROOT,
        (
            ("STORAGE", _kibibytes(account.storage_used), _kibibytes(account.quota)),
            ("MESSAGE", messages, MAX_UID * session.store.mailboxes.allowed),
        ),
    )


def _kibibytes(size: int) -> int:
    return -(-size // KIB)
