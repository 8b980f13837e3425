"""Tests for encoded-words and raw UTF-8 in headers."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial import unittest

from test.support.chance import by_chance
from wildduck.mime import words


class DecodingTests(unittest.TestCase):
    """RFC 2047, its usual abuses, and RFC 6532."""

    def test_right(self) -> None:
        """Encoded-words are decoded, blanks between them vanish, other blanks stay."""
        for value, text in (
            ("plain  text", "plain  text"),
            ("=?utf-8?q?a=C3=A4_b?=", "aä b"),
            ("=?UTF-8?B?w6Q=?=", "ä"),
            ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
            ("=?utf-8?q?a?=\r\n =?iso-8859-1?q?=E4?=", "aä"),
            ("=?utf-8?q?a?= x =?utf-8?q?b?=", "a x b"),
            ("x =?utf-8?q?a?=", "x a"),
            ("=?utf-8*en?q?a?=", "a"),
            ("=?utf-8?q??=", ""),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?b?=", "ab"),
        ):
            self.assertEqual(words.decode(value), text)

    def test_split_character(self) -> None:
        """A character cut in two by adjacent words is put together."""
        self.assertEqual(words.decode("=?utf-8?b?4oI=?= =?utf-8?b?rA==?="), "€")
        self.assertEqual(words.decode("=?utf-8?q?=E2=82?= =?UTF-8?q?=AC?="), "€")
        self.assertEqual(words.decode("=?utf-8?b?aG?= =?utf-8?b?k=?="), "hi")

    def test_broken(self) -> None:
        """What is no encoded-word stays; what is half of one gives what it holds."""
        for value, text in (
            ("=?utf-8?q?open", "=?utf-8?q?open"),
            ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
            ("=? ?q?a?=", "=? ?q?a?="),
            ("=?nonsense?q?=E4?=", "ä"),
            ("=?utf-8?b?w6Q?=", "ä"),
            ("=?utf-8?q?a=C3?=", "a\ufffd"),
            ("=?utf-8?q?a=?=", "a"),
            ("=?utf-8?q?with blank?=", "with blank"),
            ("a=?utf-8?q?b?=c", "abc"),
        ):
            self.assertEqual(words.decode(value), text)

    def test_raw(self) -> None:
        """Bytes are UTF-8, else windows-1252, also inside an encoded-word."""
        self.assertEqual(words.decode("Säying".encode()), "Säying")
        self.assertEqual(words.decode(b"Fr\xf6sche"), "Frösche")
        self.assertEqual(words.decode(b"=?iso-8859-1?Q?Die_Fr\xf6sche=E4?="), "Die Fröscheä")

    def test_unfold(self) -> None:
        """Folds vanish, a lone CR becomes a blank."""
        self.assertEqual(words.unfold(b"a\r\n b\n\tc\r\r\n d\re"), b"a b\tc d e")

    @by_chance(100)
    @given(st.one_of(st.binary(max_size=200), st.text(max_size=100)))
    def test_anything(self, value: bytes | str) -> None:
        """Any bytes and any text give text."""
        self.assertIsInstance(words.decode(value), str)

    @by_chance(100)
    @given(
        st.lists(
            st.sampled_from(
                ["=?", "?=", "utf-8", "?q?", "?b?", "=E4", "=C3", "4oI", "=", " ", "\r\n ", "ö", "x"]
            ),
            max_size=40,
        )
    )
    def test_near_misses(self, pieces: list[str]) -> None:
        """Pieces of encoded-words in any order give text."""
        words.decode("".join(pieces)).encode("utf-8")
        words.decode("".join(pieces).encode("latin-1"))
