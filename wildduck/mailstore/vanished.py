"""
What has gone of a mailbox since a client knew it (RFC 7162 §3.2.5, §3.2.6).

Nothing is kept of messages that are gone but the journal's entries of three
hours.  So a client is told which UIDs of those that it knows are not there (store.md
§2): all that are gone, and perhaps some that it knew to be gone.  How many of
the latter is narrowed down by the journal, where it still holds everything since
then, and by what the client remembers of sequence numbers.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice

from bson import ObjectId

from wildduck.limits import VANISHED_MODSEQS
from wildduck.mailstore.backend import Backend, milliseconds
from wildduck.mailstore.index import JOURNAL_TRUSTED_SECONDS
from wildduck.mailstore.low_water import WITHOUT_MODSEQ
from wildduck.mailstore.values import number
from wildduck.mailstore.view import View

#: (first, last), both included.
Range = tuple[int, int]

#: Ranges that are given at once.
_RANGES = 1000

_ENTRY = {"_id": False, "command": True, "uid": True, "modseq": True, "created": True}


async def told(
    backend: Backend, view: View, known: Sequence[Range], modseq: int, after: int = 0
) -> AsyncIterator[list[Range]]:
    """
    What is gone of the UIDs that a client knew (RFC 7162 §3.2.6), ascending.

    @param known: what the client asks for, ascending.
    @param modseq: what was gone up to it needs no telling, where that is known.
    @param after: what was gone up to this UID needs no telling.
    @return: ranges, some at a time.
    """
    gone = await expunged_since(backend, view.mailbox.id, modseq, view.highest_modseq)
    ranges = known if gone is None else list(common(known, runs(gone)))
    # Copies, for the client may be told of more while others have their turn.
    found = missing(view.uids[:], ranges, after + 1, view.uid_next)
    while some := list(islice(found, _RANGES)):
        yield some
        if len(some) < _RANGES:
            return
        await backend.breathe()


def missing(uids: array[int], ranges: Iterable[Range], first: int, end: int) -> Iterator[Range]:
    """
    What of some ranges is not among UIDs.

    @param uids: ascending.
    @param ranges: ascending.
    @param first: nothing below it.
    @param end: nothing from it on.
    """
    for low, last in ranges:
        low, last = max(low, first), min(last, end - 1)
        place = bisect_left(uids, low)
        while low <= last:
            if place == len(uids) or uids[place] > last:
                yield low, last
                break
            if uids[place] > low:
                yield low, uids[place] - 1
            place = _end_of_run(uids, place)
            low = uids[place - 1] + 1


def _end_of_run(uids: Sequence[int], place: int) -> int:
    """The position behind the UIDs that follow each other without a gap from a position on."""
    if place + 1 == len(uids) or uids[place + 1] != uids[place] + 1:
        return place + 1
    # What is between UIDs and positions grows at each gap.
    return bisect_right(range(len(uids)), uids[place] - place, place, key=lambda at: uids[at] - at)


def last_match(uids: Sequence[int], numbers: Iterable[Range], known: Iterable[Range]) -> int:
    """
    The highest UID whose sequence number a client remembers rightly: nothing is
    gone up to it that the client does not know to be gone (RFC 7162 §3.2.5.2).

    @param uids: by sequence number less one, ascending.
    @param numbers: sequence numbers, ascending.
    @param known: UIDs of the same messages, as many.
    @return: 0 when there is none.
    """
    matched = 0
    for number_, uid, count in _side_by_side(list(numbers), list(known)):
        start, stop = number_ - 1, min(number_ - 1 + count, len(uids))
        if start >= stop:
            break
        # In a run the difference of UID and position is the same; in the mailbox it only grows.
        difference = uid - start
        place = bisect_right(range(stop), difference, start, key=lambda at: uids[at] - at) - 1
        if place >= start and uids[place] - place == difference:
            matched = uids[place]
    return matched


def _side_by_side(numbers: list[Range], known: list[Range]) -> Iterator[tuple[int, int, int]]:
    """Pairs of ranges of the same length: (first number, first UID, how many)."""
    left, right = iter(numbers), iter(known)
    number_, last_number = next(left)
    uid, last_uid = next(right)
    while True:
        count = min(last_number - number_, last_uid - uid) + 1
        yield number_, uid, count
        number_, uid = number_ + count, uid + count
        if number_ > last_number:
            following = next(left, None)
            if following is None:
                return
            number_, last_number = following
        if uid > last_uid:
            uid, last_uid = next(right)


async def expunged_since(backend: Backend, mailbox: ObjectId, modseq: int, upto: int) -> list[int] | None:
    """
    UIDs of what was expunged after a MODSEQ, as far as one can be sure.

    The journal is believed when it has an entry for each MODSEQ in between and
    none of them is about to expire: a writer that died between removing a message
    and its entry has left a hole.

    @param upto: the low-water mark: everything up to it is there.
    @return: ascending; C{None} when the journal does not tell.
    """
    if modseq >= upto:
        return []
    if upto - modseq > VANISHED_MODSEQS:
        return None
    seen: set[int] = set()
    gone: set[int] = set()
    oldest = (backend.clock.seconds() - JOURNAL_TRUSTED_SECONDS) * 1000
    filter = {"mailbox": mailbox, "modseq": {"$gt": modseq, "$lte": upto}}
    async for batch in backend.main.batches("journal", filter, projection=_ENTRY, slow=False):
        for entry in batch:
            created = entry.get("created")
            if not isinstance(created, datetime) or milliseconds(created) < oldest:
                return None
            if entry.get("command") not in WITHOUT_MODSEQ:
                seen.add(number(entry.get("modseq")))
            if entry.get("command") == "EXPUNGE":
                gone.add(number(entry.get("uid")))
    return sorted(gone) if len(seen) == upto - modseq else None


def runs(uids: Iterable[int]) -> Iterator[Range]:
    """Ascending UIDs as ranges."""
    first = last = 0
    for uid in uids:
        if uid != last + 1 or not first:
            if first:
                yield first, last
            first = uid
        last = uid
    if first:
        yield first, last


def common(ranges: Iterable[Range], others: Iterable[Range]) -> Iterator[Range]:
    """What is in both; both are ascending."""
    left, right = iter(ranges), iter(others)
    one, other = next(left, None), next(right, None)
    while one is not None and other is not None:
        first, last = max(one[0], other[0]), min(one[1], other[1])
        if first <= last:
            yield first, last
        if one[1] < other[1]:
            one = next(left, None)
        else:
            other = next(right, None)
