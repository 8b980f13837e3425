"""What a search tells of the messages that it found, and what it keeps of them."""

from __future__ import annotations

from array import array
from collections.abc import Awaitable, Callable, Sequence

from wildduck import limits
from wildduck.errors import LimitReached
from wildduck.imap.grammar.search_responses import EsearchData
from wildduck.imap.grammar.search_returns import Returns
from wildduck.imap.grammar.sequence import SequenceSet, from_numbers
from wildduck.imap.session import Session
from wildduck.mailstore.search.run import Found

#: Numbers put into a set before others have their turn.
_AT_ONCE = 10_000


class NotSaved(LimitReached):
    """A result is too long to be kept (RFC 5182 §2.5)."""

    imap_code = "NOTSAVED"
    text = "The result has too many messages to be saved"


async def answer(
    session: Session, tag: bytes, returns: Returns, found: Found, by_uid: bool, with_modseq: bool
) -> None:
    """
    Keep and tell what C{RETURN} asks for, in the order of RFC 9051's examples.

    @param tag: of the command.
    @param found: in the order of the answer.
    @param with_modseq: MODSEQ was a key.
    @raise NotSaved: it can not be kept; nothing was told.
    """
    if "SAVE" in returns:
        save(session, returns, found)
        if returns.options == ("SAVE",) and returns.partial is None:
            return
    numbers = found.uids if by_uid else found.seqs
    items: list[tuple[bytes, bytes]] = []
    if numbers and "MIN" in returns:
        items.append((b"MIN", b"%d" % numbers[0]))
    if numbers and "MAX" in returns:
        items.append((b"MAX", b"%d" % numbers[-1]))
    if "COUNT" in returns:
        items.append((b"COUNT", b"%d" % len(numbers)))
    if numbers and returns.all:
        items.append((b"ALL", await compose_set(numbers, session.breathe)))
    if returns.partial is not None:
        some = await compose_set(returns.partial.select(numbers), session.breathe)
        items.append((b"PARTIAL", b"(%b %b)" % (returns.partial.ascending().compose(), some or b"NIL")))
    if numbers and with_modseq:
        items.append((b"MODSEQ", b"%d" % max(_returned(returns, found.modseqs), default=0)))
    session.respond(EsearchData(tag, by_uid, tuple(items)))


def save(session: Session, returns: Returns, found: Found) -> None:
    """
    Keep what C{$} shall stand for.

    @raise NotSaved: that is too much.
    """
    kept = _returned(returns, found.uids)
    if len(kept) > limits.IMAP_SAVED_MESSAGES:
        raise NotSaved()
    session.selected.saved = array("I", kept)


def _returned(returns: Returns, column: Sequence[int]) -> Sequence[int]:
    """
    What is returned of the results: all of them, but for the table of RFC 5182
    §2.4, which RFC 9394 §3.2 extends, and which RFC 4731 §3.2 has for MODSEQ.

    @param column: of the results, in their order.
    """
    if returns.all or "COUNT" in returns:
        return column
    places: set[int] = set()
    if "MIN" in returns:
        places.update(range(len(column))[:1])
    if "MAX" in returns:
        places.update(range(len(column))[-1:])
    if returns.partial is not None:
        places.update(returns.partial.select(range(len(column))))
    elif "MIN" not in returns and "MAX" not in returns:
        return column
    return [column[place] for place in sorted(places)]


async def compose_set(numbers: Sequence[int], breathe: Callable[[], Awaitable[None]]) -> bytes:
    """
    The shortest set that keeps the order of the numbers; empty when there are none.

    @param breathe: lets others have their turn.
    """
    ranges: list[tuple[int, int]] = []
    for start in range(0, len(numbers), _AT_ONCE):
        if start:
            await breathe()
        more = list(from_numbers(numbers[start : start + _AT_ONCE]).ranges)
        if ranges and more[0][0] == ranges[-1][1] + 1:
            more[0] = (ranges.pop()[0], more[0][1])
        ranges += more
    pieces = []
    for start in range(0, len(ranges), _AT_ONCE):
        if start:
            await breathe()
        pieces.append(SequenceSet(tuple(ranges[start : start + _AT_ONCE])).compose())
    return b",".join(pieces)
