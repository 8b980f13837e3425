"""
C{\\Recent}: which session is the first to be told of a message (RFC 3501 §2.3.2).

The mailbox document has in C{native.recent} the first UID that nobody was told
of.  Whoever is told of messages, by SELECT or as they come, raises it in the
same step as he reads it; the messages in between are recent to his session and
to no other.  No message document changes, and no MODSEQ.

A mailbox without that field (WildDuck made it, which knows no recent messages)
has none to begin with.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from bson import ObjectId

from wildduck.mailstore.backend import Backend
from wildduck.mailstore.values import number


class Recents(Enum):
    """What a session has to do with recent messages."""

    #: Nothing: it is no IMAP session, or one that knows none.
    IGNORED = auto()
    #: As EXAMINE: it sees them, and they stay recent for others.
    SHOWN = auto()
    #: As SELECT: they are recent to it, and to nobody else afterwards.
    CLAIMED = auto()


def first_recent(document: Mapping[str, Any]) -> int:
    """
    The first UID that nobody was told of, 0 where that is not known.

    @param document: C{native} of the mailbox.
    """
    native = document.get("native")
    return max(0, number(native.get("recent"))) if isinstance(native, Mapping) else 0


async def claim_recent(backend: Backend, mailbox: ObjectId, upto: int) -> int:
    """
    Take the messages below a UID for one session.

    @param upto: not higher than the low-water mark's UID: none below it is still to come.
    @return: the first of them, C{upto} or more when there is none.
    """
    before = await backend.main.find_one_and_update(
        "mailboxes",
        {"_id": mailbox},
        [{"$set": {"native": {"recent": {"$max": ["$native.recent", upto]}}}}],
        projection={"native.recent": True},
    )
    return first_recent(before or {}) or upto
