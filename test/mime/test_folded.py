"""Tests of L{wildduck.mime.folded}."""

from __future__ import annotations

from unicodedata import normalize

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.support.chance import by_chance
from wildduck.mime.collation import collated
from wildduck.mime.folded import Finder, fold

#: Characters that become others together, and plain ones.
_CHARACTERS = (
    "aeEs\u00df\u1e9e\u0130\u0131\u0301\u0308\u0327\ufb01\uff21 "
    "\u1100\u1161\u11a8\u30ab\u3099\uff76\uff9e\u03a3\u03c2\n"
)
texts = st.text(st.sampled_from(_CHARACTERS) | st.characters(exclude_categories=["Cs"]), max_size=60)


class FoldTests(SynchronousTestCase):
    def test_same(self) -> None:
        """Texts that people take for the same."""
        for one, other in (
            ("Hello", "hELLO"),
            ("Stra\u00dfe", "STRASSE"),
            ("K\u00f6ln", "Ko\u0308ln"),
            ("\u1e9e", "ss"),
            ("\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c3"),
            ("\uff37\uff29\uff24\uff25", "wide"),
            ("\ufb01n", "FIN"),
            ("\u212a", "k"),
            ("\u33c0", "k\u03c9"),
        ):
            self.assertEqual(fold(one), fold(other), one)

    def test_different(self) -> None:
        for one, other in (("e", "\u00e9"), ("a", "b"), ("a b", "ab")):
            self.assertNotEqual(fold(one), fold(other), one)

    def test_contains(self) -> None:
        """What i;unicode-casemap finds: at its end a text need not say which accent."""
        for text, part in (("Gr\u00fc\u00dfe", "gru"), ("\u00dcber", "U"), ("\ud55c", "\ud558")):
            self.assertIn(fold(part), fold(text))
        for text, part in (("Gr\u00fcn", "grun"), ("u", "\u00fc")):
            self.assertNotIn(fold(part), fold(text))

    @by_chance(50)
    @given(texts, texts)
    def test_as_the_comparator(self, before: str, text: str) -> None:
        """A part of a text by i;unicode-casemap is one when folded."""
        whole = before + text
        if collated(text) in collated(whole):
            self.assertIn(fold(text), fold(whole))

    @by_chance(50)
    @given(texts)
    def test_canonical(self, text: str) -> None:
        """Composed or decomposed is the same."""
        self.assertEqual(fold(normalize("NFD", text)), fold(normalize("NFC", text)))


class FinderTests(SynchronousTestCase):
    @by_chance(50)
    @given(texts, st.lists(texts.map(fold), max_size=4), st.lists(st.integers(0, 60), max_size=6))
    def test_pieces(self, text: str, wanted: list[str], cuts: list[int]) -> None:
        """However a text is cut, the same is found in it as in the whole."""
        finder = Finder(wanted)
        start = 0
        for end in [*sorted(cuts), len(text)]:
            finder.feed(text[start:end])
            start = max(start, end)
        finder.finish()
        folded = fold(text)
        self.assertEqual(finder.left, {one for one in wanted if one not in folded})

    @by_chance(50)
    @given(texts.filter(bool), st.data())
    def test_parts_of_it(self, text: str, data: st.DataObject) -> None:
        """Parts of the text are found when it comes character by character."""
        folded = fold(text)
        start = data.draw(st.integers(0, len(folded)))
        end = data.draw(st.integers(start, len(folded)))
        finder = Finder([folded[start:end]])
        for character in text:
            finder.feed(character)
        finder.finish()
        self.assertEqual(finder.left, set())

    def test_bounded(self) -> None:
        """What is held does not grow with the text."""
        for piece in ("x" * 5000, "\u0301" * 5000, "\u4e2d" * 5000):
            finder = Finder(["y" * 100])
            for _ in range(20):
                finder.feed(piece)
                self.assertLess(len(finder._held) + len(finder._tail), 1200)

    def test_one_after_the_other(self) -> None:
        """Nothing is found across two texts."""
        finder = Finder(["ab"])
        for text in "ab":
            finder.feed(text)
            finder.finish()
        self.assertEqual(finder.left, {"ab"})
