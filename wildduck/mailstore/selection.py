"""Messages of a mailbox as an API client names them (spec/api.md 'messageRange')."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from wildduck.errors import BadInput
from wildduck.limits import BATCH_ROWS, MAX_UID
from wildduck.mailstore.backend import Backend
from wildduck.mailstore.values import Mailbox, number


@dataclass(frozen=True, slots=True)
class Selection:
    """
    Some UIDs, or a range of them.

    @ivar first: the lowest.
    @ivar last: the highest.
    @ivar listed: ascending, C{None}: all from the first to the last.
    """

    first: int = 1
    last: int = MAX_UID
    listed: tuple[int, ...] | None = None

    @classmethod
    def of(cls, uids: list[int] | tuple[int, ...]) -> Selection:
        """@param uids: in any order, at least one."""
        listed = tuple(sorted(set(uids)))
        return cls(listed[0], listed[-1], listed)

    @classmethod
    def parse(cls, text: str) -> Selection:
        """
        C{5}, C{1,2,3}, C{3:15} or C{3:*}; the ends of a range in any order.

        Unlike in IMAP, C{3:*} is nothing where the last message is 2.

        @raise BadInput: it is none of these.
        """
        try:
            start, colon, end = text.partition(":")
            if not colon:
                return cls.of([_uid(part) for part in text.split(",")])
            ends = (_uid(start), MAX_UID if end == "*" else _uid(end))
        except ValueError:
            raise BadInput("Invalid message identifier", {"message": "is no range of messages"}) from None
        return cls(min(ends), max(ends))

    def filter(self, after: int, end: int) -> dict[str, Any]:
        """
        What of it lies between two UIDs, as a filter for C{uid}.

        @param after: exclusive.
        @param end: exclusive.
        """
        if self.listed is None:
            return {"$gte": max(self.first, after + 1), "$lt": min(self.last + 1, end)}
        return {"$in": [uid for uid in self.listed if after < uid < end]}


def _uid(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 10:
        raise ValueError
    uid = int(text)
    if not 0 < uid <= MAX_UID:
        raise ValueError
    return uid


async def rows(
    backend: Backend, mailbox: Mailbox, selection: Selection, projection: dict[str, Any]
) -> AsyncIterator[list[dict[str, Any]]]:
    """
    The documents of messages, ascending by UID, in batches of at most L{BATCH_ROWS}.

    Each batch is read when it is asked for, so no cursor grows old while the
    one before is worked on.  What comes after C{mailbox} was read is not in it:
    the work ends though mail keeps coming.

    @param projection: with C{uid}.
    """
    after = 0
    while True:
        filter = {"mailbox": mailbox.id, "uid": selection.filter(after, mailbox.uid_next)}
        batch = await backend.main.find(
            "messages", filter, projection=projection, sort=[("uid", 1)], limit=BATCH_ROWS
        )
        if not batch:
            return
        yield batch
        if len(batch) < BATCH_ROWS:
            return
        after = number(batch[-1]["uid"])


async def uids(backend: Backend, mailbox: Mailbox, selection: Selection) -> list[int]:
    """The UIDs of those that are there, ascending."""
    found: list[int] = []
    async for batch in rows(backend, mailbox, selection, {"_id": False, "uid": True}):
        found.extend(number(row["uid"]) for row in batch)
    return found
