"""One search from the first step to the last."""

from __future__ import annotations

from array import array
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from wildduck.mailstore.backend import Backend
from wildduck.mailstore.content import Content
from wildduck.mailstore.search import facts, fields, masks, sorting, texts, threading
from wildduck.mailstore.search.decide import UNKNOWN, Verdict, decide, leaves
from wildduck.mailstore.search.keys import Key, Leaf
from wildduck.mailstore.search.known import Known
from wildduck.mailstore.search.reading import Reading, Turn
from wildduck.mailstore.search.trees import Tree
from wildduck.mailstore.search.whole import Whole
from wildduck.mailstore.values import Progress, unnoted
from wildduck.mailstore.view import View

if TYPE_CHECKING:
    from wildduck.mailstore.text_index import TextIndex

Breathe: TypeAlias = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Found:
    """
    @ivar uids: of the messages that match, ascending.
    @ivar seqs: their sequence numbers in the view, in the same order.
    @ivar modseqs: their MODSEQs, likewise.
    """

    uids: array[int]
    seqs: array[int]
    modseqs: array[int]


@dataclass(frozen=True, slots=True)
class Ordered:
    """
    @ivar found: in the order asked for.
    @ivar values: by what each message was sorted, in the same order
        (L{wildduck.mailstore.search.sorting.Sorted}).
    """

    found: Found
    values: list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Threads:
    """
    @ivar trees: of numbers, which are places in C{uids} and C{seqs}.
    @ivar uids: of all messages that were searched.
    @ivar seqs: their sequence numbers.
    """

    trees: list[Tree]
    uids: Sequence[int]
    seqs: Sequence[int]


class Search:
    """
    Searches mailboxes that are open, among the messages that a view knows.

    One that is gone before it was read, or whose text can not be read, is not found
    where that matters.  Everywhere C{breathe} is called now and then (see L{Turn}),
    C{progress} is told of messages (see L{Reading}), and
    Overloaded is raised when too much other work waits for a thread already.
    """

    def __init__(self, backend: Backend, text_index: TextIndex) -> None:
        self._backend = backend
        self._text_index = text_index

    async def run(self, view: View, key: Key, breathe: Breathe, progress: Progress = unnoted) -> Found:
        """Messages that match, in the order of the mailbox."""
        reading, found = await self._matching(view, key, breathe, progress)
        known, count = reading.known, len(reading.known.uids)
        return Found(
            array("I", masks.pick(found, known.uids, count)),
            array("I", masks.pick(found, known.seqs, count)),
            array("Q", masks.pick(found, known.modseqs, count)),
        )

    async def sort(
        self,
        view: View,
        key: Key,
        criteria: Sequence[sorting.Criterion],
        breathe: Breathe,
        progress: Progress = unnoted,
    ) -> Ordered:
        """
        Messages that match, sorted.

        @param criteria: the most important first.
        """
        reading, found = await self._matching(view, key, breathe, progress)
        reading.begin(found, last=True)
        result = await sorting.sort(reading, found, criteria)
        return Ordered(_found(reading.known, result.places), result.values)

    async def thread(
        self, view: View, key: Key, algorithm: str, breathe: Breathe, progress: Progress = unnoted
    ) -> Threads:
        """
        Conversations of the messages that match.

        @param algorithm: of L{threading.ALGORITHMS}.
        """
        reading, found = await self._matching(view, key, breathe, progress)
        reading.begin(found, last=True)
        trees = await threading.thread(reading, found, algorithm)
        return Threads(trees, reading.known.uids, reading.known.seqs)

    async def _matching(
        self, view: View, key: Key, breathe: Breathe, progress: Progress
    ) -> tuple[Reading, int]:
        """@return: how what is known now is read on, and the set of messages that match."""
        turn = Turn(self._backend.clock, breathe)
        known = Known(view, self._backend.clock.seconds())
        verdicts: dict[Leaf, Verdict] = {}
        rest: list[Leaf] = []
        for leaf in dict.fromkeys(leaves(key)):
            verdict = known.answer(leaf)
            if verdict is None:
                rest.append(leaf)
            else:
                verdicts[leaf] = verdict
            await turn.pause()
        reading = Reading(self._backend, view.mailbox, known, turn, progress)
        if rest:
            await self._read(reading, key, rest, verdicts)
        return reading, decide(key, verdicts, known.every).yes

    async def _read(
        self, reading: Reading, key: Key, rest: list[Leaf], verdicts: dict[Leaf, Verdict]
    ) -> None:
        """The steps that ask the database, each of it what the ones before left open."""
        whole = Whole(reading, self._content)
        every = reading.known.every
        steps = (facts.KINDS, fields.KINDS, texts.KINDS)
        last = next(kinds for kinds in reversed(steps) if any(type(leaf) in kinds for leaf in rest))

        def step(kinds: frozenset[type]) -> tuple[list[Leaf], int]:
            """Leaves that are not known of all messages that are open, and these."""
            open = _unknown(decide(key, verdicts, every), every)
            wanted = [leaf for leaf in rest if type(leaf) in kinds]
            wanted = [leaf for leaf in wanted if _unknown(verdicts.get(leaf, UNKNOWN), open)]
            if wanted:
                reading.begin(open, last=kinds is last)
            return wanted, open

        def learn(found: Mapping[Leaf, Verdict]) -> None:
            for leaf, verdict in found.items():
                before = verdicts.get(leaf, UNKNOWN)
                verdicts[leaf] = Verdict(before.yes | verdict.yes, before.no | verdict.no)

        wanted, open = step(facts.KINDS)
        if wanted:
            learn(await facts.answer(reading, wanted, open))
        wanted, open = step(fields.KINDS | texts.KINDS)
        if wanted:
            learn(await self._text_index.answer(reading, wanted, open))
        wanted, open = step(fields.KINDS)
        if wanted:
            learn(await fields.answer(reading, wanted, open, whole))
        wanted, open = step(texts.KINDS)
        if wanted:
            learn(await texts.answer(reading, wanted, open, whole))

    async def _content(self, document: Mapping[str, Any]) -> Content:
        return await Content.of(self._backend.gridfs, document, self._backend.mime_pool, exact=True)


def _unknown(verdict: Verdict, of: int) -> int:
    """Those of a set of messages of which a verdict does not speak."""
    return of & ~(verdict.yes | verdict.no)


def _found(known: Known, places: Sequence[int]) -> Found:
    return Found(
        array("I", [known.uids[place] for place in places]),
        array("I", [known.seqs[place] for place in places]),
        array("Q", [known.modseqs[place] for place in places]),
    )
