"""What the index says of a search's texts and fields."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from bson import ObjectId

from wildduck.limits import TEXT_INDEX_WORTH
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.search import masks
from wildduck.mailstore.search.decide import Verdict
from wildduck.mailstore.search.keys import Body, Field, Leaf, Text
from wildduck.mailstore.search.reading import Reading, Turn
from wildduck.mailstore.text_index.indexer import Indexer
from wildduck.mailstore.text_index.placing import Placing
from wildduck.mailstore.text_index.segment import Segment, Table
from wildduck.mailstore.text_index.segments import Names, Segments
from wildduck.mailstore.text_index.words import BODY, FIELDS, HEAD, SHOWN, Needle
from wildduck.mime.folded import fold

#: Read together: where TEXT is looked for, BODY mostly is too.
_WORDS = (BODY, HEAD)
#: By field: its values, then what is shown of it besides.
_VALUES = {name.encode("ascii"): (name, SHOWN[name]) if name in SHOWN else (name,) for name in FIELDS}


class TextIndex:
    """
    The index as the rest of the mail store sees it; one for each worker.

    Where C{storage.text_index} is off nothing is written and nothing asked.
    """

    def __init__(self, backend: Backend) -> None:
        self._enabled = backend.settings.storage.text_index
        self._segments = Segments(backend)
        self.indexer = Indexer(backend, self._segments)

    def note(self, mailbox: ObjectId, count: int) -> None:
        """So many messages have come into a mailbox."""
        if self._enabled:
            self.indexer.note(mailbox, count)

    async def answer(self, reading: Reading, leaves: Iterable[Leaf], open: int) -> dict[Leaf, Verdict]:
        """
        What is known without reading any message.

        @param leaves: each a L{Field}, L{Body} or L{Text}.
        @param open: the messages that are not decided yet; of others nothing need be said.
        """
        if not self._enabled or open.bit_count() < TEXT_INDEX_WORTH:
            return {}
        verdicts: dict[Leaf, Verdict] = {}
        for names, asked in _by_names(leaves).items():
            spoken_of = await self._ask(reading, names, asked, open)
            verdicts.update((one.leaf, one.verdict(spoken_of)) for one in asked)
        return verdicts

    async def _ask(self, reading: Reading, names: Names, asked: list[_Asked], open: int) -> int:
        """
        Look for what is asked in those segments that matter.

        @param names: of the tables that are read.
        @return: the set of messages of which these speak.
        """
        mailbox, uids = reading.mailbox.id, reading.known.uids
        spoken_of = 0
        left = open

        async def look(segment: Segment) -> None:
            nonlocal spoken_of, left
            if segment.unread:
                left &= ~masks.of_uids(uids, segment.unread)
            placing = Placing(uids, segment.uids)
            if not left & placing.covered:
                return
            left &= ~placing.covered
            spoken_of |= placing.covered
            for one in asked:
                one.found |= placing.mask(await one.look(segment, reading.turn))
            await reading.turn.pause()

        at_hand = self._segments.at_hand(mailbox, names)
        for segment in at_hand:
            await look(segment)
        if left.bit_count() >= TEXT_INDEX_WORTH:
            first = next(masks.pick(left, uids, len(uids)))
            async for segment in self._segments.others(mailbox, names, at_hand, first):
                await look(segment)
        if left.bit_count() >= TEXT_INDEX_WORTH:
            self.indexer.lacks(mailbox)
        return spoken_of


class _Asked:
    """
    One text that is looked for.

    @ivar found: messages that match, or those that may.
    """

    def __init__(self, leaf: Leaf, tables: Names, needle: Needle) -> None:
        """@param tables: that are looked at."""
        self.leaf = leaf
        self.found = 0
        self._tables = tables
        self._needle = needle

    async def look(self, segment: Segment, turn: Turn) -> int:
        """@return: the set of the segment's messages that match, or may."""
        count = len(segment.uids)
        left = (1 << count) - 1
        for pattern in self._needle.patterns:
            there = 0
            for name in self._tables:
                there |= await _find(segment.tables[name], pattern, count, turn)
            left &= there
            if not left:
                break
        return left

    def verdict(self, spoken_of: int) -> Verdict:
        """@param spoken_of: messages that were looked at."""
        return Verdict(self.found if self._needle.is_exact else 0, spoken_of & ~self.found)


def _by_names(leaves: Iterable[Leaf]) -> dict[Names, list[_Asked]]:
    """What words and values can tell, by the tables that are read for it."""
    found: defaultdict[Names, list[_Asked]] = defaultdict(list)
    for leaf in leaves:
        assert isinstance(leaf, (Field, Body, Text))
        text = fold(leaf.text)
        names, tables, needle = _needle(leaf, text)
        if needle is not None:
            found[names].append(_Asked(leaf, tables, needle))
    return found


def _needle(leaf: Field | Body | Text, text: str) -> tuple[Names, Names, Needle | None]:
    """
    @param text: that of the leaf, folded.
    @return: the tables that are read, and of these the ones that are looked at for what.
    """
    if isinstance(leaf, Body):
        return _WORDS, (BODY,), Needle.of(text)
    if isinstance(leaf, Text):
        return _WORDS, _WORDS, Needle.of(text)
    values = _VALUES.get(leaf.name.lower())
    if values is not None and text:
        return values, values if leaf.shown else values[:1], Needle.in_value(text)
    return (HEAD,), (HEAD,), Needle.in_line(leaf.name, text)


async def _find(table: Table, pattern: bytes, count: int, turn: Turn) -> int:
    found = 0
    for so_far in table.find(pattern, count):
        found = so_far
        await turn.pause()
    return found
