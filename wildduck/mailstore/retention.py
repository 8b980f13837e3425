"""How long messages are kept (spec/schema.md §7)."""

from __future__ import annotations

import datetime
from typing import Any

from wildduck.mailstore.backend import javascript, milliseconds

#: Trash and Junk keep messages for at most this long, in milliseconds.
TRASH_RETENTION = 30 * 86_400_000

#: Messages of a deleted mailbox have expired for this long already.
DELETED_MAILBOX = 86_400_000

#: Messages of a deleted account go after this time.
DELETED_USER = 14 * 86_400_000

_LIMITED = frozenset({"\\Trash", "\\Junk"})


def default_retention(special_use: str, user_retention: int) -> int:
    """
    The retention that a new mailbox gets, in milliseconds, 0 for ever.

    @param user_retention: the account's own, 0 for ever.
    """
    if special_use not in _LIMITED:
        return user_retention
    return min(user_retention or TRASH_RETENTION, TRASH_RETENTION)


def stamp(retention: int, added: datetime.datetime) -> dict[str, Any]:
    """
    The fields that say when a message added now expires.

    WildDuck counts from the whole second of the document's C{_id}.

    @param retention: the mailbox's, in milliseconds.
    """
    base = milliseconds(added) // 1000 * 1000
    fields: dict[str, Any] = {
        "retentionTime": javascript(base),
        "retention": javascript(retention),
        "exp": retention > 0,
    }
    if retention > 0:
        fields["rdate"] = javascript(base + retention)
    return fields
