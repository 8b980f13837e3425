"""
The preview text of a message (spec/schema.md 'Intro text').
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

from wildduck import limits
from wildduck.mime import html as markup

#: Characters of text that are looked at.
_LOOKED_AT = 2048
#: Most HTML says enough in so many; what is full of links and images, in some more.
_BEGUN = (320, 1280)
#: More characters than a preview has, be it that two blanks at the end become one.
_LEAST_BEGUN = limits.INTRO_LENGTH + 2

_BRACKETS = re.compile(r"\[[^\]]*\]")
# Quoted lines, and lines of one repeated character.
_SKIPPED_LINE = re.compile(r"^[ \t]*(?:>.*|(\S)\1+[ \t]*)$", re.MULTILINE)
_BLANKS = re.compile(r"[\s\u200b\ufeff]+")


# Python loads a codec from its file when it is first asked for: also a server without a
# descriptor left must have it.
codecs.lookup("utf-16-le")


def make(text: str, html: Sequence[str]) -> str:
    """
    @param text: the whole kept plain text.
    @param html: the kept HTML; the preview is taken from it where there is any.
    @return: at most L{limits.INTRO_LENGTH} UTF-16 units of one line, and an
        ellipsis where there is more.
    """
    source = "".join(html)[: limits.HTML_CONVERTED]
    if source:
        for most in _BEGUN:
            text, complete = markup.beginning(source, most)
            if complete:
                break
            begun = _begun(text)
            if len(begun) > _LEAST_BEGUN:
                return _shorten(begun)
        else:
            text = markup.to_text(source, 4 * _LOOKED_AT)
    return _shorten(_plain(text[:_LOOKED_AT]))


def _begun(text: str) -> str:
    """
    The beginning of a preview, from the complete lines that a long text begins with.

    @return: what the whole text would give begins with it; C{""} if too little is known.
    """
    # The last line is not known to its end,
    text = text[: text.rfind("\n", 0, _LOOKED_AT) + 1]
    while (opened := text.find("[", text.rfind("]") + 1)) >= 0:
        # nor what becomes of one with a bracket that is closed later.
        text = text[: text.rfind("\n", 0, opened) + 1]
    return _plain(text)


def _plain(text: str) -> str:
    """One line without brackets and without lines that say nothing."""
    return _BLANKS.sub(" ", _SKIPPED_LINE.sub("", _BRACKETS.sub("", text))).strip()


def _shorten(text: str) -> str:
    units = text.encode("utf-16-le", "replace")
    if len(units) <= 2 * limits.INTRO_LENGTH:
        return text
    shorter = units[: 2 * limits.INTRO_LENGTH].decode("utf-16-le", "ignore")
    cut = shorter.rfind(" ")
    return (shorter[:cut] if cut > 0 else shorter) + "…"
