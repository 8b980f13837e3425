"""Tests for the preview text."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
from twisted.trial import unittest

from wildduck.mime import intro


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

    @settings(deadline=None)
    @given(st.text(max_size=400), st.lists(st.text(max_size=100), max_size=3))
    def test_anything(self, text: str, html: list[str]) -> None:
        """Any text gives one short line that can be stored."""
        made = intro.make(text, html)
        self.assertLessEqual(len(made), 129)
        self.assertNotIn("\n", made)
        made.encode("utf-8")
