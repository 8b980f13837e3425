"""
LIST and LSUB: the tree that a flat list of mailbox names stands for (RFC 3501 §6.3.8, RFC 5258 §3).

Names are looked at from the last to the first, so that of each it is known
already what lies under it; what is to be listed is kept by its place, and told
from the first to the last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from wildduck.imap.grammar.mailboxes import DELIMITER, INBOX
from wildduck.imap.patterns import Patterns

#: Characters of names that are matched before others have their turn: some milliseconds.
_AT_A_STRETCH = 50_000
_SPECIAL_USE = re.compile(r"\\[A-Za-z]+\Z")


@dataclass(frozen=True, slots=True)
class Entry:
    """
    A name to list.

    @ivar special_use: an attribute such as C{\\Sent}; what is none is never told.
    @ivar exists: it is a mailbox, and not merely subscribed.
    @ivar id: whatever the caller knows it by.
    """

    path: str
    special_use: str = ""
    subscribed: bool = False
    exists: bool = True
    id: Any = None

    @property
    def uses(self) -> tuple[str, ...]:
        return (self.special_use,) if _SPECIAL_USE.match(self.special_use) else ()


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What is asked for beside patterns.

    @ivar extended: by the syntax of RFC 5258, where a name that is no mailbox is
        told otherwise, and only where it tells more than others do.
    @ivar subscribed: only what is subscribed.
    @ivar special_use: only what has a special use.
    @ivar recursive: also what has such things under it.
    @ivar tell_subscribed: what is subscribed is told to be.
    """

    extended: bool = False
    subscribed: bool = False
    special_use: bool = False
    recursive: bool = False
    tell_subscribed: bool = False

    def meets(self, entry: Entry) -> bool:
        """The selection criteria."""
        return (
            (entry.exists or self.subscribed)
            and (entry.subscribed or not self.subscribed)
            and (bool(entry.uses) or not self.special_use)
        )

    @property
    def everything(self) -> bool:
        """All that is there meets them."""
        return not self.subscribed and not self.special_use


@dataclass(frozen=True, slots=True)
class Found:
    """
    A name that is to be told.

    @ivar path: decoded.
    @ivar attributes: with their backslash.
    @ivar child_info: something under it meets the criteria (CHILDINFO).
    @ivar entry: the mailbox, if this is one and meets the criteria.
    """

    path: str
    attributes: tuple[str, ...]
    child_info: bool = False
    entry: Entry | None = None


@dataclass(slots=True)
class _Level:
    """
    A name, or a level above one, and what lies under it.

    @ivar under: a name that begins with it, or is it.
    @ivar length: of so many characters of that.
    @ivar matches: it matches a pattern.
    @ivar entry: it is this name itself, and not only a level.
    @ivar meets: and that meets the criteria.
    @ivar child: a mailbox lies under it.
    @ivar met: something under it meets the criteria.
    @ivar unlisted: and there is such a thing that matches no pattern, and so is not told itself.
    """

    under: Entry
    length: int
    matches: bool
    entry: Entry | None = None
    meets: bool = False
    child: bool = False
    met: bool = False
    unlisted: bool = False

    @property
    def path(self) -> str:
        return self.under.path[: self.length]

    def take_in(self, lower: _Level) -> None:
        """Another one lies right under it."""
        self.child |= lower.child or (lower.entry is not None and lower.entry.exists)
        self.met |= lower.met or lower.meets
        self.unlisted |= lower.unlisted or (lower.meets and not lower.matches)


def listing(entries: Iterable[Entry], patterns: Patterns, asked: Asked) -> Iterator[Found | None]:
    """
    What LIST answers: names, and levels above them that are none.

    INBOX comes first, then each mailbox before its children.

    @param entries: no name twice.
    @return: C{None} in between when so much was looked at that others may have their turn.
    """
    told = []
    for level in _tree(entries, patterns, asked.meets):
        if level is None:
            yield None
        elif level.matches and _is_told(level, patterns, asked):
            told.append(level)
    while told:
        yield _found(told.pop(), asked)


def subscriptions(entries: Iterable[Entry], patterns: Patterns, *, levels: bool) -> Iterator[Found | None]:
    """
    What LSUB answers: the subscribed names.

    @param entries: as of L{listing}.
    @param levels: also the levels above those that lie deeper, as C{\\Noselect}
        even where they are mailboxes, for they are not subscribed: where the
        pattern ends with C{%} (RFC 3501 §6.3.9).
    @return: C{None} in between, as L{listing}.
    """
    told = []
    subscribed = (entry for entry in entries if entry.subscribed)
    for level in _tree(subscribed, patterns, lambda entry: True):
        if level is None:
            yield None
        elif level.matches and (levels or level.entry is not None):
            told.append(level)
    while told:
        level = told.pop()
        yield Found(level.path, ("\\Noselect",) if level.entry is None else ())


def _tree(
    entries: Iterable[Entry], patterns: Patterns, meets: Callable[[Entry], bool]
) -> Iterator[_Level | None]:
    """
    Each name and each level above one, from the last to the first, when all that lies under it is known.

    C{None} after each L{_AT_A_STRETCH} characters, for names can be very long.
    """
    above: list[_Level] = []
    behind = ""
    walked = 0
    for entry in sorted(entries, key=_place, reverse=True):
        path = entry.path
        walked += len(path) * patterns.work
        if walked > _AT_A_STRETCH:
            walked = 0
            yield None
        while above and not _lies_above(path, behind, above[-1].length):
            yield _close(above)
        matching = patterns.matching_levels(path)
        # Where others lie under it, it was met as a level above them.
        if above and above[-1].length == len(path):
            itself = above.pop()
        else:
            itself = _Level(entry, len(path), len(path) in matching)
        itself.entry, itself.meets = entry, meets(entry)
        known = above[-1].length if above else 0
        above += [_Level(entry, length, length in matching) for length in _levels(path) if length > known]
        yield _close([*above[-1:], itself])
        behind = path
    while above:
        yield _close(above)


def _close(above: list[_Level]) -> _Level:
    """Nothing more lies under the lowest one; it is told to the one above it."""
    level = above.pop()
    if above:
        above[-1].take_in(level)
    return level


def _is_told(level: _Level, patterns: Patterns, asked: Asked) -> bool:
    """Whether a name that matches is listed."""
    if level.meets:
        return True
    if level.entry is not None and level.entry.exists:
        # RFC 5258 §3.5 has left out what only repeats others; its examples (§5, 9) do
        # so, but not with a mailbox where whole trees are asked for.
        return asked.recursive and level.met and (level.unlisted or patterns.deep)
    return not asked.extended or (level.unlisted and (asked.everything or asked.recursive))


def _found(level: _Level, asked: Asked) -> Found:
    entry = level.entry
    told: tuple[str, ...] = ()
    if entry is None or not entry.exists:
        # One of the two, for they say the same (RFC 5258 §3).
        told = ("\\NonExistent" if asked.extended else "\\Noselect",)
    told += attributes(entry, children=level.child, tell_subscribed=asked.tell_subscribed)
    mailbox = entry if entry is not None and entry.exists and level.meets else None
    return Found(level.path, told, asked.recursive and level.met, mailbox)


def attributes(entry: Entry | None, *, children: bool, tell_subscribed: bool) -> tuple[str, ...]:
    """
    What is told of a name, beside whether it is a mailbox.

    @param entry: C{None}: only others under it have it.
    @param children: mailboxes lie under it.
    """
    told = ("\\HasChildren" if children else "\\HasNoChildren",)
    if entry is None:
        return told
    subscribed = ("\\Subscribed",) if tell_subscribed and entry.subscribed else ()
    return (*told, *entry.uses, *subscribed)


def _place(entry: Entry) -> tuple[bool, str]:
    """Orders names so that what lies under one follows it at once."""
    path = entry.path
    return not (path == INBOX or path.startswith(INBOX + DELIMITER)), path.replace(DELIMITER, "\0")


def _lies_above(path: str, behind: str, length: int) -> bool:
    """Whether a level above the name behind this one is above this one too, or is it."""
    return behind[:length] == path[:length] and path[length : length + 1] in ("", DELIMITER)


def _levels(path: str) -> Iterator[int]:
    """The lengths of the parents of a name, ascending."""
    length = path.find(DELIMITER)
    while length >= 0:
        yield length
        length = path.find(DELIMITER, length + 1)
