"""
CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE.

A session whose names are UTF-8 makes names in Unicode's Normalization Form C only
(RFC 6855 §3, 9051 §5.1), and finds a mailbox also by a name that is not in it.  One
of IMAP4rev2 is told where a name is not as it has written it (OLDNAME, RFC 9051 §6.3.9.7).
"""

from __future__ import annotations

from wildduck.errors import HasChildren, MailboxNotFound, UseNotPossible
from wildduck.imap.grammar.mailbox_responses import ListData, mailbox_id_code
from wildduck.imap.grammar.mailboxes import DELIMITER
from wildduck.imap.grammar.naming import Create, Delete, Rename, Subscribe, Unsubscribe
from wildduck.imap.session import Done, Session
from wildduck.mailstore.paths import composed

#: Special uses that a mailbox can get; C{\\All}, C{\\Flagged} and C{\\Important} are
#: views of messages that lie elsewhere.
_USES = ("\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash")


async def create(session: Session, command: Create) -> Done:
    """
    RFC 3501 §6.3.3, 6154 §3, 8474 §4.1; levels above it that are missing are listed without being made.

    @raise UseNotPossible: the server knows no such use, or another mailbox has it.
    """
    user = session.user
    use = await _use(session, command.uses or ())
    mailbox = await session.store.mailboxes.create(
        user.id, _new_name(session, command.mailbox), use, user_retention=user.retention, subscribed=False
    )
    attributes = ("\\Subscribed",) if mailbox.subscribed else ()
    _tell_name(session, mailbox.path, command.mailbox, *attributes)
    return Done("CREATE completed", mailbox_id_code(str(mailbox.id)))


async def _use(session: Session, uses: tuple[str, ...]) -> str | None:
    if not uses:
        return None
    if len(uses) > 1:
        raise UseNotPossible("A mailbox has one special use only")
    if uses[0] not in _USES:
        raise UseNotPossible("This special use is not supported")
    try:
        await session.store.mailboxes.get_special(session.user.id, uses[0])
    except MailboxNotFound:
        return uses[0]
    raise UseNotPossible("Another mailbox has this special use")


async def delete(session: Session, command: Delete) -> Done:
    """
    RFC 3501 §6.3.4.

    A session that has deleted the mailbox it had open has none open from then
    on; others that have it open are ended when they are next told something.

    @raise HasChildren: it is a level that others lie under, and no mailbox.
    """
    mailboxes = session.store.mailboxes
    try:
        mailbox = await mailboxes.get(session.user.id, command.mailbox)
    except MailboxNotFound:
        if await mailboxes.has_inferiors(session.user.id, command.mailbox):
            # It is listed, so it would be no help to say that it does not exist.
            raise HasChildren() from None
        raise
    await mailboxes.delete(session.user.id, mailbox, keep_subscription=True)
    _tell_name(session, mailbox.path, command.mailbox, "\\NonExistent")
    if session.view is not None and session.view.mailbox.id == mailbox.id:
        session.deselect()
        return Done("DELETE completed, now no mailbox is selected")
    return Done("DELETE completed")


async def rename(session: Session, command: Rename) -> Done:
    """RFC 3501 §6.3.5."""
    user = session.user
    source = await session.store.mailboxes.spelled(user.id, command.mailbox)
    target = _new_name(session, command.target)
    await session.store.rename(user.id, source, target, user_retention=user.retention, session=session.id)
    if session.modes.rev2 and (source != _bare(command.mailbox) or _bare(target) != _bare(command.target)):
        session.respond(ListData((), _bare(target), old_name=command.mailbox))
    return Done("RENAME completed")


async def subscribe(session: Session, command: Subscribe) -> Done:
    """RFC 3501 §6.3.6: also to what is not there, or not yet."""
    await session.store.mailboxes.subscribe(session.user.id, command.mailbox, True)
    return Done("SUBSCRIBE completed")


async def unsubscribe(session: Session, command: Unsubscribe) -> Done:
    """RFC 3501 §6.3.7; what is not subscribed is so afterwards, too (RFC 9051 §6.3.8)."""
    await session.store.mailboxes.subscribe(session.user.id, command.mailbox, False)
    return Done("UNSUBSCRIBE completed")


def _new_name(session: Session, name: str) -> str:
    return composed(name) if session.modes.unicode_names else name


def _bare(name: str) -> str:
    return name.strip(DELIMITER)


def _tell_name(session: Session, path: str, given: str, *attributes: str) -> None:
    """Tell a client of IMAP4rev2 that a mailbox is spelled otherwise than it has written."""
    if session.modes.rev2 and path != _bare(given):
        session.respond(ListData(attributes, path, old_name=given))
