"""
How many wrong passwords an account takes (spec/schema.md §10 C{auth_user:}).

The counter lives in Redis in WildDuck's form, so that both servers count the
same failures: a fixed window that begins with the first failure.
"""

from __future__ import annotations

from twisted.logger import Logger

from wildduck.database import Redis
from wildduck.errors import RateLimited, Unavailable

#: spec/behaviour.md §6 'Limits'.
FAILURES = 12
WINDOW_SECONDS = 120

_COUNT = """
local n = redis.call('INCR', KEYS[1])
if n == 1 or redis.call('TTL', KEYS[1]) < 0 then
    redis.call('EXPIRE', KEYS[1], ARGV[1])
end
return n
"""


class FailureCounter:
    """
    Refuses sign-in after too many failures.

    Without Redis it lets everybody try: people must be able to read mail while
    Redis restarts, and the password threads bound the rate of guessing.
    """

    _log = Logger()

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def check(self, key: str) -> None:
        """@raise RateLimited: twelve failures within two minutes."""
        try:
            count = await self._redis.execute("GET", f"auth_user:{key}")
        except Unavailable:
            self._log.warn("sign-in failures are not counted: Redis does not answer")
            return
        if _integer(count) >= FAILURES:
            raise RateLimited()

    async def failed(self, key: str) -> None:
        """Count one failure."""
        try:
            await self._redis.script(_COUNT, [f"auth_user:{key}"], [WINDOW_SECONDS])
        except Unavailable:
            self._log.warn("a sign-in failure was not counted: Redis does not answer")

    async def succeeded(self, key: str) -> None:
        """Forget the failures of this key."""
        try:
            await self._redis.execute("DEL", f"auth_user:{key}")
        except Unavailable:
            return


def _integer(value: object) -> int:
    try:
        return int(value)  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError):
        return 0
