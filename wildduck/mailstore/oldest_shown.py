"""
The oldest message that POP3 shows, as WildDuck keeps it in Redis (spec/schema.md §10 C{pxm:}).

POP3 shows the newest messages of INBOX only.  When some of them are deleted the
older ones must not move up in their place: a client that deletes what it has
fetched would session by session take away all mail that the account ever had.
"""

from __future__ import annotations

from bson import ObjectId

from wildduck.database import Redis
from wildduck.errors import Unavailable
from wildduck.mailstore.values import Mailbox

#: Where older versions of WildDuck keep it, for all accounts; read, and moved when there is a newer value.
_FORMER = "pop3uid"

#: KEYS the account's hash, the former one; ARGV the mailbox.
_GET = "return redis.call('HGET', KEYS[1], ARGV[1]) or redis.call('HGET', KEYS[2], ARGV[1])"

#: Likewise; ARGV 2 the UID.
_KEEP = """
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HDEL', KEYS[2], ARGV[1])
return 1
"""


def _key(user: ObjectId) -> str:
    return f"pxm:{user}"


async def get(redis: Redis, mailbox: Mailbox) -> int:
    """Its UID; 0 when none was hidden yet, or Redis does not tell."""
    try:
        value = await redis.script(_GET, [_key(mailbox.user), _FORMER], [str(mailbox.id)])
    except Unavailable:
        return 0
    return int(value) if value is not None and value.isdigit() else 0


async def keep(redis: Redis, mailbox: Mailbox, uid: int) -> None:
    """Older ones are hidden from now on."""
    try:
        await redis.script(_KEEP, [_key(mailbox.user), _FORMER], [str(mailbox.id), uid])
    except Unavailable:
        return


async def forget(redis: Redis, user: ObjectId) -> None:
    """The account is no more."""
    try:
        await redis.execute("DEL", _key(user))
    except Unavailable:
        return
