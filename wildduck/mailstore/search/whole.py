"""Reading whole messages, for those that their tree alone does not answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any

from twisted.logger import Logger

from wildduck.errors import ContentUnreadable
from wildduck.limits import SKELETON_READ_BYTES
from wildduck.mailstore.content import CONTENT_FIELDS, Content
from wildduck.mailstore.search import masks
from wildduck.mailstore.search.reading import Reading

#: What reading a document raises that is not of the form it should have (another
#: program wrote it), besides what is missing.
UNREADABLE = (ContentUnreadable, AttributeError, LookupError, TypeError, ValueError)
_BATCH = 10
#: Bytes of one header that are looked at.
_HEADER = SKELETON_READ_BYTES


class Whole:
    """
    Whole messages of one search.

    One that can not be read is logged, once, and never decided: it is found only
    where the rest of what is asked suffices.
    """

    _log = Logger()

    def __init__(self, reading: Reading, open: Callable[[Mapping[str, Any]], Awaitable[Content]]) -> None:
        """@param open: gives the content of a document that has L{CONTENT_FIELDS}."""
        self._reading = reading
        self._open = open
        self._unreadable: set[int] = set()

    async def contents(self, places: Iterable[int]) -> AsyncIterator[tuple[int, Content]]:
        """
        @param places: of the messages, in L{Known.uids}.
        @return: iterates over places and contents of those that are there, ascending.
        """
        wanted = bytearray(len(self._reading.known.uids))
        for place in places:
            wanted[place] = place not in self._unreadable
        if not any(wanted):
            return
        batches = self._reading.documents(masks.of_truths(wanted), CONTENT_FIELDS, _BATCH, again=True)
        async for batch in batches:
            for place, document in batch:
                try:
                    content = await self._open(document)
                except UNREADABLE as error:
                    self.unreadable(place, error)
                    continue
                yield place, content
                await self._reading.turn.pause()

    def unreadable(self, place: int, error: Exception) -> None:
        """
        A message can not be read as far as is needed.

        @param place: in L{Known.uids}.
        @param error: of L{UNREADABLE}.
        """
        self._unreadable.add(place)
        self._log.error(
            "message {uid} of mailbox {mailbox} can not be searched: {kind}: {error}",
            uid=self._reading.known.uids[place],
            mailbox=str(self._reading.mailbox.id),
            kind=type(error).__name__,
            error=error,
        )

    @staticmethod
    async def header(content: Content, place: tuple[int, int] | None = None) -> bytes:
        """
        A header, or as much of it as is looked at.

        @param place: where it lies; the message's own, if not given.
        @raise ContentUnreadable: a part of it is missing.
        """
        start, end = place or content.rope.section((), "HEADER") or (0, 0)
        return await content.read(start, min(end, start + _HEADER))
