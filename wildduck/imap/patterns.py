"""
Patterns of LIST and LSUB (RFC 3501 §6.3.8, RFC 5258 §3).

A pattern is matched by one walk over a name with a set of places in the
pattern, kept as the bits of an integer.  There is nothing to try again, whatever
the wildcards (CVE-2021-40110), and the same walk tells which of the name's
parents match.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from wildduck import limits
from wildduck.imap.grammar.mailboxes import DELIMITER, INBOX
from wildduck.mime.normal import normalized

#: C{*%} matches what C{*} matches.
_WILDCARDS = re.compile(r"[*%]{2,}")


class Pattern:
    """
    A pattern: C{*} matches anything, C{%} anything within one level.

    INBOX, alone or as the first level of a name, matches in any case.
    """

    def __init__(self, pattern: str) -> None:
        """@param pattern: not longer than L{limits.IMAP_PATTERN}, for the work grows with it."""
        pattern = _WILDCARDS.sub(lambda match: "*" if "*" in match.group() else "%", pattern)
        self._accept = 1 << len(pattern)
        self._stars = self._percents = 0
        self._at: dict[str, int] = {}
        for place, character in enumerate(pattern):
            bit = 1 << place
            if character == "*":
                self._stars |= bit
            elif character == "%":
                self._percents |= bit
            else:
                self._at[character] = self._at.get(character, 0) | bit

    def matches(self, name: str) -> bool:
        return len(name) in self.matching_levels(name)

    def matching_levels(self, name: str) -> list[int]:
        """
        The lengths, ascending, of those of the name's parents that match, and
        of the name itself if it does.
        """
        folded = len(INBOX) if name == INBOX or name.startswith(INBOX + DELIMITER) else 0
        wildcards = self._stars | self._percents
        active = 1 | (1 & wildcards) << 1
        lengths = []
        for length, character in enumerate(name):
            if character == DELIMITER:
                if active & self._accept:
                    lengths.append(length)
                staying = self._stars
            else:
                staying = wildcards
            moving = self._at.get(character, 0)
            if length < folded:
                moving |= self._at.get(character.lower(), 0)
            active = (active & moving) << 1 | active & staying
            active |= (active & wildcards) << 1
            if not active:
                return lengths
        if active & self._accept:
            lengths.append(len(name))
        return lengths


class Patterns:
    """
    The patterns of one command: a name matches if it matches one of them.

    @ivar deep: one of them takes in all that lies under what it matches.
    @ivar work: how many times each name is looked at.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        """@param patterns: as L{interpreted} gives them; what is too long is silently
        no pattern (RFC 9051 §6.3.9)."""
        accepted = [pattern for pattern in patterns if len(pattern) <= limits.IMAP_PATTERN]
        self.deep = any(pattern.endswith("*") for pattern in accepted)
        self.work = max(1, len(accepted))
        self._patterns = [Pattern(pattern) for pattern in accepted]

    def matching_levels(self, name: str) -> Collection[int]:
        """As of L{Pattern}, in no order."""
        if len(self._patterns) == 1:
            return self._patterns[0].matching_levels(name)
        return {length for pattern in self._patterns for length in pattern.matching_levels(name)}


def interpreted(reference: str, patterns: Iterable[str], *, unicode: bool = False) -> list[str]:
    """
    The patterns that both arguments of LIST and LSUB make together.

    Without empty ones, and without those that are much too long (L{Patterns}).

    A slash at the beginning of a name means nothing to SELECT, so here neither
    (RFC 3501 §6.3.8: "interpreted as by SELECT").

    @param unicode: names of this session are normalized to NFC, unless they are
        there as they were given: so are patterns.
    """
    found: dict[str, None] = {}
    # What is longer is no pattern in NFC either, where no character stands for more than four.
    longest = 4 * limits.IMAP_PATTERN
    for pattern in patterns:
        whole = (reference + pattern).lstrip(DELIMITER)
        if not pattern or len(whole) > longest:
            continue
        found[whole] = None
        if unicode:
            found[normalized("NFC", whole)] = None
    return list(found)
