"""SELECT, EXAMINE, CLOSE, UNSELECT."""

from __future__ import annotations

from wildduck.errors import CannotDo
from wildduck.imap.grammar.mailbox import Close, Examine, Select, Unselect
from wildduck.imap.grammar.responses import Condition, ExistsData, RecentData, number_code
from wildduck.imap.session import Done, Session
from wildduck.mailstore.recent import Recents


async def select(session: Session, command: Select) -> Done:
    await _open(session, command.mailbox, read_only=False)
    return Done("SELECT completed", b"READ-WRITE")


async def examine(session: Session, command: Examine) -> Done:
    await _open(session, command.mailbox, read_only=True)
    return Done("EXAMINE completed", b"READ-ONLY")


async def _open(session: Session, path: str, read_only: bool) -> None:
    """
    Leave the mailbox that was selected, also when this one can not be (RFC 3501 §6.3.1).

    @raise MailboxNotFound: there is none of that name.
    @raise CannotDo: it is hidden.
    """
    session.deselect()
    recents = Recents.SHOWN if read_only else Recents.CLAIMED
    view = await session.store.open(session.user.id, path, recents=recents)
    if view.mailbox.hidden:
        view.close()
        raise CannotDo("This mailbox can not be selected")
    session.select(view, read_only)
    flags, permanent_flags = session.flag_responses()
    session.respond(flags)
    session.respond(ExistsData(view.exists))
    session.respond(RecentData(len(view.recent)))
    first_unseen = view.first_unseen
    if first_unseen:
        session.respond(Condition("OK", "First unseen message", number_code("UNSEEN", first_unseen)))
    session.respond(permanent_flags)
    validity = view.mailbox.uid_validity
    session.respond(Condition("OK", "UIDs are valid", number_code("UIDVALIDITY", validity)))
    session.respond(Condition("OK", "Predicted next UID", number_code("UIDNEXT", view.uid_next)))


async def close(session: Session, command: Close) -> Done:
    """RFC 3501 §6.4.2: what has C{\\Deleted} goes without being told, unless opened by EXAMINE."""
    view = session.selected
    try:
        if not session.read_only:
            await session.store.expunge(view, None, session.id)
    finally:
        session.deselect()
    return Done("CLOSE completed")


async def unselect(session: Session, command: Unselect) -> Done:
    """RFC 3691: as CLOSE, but nothing is removed."""
    session.deselect()
    return Done("UNSELECT completed")
