"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE."""

from __future__ import annotations

from wildduck.errors import CannotDo, MailboxNotFound
from wildduck.imap.grammar.naming import Create, Delete, Rename, Subscribe, Unsubscribe
from wildduck.imap.session import Done, Session


async def create(session: Session, command: Create) -> Done:
    """RFC 3501 §6.3.3; levels above it that are missing are listed without being made."""
    await session.store.mailboxes.create(
        session.user.id, command.mailbox, user_retention=session.user.retention
    )
    return Done("CREATE completed")


async def delete(session: Session, command: Delete) -> Done:
    """
    RFC 3501 §6.3.4.

    A session that has deleted the mailbox it had open has none open from then
    on; others that have it open are ended when they are next told something.
    """
    mailboxes = session.store.mailboxes
    try:
        mailbox = await mailboxes.get(session.user.id, command.mailbox)
    except MailboxNotFound:
        if await mailboxes.has_inferiors(session.user.id, command.mailbox):
            # It is listed, so it would be no help to say that it does not exist.
            raise CannotDo("This name is no mailbox, it only has others under it") from None
        raise
    await mailboxes.delete(session.user.id, mailbox)
    if session.view is not None and session.view.mailbox.id == mailbox.id:
        session.deselect()
        return Done("DELETE completed, now no mailbox is selected")
    return Done("DELETE completed")


async def rename(session: Session, command: Rename) -> Done:
    """RFC 3501 §6.3.5."""
    user = session.user
    await session.store.rename(
        user.id, command.mailbox, command.target, user_retention=user.retention, session=session.id
    )
    return Done("RENAME completed")


async def subscribe(session: Session, command: Subscribe) -> Done:
    """RFC 3501 §6.3.6: only to what is there, as WildDuck does."""
    await session.store.mailboxes.subscribe(session.user.id, command.mailbox, True)
    return Done("SUBSCRIBE completed")


async def unsubscribe(session: Session, command: Unsubscribe) -> Done:
    """RFC 3501 §6.3.7."""
    await session.store.mailboxes.subscribe(session.user.id, command.mailbox, False)
    return Done("UNSUBSCRIBE completed")
