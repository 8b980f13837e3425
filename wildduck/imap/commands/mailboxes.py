"""LIST, LSUB, NAMESPACE and STATUS."""

from __future__ import annotations

from collections.abc import Iterable

from wildduck.imap.grammar.listing import List, Lsub, Namespace
from wildduck.imap.grammar.mailbox import Status
from wildduck.imap.grammar.responses import ListData, LsubData, NamespaceData, Response, StatusData
from wildduck.imap.listing import Entry, interpreted, listing, subscriptions
from wildduck.imap.session import Done, Session
from wildduck.mailstore.values import Status as Counts

#: LIST responses sent before other connections have their turn.
_AT_ONCE = 100


async def list_mailboxes(session: Session, command: List) -> Done:
    """RFC 3501 §6.3.8, RFC 3348, RFC 6154 §2; an empty pattern asks for the delimiter and the root."""
    if not command.pattern:
        session.respond(ListData(("\\Noselect",), ""))
        return Done("LIST completed")
    pattern = interpreted(command.reference, command.pattern)
    mailboxes = await session.store.mailboxes.listed(session.user.id)
    entries = [Entry(mailbox.path, mailbox.special_use) for mailbox in mailboxes]
    await _tell(session, listing(entries, pattern, special_use_only=command.special_use_only))
    return Done("LIST completed")


async def list_subscribed(session: Session, command: Lsub) -> Done:
    """RFC 3501 §6.3.9."""
    if not command.pattern:
        session.respond(LsubData(("\\Noselect",), ""))
        return Done("LSUB completed")
    pattern = interpreted(command.reference, command.pattern)
    mailboxes = await session.store.mailboxes.listed(session.user.id)
    paths = [mailbox.path for mailbox in mailboxes if mailbox.subscribed]
    await _tell(session, subscriptions(paths, pattern))
    return Done("LSUB completed")


async def _tell(session: Session, responses: Iterable[Response | None]) -> None:
    """Send them; at C{None}, and now and then, others have their turn."""
    for number, response in enumerate(responses, 1):
        if response is not None:
            session.respond(response)
        if response is None or number % _AT_ONCE == 0:
            await session.breathe()


async def namespace(session: Session, command: Namespace) -> Done:
    """RFC 2342 §5."""
    session.respond(NamespaceData())
    return Done("NAMESPACE completed")


async def status(session: Session, command: Status) -> Done:
    """RFC 3501 §6.3.10, RFC 7889 §3.1."""
    mailbox = await session.store.mailboxes.get(session.user.id, command.mailbox)
    counts = await session.store.status(mailbox, recent="RECENT" in command.items)
    items = tuple((name, _item(session, counts, name)) for name in command.items)
    session.respond(StatusData(mailbox.path, items))
    return Done("STATUS completed")


def _item(session: Session, counts: Counts, name: str) -> int:
    return {
        "MESSAGES": counts.messages,
        "RECENT": counts.recent,
        "UIDNEXT": counts.uid_next,
        "UIDVALIDITY": counts.uid_validity,
        "UNSEEN": counts.unseen,
        "APPENDLIMIT": session.services.settings.limits.max_message_size,
    }[name]
