"""
The body of a part without its transfer encoding (RFC 3516, RFC 9051 §6.4.5).

How long it is, and whether there are NULs in it, must be known before any of it
is sent.  So it is read twice, piece by piece, if it is long; a stored body that is
kept decoded is read in the range that is wanted alone, and to its first NUL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from wildduck.errors import ContentUnreadable, UnknownEncoding
from wildduck.limits import KIB
from wildduck.mailstore.content import Content, StoredDecoded
from wildduck.mime.transfer import decoder, is_known

#: A shorter range is kept when it is measured, and not read again.
_KEPT = 64 * KIB
#: Encoded bytes that are decoded at a stretch.
_AT_ONCE = 64 * KIB


@dataclass(frozen=True, slots=True)
class Measured:
    """
    A range of decoded bytes.

    @ivar length: bytes in it.
    @ivar has_nul: there is a NUL among them.
    @ivar data: all of them, if they are few, else C{None}.
    """

    length: int
    has_nul: bool
    data: bytes | None


class Decoded:
    """A range of a message's content, decoded."""

    def __init__(self, content: Content, start: int, end: int, encoding: str) -> None:
        """
        @param content: with the exact bytes.
        @param start: first byte of the encoded body, as the content's rope has it.
        @param end: its end, exclusive.
        @param encoding: Content-Transfer-Encoding in any case.
        @raise UnknownEncoding: nobody knows how to undo it.
        """
        if not is_known(encoding):
            raise UnknownEncoding()
        self._content = content
        self._start = start
        self._end = end
        self._encoding = encoding.strip().lower()

    async def length(self) -> int:
        """
        Bytes of the whole; all of it is read, unless it is stored decoded or not encoded.

        @raise ContentUnreadable: something is missing.
        """
        if self._is_identity:
            return self._end - self._start
        kept = await self._stored()
        if kept is not None:
            return kept.length
        length = 0
        async for data in self._all():
            length += len(data)
        return length

    async def measure(self, first: int = 0, most: int | None = None) -> Measured:
        """
        Look at a range before it is announced; it ends where the data end.

        @param most: bytes; all if not given.
        @raise ContentUnreadable: something is missing.
        """
        known = await self._known_length()
        kept: list[bytes] = []
        length = held = 0
        has_nul = False
        async for data in self._range(first, most):
            length += len(data)
            has_nul = has_nul or b"\0" in data
            if held <= _KEPT:
                kept.append(data)
                held += len(data)
            elif has_nul and known is not None:
                # There is nothing more to be learnt.
                return Measured(_part_of(known, first, most), True, None)
        return Measured(length, has_nul, b"".join(kept) if length <= _KEPT else None)

    async def blocks(self, first: int, length: int) -> AsyncIterator[bytes]:
        """
        The bytes of a range that was measured, in blocks of bounded size.

        @raise ContentUnreadable: they are not what was announced; the
            connection must be closed.
        """
        given = 0
        async for data in self._range(first, length):
            given += len(data)
            yield data
        if given != length:
            raise ContentUnreadable()

    # --- reading ------------------------------------------------------------------

    @property
    def _is_identity(self) -> bool:
        return self._encoding not in ("base64", "quoted-printable")

    async def _stored(self) -> StoredDecoded | None:
        """The body, where it is stored decoded."""
        if self._encoding != "base64":
            return None
        return await self._content.stored_decoded(self._start, self._end)

    async def _known_length(self) -> int | None:
        """Bytes of the whole, if that is known without reading it."""
        if self._is_identity:
            return self._end - self._start
        kept = await self._stored()
        return None if kept is None else kept.length

    async def _range(self, first: int, most: int | None) -> AsyncIterator[bytes]:
        known = await self._known_length()
        if known is not None:
            length = _part_of(known, first, most)
            blocks = self._directly(first, length)
        else:
            blocks = self._cut(first, most)
        async for data in blocks:
            yield data

    async def _directly(self, first: int, length: int) -> AsyncIterator[bytes]:
        """A range whose place is known."""
        if not length:
            return
        kept = await self._stored()
        if kept is not None:
            blocks = kept.read(first, first + length)
        else:
            blocks = self._content.blocks(self._start + first, self._start + first + length)
        async for data in blocks:
            yield data

    async def _cut(self, first: int, most: int | None) -> AsyncIterator[bytes]:
        """A range that is found by decoding all before it."""
        skipped, left = first, most
        async for data in self._all():
            if skipped >= len(data):
                skipped -= len(data)
                continue
            data, skipped = data[skipped:], 0
            if left is not None:
                data = data[:left]
                left -= len(data)
            yield data
            if left == 0:
                return

    async def _all(self) -> AsyncIterator[bytes]:
        output = decoder(self._encoding)
        async for block in self._content.blocks(self._start, self._end):
            for start in range(0, len(block), _AT_ONCE):
                data = output.feed(block[start : start + _AT_ONCE])
                if data:
                    yield data
        rest = output.finish()
        if rest:
            yield rest


def _part_of(length: int, first: int, most: int | None) -> int:
    """Bytes of a range of so many."""
    left = max(0, length - first)
    return left if most is None else min(left, most)
