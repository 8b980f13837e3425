"""What has happened since a client was here: SELECT with QRESYNC, UID FETCH with VANISHED (RFC 7162 §3.2)."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from wildduck.imap.grammar.responses import VanishedData
from wildduck.imap.grammar.selection import QuickResync
from wildduck.imap.grammar.sequence import SequenceSet
from wildduck.imap.session import Session
from wildduck.mailstore.vanished import Range, last_match

#: FETCH responses composed before they are sent.
_AT_ONCE = 500
#: Ranges that are looked up before others have their turn.
_RANGES = 5000


async def tell(session: Session, client: QuickResync) -> None:
    """
    Bring the client up to date, as C{UID FETCH known (FLAGS) (CHANGEDSINCE modseq VANISHED)} would.

    Of another UIDVALIDITY nothing is told (RFC 7162 §3.2.5).
    """
    view = session.selected
    if client.uid_validity != view.mailbox.uid_validity:
        return
    known = client.known.resolve(0) if client.known is not None else [(1, view.uid_next - 1)]
    match = client.match
    after = 0 if match is None else last_match(view.uids, match.numbers.ranges, match.uids.ranges)
    await tell_vanished(session, known, client.modseq, after)
    await _tell_changed(session, known, client.modseq)


async def tell_vanished(session: Session, known: Sequence[Range], modseq: int, after: int = 0) -> None:
    """
    C{VANISHED (EARLIER)}, before any FETCH response, for that would confuse clients.

    @param known: UIDs, ascending.
    @param modseq: the client knows what was gone up to it.
    @param after: and what was gone up to this UID.
    """
    async for ranges in session.store.vanished(session.selected, known, modseq, after):
        session.respond(VanishedData(SequenceSet(tuple(ranges)), True))


async def _tell_changed(session: Session, known: Sequence[Range], modseq: int) -> None:
    view = session.selected
    changed = await view.changed_since(view.uids[:], modseq)
    wanted: array[int] = array("I")
    for place, (first, last) in enumerate(known, 1):
        wanted.extend(changed[bisect_left(changed, first) : bisect_right(changed, last)])
        if place % _RANGES == 0:
            await session.breathe()
    for start in range(0, len(wanted), _AT_ONCE):
        await session.news.report(list(view.flag_news(wanted[start : start + _AT_ONCE])))
        await session.breathe()
