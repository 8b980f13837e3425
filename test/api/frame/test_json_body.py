"""JSON bodies that are read a little at a time."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import example, given, strategies
from twisted.trial.unittest import SynchronousTestCase

from test.api.frame.steps import pauses, value_of
from test.support.chance import by_chance
from wildduck.api.frame import json_body
from wildduck.errors import BadInput
from wildduck.limits import API_JSON_AT_ONCE, API_JSON_DEPTH, API_JSON_VALUES, MIB

_SCALARS = (
    strategies.none()
    | strategies.booleans()
    | strategies.integers(-(2**60), 2**60)
    | strategies.floats(allow_nan=False, allow_infinity=False)
    | strategies.text(max_size=30)
)
_VALUES = strategies.recursive(
    _SCALARS,
    lambda inner: (
        strategies.lists(inner, max_size=4) | strategies.dictionaries(strategies.text(max_size=4), inner)
    ),
    max_leaves=12,
)
#: What texts are made of, right ones and wrong ones.
_SNIPPETS = strategies.lists(
    strategies.sampled_from(
        [
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            '"',
            "\\",
            "\\u",
            "d83d",
            "de00",
            "00e9",
            "n",
            "a",
            " ",
            "\n",
            "1",
            "-",
        ]
        + ["0.5e1", "true", "null", "NaN", "é", "😀", '"a"', '\\"', "\\\\", "\\ud83d", "\\ude00", "\x01"]
    ),
    max_size=14,
).map("".join)


def in_steps(content: bytes) -> Any:
    """C{None} where it is refused."""
    try:
        return value_of(json_body._Reader(content).text())
    except BadInput:
        return None


def at_once(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content) if content.strip(b" \t\r\n") else {}
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class SameTests(SynchronousTestCase):
    """Whatever the text and wherever it is parted: as if it were read at once."""

    def setUp(self) -> None:
        self.patch(json_body, "_TOKENS", 2)

    def same(self, content: bytes) -> None:
        for piece in (1 << 18, 12, 13, 17):
            self.patch(json_body, "_PIECE", piece)
            self.assertEqual(at_once(content), in_steps(content), (content, piece))

    @by_chance(50)
    @given(_VALUES, strategies.booleans(), strategies.sampled_from([None, 1]))
    def test_values(self, value: Any, ascii: bool, indent: int | None) -> None:
        text = json.dumps(value, ensure_ascii=ascii, indent=indent)
        self.same(text.encode("utf-8", "replace"))

    @by_chance(50)
    @given(_SNIPPETS)
    @example("\\ud83d\\ude00" * 4)
    @example("x" * 11 + "\\ud83d\\ude00")
    @example("\\\\ud83d\\\\ude00" * 3)
    @example("\\ud83d" * 6)
    @example("é" * 11 + "😀" * 5)
    def test_snippets(self, text: str) -> None:
        for whole in (text, f'"{text}"', f'{{"a": [{text}]}}'):
            self.same(whole.encode())

    @by_chance(50)
    @given(strategies.binary(max_size=40))
    def test_bytes(self, content: bytes) -> None:
        for whole in (content, b'"%b"' % content):
            self.same(whole)


class BoundTests(SynchronousTestCase):
    def read(self, content: bytes) -> Any:
        return value_of(json_body.read(content))

    def refused(self, content: bytes, text: str) -> None:
        error = self.assertRaises(BadInput, self.read, content)
        self.assertIn(text, error.fields["body"])

    def test_values(self) -> None:
        """Of a long text no more values are read than the bound, in many steps."""
        fits = b'{"a":[' + b"{}," * (API_JSON_VALUES - 3) + b"{}]}"
        self.assertEqual(API_JSON_VALUES - 2, len(self.read(fits)["a"]))
        self.refused(fits[:-2] + b",{}]}", "values")
        self.assertGreater(sum(1 for _ in pauses(json_body.read(fits))), API_JSON_VALUES // 500)

    def test_levels(self) -> None:
        deep = b"[" * API_JSON_DEPTH + b"]" * API_JSON_DEPTH
        self.read(deep + b" " * API_JSON_AT_ONCE)
        self.refused(b"[" + deep + b"]" + b" " * API_JSON_AT_ONCE, "levels")

    def test_long(self) -> None:
        """A long string, of whatever characters, and long blanks are read in steps."""
        for text in (b"a", "é".encode(), "😀".encode(), b"\\n", b"\\ud83d\\ude00"):
            content = b'{"a":"%b"}' % (text * (2 * MIB // len(text)))
            self.assertEqual(msgspec.json.decode(content), self.read(content))
            self.assertGreaterEqual(sum(1 for _ in pauses(json_body.read(content))), 7, text)
        self.assertGreaterEqual(sum(1 for _ in pauses(json_body.read(b" " * 2 * MIB))), 7)
        self.assertEqual({}, self.read(b" " * 2 * MIB))
