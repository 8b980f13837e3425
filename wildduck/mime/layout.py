"""
Where each part of a message lies, packed: what goes with the skeleton.

The skeleton of a message is all its bytes outside the bodies that are stored
as they are (store.md §6).  Skeleton, bodies and layout give the message back;
the layout also tells what is sent in another form because it holds NULs
(design.md §4).

Format: a version byte, a flags byte, then variable-length integers (seven
bits a byte, the lowest first, the high bit set on all but the last): the
number of parts, and for each part, in the order of the message, the bytes
between the header before it and its header, the bytes of its header times four
plus its mark, the bytes of its body, and if it is sent as base64 the header
ranges to leave out (count, then gap and length of each).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_VERSION = 1
_HAS_NUL = 1

#: The field of a part that is sent in base64 because of its NULs.
BASE64_FIELD = b"Content-Transfer-Encoding: base64\r\n"

#: Marks of a part: sent as it is; body sent as base64.
PLAIN = 0
AS_BASE64 = 1


@dataclass(slots=True)
class Place:
    """
    One part, in offsets of the exact message.

    @ivar as_base64: the body is a leaf with NULs that is sent as base64.
    @ivar cuts: ranges of the header, relative to its start, that are left
        out when it is sent; the new Content-Transfer-Encoding field stands
        in place of the first.
    """

    header_start: int
    body_start: int
    body_end: int
    as_base64: bool = False
    cuts: tuple[tuple[int, int], ...] = ()


def pack(places: Iterable[Place], has_nul: bool) -> bytes:
    """
    @param places: of all parts, in the order of the message.
    @param has_nul: NULs that are left are sent as 0x80.
    """
    numbers: list[int] = []
    position = 0
    count = 0
    for place in places:
        count += 1
        mark = AS_BASE64 if place.as_base64 else PLAIN
        numbers += (
            place.header_start - position,
            (place.body_start - place.header_start) << 2 | mark,
            place.body_end - place.body_start,
        )
        if place.as_base64:
            numbers.append(len(place.cuts))
            at = 0
            for start, end in place.cuts:
                numbers += (start - at, end - start)
                at = end
        position = place.body_start
    return bytes((_VERSION, _HAS_NUL if has_nul else 0)) + _pack_numbers([count, *numbers])


def unpack(data: bytes) -> tuple[list[Place], bool]:
    """
    @return: the places, and whether NULs that are left are sent as 0x80.
    @raise ValueError: the data is not a layout.
    """
    if len(data) < 2 or data[0] != _VERSION:
        raise ValueError("not a layout")
    numbers = iter(_unpack_numbers(data))
    places = []
    position = 0
    try:
        for _ in range(next(numbers)):
            header_start = position + next(numbers)
            header, mark = divmod(next(numbers), 4)
            position = header_start + header
            place = Place(header_start, position, position + next(numbers), mark == AS_BASE64)
            if place.as_base64:
                place.cuts = _cuts(numbers)
            places.append(place)
    except StopIteration:
        raise ValueError("not a layout") from None
    return places, bool(data[1] & _HAS_NUL)


def _cuts(numbers: Iterator[int]) -> tuple[tuple[int, int], ...]:
    cuts = []
    at = 0
    for _ in range(next(numbers)):
        start = at + next(numbers)
        at = start + next(numbers)
        cuts.append((start, at))
    return tuple(cuts)


def _pack_numbers(numbers: Iterable[int]) -> bytes:
    packed = bytearray()
    for number in numbers:
        while number > 0x7F:
            packed.append(number & 0x7F | 0x80)
            number >>= 7
        packed.append(number)
    return bytes(packed)


def _unpack_numbers(data: bytes) -> list[int]:
    numbers = []
    number = shift = 0
    for byte in memoryview(data)[2:]:
        number |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            numbers.append(number)
            number = shift = 0
    return numbers
