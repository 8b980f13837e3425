"""What the index says of a search's texts."""

from __future__ import annotations

from collections.abc import Iterable

from bson import ObjectId

from wildduck.limits import TEXT_INDEX_WORTH
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.search import masks
from wildduck.mailstore.search.decide import Verdict
from wildduck.mailstore.search.keys import Body, Leaf, Text
from wildduck.mailstore.search.reading import Reading, Turn
from wildduck.mailstore.text_index.indexer import Indexer
from wildduck.mailstore.text_index.segment import Segment, Table
from wildduck.mailstore.text_index.segments import Segments
from wildduck.mailstore.text_index.words import Needle
from wildduck.mime.folded import fold


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

        @param leaves: those that are neither L{Body} nor L{Text} are passed over.
        @param open: the messages that are not decided yet; of others nothing need be said.
        """
        asked = [_Asked(leaf, needle) for leaf, needle in _needles(leaves)]
        if not self._enabled or not asked or open.bit_count() < TEXT_INDEX_WORTH:
            return {}
        known, turn = reading.known, reading.turn
        left = set(masks.pick(open, known.uids, len(known.uids)))
        covered: set[int] = set()
        async for segment in self._segments.of(reading.mailbox.id, left):
            left.difference_update(segment.unread)
            if left.isdisjoint(segment.uids):
                continue
            left.difference_update(segment.uids)
            covered.update(segment.uids)
            for one in asked:
                await one.look(segment, turn)
            await turn.pause()
        if len(left) >= TEXT_INDEX_WORTH:
            self.indexer.lacks(reading.mailbox.id)
        spoken_of = _mask(covered, known.uids)
        return {one.leaf: one.verdict(spoken_of, _mask(one.found, known.uids)) for one in asked}


def _needles(leaves: Iterable[Leaf]) -> Iterable[tuple[Body | Text, Needle]]:
    for leaf in leaves:
        if isinstance(leaf, (Body, Text)):
            needle = Needle.of(fold(leaf.text))
            if needle is not None:
                yield leaf, needle


def _mask(wanted: set[int], uids: Iterable[int]) -> int:
    return masks.of_truths(bytes(map(wanted.__contains__, uids)))


class _Asked:
    """
    One text that is looked for.

    @ivar found: UIDs of messages that match, or of those that may.
    """

    def __init__(self, leaf: Body | Text, needle: Needle) -> None:
        self.leaf = leaf
        self.found: set[int] = set()
        self._needle = needle

    async def look(self, segment: Segment, turn: Turn) -> None:
        count = len(segment.uids)
        tables = [segment.body, segment.head] if isinstance(self.leaf, Text) else [segment.body]
        left = (1 << count) - 1
        for pattern in self._needle.patterns:
            there = 0
            for table in tables:
                there |= await _find(table, pattern, count, turn)
            left &= there
            if not left:
                return
        self.found.update(masks.pick(left, segment.uids, count))

    def verdict(self, spoken_of: int, found: int) -> Verdict:
        """
        @param spoken_of: messages that were looked at.
        @param found: the mask of C{self.found}.
        """
        return Verdict(found if self._needle.is_word else 0, spoken_of & ~found)


async def _find(table: Table, pattern: bytes, count: int, turn: Turn) -> int:
    found = 0
    for so_far in table.find(pattern, count):
        found = so_far
        await turn.pause()
    return found
