"""
The preview text of a message (spec/schema.md 'Intro text').
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from wildduck import limits
from wildduck.mime import html as markup

#: Characters of text that are looked at.
_LOOKED_AT = 2048

_BRACKETS = re.compile(r"\[[^\]]*\]")
# Quoted lines, and lines of one repeated character.
_SKIPPED_LINE = re.compile(r"^[ \t]*(?:>.*|(\S)\1+[ \t]*)$", re.MULTILINE)
_BLANKS = re.compile(r"[\s\u200b\ufeff]+")


def make(text: str, html: Sequence[str]) -> str:
    """
    @param text: the whole kept plain text.
    @param html: the kept HTML; the preview is taken from it where there is any.
    @return: at most L{limits.INTRO_LENGTH} UTF-16 units of one line, and an
        ellipsis where there is more.
    """
    source = "".join(html)[: limits.HTML_CONVERTED]
    if source:
        text = markup.to_text(source, 4 * _LOOKED_AT)
    text = _BRACKETS.sub("", text[:_LOOKED_AT])
    text = _SKIPPED_LINE.sub("", text)
    return _shorten(_BLANKS.sub(" ", text).strip())


def _shorten(text: str) -> str:
    units = text.encode("utf-16-le", "replace")
    if len(units) <= 2 * limits.INTRO_LENGTH:
        return text
    shorter = units[: 2 * limits.INTRO_LENGTH].decode("utf-16-le", "ignore")
    cut = shorter.rfind(" ")
    return (shorter[:cut] if cut > 0 else shorter) + "…"
