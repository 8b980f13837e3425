"""Tests for the preview text."""

from __future__ import annotations

import random

from hypothesis import given, strategies as st
from twisted.trial import unittest

from test.support.chance import by_chance
from wildduck.mime import intro

_BEGUN = intro._BEGUN
#: Of HTML, whose text has links, quotes, brackets over several lines, lines of one character.
_PIECES = (
    *("WORD ", "<p>WORD", "<br>", "[", "]", "[WORD", "] WORD", "<hr>", "<br>====<br>", "<br>> WORD<br>"),
    *(
        '<a href="http://example.net/WORD">',
        "</a>",
        "<blockquote>",
        "</blockquote>",
        "<li>WORD",
        "<pre>a\n[b\n",
    ),
    *("</pre>", "\U0001f600 ", "<h1>WORD</h1>", '<img src="WORD" alt="x">', "one two three four five six "),
)


class IntroTests(unittest.TestCase):
    """spec/schema.md 'Intro text'."""

    def test_table(self) -> None:
        """Bracketed parts, quoted lines and lines of one character go, blanks collapse."""
        for text, expected in (
            ("", ""),
            ("hello  there\n\n world", "hello there world"),
            ("> q\n\n>> qq\nOn x wrote:\n > also\nreal", "On x wrote: real"),
            ("[one] two [three\nfour] five [", "two five ["),
            ("====\n----\n- - -\naa\n.\n\nok", "- - - . ok"),
            ("\u00a0\u200b a \u2003 b", "a b"),
        ):
            self.assertEqual(intro.make(text, []), expected, text)

    def test_html_first(self) -> None:
        """HTML is preferred, without its links."""
        self.assertEqual(intro.make("plain", ["<p>a</p>", '<p>b <a href="http://x">c</a></p>']), "a b c")
        self.assertEqual(intro.make("plain", [""]), "plain")

    def test_length(self) -> None:
        """At most 128 UTF-16 units, cut at a blank if there is one, with an ellipsis."""
        for text, length in (
            ("word " * 100, 125),
            ("x" * 64 + "y" * 64, 128),
            ("ab" * 64, 128),
            ("ab" * 100, 129),
            ("\U0001f600y" * 43, 85 + 1),
        ):
            self.assertEqual(len(intro.make(text, [])), length, text)
        self.assertTrue(intro.make("word " * 100, []).endswith("word…"))

    @by_chance(70)
    @given(st.lists(st.sampled_from(_PIECES), max_size=80), st.randoms(use_true_random=False))
    def test_begun(self, pieces: list[str], rng: random.Random) -> None:
        """The preview that is made of the beginning of long HTML is that of the whole."""
        source = "".join(piece.replace("WORD", "word" * rng.randint(1, 40)) for piece in pieces)
        made = intro.make("", [source])
        self.patch(intro, "_BEGUN", ())
        try:
            self.assertEqual(intro.make("", [source]), made, source)
        finally:
            self.patch(intro, "_BEGUN", _BEGUN)

    @by_chance(50)
    @given(st.text(max_size=400), st.lists(st.text(max_size=100), max_size=3))
    def test_anything(self, text: str, html: list[str]) -> None:
        """Any text gives one short line that can be stored."""
        made = intro.make(text, html)
        self.assertLessEqual(len(made), 129)
        self.assertNotIn("\n", made)
        made.encode("utf-8")
