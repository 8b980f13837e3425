"""Tests of L{wildduck.mime.normal}."""

from __future__ import annotations

import sys
from unicodedata import combining, normalize
from unittest import mock

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.support.chance import by_chance
from wildduck.accounts import normalise
from wildduck.imap.grammar import keywords
from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.modes import Modes
from wildduck.imap.patterns import interpreted
from wildduck.mailstore.paths import composed
from wildduck.mime import normal
from wildduck.mime.collation import collated
from wildduck.mime.folded import fold
from wildduck.mime.normal import normalized

FORMS = ("NFC", "NFD", "NFKC", "NFKD")
#: Of several classes; with two characters of class 0 that are decomposed to combining
#: ones, of which one is so only where compatibility does not count.
_MARKS = "\u0301\u0316\u0308\u0327\u0345\u0344\u3099\u0f73\uff9e\U0001d165"
_BASES = "ae\u00e9\u01d5\u03b1\u30ab\u1100\u1161 \u034f"


class NormalizedTests(SynchronousTestCase):
    @by_chance(50)
    @given(st.lists(st.tuples(st.text(_BASES, max_size=2), st.text(_MARKS, max_size=6), st.integers(0, 60))))
    def test_same(self, pieces: list[tuple[str, str, int]]) -> None:
        """It is what Unicode says, also where many combining characters are in a row."""
        text = "".join(base + marks * times for base, marks, times in pieces)
        for form in FORMS:
            self.assertEqual(normalized(form, text), normalize(form, text))

    def test_all_combining(self) -> None:
        """None lies where nobody looks for it."""
        every = (chr(code) for code in range(sys.maxunicode + 1))
        for one in every:
            if not normal._FIRST <= ord(one) <= normal._LAST or 0xAC00 <= ord(one) <= 0xDFFF:
                self.assertFalse(combining(normalize("NFKD", one)[0]), hex(ord(one)))

    def test_work(self) -> None:
        """What is left to L{normalize} is in order already, for else it would take hours."""
        given: list[str] = []

        def noted(form: str, text: str) -> str:
            given.append(text)
            return normalize(form, text)  # type: ignore[arg-type]

        text = "a" + "\u0301\u0316" * 200
        for work in (
            *(fold, collated, composed, normalise.address, normalise.domain),
            lambda text: compose(text.encode()),
            lambda text: interpreted("", [text], unicode=True),
        ):
            given.clear()
            with mock.patch.object(normal, "normalize", noted):
                work(text)
                classes = [combining(one) for one in max(given, key=len)]
                self.assertEqual(classes, sorted(classes))


def compose(keyword: bytes) -> str:
    return keywords.keyword(Cursor(keyword, modes=Modes(utf8=True)), "a keyword")
