"""STORE, EXPUNGE and their UID forms."""

from __future__ import annotations

from wildduck.imap.commands.sets import uids_of
from wildduck.imap.grammar.flags import compose_flags
from wildduck.imap.grammar.messages import Expunge, Store, UidExpunge
from wildduck.imap.grammar.responses import FetchData
from wildduck.imap.session import Done, Session
from wildduck.mailstore.values import Stored

#: FETCH responses composed before they are sent.
_AT_ONCE = 500
_GONE = b"EXPUNGEISSUED"


async def store(session: Session, command: Store) -> Done:
    """
    RFC 3501 §6.4.6; on messages that another session has expunged RFC 2180 §4.2.
    """
    view = session.selected
    uids = uids_of(view, command.numbers, command.by_uid)
    if not uids:
        return Done("No such messages")
    stored = await session.store.store_flags(view, uids, command.mode, command.flags, session=session.id)
    session.report_keywords()
    if not command.silent:
        await _tell(session, stored, command.by_uid)
    if not stored.missing or command.by_uid:
        return Done("STORE completed")
    if command.silent or stored.changed:
        return Done("Some messages are gone", _GONE)
    return Done("All these messages are gone", _GONE, "NO")


async def _tell(session: Session, stored: Stored, with_uid: bool) -> None:
    """The new flags of the messages (RFC 3501 §6.4.6), with UIDs where these were used (§6.4.8)."""
    view = session.selected
    lines = []
    for uid in sorted(stored.changed):
        flags = (b"FLAGS", compose_flags(view.with_recent(uid, stored.changed[uid][0])))
        items = ((b"UID", b"%d" % uid), flags) if with_uid else (flags,)
        lines.append(FetchData(view.seq(uid), items).compose())
        if len(lines) == _AT_ONCE:
            session.line.send(b"".join(lines))
            lines.clear()
            await session.breathe()
    session.line.send(b"".join(lines))


async def expunge(session: Session, command: Expunge) -> Done:
    """RFC 3501 §6.4.3; the scheduler tells what went, as it does of what others expunge."""
    await session.store.expunge(session.selected, None, session.id)
    return Done("EXPUNGE completed")


async def uid_expunge(session: Session, command: UidExpunge) -> Done:
    """RFC 4315 §2.1."""
    uids = uids_of(session.selected, command.numbers, by_uid=True)
    if uids:
        await session.store.expunge(session.selected, uids, session.id)
    return Done("UID EXPUNGE completed")
