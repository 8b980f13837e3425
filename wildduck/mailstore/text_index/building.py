"""Segments made of messages, and of other segments."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Container, Iterable, Sequence

from wildduck.limits import TEXT_INDEX_SEGMENT
from wildduck.mailstore.text_index.segment import Segment, Table
from wildduck.mailstore.text_index.words import TABLES, Words

#: Messages that one is made of at first: what is held in memory meanwhile.
_FIRST = 512
#: Bytes of a word besides its characters, and of one of its messages.
_OF_WORD = 7
_OF_PLACE = 2
#: Small segments that are made one.
_AT_ONCE = 8


class Builder:
    """Messages on their way into a segment."""

    def __init__(self) -> None:
        self._uids: list[int] = []
        self._unread: list[int] = []
        self._tables: dict[str, defaultdict[bytes, list[int]]] = {name: defaultdict(list) for name in TABLES}
        self._size = 0

    def __len__(self) -> int:
        return len(self._uids) + len(self._unread)

    @property
    def is_full(self) -> bool:
        return len(self) >= _FIRST or self._size >= TEXT_INDEX_SEGMENT // 4

    def add(self, uid: int, words: Words) -> None:
        """@param uid: greater than those before."""
        place = len(self._uids)
        self._uids.append(uid)
        count = 0
        for name, some in words.tables():
            table = self._tables[name]
            for word in some:
                table[word].append(place)
            count += len(some)
        # As if nobody else had any of these words.
        self._size += words.size + (_OF_WORD + _OF_PLACE) * count

    def add_unread(self, uid: int) -> None:
        """Its words are not kept: it is always read."""
        self._unread.append(uid)

    def segment(self) -> Segment:
        count = len(self._uids)
        return Segment(
            array("I", self._uids),
            array("I", self._unread),
            {name: Table.of(table, count) for name, table in self._tables.items()},
        )


def merged(segments: Sequence[Segment], without: Container[int] = ()) -> Segment:
    """
    One segment instead of several.

    @param without: UIDs of messages that are left out.
    """
    owners: dict[int, int] = {}
    for number, segment in enumerate(segments):
        for uid in segment.uids:
            if uid not in without:
                owners.setdefault(uid, number)
    uids = array("I", sorted(owners))
    places = {uid: place for place, uid in enumerate(uids)}
    # Where a message of each segment comes to stand, -1 for nowhere.
    moved = [
        [places[uid] if owners.get(uid) == number else -1 for uid in segment.uids]
        for number, segment in enumerate(segments)
    ]
    unread = {uid for segment in segments for uid in segment.unread if uid not in without}
    return Segment(
        uids,
        array("I", sorted(unread - owners.keys())),
        {name: _merged([segment.tables[name] for segment in segments], moved, len(uids)) for name in TABLES},
    )


def _merged(tables: Iterable[Table], moved: Iterable[list[int]], count: int) -> Table:
    found: defaultdict[bytes, list[int]] = defaultdict(list)
    for table, places in zip(tables, moved, strict=True):
        for word, those in table.items(len(places)):
            kept = [place for old in those if (place := places[old]) >= 0]
            if kept:
                found[word] += kept
    return Table.of(found, count)


def to_merge(sizes: Sequence[tuple[int, int]]) -> list[int]:
    """
    Which segments of a mailbox had better be one.

    Small ones, eight at a time, until they have some hundred messages: those of a mailbox
    into which mail trickles.  Larger ones would save a quarter of the space, and
    cost each message as much again as making its first one.

    @param sizes: of each, its messages and bytes.
    @return: their numbers; none when they can stay as they are.
    """
    small = sorted(
        (messages, number)
        for number, (messages, size) in enumerate(sizes)
        if messages < _FIRST and size < TEXT_INDEX_SEGMENT // _AT_ONCE
    )
    return [number for _, number in small[:_AT_ONCE]] if len(small) >= _AT_ONCE else []
