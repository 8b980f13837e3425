"""LIST and STATUS."""

from __future__ import annotations

from wildduck.imap.grammar.mailbox import List, Status
from wildduck.imap.grammar.responses import ListData, StatusData
from wildduck.imap.listing import Entry, listing
from wildduck.imap.session import Done, Session
from wildduck.mailstore.values import Status as Counts

#: LIST responses sent before other connections have their turn.
_AT_ONCE = 100


async def list_mailboxes(session: Session, command: List) -> Done:
    """RFC 3501 §6.3.8; an empty pattern asks for the delimiter and the root."""
    if not command.pattern:
        session.respond(ListData(("\\Noselect",), ""))
        return Done("LIST completed")
    mailboxes = await session.store.mailboxes.list(session.user.id)
    entries = [Entry(mailbox.path, mailbox.special_use) for mailbox in mailboxes if not mailbox.hidden]
    for number, response in enumerate(listing(entries, command.reference + command.pattern), 1):
        session.respond(response)
        if number % _AT_ONCE == 0:
            await session.breathe()
    return Done("LIST completed")


async def status(session: Session, command: Status) -> Done:
    """RFC 3501 §6.3.10, RFC 7889 §3.1."""
    mailbox = await session.store.mailboxes.get(session.user.id, command.mailbox)
    counts = await session.store.mailboxes.status(mailbox)
    items = tuple((name, _item(session, counts, name)) for name in command.items)
    session.respond(StatusData(mailbox.path, items))
    return Done("STATUS completed")


def _item(session: Session, counts: Counts, name: str) -> int:
    return {
        "MESSAGES": counts.messages,
        "RECENT": 0,
        "UIDNEXT": counts.uid_next,
        "UIDVALIDITY": counts.uid_validity,
        "UNSEEN": counts.unseen,
        "APPENDLIMIT": session.services.settings.limits.max_message_size,
    }[name]
