"""A message ready to be stored: its bytes and what was found in them."""

from __future__ import annotations

from wildduck.limits import KIB
from wildduck.mailstore.backend import Backend
from wildduck.mime.analysis import Analysis, Outline, complete, outline
from wildduck.mime.message import Message

#: Longer messages are analysed in a thread.  It is not their bytes that take
#: long but their parts: 16 KiB can hold some hundred, which is 50 ms of work.
THREAD_AT = 16 * KIB


class Prepared:
    """
    What is found is found when it is asked for the first time, as long as the
    message is open: in a short message that is best done while the database is busy.

    @ivar message: the bytes, to be closed by whoever made them.
    """

    __slots__ = ("_analysis", "_outline", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self._outline: Outline | None = None
        self._analysis: Analysis | None = None

    @property
    def outline(self) -> Outline:
        """What has to be known before storage is asked for."""
        if self._outline is None:
            self._outline = outline(self.message)
        return self._outline

    @property
    def analysis(self) -> Analysis:
        """The stored form and all that is derived from it."""
        if self._analysis is None:
            self._analysis = complete(self.message, self.outline)
        return self._analysis


async def prepare(backend: Backend, message: Message) -> Prepared:
    """
    Analyse a message: a short one when it is asked for, another now, in a thread.

    For another recipient of the same content give a copy with that recipient's
    header lines (L{Message.with_prefix}); what depends on the content alone is
    found once for all copies.

    @raise Overloaded: too many big messages wait already.
    """
    if message.length > THREAD_AT:
        return await backend.mime_pool.run(_whole, message)
    return Prepared(message)


def _whole(message: Message) -> Prepared:
    prepared = Prepared(message)
    assert prepared.analysis
    return prepared
