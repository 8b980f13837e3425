"""STORE, EXPUNGE and their UID forms."""

from __future__ import annotations

from wildduck.imap.commands.sets import uids_of
from wildduck.imap.grammar.messages import Expunge, Store, UidExpunge
from wildduck.imap.grammar.responses import modified_code
from wildduck.imap.session import Done, Session
from wildduck.imap.untagged import flags_data
from wildduck.mailstore.values import Flags, Stored

#: FETCH responses composed before they are sent.
_AT_ONCE = 500
_GONE = b"EXPUNGEISSUED"


async def store(session: Session, command: Store) -> Done:
    """
    RFC 3501 §6.4.6, RFC 7162 §3.1.3; on messages that another session has
    expunged RFC 2180 §4.2.
    """
    view, since = session.selected, command.unchanged_since
    if since is not None:
        session.enable("CONDSTORE")
    uids = uids_of(view, command.numbers, command.by_uid)
    if not uids:
        return Done("No such messages")
    stored = await session.store.store_flags(
        view,
        uids,
        command.mode,
        command.flags,
        unchanged_since=since,
        session=session.id,
        progress=session.note_progress,
    )
    session.news.report_keywords()
    if not command.silent or session.modes.condstore:
        await _tell(session, stored, command)
    if stored.modified:
        numbers = stored.modified if command.by_uid else map(view.seq, stored.modified)
        return Done("Conditional STORE failed", modified_code(numbers))
    if not stored.missing or command.by_uid:
        return Done("STORE completed")
    if command.silent or stored.changed:
        return Done("Some messages are gone", _GONE)
    return Done("All these messages are gone", _GONE, "NO")


async def _tell(session: Session, stored: Stored, command: Store) -> None:
    """
    The new flags of the messages (RFC 3501 §6.4.6), with UIDs where these were
    used (§6.4.8); of a silent STORE only MODSEQ.
    """
    view, modes = session.selected, session.modes
    lines = []
    for uid in sorted(stored.changed):
        flags, modseq = stored.changed[uid]
        told = Flags(view.seq(uid), uid, view.with_recent(uid, flags), max(1, modseq))
        data = flags_data(told, modes, with_uid=command.by_uid, with_flags=not command.silent)
        lines.append(data.compose(modes))
        if not command.silent:
            session.news.told_flags(uid, told.flags, told.modseq)
        if modes.condstore:
            session.news.modseqs.told(told.modseq)
        if len(lines) == _AT_ONCE:
            session.line.send(b"".join(lines))
            lines.clear()
            await session.breathe()
    session.line.send(b"".join(lines))


async def expunge(session: Session, command: Expunge) -> Done:
    """RFC 3501 §6.4.3; the scheduler tells what went, as it does of what others expunge."""
    await session.store.expunge(session.selected, None, session.id, session.note_progress)
    return Done("EXPUNGE completed")


async def uid_expunge(session: Session, command: UidExpunge) -> Done:
    """RFC 4315 §2.1."""
    uids = uids_of(session.selected, command.numbers, by_uid=True)
    if uids:
        await session.store.expunge(session.selected, uids, session.id, session.note_progress)
    return Done("UID EXPUNGE completed")
