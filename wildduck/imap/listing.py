"""
LIST and LSUB: patterns, and the tree that a flat list of mailbox names stands for (RFC 3501 §6.3.8).

A pattern is matched by one walk over a name with a set of places in the
pattern, kept as the bits of an integer.  There is nothing to try again, whatever
the wildcards (CVE-2021-40110), and the same walk tells which of the name's
parents match.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wildduck import limits
from wildduck.errors import CannotDo
from wildduck.imap.grammar.mailboxes import DELIMITER, INBOX
from wildduck.imap.grammar.responses import ListData, LsubData

#: C{*%} matches what C{*} matches.
_WILDCARDS = re.compile(r"[*%]{2,}")
#: Characters of names that are matched before others have their turn: some milliseconds.
_AT_A_STRETCH = 50_000
_SPECIAL_USE = re.compile(r"\\[A-Za-z]+\Z")


class Pattern:
    """
    A pattern: C{*} matches anything, C{%} anything within one level.

    INBOX, alone or as the first level of a name, matches in any case.
    """

    def __init__(self, pattern: str) -> None:
        """@raise CannotDo: too long to be matched against every mailbox."""
        if len(pattern) > limits.IMAP_PATTERN:
            raise CannotDo("The pattern is too long")
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


@dataclass(frozen=True, slots=True)
class Entry:
    """
    A mailbox to list.

    @ivar special_use: an attribute such as C{\\Sent}, or C{""}.
    """

    path: str
    special_use: str = ""


def interpreted(reference: str, pattern: str) -> str:
    """
    The pattern that both arguments of LIST and LSUB make together.

    A slash at the beginning of a name means nothing to SELECT, so here neither
    (RFC 3501 §6.3.8: "interpreted as by SELECT").
    """
    return (reference + pattern).lstrip(DELIMITER)


def listing(
    entries: Iterable[Entry], pattern: str, *, special_use_only: bool = False
) -> Iterator[ListData | None]:
    """
    What LIST answers: mailboxes and the missing levels above them (C{\\Noselect}).

    INBOX comes first, then each mailbox before its children.

    @param special_use_only: only those that have a special use (RFC 6154 §2).
    @return: C{None} in between when so much was looked at that others may have their turn.
    """
    for match in _walk(entries, pattern):
        if match is None:
            yield None
            continue
        entry, length, following = match
        if length == len(entry.path):
            attributes = _attributes(entry, following)
            if len(attributes) > 1 or not special_use_only:
                yield ListData(attributes, entry.path)
        elif not special_use_only:
            yield ListData(("\\Noselect", "\\HasChildren"), entry.path[:length])


def subscriptions(paths: Iterable[str], pattern: str) -> Iterator[LsubData | None]:
    """
    What LSUB answers: the subscribed mailboxes.

    With C{%} at the end also the levels above those that lie deeper, as
    C{\\Noselect} even where they are mailboxes, for they are not subscribed (RFC
    3501 §6.3.9).

    @return: C{None} in between, as L{listing}.
    """
    levels = pattern.endswith("%")
    for match in _walk(map(Entry, paths), pattern):
        if match is None:
            yield None
            continue
        entry, length, _following = match
        if length == len(entry.path):
            yield LsubData((), entry.path)
        elif levels:
            yield LsubData(("\\Noselect",), entry.path[:length])


def _walk(entries: Iterable[Entry], pattern: str) -> Iterator[tuple[Entry, int, str] | None]:
    """
    Each match once: a mailbox, the length of that part of its name which
    matches (all of it, or a level above that is no entry), and the next name.

    C{None} after each L{_AT_A_STRETCH} characters, for names can be very long.
    """
    matcher = Pattern(pattern)
    ordered = sorted(entries, key=_place)
    previous = ""
    walked = 0
    for index, entry in enumerate(ordered):
        walked += len(entry.path)
        if walked > _AT_A_STRETCH:
            walked = 0
            yield None
        following = ordered[index + 1].path if index + 1 < len(ordered) else ""
        known = _common(previous, entry.path)
        for length in matcher.matching_levels(entry.path):
            if length == len(entry.path) or length > known:
                yield entry, length, following
        previous = entry.path


def _place(entry: Entry) -> tuple[bool, str]:
    """Orders names so that what lies under one follows it at once."""
    path = entry.path
    return not (path == INBOX or path.startswith(INBOX + DELIMITER)), path.replace(DELIMITER, "\0")


def _common(previous: str, path: str) -> int:
    """The length of the lowest parent of C{path} that is listed already, with C{previous} or above it."""
    common = 0
    for level in _levels(path):
        if previous[:level] != path[:level] or previous[level : level + 1] not in ("", DELIMITER):
            break
        common = level
    return common


def _levels(path: str) -> Iterator[int]:
    """The lengths of the parents of a name, ascending."""
    length = path.find(DELIMITER)
    while length >= 0:
        yield length
        length = path.find(DELIMITER, length + 1)


def _attributes(entry: Entry, following: str) -> tuple[str, ...]:
    children = "\\HasChildren" if following.startswith(entry.path + DELIMITER) else "\\HasNoChildren"
    return (children, entry.special_use) if _SPECIAL_USE.match(entry.special_use) else (children,)
