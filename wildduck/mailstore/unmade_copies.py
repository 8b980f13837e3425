"""
What was kept for copies that are not there: storage and references to attachments.

When a COPY finds fewer copies than it has asked for, the others were either never made, for their
messages went in that moment, or made and removed again at once, and then what they held has been given
back by who removed them.  Giving back twice would harm, so it is asked a while later: who removes a
message tells of it in the journal, and holds nothing for longer than that while (store.md §2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from twisted.logger import Logger

from wildduck.database import WriteGroup
from wildduck.limits import MODSEQ_HOLE_SECONDS
from wildduck.mailstore.attachments import Attachments
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.quota import Quota
from wildduck.mailstore.values import Mailbox, number

_log = Logger()


@dataclass(frozen=True)
class Unmade:
    """
    Copies that were asked for and not found.

    @ivar target: where they should be.
    @ivar since: a MODSEQ of the target below all that they could have had.
    @ivar rows: by C{_id} of the copy the message that it would be of, with C{size}, C{magic} and
        C{mimeTree.attachmentMap}.
    @ivar group: what was counted for them.
    """

    target: Mailbox
    since: int
    rows: Mapping[ObjectId, Mapping[str, Any]]
    group: WriteGroup


def give_back_later(backend: Backend, attachments: Attachments, quota: Quota, unmade: Unmade) -> None:
    """
    Give back what is kept for those that never were.

    If the server ends before, the verifier finds it.
    """
    backend.later(MODSEQ_HOLE_SECONDS, lambda: _give_back(backend, attachments, quota, unmade))


async def _give_back(backend: Backend, attachments: Attachments, quota: Quota, unmade: Unmade) -> None:
    # Changes nothing, but is durable: what was counted has then lasted, or an election has taken it back.
    await backend.main.update_many(
        "messages",
        {"_id": {"$in": list(unmade.rows)}, "mailbox": unmade.target.id},
        {"$set": {"mailbox": unmade.target.id}},
        durable=True,
        group=unmade.group,
    )
    if not unmade.group.intact:
        return
    were = await _were(backend, unmade)
    rows = [row for id, row in unmade.rows.items() if id not in were]
    if not rows:
        return
    await attachments.release_all(rows)
    await quota.release(unmade.target.user, sum(number(row.get("size")) for row in rows))
    _log.info("what was kept for {count} copies that were not made is given back", count=len(rows))


async def _were(backend: Backend, unmade: Unmade) -> set[ObjectId]:
    """Those that are somewhere, or were."""
    ids, main = list(unmade.rows), backend.main
    found: set[ObjectId] = set()
    for collection in ("messages", "archived"):
        rows = await main.find(collection, {"_id": {"$in": ids}}, projection={"_id": True}, limit=len(ids))
        found.update(row["_id"] for row in rows)
    told = {"mailbox": unmade.target.id, "modseq": {"$gte": unmade.since}, "message": {"$in": ids}}
    async for batch in main.batches("journal", told, projection={"message": True}, slow=False):
        found.update(row["message"] for row in batch)
    return found
