"""
WildDuck's cached counters in Redis (spec/schema.md §10 C{total:}, C{unseen:}).

WildDuck's API fills and shows them; we only keep right what is there.  They are
never needed: a lost adjustment is bounded by their day of life.
"""

from __future__ import annotations

from bson import ObjectId

from wildduck.database import Redis
from wildduck.errors import Unavailable

#: Sliding life of a counter, in seconds.
LIFE = 86_400

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
