"""
Conversations as trees, and the simple way to make them (RFC 5256 §3 C{ORDEREDSUBJECT}).

For the other way see L{wildduck.mailstore.search.references}.  Nothing here
recurses: a conversation may be as deep as the mailbox is long.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

#: A number of a message, C{None} for one that is not there but holds others together
#: (it has two children or more), and its children.
Tree: TypeAlias = "tuple[int | None, list[Tree]]"


class Message(NamedTuple):
    """
    What conversations are made of.

    @ivar number: what stands for it in the tree.
    @ivar subject: its base subject, as it is compared.
    @ivar answers: see L{wildduck.mime.base_subject.BaseSubject}.
    @ivar sent: seconds since 1970.
    @ivar id: its Message-ID, if it has a valid one.
    @ivar references: Message-IDs of those that it follows, the nearest last.
    """

    number: int
    subject: str
    answers: bool
    sent: int
    id: str | None = None
    references: Sequence[str] = ()


def by_subject(messages: Iterable[Message]) -> list[Tree]:
    """
    Messages with one base subject are one conversation: the first that was sent
    and, as its children, all others.

    @param messages: in the order of the mailbox.
    """
    groups: dict[str, list[Message]] = {}
    for message in messages:
        groups.setdefault(message.subject, []).append(message)
    for group in groups.values():
        # Stable: what was sent at the same time stays in the order of the mailbox.
        group.sort(key=_sent)
    firsts = sorted(groups.values(), key=lambda group: (group[0].sent, group[0].number))
    return [(first.number, [(one.number, []) for one in others]) for first, *others in firsts]


def _sent(message: Message) -> int:
    return message.sent
