"""
Text made comparable, and texts found in one that comes in pieces.

Two texts that people take for the same are the same when folded: case does not
count (full case folding, so C{ß} is C{ss}), nor does whether an accent is a
character of its own, nor compatibility forms such as wide letters and ligatures.
What i;unicode-casemap (RFC 5051, RFC 5255 §4.2) finds is found, an accented letter
at the end of a text by the bare one too; for ASCII it is i;ascii-casemap (RFC 4790 §9.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from unicodedata import combining, normalize

from wildduck.mime.normal import normalized

#: Characters looked at for a place where a text may be cut.
_LOOKED_BACK = 1024


def fold(text: str) -> str:
    """@return: what compares and contains as C{text} does for people."""
    if text.isascii():
        return text.lower()
    return normalized("NFKD", normalized("NFKD", text).casefold())


class Finder:
    """
    Looks for texts in one that is fed in pieces; holds a bounded part of it.

    @ivar left: those that were not found yet, folded.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        """@param texts: folded; an empty one is found at once."""
        self.left = {text for text in texts if text}
        #: Its end may change with what follows.
        self._held = ""
        #: The end of what was folded: a match may begin there.
        self._tail = ""

    def feed(self, text: str) -> None:
        text = self._held + text
        cut = _cut(text)
        self._held = text[cut:]
        self._look(text[:cut])

    def finish(self) -> None:
        """The text is over; another may follow, and nothing is found across the two."""
        self._look(self._held)
        self._held = self._tail = ""

    def _look(self, text: str) -> None:
        if not self.left or not text:
            return
        window = self._tail + fold(text)
        self.left = {one for one in self.left if one not in window}
        longest = max(map(len, self.left), default=1)
        self._tail = window[max(0, len(window) - longest + 1) :]


def _cut(text: str) -> int:
    """The last place where what follows does not change how what is before it folds."""
    end = len(text)
    for place in range(end - 1, max(0, end - _LOOKED_BACK), -1):
        if text[place].isascii() or not combining(normalize("NFKD", text[place])[0]):
            return place
    return end if end >= _LOOKED_BACK else 0
