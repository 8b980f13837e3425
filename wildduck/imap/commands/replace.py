"""REPLACE and UID REPLACE."""

from __future__ import annotations

from wildduck.accounts import IMAP_UPLOAD
from wildduck.errors import DomainError, MailboxNotFound, MessageNotFound, ProtocolError
from wildduck.imap.commands import append
from wildduck.imap.commands.append import TryCreate
from wildduck.imap.grammar.append import PieceStart
from wildduck.imap.grammar.replace import Replace
from wildduck.imap.grammar.responses import Condition, append_uid_code
from wildduck.imap.grammar.sequence import STAR
from wildduck.imap.session import Done, Session
from wildduck.imap.uploads import Upload
from wildduck.mailstore.view import View


class NoSuchMessage(MessageNotFound):
    """The session knows no message of this UID (RFC 5530 §3)."""

    imap_code = "NONEXISTENT"


async def piece(session: Session, start: PieceStart) -> Upload | None:
    """
    Decide on a piece of the new message, but only if the old one can be replaced.

    @raise ProtocolError: no message has this sequence number.
    @raise MessageNotFound: the message is gone.
    @raise DomainError: as of L{append.piece}.
    """
    assert isinstance(start.command, Replace)
    _uid(session.selected, start.command)
    return await append.piece(session, start, in_place=True)


def _uid(view: View, command: Replace) -> int:
    """The UID of the message that is to go."""
    if command.by_uid:
        uid = view.uids[-1] if command.number == STAR and view.exists else command.number
        if not view.seq(uid):
            raise NoSuchMessage()
    else:
        number = view.exists if command.number == STAR else command.number
        if not 1 <= number <= view.exists:
            raise ProtocolError("No message has this sequence number")
        uid = view.uid(number)
    if not view.modseq(uid):
        raise MessageNotFound()
    return uid


async def replace(session: Session, command: Replace) -> Done:
    """
    RFC 8508: APPENDUID (§4.3), the new message, EXPUNGE of the old one, the tagged response.

    @raise TryCreate: there is no such mailbox.
    @raise MessageNotFound: the old message has gone meanwhile, and nothing was added.
    """
    view = session.selected
    uid = _uid(view, command)
    with session.take_uploads() as uploads, append.finished(session, uploads) as [message]:
        try:
            appended = await session.store.at_once.replace(
                session.user, view.mailbox, uid, uploads.mailbox, message, session=session.id
            )
        except MailboxNotFound as error:
            raise TryCreate(str(error)) from None
    session.meter(IMAP_UPLOAD).add(appended.length)
    code = append_uid_code(appended.uid_validity, [appended.uid])
    session.respond(Condition("OK", "Replacement message ready", code))
    try:
        # First what has come, then what has gone.
        await session.news.catch_up(may_expunge=False)
    except DomainError:
        pass  # The command is done; the scheduler sees to what is to be told.
    return Done("REPLACE completed")
