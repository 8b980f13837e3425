"""Searches that are kept up to date, and CANCELUPDATE (RFC 5267 §4.3)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import partial

from wildduck.errors import ProtocolError
from wildduck.imap.commands import fetch
from wildduck.imap.contexts import Context, Contexts, Results, SortedResults
from wildduck.imap.grammar.contexts import CancelUpdate
from wildduck.imap.grammar.fetch import Item
from wildduck.imap.grammar.responses import Condition
from wildduck.imap.grammar.search_returns import Returns
from wildduck.imap.session import Done, Session
from wildduck.mailstore.search import keys
from wildduck.mailstore.search.run import Found, Ordered
from wildduck.mailstore.search.sorting import Criterion


def begin(session: Session, tag: bytes, returns: Returns | None) -> bool:
    """
    To be called before a search: what happens meanwhile is noted.

    @return: whether it shall be kept up to date.
    @raise ProtocolError: the tag is that of another one (RFC 5267 §4.3).
    """
    if returns is None or "UPDATE" not in returns:
        return False
    if session.news.contexts is None:
        session.news.contexts = Contexts(session, partial(fetch.tell_each, session))
    elif tag in session.news.contexts:
        raise ProtocolError("Tag reuse")
    return True


def keep(
    session: Session,
    tag: bytes,
    by_uid: bool,
    key: keys.Key,
    found: Found | Ordered,
    criteria: Sequence[Criterion] | None = None,
    items: tuple[Item, ...] = (),
) -> None:
    """
    Keep the results of a search up to date, or say that they are not (RFC 5267 §4.3.1).

    @param criteria: how they are sorted, if they are.
    @param items: to be fetched of new messages that match (RFC 5465 §7).
    """
    contexts = session.news.contexts
    assert contexts is not None, "begun"
    count = len((found.found if isinstance(found, Ordered) else found).uids)
    if not contexts.has_room(count, criteria is not None):
        session.respond(Condition("NO", "Too many contexts", b'NOUPDATE "%b"' % tag))
        if not contexts:
            session.news.drop_contexts()
        return
    results: Results | SortedResults
    if isinstance(found, Ordered):
        assert criteria is not None
        results = SortedResults(criteria, found)
    else:
        results = Results(array("I", found.uids))
    contexts.add(Context(tag, by_uid, key, criteria, results, items))


async def cancel_update(session: Session, command: CancelUpdate) -> Done:
    """A tag that is not known, or not any more, is passed over."""
    if session.news.contexts is not None:
        for tag in command.tags:
            session.news.contexts.cancel(tag)
        if not session.news.contexts:
            session.news.drop_contexts()
    return Done("CANCELUPDATE completed")
