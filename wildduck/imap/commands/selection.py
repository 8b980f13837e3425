"""SELECT, EXAMINE, CLOSE, UNSELECT."""

from __future__ import annotations

from wildduck.errors import CannotDo, ProtocolError, UidRequired
from wildduck.imap.commands import resync, urlauth
from wildduck.imap.grammar.mailbox import Close, Unselect
from wildduck.imap.grammar.mailbox_responses import ListData, mailbox_id_code
from wildduck.imap.grammar.mailboxes import DELIMITER
from wildduck.imap.grammar.responses import Condition, ExistsData, RecentData, number_code
from wildduck.imap.grammar.selection import Examine, QuickResync, Select
from wildduck.imap.listing import Entry, attributes
from wildduck.imap.session import Done, Session
from wildduck.mailstore.recent import Recents
from wildduck.mailstore.values import Mailbox


async def select(session: Session, command: Select) -> Done:
    await _open(session, command, read_only=False)
    return Done("SELECT completed", b"READ-WRITE")


async def examine(session: Session, command: Examine) -> Done:
    await _open(session, command, read_only=True)
    return Done("EXAMINE completed", b"READ-ONLY")


async def _open(session: Session, command: Select, read_only: bool) -> None:
    """
    Leave the mailbox that was selected, also when this one can not be (RFC 3501 §6.3.1).

    @raise MailboxNotFound: there is none of that name.
    @raise CannotDo: it is hidden.
    @raise ProtocolError: QRESYNC was not enabled; the old mailbox stays selected.
    """
    if command.resync is not None:
        _check(session, command.resync)
    if session.deselect():
        session.respond(Condition("OK", "The previous mailbox is closed", b"CLOSED"))
    if command.condstore or command.resync is not None:
        session.enable("CONDSTORE")
    recents = Recents.SHOWN if read_only else Recents.CLAIMED
    if session.modes.rev2:
        # It knows no recent messages (RFC 9051 §2.3.2).
        recents = Recents.IGNORED
    view = await session.store.open(session.user.id, command.mailbox, recents=recents)
    if view.mailbox.hidden:
        view.close()
        raise CannotDo("This mailbox can not be selected")
    try:
        told = await listed(session, view.mailbox, command.mailbox) if session.modes.rev2 else None
    except BaseException:
        view.close()
        raise
    session.select(view, read_only)
    _describe(session)
    if told is not None:
        session.respond(told)
    if command.resync is None:
        return
    try:
        await resync.tell(session, command.resync)
    except BaseException:
        # The command fails, and then no mailbox is selected.
        session.deselect()
        raise


def _check(session: Session, given: QuickResync) -> None:
    """
    @raise ProtocolError: QRESYNC was not enabled (RFC 7162 §3.2.5), or sequence
        numbers in a session of UIDs only (RFC 9586).
    """
    if not session.modes.qresync:
        raise ProtocolError("QRESYNC must be enabled first")
    if given.match is not None and session.modes.uidonly:
        raise UidRequired("Messages have no sequence numbers here")


async def listed(session: Session, mailbox: Mailbox, given: str) -> ListData:
    """
    What LIST says of a mailbox that is opened or appended to, and how the client
    has called it if that is not its name (RFC 9051 §6.3.2, §6.3.12, §6.3.9.7).
    """
    children = await session.store.mailboxes.has_inferiors(session.user.id, mailbox.path)
    entry = Entry(mailbox.path, mailbox.special_use, mailbox.subscribed)
    name = given if given.strip(DELIMITER) != mailbox.path else None
    return ListData(attributes(entry, children=children, tell_subscribed=True), mailbox.path, old_name=name)


def _describe(session: Session) -> None:
    """What is told of every mailbox that is opened (RFC 3501 §6.3.1, RFC 7162 §3.1.2, RFC 8474 §4.2)."""
    view, modes = session.selected, session.modes
    flags, permanent_flags = session.news.flag_responses()
    session.respond(flags)
    session.respond(ExistsData(view.exists))
    if not modes.rev2:
        session.respond(RecentData(len(view.recent)))
    # RFC 9051 has it no more, and it is a sequence number.
    first_unseen = 0 if modes.rev2 or modes.uidonly else view.first_unseen
    if first_unseen:
        session.respond(Condition("OK", "First unseen message", number_code("UNSEEN", first_unseen)))
    session.respond(permanent_flags)
    validity = view.mailbox.uid_validity
    session.respond(Condition("OK", "UIDs are valid", number_code("UIDVALIDITY", validity)))
    session.respond(Condition("OK", "Predicted next UID", number_code("UIDNEXT", view.uid_next)))
    session.respond(Condition("OK", "The mailbox's id", mailbox_id_code(str(view.mailbox.id))))
    session.news.say_highest_modseq()
    session.respond(urlauth.mechanisms())


async def close(session: Session, command: Close) -> Done:
    """RFC 3501 §6.4.2: what has C{\\Deleted} goes without being told, unless opened by EXAMINE."""
    view = session.selected
    try:
        if not session.read_only:
            await session.store.expunge(view, None, session.id, session.note_progress)
    finally:
        session.deselect()
    return Done("CLOSE completed")


async def unselect(session: Session, command: Unselect) -> Done:
    """RFC 3691: as CLOSE, but nothing is removed."""
    session.deselect()
    return Done("UNSELECT completed")
