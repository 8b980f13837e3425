"""
Conversations: which messages belong together (spec/schema.md §4).

A row of C{threads} holds hashes of Message-IDs and a normalised subject.  A
message joins the row that shares one of its hashes and its subject.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bson import ObjectId

from wildduck.database import Line
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.referenced import Follows

#: Hashes kept in one row, the newest: a conversation without end must not grow
#: its row without end.
THREAD_IDS = 1000


async def find_thread(
    backend: Backend,
    user: ObjectId,
    ids: Sequence[str],
    subject: str,
    follows: Follows | None = None,
    line: Line | None = None,
) -> ObjectId:
    """
    The thread of a message, made when there is none.

    @param ids: hashes of its own Message-ID and of those it refers to.
    @param subject: normalised.
    @param follows: of the message that it answers: with the same subject it joins
        that thread, whose row is made anew if it has expired.
    @param line: on which it is asked for.
    """
    which: dict[str, Any] = {"user": user, "ids": {"$in": list(ids)}, "subject": subject}
    if follows is not None and follows.subject == subject:
        which = {"_id": follows.thread, "user": user}
    elif not ids:
        # Nothing could ever join it: no row.
        return ObjectId()
    if follows is None and len(ids) == 1:
        # It refers to no other, so most probably no other refers to it yet.
        thread = ObjectId()
        begun: dict[str, Any] = {"_id": thread, "ids": list(ids), "subject": subject, "user": user}
        begun["updated"] = backend.now()
        done = await backend.main.update_one(
            "threads", which, {"$setOnInsert": begun}, upsert=True, numbered=False, line=line
        )
        if done.upserted_id is not None:
            return thread
    known = {"$cond": [{"$isArray": "$ids"}, "$ids", []]}
    new: list[Any] = [{"$literal": value} for value in ids]
    row = await backend.main.find_one_and_update(
        "threads",
        which,
        [
            {
                "$set": {
                    "ids": {
                        "$slice": [
                            {"$concatArrays": [known, {"$setDifference": [new, known]}]},
                            -THREAD_IDS,
                        ]
                    },
                    # A literal: a subject may begin with "$" (spec/differences.md C3).
                    "subject": {"$literal": subject},
                    "user": user,
                    "updated": backend.now(),
                }
            }
        ],
        projection={"_id": True},
        upsert=True,
        return_after=True,
        numbered=False,
        line=line,
    )
    if row is None:
        return ObjectId()
    found: ObjectId = row["_id"]
    return found
