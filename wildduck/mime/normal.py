"""
Unicode's normalization forms, in time that grows with the length of a text.

L{unicodedata.normalize} puts the combining characters behind another one into
their order by insertion: a text of nothing else takes it the square of its length,
and no other thread runs meanwhile.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Literal
from unicodedata import combining, normalize

#: Combining characters in a row that L{normalize} orders quickly enough; in what
#: people write there are four or so.
_FEW = 100
#: Of a text so many characters are passed over where one is looked at, for it takes
#: longer to find such rows than to normalize what has none.
_STEP = 20
#: Between these are all of them.
_FIRST, _LAST = 0x300, 0x1E94A


def normalized(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
    """What L{unicodedata.normalize} gives."""
    if len(text) > _FEW and not text.isascii():
        decomposition: Literal["NFD", "NFKD"] = "NFKD" if form[2] == "K" else "NFD"
        if _rows(decomposition, _FEW // _STEP).search(text[::_STEP]):
            rows = _rows(decomposition, _FEW)
            text = rows.sub(lambda match: _in_order(decomposition, match[0]), text)
    return normalize(form, text)


def _in_order(decomposition: Literal["NFD", "NFKD"], run: str) -> str:
    """The canonical order (Unicode §3.11): those of the same class stay as they stand."""
    single = {character: normalize(decomposition, character) for character in set(run)}
    return "".join(sorted("".join(map(single.__getitem__, run)), key=combining))


@cache
def _rows(decomposition: Literal["NFD", "NFKD"], least: int) -> re.Pattern[str]:
    """Finds so many characters in a row that are combining ones when they are decomposed."""
    found = (chr(code) for code in range(_FIRST, _LAST + 1) if not 0xAC00 <= code <= 0xDFFF)
    them = "".join(one for one in found if combining(normalize(decomposition, one)[0]))
    return re.compile(f"[{them}]{{{least},}}")
