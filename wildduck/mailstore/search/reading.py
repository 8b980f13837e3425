"""Reading the documents of a set of messages, and writing down what they say."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any

from twisted.internet.interfaces import IReactorTime

from wildduck.limits import BATCH_ROWS
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.search import masks
from wildduck.mailstore.search.decide import Verdict
from wildduck.mailstore.search.keys import Leaf
from wildduck.mailstore.search.known import Known
from wildduck.mailstore.values import Mailbox, Progress, unnoted

#: Seconds of work before others have their turn.
_AT_A_STRETCH = 0.005


class Turn:
    """Gives way to others now and then."""

    def __init__(self, clock: IReactorTime, breathe: Callable[[], Awaitable[None]]) -> None:
        """@param breathe: lets others have their turn; raises when nobody waits for the result any more."""
        self._clock = clock
        self._breathe = breathe
        self._since = clock.seconds()

    async def pause(self) -> None:
        """To be called often: it gives way when this search has worked for a while."""
        if self._clock.seconds() - self._since >= _AT_A_STRETCH:
            await self.give_way()

    async def give_way(self) -> None:
        await self._breathe()
        self._since = self._clock.seconds()


class Answers:
    """What documents say of some leaves."""

    def __init__(self, known: Known, leaves: Iterable[Leaf]) -> None:
        #: Of each leaf a byte for each message: 1 yes, 2 no, 0 not known.
        self._said = {leaf: bytearray(len(known.uids)) for leaf in leaves}

    def say(self, place: int, leaf: Leaf, matches: bool) -> None:
        """@param place: of the message in L{Known.uids}."""
        self._said[leaf][place] = 1 if matches else 2

    def deny(self, places: Iterable[int]) -> None:
        """None of the leaves matches these messages."""
        for place in places:
            for said in self._said.values():
                said[place] = 2

    def verdicts(self) -> dict[Leaf, Verdict]:
        return {
            leaf: Verdict(masks.of_truths(said.translate(_YES)), masks.of_truths(said.translate(_NO)))
            for leaf, said in self._said.items()
        }


_YES = bytes(int(byte == 1) for byte in range(256))
_NO = bytes(int(byte == 2) for byte in range(256))


class Reading:
    """
    One search's way to the documents.

    @ivar known: the messages.
    @ivar turn: of this search.
    @ivar mailbox: where the messages are.
    """

    def __init__(
        self, backend: Backend, mailbox: Mailbox, known: Known, turn: Turn, progress: Progress = unnoted
    ) -> None:
        self.backend = backend
        self.known = known
        self.turn = turn
        self.mailbox = mailbox
        self._progress = progress
        self._is_last = False
        self._noted = -1

    def begin(self, wanted: int, *, last: bool) -> None:
        """
        The next step reads these messages; the others are dealt with.

        @param last: after it, these are too.
        """
        self._is_last = last
        self._note(len(self.known.uids) - wanted.bit_count())

    def _note(self, done: int) -> None:
        """It never falls (RFC 9585 §4)."""
        if done > self._noted and self.known.uids:
            self._noted = done
            self._progress(done, len(self.known.uids))

    async def all_there(self, wanted: int) -> bool:
        """
        Whether no message of a set is gone, nor one between them: asked of an index.

        Then what L{documents} leaves out with C{matching} is there, and does not match.

        @return: C{False}, without asking, for a smaller part of the mailbox.
        """
        if wanted.bit_count() * 2 <= len(self.known.uids):
            return False
        uids = list(masks.pick(wanted, self.known.uids, len(self.known.uids)))
        return await self.backend.main.count("messages", self._range(uids)) == self._between(uids)

    async def documents(
        self,
        wanted: int,
        projection: Mapping[str, Any],
        batch_size: int,
        matching: Mapping[str, Any] | None = None,
        *,
        again: bool = False,
    ) -> AsyncIterator[list[tuple[int, dict[str, Any]]]]:
        """
        Documents in batches, each with its message's place in L{Known.uids},
        ascending; C{uid} is always there, what is gone is left out.

        @param wanted: the set of messages.
        @param batch_size: documents of one batch; two batches are held.
        @param matching: a filter; what it does not match is left out too.
        @param again: they are read within what is read of others.
        """
        fields = {"_id": False, **projection, "uid": True}
        count = len(self.known.uids)
        uids = list(masks.pick(wanted, self.known.uids, count))
        asked = dict(zip(uids, masks.pick(wanted, range(count), count), strict=True))
        for filter in self._filters(uids):
            batches = self.backend.main.batches(
                "messages",
                {**filter, **(matching or {})},
                projection=fields,
                sort=[("uid", 1)],
                batch_size=batch_size,
                prefetch=True,
            )
            async for batch in batches:
                some = self._with_places(batch, asked)
                if some:
                    yield some
                    if self._is_last and not again:
                        self._note(count - len(uids) + bisect_right(uids, self.known.uids[some[-1][0]]))
                await self.turn.give_way()

    def _filters(self, uids: list[int]) -> Iterable[dict[str, Any]]:
        if len(uids) * 2 > self._between(uids):
            # Most of those in between are wanted: a range is cheaper than a list.
            yield self._range(uids)
            return
        for start in range(0, len(uids), BATCH_ROWS):
            yield {"mailbox": self.mailbox.id, "uid": {"$in": uids[start : start + BATCH_ROWS]}}

    def _range(self, uids: list[int]) -> dict[str, Any]:
        return {"mailbox": self.mailbox.id, "uid": {"$gte": uids[0], "$lte": uids[-1]}}

    def _between(self, uids: list[int]) -> int:
        """Number of messages from the first to the last of these."""
        return self.known.place(uids[-1]) - self.known.place(uids[0]) + 1 if uids else 0

    @staticmethod
    def _with_places(
        batch: list[dict[str, Any]], asked: Mapping[Any, int]
    ) -> list[tuple[int, dict[str, Any]]]:
        return [(asked[one["uid"]], one) for one in batch if one.get("uid") in asked]
