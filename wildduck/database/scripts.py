"""
Lua scripts that run within Redis, by name.

Keys and their meanings are WildDuck's (spec/schema.md §10), so that both count
and lock together.
"""

from __future__ import annotations

#: Take a lock: KEYS lock, counter of tokens; ARGV time to live in ms.
#: The token, or minus the holder's remaining ms less one.
_LOCK_ACQUIRE = """
if redis.call('EXISTS', KEYS[1]) == 1 then
    local left = redis.call('PTTL', KEYS[1])
    return -1 - math.max(left, 0)
end
local token = redis.call('INCR', KEYS[2])
redis.call('HSET', KEYS[1], 'index', token)
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return token
"""

#: Lengthen a lock: KEYS lock; ARGV token, time to live in ms.
_LOCK_EXTEND = """
if redis.call('HGET', KEYS[1], 'index') ~= ARGV[1] then
    return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

#: Give a lock back and tell who waits: KEYS lock; ARGV token, channel.
_LOCK_RELEASE = """
if redis.call('HGET', KEYS[1], 'index') ~= ARGV[1] then
    return 0
end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], KEYS[1])
return 1
"""

#: Count within a fixed window that starts at the first increment (schema.md
#: §10 'ttl counter'): KEYS counter; ARGV increment, limit, window in seconds.
#: Refused when the count before is at the limit.  {1 or 0, count, seconds left}.
_TTL_COUNTER = """
local count = tonumber(redis.call('GET', KEYS[1]) or '0')
local allowed = 1
if tonumber(ARGV[2]) > 0 and count >= tonumber(ARGV[2]) then
    allowed = 0
elseif tonumber(ARGV[1]) ~= 0 then
    count = redis.call('INCRBY', KEYS[1], ARGV[1])
end
local left = redis.call('TTL', KEYS[1])
if left == -1 then
    redis.call('EXPIRE', KEYS[1], ARGV[3])
    left = tonumber(ARGV[3])
end
return {allowed, count, left}
"""

#: Adjust a cached number that is there, drop one that became negative
#: (schema.md §10 'total', 'unseen'): KEYS number; ARGV increment, seconds to keep.
_CACHED_NUMBER = """
if redis.call('EXISTS', KEYS[1]) == 0 then
    return false
end
local number = redis.call('INCRBY', KEYS[1], ARGV[1])
if number < 0 then
    redis.call('DEL', KEYS[1])
    return false
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return number
"""

SCRIPTS: dict[str, str] = {
    "lock_acquire": _LOCK_ACQUIRE,
    "lock_extend": _LOCK_EXTEND,
    "lock_release": _LOCK_RELEASE,
    "ttl_counter": _TTL_COUNTER,
    "cached_number": _CACHED_NUMBER,
}
