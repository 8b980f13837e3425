"""
The comparator i;unicode-casemap (RFC 5051), in which texts are sorted and compared
(RFC 5255 §4.2, RFC 5256 §1).
"""

from __future__ import annotations

from wildduck.mime.normal import normalized


def collated(text: str) -> str:
    """
    @return: what sorts, by its code points, as C{text} does; equal texts give the same.
    """
    if text.isascii():
        return text.upper()
    return normalized("NFKD", "".join(map(_titlecased, text)))


def _titlecased(character: str) -> str:
    """By a single character, as UnicodeData.txt has it; what that does not have stays."""
    titlecased = character.title()
    return titlecased if len(titlecased) == 1 else character
