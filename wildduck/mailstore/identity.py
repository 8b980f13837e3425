"""
What names a message for good, and since when its mailbox has it (RFC 8474, 8514).

Nothing is stored for this: WildDuck's documents have it.

C{root} is the C{_id} of the message that others were copied from.  A copy that was
encrypted on the way has other bytes under the same C{root}, but also another
C{magic}, which its own copies share; so the two together name the bytes.

C{_id} says when a document was made, as its message was added or copied.  A MOVE in
place keeps it, but like every arrival writes the time to C{retentionTime}.  WildDuck's
COPY and MOVE make a new C{_id} and may take an old C{retentionTime} along: the later of
the two counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from bson import ObjectId

from wildduck.mailstore.values import number

#: What the functions here read.
EMAIL_FIELDS = ("_id", "root", "magic")
THREAD_FIELDS = ("thread",)
SAVED_FIELDS = ("_id", "retentionTime")

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: The end of the year 9999 in milliseconds, beyond which there are no dates.
_LATEST = 253_402_300_799_000


def email_id(document: Mapping[str, Any]) -> str | None:
    """
    C{EMAILID}: the same for a message and its copies.

    @param document: with L{EMAIL_FIELDS}; old ones have no C{root}.
    @return: C{None} for a document whose C{_id} is none of WildDuck's.
    """
    named = _named("M", document.get("root")) or _named("M", document.get("_id"))
    return None if named is None else f"{named}{number(document.get('magic')) & 0xFFFF:04x}"


def thread_id(document: Mapping[str, Any]) -> str | None:
    """
    C{THREADID}: the same for all messages of a conversation.

    @param document: with L{THREAD_FIELDS}.
    @return: C{None} where it belongs to none.
    """
    return _named("T", document.get("thread"))


def saved_date(document: Mapping[str, Any]) -> datetime | None:
    """
    C{SAVEDATE}: when the message came into its mailbox.

    @param document: with L{SAVED_FIELDS}.
    @return: in UTC, whole seconds; C{None} where nothing tells.
    """
    id = document.get("_id")
    made = id.generation_time if isinstance(id, ObjectId) else None
    stamped = number(document.get("retentionTime"))
    if not 0 < stamped <= _LATEST:
        return made
    arrived = _EPOCH + timedelta(seconds=stamped // 1000)
    return arrived if made is None else max(made, arrived)


def _named(letter: str, id: object) -> str | None:
    """Ids should not begin with a digit (RFC 8474 §8.1)."""
    return f"{letter}{id}" if isinstance(id, ObjectId) else None
