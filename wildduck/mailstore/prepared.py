"""A message ready to be stored: its bytes and what was found in them."""

from __future__ import annotations

from wildduck.limits import KIB
from wildduck.mailstore.backend import Backend
from wildduck.mime.analysis import Analysis, Outline, complete, outline
from wildduck.mime.message import Message

#: Longer messages are analysed in a thread, and those of more parts, for it is
#: these that take long: 16 KiB can hold over a thousand.
THREAD_AT = 16 * KIB
_THREAD_AT_PARTS = 50


class Prepared:
    """
    @ivar message: the bytes, to be closed by whoever made them.
    @ivar outline: what has to be known before the message gets its place.
    """

    __slots__ = ("_analysis", "message", "outline")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.outline: Outline = outline(message)
        self._analysis: Analysis | None = None

    @property
    def analysis(self) -> Analysis:
        """
        The stored form and all that is derived from it.

        Found when it is asked for the first time, as long as the message is
        open: of a short message that is best done while the database is busy.
        """
        return self._analysis or self.complete()

    def complete(self) -> Analysis:
        """Find the rest now."""
        self._analysis = complete(self.message, self.outline)
        return self._analysis


async def prepare(backend: Backend, message: Message) -> Prepared:
    """
    Analyse a message, in a thread where it takes long.

    For another recipient of the same content give a copy with that recipient's
    header lines (L{Message.with_prefix}); what depends on the content alone is
    found once for all copies.

    @raise Overloaded: too many big messages wait already.
    """
    # The walk is of no more parts than can stand in so few bytes.
    if message.length > THREAD_AT or sum(1 for _ in message.root.walk()) > _THREAD_AT_PARTS:
        return await backend.mime_pool.run(_whole, message)
    return Prepared(message)


def _whole(message: Message) -> Prepared:
    prepared = Prepared(message)
    prepared.complete()
    return prepared
