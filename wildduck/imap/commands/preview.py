"""
PREVIEW: a line of what a message says (RFC 8970).

WildDuck keeps one with each message that has a text (C{intro}); where it is missing it is
made of the text that the document has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wildduck.imap.grammar.strings import compose_string
from wildduck.mime import intro

#: Computed: the document has text that a preview can be made of.
TEXTUAL = "textual"
#: What MongoDB shall compute for L{TEXTUAL}.
EXPRESSION = {
    "$or": [{"$gt": ["$text", ""]}, {"$gt": [{"$size": {"$cond": [{"$isArray": "$html"}, "$html", []]}}, 0]}]
}
#: Read for a preview; with L{TEXTS} one can always be told.
FIELDS = ("intro", TEXTUAL)
TEXTS = ("text", "textFooter", "html")

#: Characters that are sent (RFC 8970 §3.3).
_MOST = 200
_ENCRYPTED = "-----BEGIN PGP MESSAGE-----"


def ready(document: Mapping[str, Any]) -> bytes | None:
    """
    @param document: with L{FIELDS}.
    @return: C{None} when it is to be made of L{TEXTS}.
    """
    kept = document.get("intro")
    if isinstance(kept, str):
        return _composed(kept)
    return None if document.get(TEXTUAL) else b'""'


def lazy(document: Mapping[str, Any]) -> bytes:
    """As L{ready}; NIL when it is not (RFC 8970 §4.1)."""
    return ready(document) or b"NIL"


def made(document: Mapping[str, Any]) -> bytes:
    """@param document: with L{TEXTS}."""
    html = document.get("html")
    texts = [text for text in html if isinstance(text, str)] if isinstance(html, list) else []
    text = "".join(_text(document.get(name)) for name in ("text", "textFooter"))
    return _composed(intro.make(text, texts))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _composed(text: str) -> bytes:
    if text.lstrip().startswith(_ENCRYPTED):
        # Says nothing to anybody (RFC 8970 §3.2).
        return b'""'
    line = " ".join(text[: 2 * _MOST].replace("\0", " ").split())[:_MOST]
    return compose_string(line.encode("utf-8", "replace"))
