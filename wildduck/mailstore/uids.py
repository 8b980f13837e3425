"""Messages of a mailbox by their UIDs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bson import ObjectId


def uid_filter(mailbox: ObjectId, uids: Sequence[int]) -> dict[str, Any]:
    """
    Messages of a mailbox.

    @param uids: ascending, not empty.
    """
    if uids[-1] - uids[0] == len(uids) - 1:
        # Without a gap, which is usual: a range is cheaper than a list.
        return {"mailbox": mailbox, "uid": {"$gte": uids[0], "$lte": uids[-1]}}
    return {"mailbox": mailbox, "uid": {"$in": list(uids)}}
