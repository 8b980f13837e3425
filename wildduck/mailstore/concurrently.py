"""Running coroutines side by side, with a bound."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

_T = TypeVar("_T")
_R = TypeVar("_R")


def spawn(work: Coroutine[Any, Any, _T]) -> Deferred[_T]:
    """Start a coroutine now."""
    return Deferred.fromCoroutine(work)


async def gather(*work: Coroutine[Any, Any, Any]) -> list[Any]:
    """
    Run all at the same time and wait for all, also when one fails.

    @return: their results, in order.
    @raise Exception: what the first one that failed raised.
    """
    running = [spawn(one) for one in work]
    outcome: list[Any] = []
    failure: BaseException | None = None
    for one in running:
        try:
            outcome.append(await one)
        except Exception as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return outcome


async def for_each(items: Iterable[_T], work: Callable[[_T], Awaitable[_R]], workers: int) -> list[_R]:
    """
    Do something for each item, at most C{workers} at a time.

    After a failure no further item is begun; those under way are waited for.

    @return: results in the order of the items.
    @raise Exception: what the first one that failed raised.
    """
    pending = list(enumerate(items))
    pending.reverse()
    results: dict[int, _R] = {}

    async def worker() -> None:
        while pending:
            place, item = pending.pop()
            try:
                results[place] = await work(item)
            except BaseException:
                pending.clear()
                raise

    await gather(*(worker() for _ in range(min(workers, len(pending)))))
    return [results[place] for place in sorted(results)]
