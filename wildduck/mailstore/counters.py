"""
WildDuck's cached counters in Redis (spec/schema.md §10 C{total:}, C{unseen:}).

The API of either fills and shows them; every writer keeps right what is there.
They are never needed: a lost adjustment is bounded by their day of life.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bson import ObjectId

from wildduck.database import Database, Redis
from wildduck.errors import DomainError, Unavailable
from wildduck.mailstore.concurrently import for_each

#: Sliding life of a counter, in seconds.
LIFE = 86_400

#: Mailboxes counted at the same time.
_COUNTED = 8


@dataclass(frozen=True, slots=True)
class Counts:
    """Messages of a mailbox."""

    total: int
    unseen: int


_ADJUST = """
for i, key in ipairs(KEYS) do
    if ARGV[i] == 'drop' then
        redis.call('DEL', key)
    elseif redis.call('EXISTS', key) == 1 then
        if tonumber(redis.call('INCRBY', key, ARGV[i])) < 0 then
            redis.call('DEL', key)
        else
            redis.call('EXPIRE', key, ARGV[#KEYS + 1])
        end
    end
end
return 1
"""


async def adjust(redis: Redis, mailbox: ObjectId, total: int, unseen: int | None) -> None:
    """
    Follow a change of a mailbox; a counter that nobody asked for stays absent.

    @param total: messages more, or less.
    @param unseen: unseen messages more or less; C{None} when that is not known:
        the counter is dropped, and counted anew by whoever needs it.
    """
    keys = [f"total:{mailbox}", f"unseen:{mailbox}"]
    try:
        await redis.script(_ADJUST, keys, [total, "drop" if unseen is None else unseen, LIFE])
    except Unavailable:
        return


async def forget(redis: Redis, mailbox: ObjectId) -> None:
    """Drop the counters of a mailbox that is no more."""
    try:
        await redis.execute("DEL", f"total:{mailbox}", f"unseen:{mailbox}")
    except Unavailable:
        return


async def counts(redis: Redis, main: Database, mailboxes: Sequence[ObjectId]) -> dict[ObjectId, Counts]:
    """
    The numbers of messages of mailboxes, from the cache where they are in it.

    What is not is counted, and cached unless somebody else did meanwhile.

    @param mailboxes: of any account; one without messages has 0.
    """
    known = await _cached(redis, mailboxes)

    async def count(mailbox: ObjectId) -> Counts:
        total, unseen = known.get(mailbox, (None, None))
        if total is None:
            total = await main.count("messages", {"mailbox": mailbox})
            await _keep(redis, f"total:{mailbox}", total)
        if unseen is None:
            unseen = await main.count("messages", {"mailbox": mailbox, "unseen": True})
            await _keep(redis, f"unseen:{mailbox}", unseen)
        return Counts(total, min(unseen, total))

    return dict(zip(mailboxes, await for_each(mailboxes, count, _COUNTED), strict=True))


async def _cached(
    redis: Redis, mailboxes: Sequence[ObjectId]
) -> dict[ObjectId, tuple[int | None, int | None]]:
    keys = [f"{name}:{mailbox}" for mailbox in mailboxes for name in ("total", "unseen")]
    try:
        found = list(map(_number, await redis.execute("MGET", *keys))) if keys else []
    except DomainError:
        return {}
    return dict(zip(mailboxes, zip(found[::2], found[1::2], strict=True), strict=True))


def _number(value: object) -> int | None:
    """A cached number; C{None} for none, or for what is none."""
    try:
        return max(0, int(value)) if isinstance(value, (bytes, str, int)) else None
    except ValueError:
        return None


async def _keep(redis: Redis, key: str, number: int) -> None:
    """Cache a number that was not there."""
    try:
        await redis.execute("SET", key, number, "EX", LIFE, "NX")
    except DomainError:
        return


async def correct(redis: Redis, key: str, number: int) -> None:
    """Put a number right that was just seen, if another one is cached."""
    try:
        if _number(await redis.execute("GET", key)) not in (None, number):
            await redis.execute("SET", key, number, "EX", LIFE, "XX")
    except DomainError:
        return
