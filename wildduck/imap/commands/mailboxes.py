"""LIST, XLIST, LSUB and NAMESPACE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wildduck import limits
from wildduck.errors import LimitReached
from wildduck.imap.commands import status
from wildduck.imap.grammar.listing import (
    RECURSIVE_MATCH,
    SPECIAL_USE,
    SUBSCRIBED,
    List,
    Lsub,
    Namespace,
    Xlist,
)
from wildduck.imap.grammar.mailbox_responses import ListData, LsubData, NamespaceData, XlistData
from wildduck.imap.grammar.mailboxes import INBOX
from wildduck.imap.grammar.responses import Response
from wildduck.imap.listing import Asked, Entry, Found, listing, subscriptions
from wildduck.imap.patterns import Patterns, interpreted
from wildduck.imap.session import Done, Session
from wildduck.mailstore.concurrently import gather

#: LIST responses sent before other connections have their turn.
_AT_ONCE = 100

#: What Gmail calls special uses in XLIST.
_XLIST_USES = {"\\All": "\\AllMail", "\\Flagged": "\\Starred", "\\Junk": "\\Spam"}


async def list_mailboxes(session: Session, command: List) -> Done:
    """
    RFC 3501 §6.3.8, 3348, 5258, 5819, 6154; an empty pattern asks for the
    delimiter and the root, but not by the extended syntax (RFC 5258 §3).

    @raise LimitReached: too many patterns.
    """
    if not command.extended and not command.patterns[0]:
        session.respond(ListData(("\\Noselect",), ""))
        return Done("LIST completed")
    if len(command.patterns) > limits.IMAP_PATTERNS:
        raise LimitReached("Too many patterns")
    asked = Asked(
        extended=command.extended,
        subscribed=command.selects(SUBSCRIBED),
        special_use=command.selects(SPECIAL_USE),
        recursive=command.selects(RECURSIVE_MATCH),
        tell_subscribed=command.returns(SUBSCRIBED),
    )
    entries = await _entries(session, subscriptions=asked.tell_subscribed)
    patterns = _patterns(session, command.reference, command.patterns)
    found = listing(entries, patterns, asked)
    if command.status:
        await _tell_with_status(session, found, command.status)
    else:
        await _tell(session, (None if one is None else _list_data(one) for one in found))
    return Done("LIST completed")


async def xlist(session: Session, command: Xlist) -> Done:
    """Gmail's: as the LIST of RFC 3501, but INBOX and special uses are always told."""
    if not command.pattern:
        session.respond(XlistData(("\\Noselect",), ""))
        return Done("XLIST completed")
    patterns = _patterns(session, command.reference, (command.pattern,))
    found = listing(await _entries(session), patterns, Asked())
    await _tell(session, (None if one is None else _xlist_data(one) for one in found))
    return Done("XLIST completed")


async def list_subscribed(session: Session, command: Lsub) -> Done:
    """RFC 3501 §6.3.9."""
    if not command.pattern:
        session.respond(LsubData(("\\Noselect",), ""))
        return Done("LSUB completed")
    entries = await _entries(session, subscriptions=True)
    patterns = _patterns(session, command.reference, (command.pattern,))
    found = subscriptions(entries, patterns, levels=command.pattern.endswith("%"))
    await _tell(session, (None if one is None else LsubData(one.attributes, one.path) for one in found))
    return Done("LSUB completed")


def _patterns(session: Session, reference: str, patterns: Iterable[str]) -> Patterns:
    return Patterns(interpreted(reference, patterns, unicode=session.modes.unicode_names))


async def _entries(session: Session, *, subscriptions: bool = False) -> list[Entry]:
    """
    The mailboxes of the account.

    @param subscriptions: with the subscribed names that no mailbox has.
    """
    mailboxes = session.store.mailboxes
    user = session.user.id
    if not subscriptions:
        return [
            Entry(one.path, one.special_use, one.subscribed, id=one.id)
            for one in await mailboxes.listed(user)
        ]
    listed, names = await gather(mailboxes.listed(user), mailboxes.subscribed_names(user))
    missing = set(names)
    entries = []
    for one in listed:
        subscribed = one.subscribed or one.path in missing
        missing.discard(one.path)
        entries.append(Entry(one.path, one.special_use, subscribed, id=one.id))
    return entries + [Entry(name, subscribed=True, exists=False) for name in missing]


async def _tell_with_status(session: Session, listed: Iterable[Found | None], items: tuple[str, ...]) -> None:
    """
    LIST with STATUS of each mailbox that meets what was asked for (RFC 5819 §2).

    One that is deleted before its STATUS is known is told as no mailbox.
    """
    found = []
    for one in listed:
        if one is None:
            await session.breathe()
        else:
            found.append(one)
    ids = [one.entry.id for one in found if one.entry is not None]
    status.enable(session, items)
    known = await session.store.statuses.many(session.user.id, ids, status.facts(items))

    def responses() -> Iterator[Response]:
        for one in found:
            if one.entry is None:
                yield _list_data(one)
            elif one.entry.id not in known:
                yield ListData(("\\NonExistent", *one.attributes), one.path)
            else:
                yield _list_data(one)
                mailbox = known[one.entry.id]
                yield status.response(session, one.path, one.entry.id, mailbox, items)

    await _tell(session, responses())


def _list_data(found: Found) -> ListData:
    return ListData(found.attributes, found.path, (SUBSCRIBED,) if found.child_info else ())


def _xlist_data(found: Found) -> XlistData:
    attributes = [_XLIST_USES.get(attribute, attribute) for attribute in found.attributes]
    return XlistData((*attributes, "\\Inbox") if found.path == INBOX else tuple(attributes), found.path)


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
