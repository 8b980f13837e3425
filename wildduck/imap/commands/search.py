"""SEARCH and UID SEARCH (RFC 3501 and 9051 §6.4.4, 4731, 5182, 5267)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import contextmanager

from wildduck.errors import ProtocolError
from wildduck.imap.commands import contexts, search_results
from wildduck.imap.commands.search_keys import asks_modseq, refuse_sequence_numbers, translated
from wildduck.imap.grammar.search import Search
from wildduck.imap.grammar.search_keys import Key
from wildduck.imap.grammar.search_responses import SearchData
from wildduck.imap.grammar.search_returns import Returns
from wildduck.imap.session import Done, Session
from wildduck.mailstore.search import keys

#: What IMAP4rev2 answers when nothing is asked for (RFC 9051 §6.4.4).
_ALL = Returns(("ALL",))


async def search(session: Session, command: Search) -> Done:
    """
    The answer leaves out what another session has expunged, told or not.

    @raise BadCharset: the strings can not be read.
    """
    tag, returns = session.tag, command.returns
    with saves_nothing_if_it_fails(session, returns):
        key = asked(session, command.keys, command.charset)
        updates = contexts.begin(session, tag, returns)
        found = await session.store.search(session.selected, key, session.breathe, session.note_progress)
        with_modseq = asks_modseq(command.keys)
        if returns is None and session.modes.rev2:
            returns = _ALL
        if returns is not None:
            await search_results.answer(session, tag, returns, found, command.by_uid, with_modseq)
            if updates:
                contexts.keep(session, tag, command.by_uid, key, found, items=returns.items)
        else:
            modseq = max(found.modseqs, default=None) if with_modseq else None
            session.respond(SearchData(found.uids if command.by_uid else found.seqs, modseq))
    return completed(session, "SEARCH", command.by_uid)


def completed(session: Session, name: str, by_uid: bool) -> Done:
    """
    After an answer of sequence numbers a client is told that the mailbox has
    fewer messages than these numbers count (RFC 9051 §7.1 EXPUNGEISSUED).
    """
    gone = not by_uid and session.selected.has_gone
    return Done(f"{name} completed", b"EXPUNGEISSUED" if gone else None)


def asked(session: Session, given: tuple[Key, ...], charset: bytes | None) -> keys.Key:
    """
    What a search asks of the messages; what it enables is enabled.

    @param given: a message must match all of these.
    @raise BadCharset: its strings can not be read.
    @raise UidRequired: it has sequence numbers, and the session has none.
    """
    if session.modes.uidonly:
        refuse_sequence_numbers(given)
    key = translated(given, session.selected, charset)
    if asks_modseq(given):
        session.enable("CONDSTORE")
    return key


@contextmanager
def saves_nothing_if_it_fails(session: Session, returns: Returns | None) -> Iterator[None]:
    """A search with C{SAVE} that is answered NO, but not BAD, leaves C{$} empty (RFC 5182 §2.1)."""
    try:
        yield
    except ProtocolError:
        raise
    except BaseException:
        if returns is not None and "SAVE" in returns and session.view is not None:
            session.view.saved = array("I")
        raise
