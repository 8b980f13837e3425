"""Tests for the packed places of parts."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial import unittest

from test.support.chance import by_chance
from wildduck.mime.layout import Place, pack, unpack

_LENGTH = st.integers(0, 2**31)


@st.composite
def _places(draw: st.DrawFn) -> list[Place]:
    places = []
    position = 0
    for _ in range(draw(st.integers(0, 8))):
        start = position + draw(_LENGTH)
        position = start + draw(_LENGTH)
        cuts: tuple[tuple[int, int], ...] = ()
        as_base64 = draw(st.booleans())
        if as_base64:
            edges = sorted(draw(st.lists(_LENGTH, max_size=6)))
            cuts = tuple(zip(edges[::2], edges[1::2], strict=False))
        places.append(Place(start, position, position + draw(_LENGTH), as_base64, cuts))
    return places


class LayoutTests(unittest.TestCase):
    """What is packed is unpacked."""

    @by_chance(50)
    @given(_places(), st.booleans())
    def test_round_trip(self, places: list[Place], has_nul: bool) -> None:
        """Places of any parts come back."""
        self.assertEqual(unpack(pack(places, has_nul)), (places, has_nul))

    @by_chance(50)
    @given(st.binary(max_size=60))
    def test_any_bytes(self, data: bytes) -> None:
        """Other bytes are refused or give some places, never another error."""
        try:
            unpack(b"\x01\x00" + data)
        except ValueError:
            pass
        if not data.startswith(b"\x01"):
            self.assertRaises(ValueError, unpack, data)

    def test_small(self) -> None:
        """Ten thousand parts take some bytes each."""
        places = [Place(20 * i, 20 * i + 10, 20 * i + 15) for i in range(10_000)]
        self.assertLess(len(pack(places, False)), 40_000)
