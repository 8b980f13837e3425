"""Feature flags: in the user document, and mirrored in Redis sets (spec/schema.md §10 C{feature:})."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import ObjectId
from twisted.logger import Logger

from wildduck.accounts.surroundings import Surroundings
from wildduck.database.task_rows import add_task
from wildduck.errors import DomainError

_log = Logger()

#: Tasks that WildDuck's workers run for whom a feature is switched on.
_TASKS = {"indexing": "user-indexing"}


async def mirror(
    surroundings: Surroundings, user: ObjectId, flags: Mapping[str, Any], *, tasks: bool = False
) -> None:
    """
    Bring the sets up to date; what fails is logged, for the document is what counts.

    @param tasks: what a feature that was off needs done for the mail that is there is queued.
    """
    for flag, enabled in flags.items():
        try:
            command = "SADD" if enabled else "SREM"
            changed = await surroundings.redis.execute(command, f"feature:{flag}", str(user))
            if tasks and enabled and changed and flag in _TASKS:
                main = surroundings.databases.main
                await add_task(main, _TASKS[flag], {"user": user}, surroundings.now())
        except DomainError as error:
            _log.warn("feature {flag} was not mirrored: {error}", flag=flag, error=str(error))
