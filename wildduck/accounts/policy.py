"""
How many wrong passwords an account and an address take (spec/schema.md §10
C{auth_user:}, C{auth_ip:}, C{rl-wl}).

The counters live in Redis in WildDuck's form, so that both servers count the
same failures: a fixed window that begins with the first failure.
"""

from __future__ import annotations

from twisted.logger import Logger

from wildduck.database import Redis
from wildduck.errors import RateLimited, Unavailable

#: spec/behaviour.md §6 'Limits'.
FAILURES = 12
WINDOW_SECONDS = 120
IP_WINDOW_SECONDS = 300

#: KEYS whitelist, counter of an address or of an account; ARGV address, limit.
#: Whether one more attempt is allowed.
_CHECK = """
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 then
    return 1
end
local count = tonumber(redis.call('GET', KEYS[2]) or '0') or 0
if count >= tonumber(ARGV[2]) then
    return 0
end
return 1
"""

#: KEYS whitelist, and counters; ARGV address, and limit and window for each counter.
#: Whether one of them was at its limit already.
_COUNT = """
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 then
    return 0
end
local full = 0
for place = 2, #KEYS do
    local limit, window = tonumber(ARGV[2 * place - 2]), ARGV[2 * place - 1]
    local count = tonumber(redis.call('GET', KEYS[place]) or '0') or 0
    if count < limit then
        redis.call('INCRBY', KEYS[place], 1)
        if redis.call('TTL', KEYS[place]) < 0 then
            redis.call('EXPIRE', KEYS[place], window)
        end
    else
        full = 1
    end
end
return full
"""

_WHITELIST = "rl-wl"


class FailureCounter:
    """
    Refuses sign-in after too many failures.

    Addresses in the set C{rl-wl} are neither counted nor refused.

    Without Redis it lets everybody try: people must be able to read mail while
    Redis restarts, and the password threads bound the rate of guessing.
    """

    _log = Logger()

    def __init__(self, redis: Redis, failures_per_ip: int = 0) -> None:
        """@param failures_per_ip: within five minutes; 0: addresses are not counted."""
        self._redis = redis
        self._per_ip = failures_per_ip

    async def check(self, key: str, ip: str = "") -> None:
        """
        @param key: id of an account, or the dotless name that is nobody's.
        @raise RateLimited: twelve failures within two minutes.
        """
        await self._check(f"auth_user:{key}", ip, FAILURES)

    async def check_ip(self, ip: str) -> None:
        """@raise RateLimited: too many failures from this address, with any name."""
        if self._per_ip and ip:
            await self._check(f"auth_ip:{ip}", ip, self._per_ip)

    async def _check(self, counter: str, ip: str, limit: int) -> None:
        try:
            allowed = await self._redis.script(_CHECK, [_WHITELIST, counter], [ip, limit])
        except Unavailable:
            self._log.warn("sign-in failures are not counted: Redis does not answer")
            return
        if not allowed:
            raise RateLimited()

    async def failed(self, key: str, ip: str = "") -> None:
        """
        Count one failure.

        @raise RateLimited: too many were counted already, by guesses that were made at the
            same time.  The right one is told so by L{check}: were the wrong ones told
            otherwise, hundreds of guesses at once would find it.
        """
        keys = [_WHITELIST, f"auth_user:{key}"]
        bounds: list[str | int] = [ip, FAILURES, WINDOW_SECONDS]
        if self._per_ip and ip:
            keys.append(f"auth_ip:{ip}")
            bounds += [self._per_ip, IP_WINDOW_SECONDS]
        try:
            full = await self._redis.script(_COUNT, keys, bounds)
        except Unavailable:
            self._log.warn("a sign-in failure was not counted: Redis does not answer")
            return
        if full:
            raise RateLimited()

    async def succeeded(self, key: str) -> None:
        """Forget the failures of this account."""
        try:
            await self._redis.execute("DEL", f"auth_user:{key}")
        except Unavailable:
            return
