"""SORT, THREAD and their UID forms (RFC 5256, 5267 §3, 5957)."""

from __future__ import annotations

from wildduck.imap.commands import contexts, search_results
from wildduck.imap.commands.search import asked, completed, saves_nothing_if_it_fails
from wildduck.imap.commands.search_keys import asks_modseq
from wildduck.imap.grammar.search_responses import SortData, ThreadData
from wildduck.imap.grammar.sort import Sort, Thread
from wildduck.imap.session import Done, Session
from wildduck.mailstore.search.sorting import Criterion


async def sort(session: Session, command: Sort) -> Done:
    """
    As SEARCH, with the messages in the order asked for.

    @raise BadCharset: the strings can not be read.
    """
    tag, returns = session.tag, command.returns
    criteria = [Criterion(key.name.lower(), key.reverse) for key in command.order]
    with saves_nothing_if_it_fails(session, returns):
        key = asked(session, command.keys, command.charset)
        updates = contexts.begin(session, tag, returns)
        ordered = await session.store.sort(
            session.selected, key, criteria, session.breathe, session.note_progress
        )
        found = ordered.found
        with_modseq = asks_modseq(command.keys)
        if returns is not None:
            await search_results.answer(session, tag, returns, found, command.by_uid, with_modseq)
            if updates:
                contexts.keep(session, tag, command.by_uid, key, ordered, criteria, returns.items)
        else:
            modseq = max(found.modseqs, default=None) if with_modseq else None
            session.respond(SortData(found.uids if command.by_uid else found.seqs, modseq))
    return completed(session, "SORT", command.by_uid)


async def thread(session: Session, command: Thread) -> Done:
    """
    Numbers of messages that belong together, in lists.

    @raise BadCharset: the strings can not be read.
    """
    key = asked(session, command.keys, command.charset)
    found = await session.store.thread(
        session.selected, key, command.algorithm.lower(), session.breathe, session.note_progress
    )
    data = ThreadData(found.trees, found.uids if command.by_uid else found.seqs)
    pieces = []
    for piece in data.pieces():
        pieces.append(piece)
        await session.breathe()
    session.line.send(b"".join(pieces))
    return completed(session, "THREAD", command.by_uid)
