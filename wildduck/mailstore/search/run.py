"""One search from the first step to the last."""

from __future__ import annotations

from array import array
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wildduck.mailstore.backend import Backend
from wildduck.mailstore.content import Content
from wildduck.mailstore.search import facts, fields, masks, texts
from wildduck.mailstore.search.decide import UNKNOWN, Verdict, decide, leaves
from wildduck.mailstore.search.keys import Key, Leaf
from wildduck.mailstore.search.known import Known
from wildduck.mailstore.search.reading import Reading, Turn
from wildduck.mailstore.search.whole import Whole
from wildduck.mailstore.view import View

if TYPE_CHECKING:
    from wildduck.mailstore.text_index import TextIndex


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


class Search:
    """Searches mailboxes that are open."""

    def __init__(self, backend: Backend, text_index: TextIndex) -> None:
        self._backend = backend
        self._text_index = text_index

    async def run(
        self,
        view: View,
        key: Key,
        breathe: Callable[[], Awaitable[None]],
    ) -> Found:
        """
        Messages that the view knows and that match; one that is gone meanwhile,
        or whose text can not be read, is not among those that depend on it.

        @param breathe: called now and then, see L{Turn}.
        @raise Overloaded: too many long messages wait for a thread already.
        """
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
        if rest:
            reading = Reading(self._backend, view.mailbox, known, turn)
            await self._read(reading, key, rest, verdicts)
        yes = decide(key, verdicts, known.every).yes
        count = len(known.uids)
        return Found(
            array("I", masks.pick(yes, known.uids, count)),
            array("I", masks.pick(yes, known.seqs, count)),
            array("Q", masks.pick(yes, known.modseqs, count)),
        )

    async def _read(
        self, reading: Reading, key: Key, rest: list[Leaf], verdicts: dict[Leaf, Verdict]
    ) -> None:
        """The steps that ask the database, each of it what the ones before left open."""
        whole = Whole(reading, self._content)

        def step(kinds: frozenset[type]) -> tuple[list[Leaf], int]:
            found = decide(key, verdicts, reading.known.every)
            wanted = [leaf for leaf in rest if type(leaf) in kinds]
            return wanted, reading.known.every & ~(found.yes | found.no) if wanted else 0

        wanted, open = step(facts.KINDS)
        if open:
            verdicts.update(await facts.answer(reading, wanted, open))
        wanted, open = step(texts.KINDS)
        if open:
            verdicts.update(await self._text_index.answer(reading, wanted, open))
        wanted, open = step(fields.KINDS)
        if open:
            verdicts.update(await fields.answer(reading, wanted, open, whole))
        wanted, open = step(texts.KINDS)
        if open:
            for leaf, found in (await texts.answer(reading, wanted, open, whole)).items():
                # Of the others the index has told.
                before = verdicts.get(leaf, UNKNOWN)
                verdicts[leaf] = Verdict(before.yes | found.yes, before.no | found.no)

    async def _content(self, document: Mapping[str, Any]) -> Content:
        return await Content.of(self._backend.gridfs, document, self._backend.mime_pool, exact=True)
