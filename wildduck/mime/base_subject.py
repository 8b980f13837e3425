"""
What is left of a subject without what replies, forwards and lists put around it (RFC 5256 §2.1).

The steps are the RFC's; each looks at every character a bounded number of times.
"""

from __future__ import annotations

import re
from typing import NamedTuple

#: C{subj-blob}.
_BLOB = r"\[[^\[\]\x00]*\][ \t]*"
_LEADING_BLOB = re.compile(_BLOB)
_BLANK = re.compile(r"[ \t]+")
#: C{subj-refwd}.
_REFWD = re.compile(rf"(?:re|fwd?)[ \t]*(?:{_BLOB})?:", re.IGNORECASE)
_FORWARDED = "(fwd)"
_FORWARD_HEADER = "[fwd:"
#: Step 1: continuations, tabs and several blanks are one blank.
_BLANKS = re.compile(r"[ \t\r\n]+")


class BaseSubject(NamedTuple):
    """
    @ivar text: for comparisons (L{wildduck.mime.collation}) and shown to nobody; may be empty.
    @ivar answers: something was removed that replies and forwards have (RFC 5256 §3 C{REFERENCES}).
    """

    text: str
    answers: bool


def base_subject(subject: str) -> BaseSubject:
    """@param subject: with its encoded-words decoded."""
    text = _BLANKS.sub(" ", subject)
    start, end, answers = 0, len(text), False
    while True:
        end, forwarded = _without_trailers(text, start, end)
        start, answered = _without_leaders(text, start, end)
        answers = answers or forwarded or answered
        if not (
            text[start : start + len(_FORWARD_HEADER)].lower() == _FORWARD_HEADER and text[end - 1] == "]"
        ):
            return BaseSubject(text[start:end], answers)
        # Step 6.
        start, end, answers = start + len(_FORWARD_HEADER), end - 1, True


def _without_trailers(text: str, start: int, end: int) -> tuple[int, bool]:
    """Step 2; @return: where the rest ends, and whether C{(fwd)} was removed."""
    forwarded = False
    while end > start:
        if text[end - 1] == " ":
            end -= 1
        elif text[max(start, end - len(_FORWARDED)) : end].lower() == _FORWARDED:
            end -= len(_FORWARDED)
            forwarded = True
        else:
            break
    return end, forwarded


def _without_leaders(text: str, start: int, end: int) -> tuple[int, bool]:
    """Steps 3 to 5; @return: where the rest begins, and whether a C{subj-refwd} was removed."""
    answered = False
    while True:
        blank = _BLANK.match(text, start, end)
        if blank is not None:
            start = blank.end()
        blobs = [start]
        while (blob := _LEADING_BLOB.match(text, blobs[-1], end)) is not None:
            blobs.append(blob.end())
        refwd = _REFWD.match(text, blobs[-1], end)
        if refwd is not None:
            start, answered = refwd.end(), True
            continue
        # Blobs go while something is left: of nothing but blobs the last one stays.
        return (blobs[-1] if blobs[-1] < end else blobs[-2] if len(blobs) > 1 else start), answered
