"""What bytes are in that have no transfer encoding."""

from __future__ import annotations

from hypothesis import given, strategies
from twisted.trial import unittest

from test.support.chance import by_chance
from wildduck.mime.identity_encoding import LINE_MOST, IdentityEncoding

_PIECES = strategies.sampled_from([b"a", b"\r\n", b"\r", b"\n", b"\xe4", b"\0", b"b" * LINE_MOST])


def _name(blocks: list[bytes]) -> str:
    kind = IdentityEncoding()
    for block in blocks:
        kind.feed(block)
    return kind.name


class IdentityEncodingTests(unittest.SynchronousTestCase):
    """RFC 2045 §2.7 to §2.9."""

    def test_names(self) -> None:
        for data, name in (
            (b"", "7bit"),
            (b"no end", "7bit"),
            (b"one\r\ntwo\r\n", "7bit"),
            (b"b" * LINE_MOST + b"\r\n", "7bit"),
            (b"b" * (LINE_MOST + 1) + b"\r\n", "binary"),
            (b"b" * (LINE_MOST + 1), "binary"),
            (b"gr\xfc\xdfe\r\n", "8bit"),
            (b"a\0", "binary"),
            (b"a\nb", "binary"),
            (b"a\rb", "binary"),
            (b"a\r", "binary"),
        ):
            self.assertEqual(name, _name([data]), data[:20])

    @by_chance(50)
    @given(strategies.lists(_PIECES))
    def test_blocks(self, blocks: list[bytes]) -> None:
        """In pieces it is the same as whole."""
        self.assertEqual(_name([b"".join(blocks)]), _name(blocks))
