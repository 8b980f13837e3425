"""BINARY, BINARY.PEEK and BINARY.SIZE: parts without their transfer encoding (RFC 3516, RFC 9051 §6.4.5)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from wildduck.errors import CannotDo
from wildduck.imap.commands import parts
from wildduck.imap.commands.enclosed import Enclosed
from wildduck.imap.grammar.fetch import Binary, BinarySize
from wildduck.imap.grammar.strings import LiteralStart, compose_literal
from wildduck.mailstore.content import Content
from wildduck.mailstore.decoded import Decoded
from wildduck.mime.enclosed import is_enclosed

_EMPTY = b'""'
#: The only encodings that multiparts and messages may have (RFC 2045 §6.4).
_IDENTITIES = frozenset(("7bit", "8bit", "binary"))


@dataclass(frozen=True, slots=True)
class StreamedDecoded:
    """
    A literal whose bytes are decoded while they are sent.

    @ivar announcement: with C{~} where there is a NUL in them.
    """

    announcement: bytes
    _decoded: Decoded
    _first: int
    _length: int

    async def prepare(self) -> None:
        """All of it was read when it was measured."""

    def blocks(self) -> AsyncIterator[bytes]:
        """As of L{Decoded.blocks}."""
        return self._decoded.blocks(self._first, self._length)


async def value(item: Binary | BinarySize, decoded: Decoded | None) -> bytes | StreamedDecoded:
    """
    @param decoded: the part; C{None}: there is none.
    @raise ContentUnreadable: something of it is missing.
    """
    if isinstance(item, BinarySize):
        return b"%d" % (0 if decoded is None else await decoded.length())
    if decoded is None:
        return b"NIL"
    first, most = item.partial or (0, None)
    measured = await decoded.measure(first, most)
    if not measured.length:
        return _EMPTY
    if measured.data is not None:
        return compose_literal(measured.data)
    start = LiteralStart(measured.length, binary=measured.has_nul)
    return StreamedDecoded(start.compose(), decoded, first, measured.length)


def of_part(content: Content, alone: parts.Alone) -> Decoded:
    """
    @param content: of the document of C{alone}.
    @raise UnknownEncoding: see L{Decoded}.
    """
    return Decoded(content, *alone.place(content.rope), alone.encoding)


async def of_whole(
    content: Content, path: tuple[int, ...], *, leaves_only: bool, inside: Enclosed | None = None
) -> Decoded | None:
    """
    A multipart or a message is given as it is: its own encoding is none, and
    those of its parts are not undone.

    @param content: the exact bytes of the whole message.
    @param path: as of L{Binary}.
    @param leaves_only: as RFC 9051 §6.4.5 has it; RFC 3516 and RFC 5524 do not say so.
    @param inside: of this content, for a session to which message/global is a message.
    @return: C{None} when there is no such part.
    @raise UnknownEncoding: see L{Decoded}.
    @raise CannotDo: the part is a multipart or a message, and that is not wanted,
        or it has an encoding that it must not have.
    """
    if not path:
        # A message as a whole has no encoding: what its parts have is not this one's.
        return Decoded(content, 0, content.length, "binary")
    node = content.rope.node(path)
    if node is None and inside is not None:
        node = await inside.node(path)
    if node is None:
        return None
    if leaves_only and inside is not None and is_enclosed(node):
        raise CannotDo("A message within the message has no transfer encoding")
    if node.is_composite or node.message is not None:
        if leaves_only or parts.encoding(node.tree).strip().lower() not in _IDENTITIES:
            raise CannotDo("A part that has parts of its own has no transfer encoding")
        return Decoded(content, node.body_start, node.body_end, "binary")
    return Decoded(content, node.body_start, node.body_end, parts.encoding(node.tree))
