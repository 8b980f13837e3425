"""
What names a message for good, and since when its mailbox has it (RFC 8474, 8514).

Nothing is stored for this: WildDuck's documents have it.  Copies of a message share
C{root}, and C{_id} says when it was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId

#: What the functions here read.
EMAIL_FIELDS = ("_id", "root")
THREAD_FIELDS = ("thread",)
SAVED_FIELDS = ("_id",)


def email_id(document: Mapping[str, Any]) -> str | None:
    """
    C{EMAILID}: the same for a message and its copies.

    @param document: with L{EMAIL_FIELDS}.
    """
    return _named("M", document.get("root")) or _named("M", document.get("_id"))


def thread_id(document: Mapping[str, Any]) -> str | None:
    """
    C{THREADID}: the same for all messages of a conversation.

    @param document: with L{THREAD_FIELDS}.
    @return: C{None} where it belongs to none.
    """
    return _named("T", document.get("thread"))


def saved_date(document: Mapping[str, Any]) -> datetime | None:
    """
    C{SAVEDATE}, in UTC: when the message came into its mailbox.

    @param document: with L{SAVED_FIELDS}.
    """
    id = document.get("_id")
    return id.generation_time if isinstance(id, ObjectId) else None


def _named(letter: str, id: object) -> str | None:
    """Ids should not begin with a digit (RFC 8474 §7)."""
    return f"{letter}{id}" if isinstance(id, ObjectId) else None
