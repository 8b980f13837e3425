"""
Conversations: which messages belong together (spec/schema.md §4).

A row of C{threads} holds hashes of Message-IDs and a normalised subject.  A
message joins the row that shares one of its hashes and its subject.

No index keeps two rows apart that begin at the same time, so the id of a new one
is made of what it begins with: of two of them one is refused, and finds the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from bson import ObjectId

from wildduck.database import Line
from wildduck.errors import DuplicateKey
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.referenced import Follows

#: Hashes kept in one row, the newest: a conversation without end must not grow
#: its row without end.
THREAD_IDS = 1000


@dataclass(frozen=True, slots=True)
class _Sought:
    """
    @ivar which: the filter that its row matches.
    """

    which: dict[str, Any]
    user: ObjectId
    ids: list[str]
    subject: str

    def begun(self) -> ObjectId:
        """The id of a thread that such a message begins."""
        parts = (self.user.binary, *(id.encode() for id in sorted(self.ids)))
        return ObjectId(sha256(b"\0".join((*parts, self.subject.encode("utf-8", "replace")))).digest()[:12])


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
    sought = _Sought(which, user, list(ids), subject)
    thread = sought.begun()
    if follows is None and len(ids) == 1:
        # It refers to no other, so most probably no other refers to it yet.
        begun: dict[str, Any] = {"_id": thread, "ids": list(ids), "subject": subject, "user": user}
        begun["updated"] = backend.now()
        try:
            done = await backend.main.update_one(
                "threads", which, {"$setOnInsert": begun}, upsert=True, numbered=False, line=line
            )
        except DuplicateKey:
            return await _join(backend, sought, thread)
        if done.upserted_id is not None:
            return thread
    try:
        return await _update(backend, sought, thread, line)
    except DuplicateKey:
        return await _join(backend, sought, thread)


async def _join(backend: Backend, sought: _Sought, refused: ObjectId) -> ObjectId:
    """
    The thread of a message after the row that it would begin was refused.

    @param refused: its id, which another one has: one that begins with the same, or
        has lost what it began with.
    """
    try:
        return await _update(backend, sought, refused)
    except DuplicateKey:
        return await _update(backend, sought, ObjectId())


async def _update(backend: Backend, sought: _Sought, begun: ObjectId, line: Line | None = None) -> ObjectId:
    """
    Add to the row of a thread, made when there is none.

    @param begun: its id then.
    @raise DuplicateKey: another row has this id.
    """
    known = {"$cond": [{"$isArray": "$ids"}, "$ids", []]}
    new: list[Any] = [{"$literal": value} for value in sought.ids]
    row = await backend.main.find_one_and_update(
        "threads",
        sought.which,
        [
            {
                "$set": {
                    "_id": {"$ifNull": ["$_id", begun]},
                    "ids": {
                        "$slice": [
                            {"$concatArrays": [known, {"$setDifference": [new, known]}]},
                            -THREAD_IDS,
                        ]
                    },
                    # A literal: a subject may begin with "$" (spec/differences.md C3).
                    "subject": {"$literal": sought.subject},
                    "user": sought.user,
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
