"""APPEND, and what it has in common with REPLACE: how messages come in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

from wildduck import limits
from wildduck.accounts import IMAP_UPLOAD
from wildduck.errors import CannotDo, MailboxNotFound, OverQuota
from wildduck.imap.commands import catenate
from wildduck.imap.commands.selection import listed
from wildduck.imap.grammar.append import Append, Options, PieceStart, Text, Url
from wildduck.imap.grammar.mailbox_responses import ListData
from wildduck.imap.grammar.mailboxes import DELIMITER
from wildduck.imap.grammar.responses import append_uid_code
from wildduck.imap.session import Done, Session
from wildduck.imap.uploads import Upload, Uploads
from wildduck.mailstore.values import Appended, Mailbox, NewMessage

#: WildDuck's bounds of INTERNALDATE (spec/behaviour.md §1.3 'APPEND').
_EARLIEST = datetime(1970, 1, 1, 0, 0, 1, tzinfo=timezone.utc)
_AHEAD = timedelta(hours=24)

#: From this size on the quota is looked at before the message is sent; a
#: smaller one is sent in vain at little cost.
_ASK_QUOTA_AT = 64 * limits.KIB

EMPTY = "A message can not be empty"


class TryCreate(MailboxNotFound):
    """The target is missing and could be made (RFC 3501 §6.3.11)."""

    imap_code = "TRYCREATE"


async def piece(session: Session, start: PieceStart, *, in_place: bool = False) -> Upload | None:
    """
    Decide on a piece of a message before its bytes come.

    @param in_place: another message goes with it, so of the quota little may be needed.
    @return: what takes them; C{None} for a URL, whose bytes have been taken.
    @raise MessageTooBig: the message is over the limit that CAPABILITY announces, or all of
        them together are over another one.
    @raise CannotDo: it is empty, its date is out of bounds, or UTF-8 in headers was not enabled.
    @raise TryCreate: there is no such mailbox.
    @raise OverQuota: it does not fit into the account's storage.
    @raise DailyLimitReached: the account has uploaded enough today.
    @raise BadUrl: nothing can be read by this URL.
    """
    if session.uploads is None:
        mailbox = await target(session, start.mailbox)
        session.uploads = Uploads(session.services.settings, mailbox)
    uploads = session.uploads
    if not start.catenate and isinstance(start.piece, Text) and not start.piece.literal.size:
        # Also how a client cancels (RFC 3502 §6.3.11).
        raise CannotDo(EMPTY)
    if start.first:
        _check_date(session.now(), start.options)
        await session.meter(IMAP_UPLOAD).check()
        uploads.begin(start.options)
    if isinstance(start.piece, Url):
        await catenate.add(session, uploads, start.piece.url)
        return None
    return await _text(session, uploads, start.piece, in_place)


async def _text(session: Session, uploads: Uploads, text: Text, in_place: bool) -> Upload:
    size = text.literal.size
    if text.utf8 and not session.modes.utf8:
        raise CannotDo("UTF8=ACCEPT must be enabled before")
    upload = uploads.expect(size)
    if size >= _ASK_QUOTA_AT:
        account = await session.services.accounts.directory.by_id(session.user.id)
        used = 0 if in_place else account.storage_used
        if used + uploads.expected > account.quota:
            raise OverQuota()
    return upload


async def target(session: Session, name: str) -> Mailbox:
    """
    @param name: of a mailbox that messages shall go to.
    @raise TryCreate: there is none.
    """
    try:
        return await session.store.mailboxes.target(session.user.id, name)
    except MailboxNotFound as error:
        raise TryCreate(str(error)) from None


def _check_date(now: datetime, options: Options) -> None:
    if options.date is not None and not _EARLIEST <= options.date <= now + _AHEAD:
        raise CannotDo("The date is out of bounds")


async def append(session: Session, command: Append) -> Done:
    """RFC 3501 §6.3.11, RFC 3502, RFC 4315 §3; of another spelling of the name RFC 9051 §6.3.12."""
    with session.take_uploads() as uploads, finished(session, uploads) as messages:
        spelled = await _spelled(session, uploads.mailbox, command.mailbox)
        try:
            appended = await _store(session, uploads.mailbox, messages)
        except MailboxNotFound as error:
            raise TryCreate(str(error)) from None
    session.meter(IMAP_UPLOAD).add(sum(one.length for one in appended))
    session.news.added(appended[0].mailbox_id, [one.uid for one in appended])
    if spelled is not None:
        session.respond(spelled)
    code = append_uid_code(appended[0].uid_validity, [one.uid for one in appended])
    return Done("APPEND completed", code)


async def _spelled(session: Session, mailbox: Mailbox, given: str) -> ListData | None:
    """What a client of IMAP4rev2 is told of a mailbox that is spelled otherwise than it has written."""
    if not session.modes.rev2 or given.strip(DELIMITER) == mailbox.path:
        return None
    return await listed(session, mailbox, given)


async def _store(session: Session, mailbox: Mailbox, messages: list[NewMessage]) -> list[Appended]:
    if len(messages) > 1:
        return await session.store.at_once.add(
            session.user, mailbox, messages, session=session.id, progress=session.note_progress
        )
    [new] = messages
    added = await session.store.add(
        session.user,
        mailbox,
        new.message,
        flags=new.flags,
        internal_date=new.internal_date,
        meta=new.meta,
        session=session.id,
    )
    return [added]


@contextmanager
def finished(session: Session, uploads: Uploads) -> Iterator[list[NewMessage]]:
    """
    The messages that have come in, to be closed afterwards.

    @raise CannotDo: one is empty.
    @raise Unavailable: one could not be kept.
    """
    with ExitStack() as closing:
        made = []
        for upload in uploads.messages:
            message = upload.finish()
            closing.callback(message.close)
            if not message.length:
                raise CannotDo(EMPTY)
            options = upload.options
            made.append(NewMessage(message, options.flags, options.date, _meta(session)))
        yield made


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
