"""COPY, MOVE and their UID forms."""

from __future__ import annotations

from collections.abc import Sequence

from wildduck.errors import MailboxNotFound
from wildduck.imap.commands.append import TryCreate
from wildduck.imap.commands.sets import uids_of
from wildduck.imap.grammar.copying import Copy, Move
from wildduck.imap.grammar.responses import Condition, copy_uid_code
from wildduck.imap.session import Done, Session
from wildduck.mailstore.values import Copied, Mailbox

_GONE = b"EXPUNGEISSUED"


async def copy(session: Session, command: Copy) -> Done:
    """
    RFC 3501 §6.4.7, RFC 4315 §3; on messages that another session has expunged
    RFC 2180 §4.4: those that are left are copied.

    @raise TryCreate: there is no such mailbox.
    """
    uids, target = await _wanted(session, command)
    if not uids:
        return Done("No such messages")
    try:
        copied = await session.store.copy(
            session.selected, uids, target, session=session.id, progress=session.note_progress
        )
    except MailboxNotFound as error:
        raise TryCreate(str(error)) from None
    session.news.added(target.id, copied.target)
    if not command.by_uid and len(copied.source) < len(uids):
        if not copied.source:
            return Done("All these messages are gone", _GONE, "NO")
        # The tagged response has room for one code, and that is COPYUID's place.
        session.respond(Condition("OK", "Some messages are gone", _GONE))
    return Done("COPY completed", _code(copied))


async def move(session: Session, command: Move) -> Done:
    """
    RFC 6851: COPYUID, then the scheduler's EXPUNGEs, then the tagged response.

    @raise TryCreate: there is no such mailbox.
    """
    uids, target = await _wanted(session, command)
    if not uids:
        return Done("No such messages")
    moved = await session.store.move(
        session.selected, uids, target, session=session.id, progress=session.note_progress
    )
    session.news.added(target.id, moved.target)
    if moved.source:
        session.respond(Condition("OK", "Moved", _code(moved)))
    if command.by_uid or len(moved.source) == len(uids):
        return Done("MOVE completed")
    if not moved.source:
        return Done("All these messages are gone", _GONE, "NO")
    return Done("Some messages are gone", _GONE)


async def _wanted(session: Session, command: Copy) -> tuple[Sequence[int], Mailbox]:
    """UIDs, and where the messages shall go."""
    uids = uids_of(session.selected, command.numbers, command.by_uid)
    try:
        return uids, await session.store.mailboxes.get(session.user.id, command.mailbox)
    except MailboxNotFound as error:
        raise TryCreate(str(error)) from None


def _code(copied: Copied) -> bytes | None:
    """COPYUID, which is left out when nothing was copied (RFC 4315 §3)."""
    if not copied.source:
        return None
    return copy_uid_code(copied.uid_validity, copied.source, copied.target)
