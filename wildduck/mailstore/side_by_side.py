"""Going through several sorted streams at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

Document = dict[str, Any]


async def flat(batches: AsyncIterator[list[Document]]) -> AsyncIterator[Document]:
    """The documents of batches, one by one."""
    async for batch in batches:
        for document in batch:
            yield document


async def side_by_side(
    order: Callable[[Any], Any], *streams: AsyncIterator[Document]
) -> AsyncIterator[tuple[Any, tuple[Document | None, ...]]]:
    """
    Join streams of documents by C{_id}.

    @param order: what to compare ids by; each stream ascends by it and has
        each id once.
    @return: ids, ascending, each with the document of each stream or C{None}.
    """
    heads = [await _next(stream) for stream in streams]
    while any(head is not None for head in heads):
        lowest = min((head["_id"] for head in heads if head is not None), key=order)
        same = tuple(
            head if head is not None and order(head["_id"]) == order(lowest) else None for head in heads
        )
        yield lowest, same
        heads = [
            await _next(stream) if taken is not None else head
            for stream, head, taken in zip(streams, heads, same, strict=True)
        ]


async def _next(stream: AsyncIterator[Document]) -> Document | None:
    try:
        return await stream.__anext__()
    except StopAsyncIteration:
        return None
