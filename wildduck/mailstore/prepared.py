"""A message ready to be stored: its bytes and what was found in them."""

from __future__ import annotations

from dataclasses import dataclass

from wildduck.limits import KIB
from wildduck.mailstore.backend import Backend
from wildduck.mime.analysis import Analysis, analyse
from wildduck.mime.message import Message

#: Longer messages are analysed in a thread.  It is not their bytes that take
#: long but their parts: 16 KiB can hold some hundred, which is 50 ms of work.
THREAD_AT = 16 * KIB


@dataclass(frozen=True, slots=True)
class Prepared:
    """
    @ivar message: the bytes, to be closed by whoever made them.
    @ivar analysis: the stored form and all that is derived from it.
    """

    message: Message
    analysis: Analysis


async def prepare(backend: Backend, message: Message) -> Prepared:
    """
    Analyse a message, in a thread where it takes long.

    For another recipient of the same content give a copy with that recipient's
    header lines (L{Message.with_prefix}); what depends on the content alone is
    found once for all copies.

    @raise Overloaded: too many big messages wait already.
    """
    if message.length > THREAD_AT:
        return Prepared(message, await backend.mime_pool.run(analyse, message))
    return Prepared(message, analyse(message))
