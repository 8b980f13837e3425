"""APPEND."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from wildduck import limits
from wildduck.accounts import IMAP_UPLOAD
from wildduck.errors import CannotDo, MailboxNotFound, MessageTooBig, OverQuota
from wildduck.imap.grammar.append import Append, AppendMessage, MessageStart
from wildduck.imap.grammar.responses import append_uid_code
from wildduck.imap.session import Done, Session
from wildduck.imap.uploads import Upload
from wildduck.mailstore.values import Appended

#: WildDuck's bounds of INTERNALDATE (spec/behaviour.md §1.3 'APPEND').
_EARLIEST = datetime(1970, 1, 1, 0, 0, 1, tzinfo=timezone.utc)
_AHEAD = timedelta(hours=24)

#: From this size on the quota is looked at before the message is sent; a
#: smaller one is sent in vain at little cost.
_ASK_QUOTA_AT = 64 * limits.KIB


class TryCreate(MailboxNotFound):
    """The target is missing and could be made (RFC 3501 §6.3.11)."""

    imap_code = "TRYCREATE"


async def message(session: Session, start: MessageStart) -> Upload:
    """
    Decide on a message before its bytes come.

    @raise MessageTooBig: it is over the limit that CAPABILITY announces.
    @raise CannotDo: it is empty, or its date is out of bounds.
    @raise TryCreate: there is no such mailbox.
    @raise OverQuota: it does not fit into the account's storage.
    @raise DailyLimitReached: the account has uploaded enough today.
    """
    settings = session.services.settings
    size = start.message.literal.size
    if size > settings.limits.max_message_size:
        raise MessageTooBig()
    if size == 0:
        raise CannotDo("A message can not be empty")
    if start.message.date is not None:
        _check_date(session.now(), start.message.date)
    try:
        mailbox = await session.store.mailboxes.get(session.user.id, start.mailbox)
    except MailboxNotFound as error:
        raise TryCreate(str(error)) from None
    if size >= _ASK_QUOTA_AT:
        account = await session.services.accounts.directory.by_id(session.user.id)
        if account.storage_used + size > account.quota:
            raise OverQuota()
    await session.meter(IMAP_UPLOAD).check()
    return Upload(settings, mailbox)


def _check_date(now: datetime, date: datetime) -> None:
    if not _EARLIEST <= date <= now + _AHEAD:
        raise CannotDo("The date is out of bounds")


async def append(session: Session, command: Append) -> Done:
    """RFC 3501 §6.3.11, RFC 4315 §3."""
    uploads = session.take_uploads()
    try:
        appended = [
            await _store(session, upload, given)
            for upload, given in zip(uploads, command.messages, strict=True)
        ]
    except MailboxNotFound as error:
        raise TryCreate(str(error)) from None
    finally:
        for upload in uploads:
            upload.abort()
    code = append_uid_code(appended[0].uid_validity, [one.uid for one in appended])
    return Done("APPEND completed", code)


async def _store(session: Session, upload: Upload, given: AppendMessage) -> Appended:
    content = upload.finish()
    try:
        appended = await session.store.add(
            session.user,
            upload.mailbox,
            content,
            flags=given.flags,
            internal_date=given.date,
            meta=_meta(session),
            session=session.id,
        )
        session.meter(IMAP_UPLOAD).add(appended.length)
        return appended
    finally:
        content.close()


def _meta(session: Session) -> dict[str, Any]:
    """As WildDuck records where a message came from (spec/schema.md 'messages')."""
    return {
        "source": "IMAP",
        "from": "",
        "to": [session.user.username],
        "origin": session.line.peer_host,
        "transtype": "APPEND",
        "time": session.now(),
    }
