"""Tests for base64 bodies that are stored decoded."""

from __future__ import annotations

import base64
import random

from hypothesis import given, strategies as st
from twisted.trial import unittest

from test.mime.strategies import cut
from test.support.chance import by_chance
from wildduck.mime.base64lines import (
    Decoder,
    Encoder,
    Range,
    detect,
    encoded_length,
    encoded_line_feeds,
)


def encoded(data: bytes, line_length: int) -> bytes:
    """The encoded form, made by other means."""
    text = base64.b64encode(data)
    return b"\r\n".join(text[i : i + line_length] for i in range(0, len(text), line_length))


class DetectTests(unittest.TestCase):
    """With which line length a body can be stored decoded."""

    def test_line_lengths(self) -> None:
        """Lines of any length up to 998, the last one full or not."""
        for length in (1, 3, 4, 60, 72, 75, 76, 998):
            for size in (2 * length, 3 * length, 3 * length + 1, 12 * length):
                body = encoded(random.Random(size).randbytes(size), length)
                self.assertEqual(detect([body]), length, (length, size))

    def test_one_line(self) -> None:
        """One line shorter than 76 counts as 76; a longer one WildDuck would end with a break."""
        self.assertEqual(detect([encoded(b"x" * 54, 76)]), 76)
        for size in (57, 60, 200, 700):
            self.assertIsNone(detect([encoded(b"x" * size, 998)]))

    def test_not_the_same_bytes(self) -> None:
        """What encoding would not give back is stored as it is."""
        good = encoded(bytes(200), 76)
        for body in (
            b"",
            good + b"\r\n",
            good.replace(b"\r\n", b"\n"),
            good.replace(b"\r\n", b" \r\n"),
            good[:-1],
            good[:-1] + b"\r\n=",
            good.rstrip(b"="),
            good + b"\r\nAAAA",
            b"\r\n" + good,
            b" " + good,
            good.replace(b"AA", b"A-", 1),
            b"AB==",
            b"AAA",
            b"AA==\r\nAA==",
            b"AAAA\r\nAAAAAAAA\r\nAAAA",
            b"AAAA\r\n" + b"AA\nAA" * 5,
            b"no base64",
            b"AAAAAAAA\r\nAA\r\nAAAA\r\nAA",
            b"AAAAAAAA\r\nAAA=AAAA\r\nAAAA",
            b"AAAAAAAA\r\nAAAA-AAA\r\nAAAA",
            encoded(bytes(3000), 1000),
            b"A" * 100_000,
        ):
            self.assertIsNone(detect([body]), body[:90])
            self.assertIsNone(detect(cut(body, [1])), body[:90])

    @given(st.binary(max_size=2000), st.integers(1, 100), st.lists(st.integers(1, 200), min_size=1))
    @by_chance(50)
    def test_pieces(self, data: bytes, line_length: int, lengths: list[int]) -> None:
        """However the body comes, the answer is the same, and it is true."""
        body = encoded(data, line_length)
        found = detect(cut(body, lengths))
        self.assertEqual(found, detect([body]))
        if found is not None:
            decoder, encoder = Decoder(), Encoder(found)
            decoded = b"".join(map(decoder.feed, cut(body, lengths)))
            again = b"".join(map(encoder.feed, cut(decoded, lengths))) + encoder.finish()
            self.assertEqual((decoded, again), (data, body))


class EncodeTests(unittest.TestCase):
    """Encoding, and parts of what encoding gives."""

    @given(st.binary(max_size=500), st.integers(1, 90), st.lists(st.integers(1, 40), min_size=1))
    @by_chance(70)
    def test_encoder(self, data: bytes, line_length: int, lengths: list[int]) -> None:
        """Pieces of any length give the lines and the length that were promised."""
        encoder = Encoder(line_length)
        result = b"".join(map(encoder.feed, cut(data, lengths))) + encoder.finish()
        self.assertEqual(result, encoded(data, line_length))
        self.assertEqual(len(result), encoded_length(len(data), line_length))
        self.assertEqual(result.count(b"\n"), encoded_line_feeds(len(data), line_length))

    @given(st.binary(max_size=300), st.integers(1, 90), st.data())
    @by_chance(100)
    def test_range(self, data: bytes, line_length: int, more: st.DataObject) -> None:
        """A range of the encoded form is made of the decoded bytes that it asks for."""
        whole = encoded(data, line_length)
        start = more.draw(st.integers(0, len(whole)))
        end = more.draw(st.integers(start, len(whole)))
        wanted = Range(start, end, line_length)
        needed = data[wanted.start : wanted.end]
        self.assertLessEqual(len(needed), (end - start) * 3 // 4 + 6)
        pieces = cut(needed, [more.draw(st.integers(1, 50))])
        result = b"".join(map(wanted.feed, pieces)) + wanted.finish()
        self.assertEqual(result, whole[start:end])
