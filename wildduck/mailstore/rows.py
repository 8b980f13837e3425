"""Messages of a mailbox as they are stored, by UID."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from wildduck.limits import BATCH_ROWS
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.values import Mailbox

#: Documents of one batch when whole trees are read.
_BODY_ROWS = 50


async def rows(
    backend: Backend,
    mailbox: Mailbox,
    uids: Sequence[int],
    projection: Mapping[str, Any],
    *,
    batch_size: int = 0,
) -> AsyncIterator[list[dict[str, Any]]]:
    """
    Message documents, ascending by UID; those that are gone are left out.

    @param uids: ascending.
    @param projection: C{uid} is always there.
    @param batch_size: documents of one batch; the default goes by the projection.
    """
    size = batch_size or (_BODY_ROWS if "mimeTree" in projection else BATCH_ROWS)
    fields = {**projection, "uid": True}
    for start in range(0, len(uids), BATCH_ROWS):
        some = list(uids[start : start + BATCH_ROWS])
        filter = {"mailbox": mailbox.id, "uid": {"$in": some}}
        if some[-1] - some[0] == len(some) - 1:
            # Without a gap, which is usual: a range is cheaper than a list.
            filter["uid"] = {"$gte": some[0], "$lte": some[-1]}
        batches = backend.main.batches(
            "messages", filter, projection=fields, sort=[("uid", 1)], batch_size=size, slow=False
        )
        async for batch in batches:
            yield batch


async def all_uids(backend: Backend, mailbox: Mailbox, having: Mapping[str, Any] | None = None) -> list[int]:
    """
    UIDs of the messages that are there, ascending.

    @param having: a filter that they match.
    """
    uids: list[int] = []
    async for batch in backend.main.batches(
        "messages",
        {"mailbox": mailbox.id, **(having or {})},
        projection={"_id": False, "uid": True},
        sort=[("uid", 1)],
    ):
        uids.extend(row["uid"] for row in batch)
    return uids
