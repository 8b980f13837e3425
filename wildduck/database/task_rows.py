"""
Work that is to be done in the background, in WildDuck's form (spec/schema.md C{tasks}).

Any server's task loop takes a row, WildDuck's too.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId

from wildduck.database.database import Database


async def add_task(
    main: Database, task: str, data: Mapping[str, Any], now: datetime, *, not_before: datetime | None = None
) -> ObjectId:
    """
    Queue a task; when this returns it is there to stay.

    @param main: the handle of the collection C{tasks}.
    @param data: what the task is told.
    @param not_before: it waits until then, C{None} for not at all.
    @return: the task's id.
    """
    task_id = ObjectId()
    row = {
        "_id": task_id,
        "task": task,
        "locked": not_before is not None,
        "lockedUntil": not_before or now,
        "created": now,
        "status": "waiting" if not_before is None else "delayed",
        "data": dict(data),
    }
    await main.insert_one("tasks", row, durable=True)
    return task_id
