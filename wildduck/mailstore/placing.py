"""
What a mailbox decides of a message that comes into it by COPY or MOVE.

Pure expressions of MongoDB: the documents themselves stay where they are, in the
database.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from bson import ObjectId

from wildduck.mailstore.allocation import Allocation
from wildduck.mailstore.flags import mirror_fields, with_flags
from wildduck.mailstore.retention import stamp
from wildduck.mailstore.values import Mailbox

_JUNK = "\\Junk"
_TRASH = "\\Trash"


def position(uids: Sequence[int]) -> dict[str, Any]:
    """The expression for a document's place among these UIDs, from 0."""
    if uids[-1] - uids[0] == len(uids) - 1:
        return {"$toInt": {"$subtract": ["$uid", uids[0]]}}
    return {"$indexOfArray": [{"$literal": list(uids)}, "$uid"]}


def place_stages(
    allocation: Allocation, uids: Sequence[int], flags: Sequence[str], added: datetime.datetime
) -> list[dict[str, Any]]:
    """
    The stages that give messages their place in a mailbox.

    @param allocation: a UID and a MODSEQ for each.
    @param uids: theirs before, ascending.
    @param flags: to be added to theirs.
    """
    mailbox = allocation.mailbox
    place = position(uids)
    fields = {
        "mailbox": mailbox.id,
        "uid": {"$add": [allocation.uid, place]},
        "modseq": {"$add": [allocation.modseq, place]},
        "flags": with_flags(flags),
        "rdate": "$$REMOVE",
        **stamp(mailbox.retention, added),
    }
    if mailbox.special_use == _JUNK:
        fields["junk"] = True
    elif mailbox.special_use != _TRASH:
        fields["junk"] = "$$REMOVE"
    return [{"$set": fields}, {"$set": mirror_fields()}]


def new_ids(uids: Sequence[int], ids: Sequence[ObjectId]) -> dict[str, Any]:
    """
    The stage that makes new documents of others; to come before L{place_stages}.

    @param uids: of the messages, ascending.
    @param ids: the new C{_id} of each.
    """
    # Of old documents without a root the copies are told by it as well.
    root = {"$ifNull": ["$root", "$_id"]}
    return {"$set": {"_id": {"$arrayElemAt": [{"$literal": list(ids)}, position(uids)]}, "root": root}}


def as_copies(time: datetime.datetime) -> dict[str, Any]:
    """
    The stage for what a copy does not have from its original.

    @param time: recorded with it, as WildDuck does.
    """
    events = {"$cond": [{"$isArray": "$meta.events"}, "$meta.events", []]}
    return {
        "$set": {
            "copied": False,
            "userDeleted": False,
            "meta.events": {"$concatArrays": [events, [{"action": "IMAPCOPY", "time": time}]]},
        }
    }


def junk_change(row: Mapping[str, Any], target: Mailbox) -> int:
    """
    Whether a message becomes junk by this, 1, or ceases to be, -1, else 0.

    @param row: C{junk} of the message before.
    """
    if target.special_use == _JUNK:
        return 0 if row.get("junk") else 1
    return -1 if row.get("junk") and target.special_use != _TRASH else 0
