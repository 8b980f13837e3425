"""
What a tree of keys says of each message, as far as its leaves are known.

Three-valued (Kleene's) logic on whole sets: a message is decided as soon as the
leaves that are known suffice, whatever the others will say, inside C{NOT} and
C{OR} too.  What never becomes known (a message that is gone meanwhile, a text that
can not be read) leaves undecided only those messages that depend on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from wildduck.mailstore.search.keys import And, Key, Leaf, Not, Or


class Verdict(NamedTuple):
    """
    Sets of messages (L{wildduck.mailstore.search.masks}).

    @ivar yes: those that match.
    @ivar no: those that do not; in neither set: not known.
    """

    yes: int = 0
    no: int = 0


UNKNOWN = Verdict()


def decide(key: Key, known: Mapping[Leaf, Verdict], every: int) -> Verdict:
    """
    @param known: what is known of each leaf.
    @param every: the set of all messages.
    """
    if isinstance(key, Not):
        yes, no = decide(key.key, known, every)
        return Verdict(no, yes)
    if isinstance(key, And):
        yes, no = every, 0
        for one in key.keys:
            found = decide(one, known, every)
            yes, no = yes & found.yes, no | found.no
        return Verdict(yes, no)
    if isinstance(key, Or):
        yes, no = 0, every
        for one in key.keys:
            found = decide(one, known, every)
            yes, no = yes | found.yes, no & found.no
        return Verdict(yes, no)
    return known.get(key, UNKNOWN)


def leaves(key: Key) -> Iterator[Leaf]:
    """All leaves; one that is there twice comes twice."""
    pending: list[Key] = [key]
    while pending:
        one = pending.pop()
        if isinstance(one, Not):
            pending.append(one.key)
        elif isinstance(one, (And, Or)):
            pending.extend(one.keys)
        else:
            yield one
