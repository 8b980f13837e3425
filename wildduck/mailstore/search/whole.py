"""Reading whole messages, for those that their tree alone does not answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
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

    async def contents(self, uids: Sequence[int]) -> AsyncIterator[tuple[int, Content]]:
        """
        @param uids: of the messages, ascending.
        @return: iterates over UIDs and contents of those that are there.
        """
        left = [uid for uid in uids if uid not in self._unreadable]
        if not left:
            return
        wanted = masks.of_uids(self._reading.known.uids, left)
        async for batch in self._reading.documents(wanted, CONTENT_FIELDS, _BATCH):
            for document in batch:
                try:
                    content = await self._open(document)
                except UNREADABLE as error:
                    self.unreadable(document["uid"], error)
                    continue
                yield document["uid"], content
                await self._reading.turn.pause()

    def unreadable(self, uid: int, error: Exception) -> None:
        """
        A message can not be read as far as is needed.

        @param error: of L{UNREADABLE}.
        """
        self._unreadable.add(uid)
        self._log.error(
            "message {uid} of mailbox {mailbox} can not be searched: {kind}: {error}",
            uid=uid,
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
