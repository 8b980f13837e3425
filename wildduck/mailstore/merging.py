"""Making documents of others within the database: no body travels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bson import ObjectId

from wildduck.database import WriteGroup
from wildduck.errors import DuplicateKey, Unavailable
from wildduck.limits import OPERATION_SECONDS
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.uids import uid_filter
from wildduck.mailstore.values import Mailbox, number


async def merge(
    backend: Backend,
    source: Mailbox,
    rows: Sequence[Mapping[str, Any]],
    stages: Sequence[Mapping[str, Any]],
) -> bool:
    """
    Put changed copies of message documents into C{messages}.

    To be done between two writes of one group, which then speak for it.

    @param rows: C{_id} and C{uid} of the messages, ascending; of those that are
        gone by then no copy is made.
    @param stages: what makes the copies of them, with other C{_id}s.
    @return: C{False}: all, some or none may have been made, now or soon.
    """
    main = backend.main
    these = {
        **uid_filter(source.id, [number(row["uid"]) for row in rows]),
        "_id": {"$in": [row["_id"] for row in rows]},
    }
    into = {"into": "messages", "whenMatched": "fail", "whenNotMatched": "insert"}
    try:
        await main.command(
            {
                "aggregate": "messages",
                "pipeline": [{"$match": these}, *stages, {"$merge": into}],
                "cursor": {},
                # It must not go on when the numbers may be used no longer.
                "maxTimeMS": int(OPERATION_SECONDS * 1000),
                "writeConcern": {"w": "majority", "j": True} if main.mongos else {"w": 1},
            }
        )
    except (DuplicateKey, Unavailable):
        # An earlier try has come through, or this one may have; or an
        # increment of uidNext was lost in a failover.
        return False
    return True


async def bind(backend: Backend, target: Mailbox, ids: Sequence[ObjectId], group: WriteGroup) -> None:
    """
    Change nothing, but bind what is read of these messages from now on to the group.

    @raise Unavailable: it is not known whether it is bound.
    """
    await backend.main.update_many(
        "messages",
        {"_id": {"$in": list(ids)}, "mailbox": target.id},
        {"$set": {"mailbox": target.id}},
        durable=True,
        group=group,
    )
