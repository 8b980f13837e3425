"""
Words of messages that are gone go too.

Whoever removed or moved them, WildDuck too: each segment is looked at once a day
or so, and written anew without what is gone.  Of a mailbox that is deleted all
segments go at once (L{segments.forget}).
"""

from __future__ import annotations

import datetime
from typing import Any

from wildduck.limits import BATCH_ROWS
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.text_index import building
from wildduck.mailstore.text_index.segment import Segment
from wildduck.mailstore.text_index.segments import MALFORMED, SEGMENTS
from wildduck.mailstore.text_index.words import VERSION
from wildduck.mailstore.values import number

#: A segment that was looked at is left alone for so long.
PAUSE = datetime.timedelta(days=1)

#: Segments of one sweep.
_MOST = 2000
#: Segments that are held at a time.
_BATCH = 4


async def sweep(backend: Backend) -> int:
    """
    Look at the segments that were not looked at for long; repeatable.

    @return: how many were written anew or removed.
    """
    changed = 0
    due = {"checked": {"$lt": backend.now() - PAUSE}}
    batches = backend.main.batches(
        SEGMENTS, due, sort=[("checked", 1)], limit=_MOST, batch_size=_BATCH, prefetch=False
    )
    async for batch in batches:
        for row in batch:
            changed += await _look(backend, row)
            await backend.breathe()
    return changed


async def _look(backend: Backend, row: dict[str, Any]) -> bool:
    this = {"_id": row["_id"]}
    now = backend.now()
    segment = _of_row(row)
    if segment is None:
        # What made it is no more, or is another's: then that one makes it again.
        return bool(await backend.main.delete_one(SEGMENTS, this))
    uids = {*segment.uids, *segment.unread}
    gone = uids - await _there(backend, row["mailbox"], uids)
    if gone == uids:
        return bool(await backend.main.delete_one(SEGMENTS, this))
    change: dict[str, Any] = {"checked": now}
    if gone:
        left = await backend.mime_pool.run(building.merged, [segment], gone)
        change.update(left.document())
    await backend.main.update_one(SEGMENTS, this, {"$set": change}, idempotent=True)
    return bool(gone)


def _of_row(row: dict[str, Any]) -> Segment | None:
    if row.get("v") != VERSION:
        return None
    try:
        return Segment.of_document(row)
    except MALFORMED:
        return None


async def _there(backend: Backend, mailbox: Any, uids: set[int]) -> set[int]:
    """Those of which there is a message: asked of an index."""
    if not uids:
        return set()
    batches = backend.main.batches(
        "messages",
        {"mailbox": mailbox, "uid": {"$gte": min(uids), "$lte": max(uids)}},
        projection={"_id": False, "uid": True},
        batch_size=BATCH_ROWS,
    )
    found: set[int] = set()
    async for batch in batches:
        found.update(number(row.get("uid")) for row in batch)
        await backend.breathe()
    return found
