"""
Sessions of each account over all servers, WildDuck's too (spec/schema.md §10 C{lim:imap}).

WildDuck counts sessions in one hash and nothing says which server counted which, so
that those of a server that crashed stay for ever.  Beside that hash each worker
of ours has a ledger of what it added, C{lim:imap:<worker>}, and says every half
minute that it lives, C{lim:imap:workers}; what stands in the ledger of a dead one
is taken out again by the others.  WildDuck empties its hash when one of its
processes starts; the ledgers are then the least that counts.

What a dead WildDuck has left in the hash is not believed when it would shut
somebody out: a living one that serves an account says so every half minute in
C{wd:imap:users:<user>}.

POP3 sessions, which WildDuck does not count, are counted likewise, in C{lim:pop3}.
"""

from __future__ import annotations

import os
from collections import Counter

from bson import ObjectId
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from wildduck.accounts.aside import Aside
from wildduck.accounts.values import Account
from wildduck.database import Redis
from wildduck.errors import DomainError, TooManySessions

#: A worker tells so often that it lives, and is dead after so long a silence.
BEAT_SECONDS = 30.0
DEAD_SECONDS = 120

#: Sessions whose end may be on its way to Redis at a time.
_MOST_ENDING = 100_000

#: Accounts of one command when a worker tells all that it counts.
_AT_ONCE = 1000

#: What the scripts share.  KEYS 1 the hash of all servers, 2 the workers, 3 the
#: worker's ledger; ARGV 1 the worker, 2 seconds until it is dead.
_COMMON = """
local shared, workers, ledger, worker = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local time = redis.call('TIME')
local now = tonumber(time[1])
local function number(key, field)
    return math.max(0, math.floor(tonumber(redis.call('HGET', key, field) or '0') or 0))
end
local function put(key, field, count)
    if count > 0 then redis.call('HSET', key, field, count) else redis.call('HDEL', key, field) end
end
-- What our workers count together, the least that counts.
local function ours(user)
    local count = 0
    for _, other in ipairs(redis.call('ZRANGE', workers, 0, -1)) do
        count = count + number(shared .. ':' .. other, user)
    end
    return count
end
-- Whether WildDuck serves an account: our own workers' names end with eight digits.
local function theirs(user)
    local members = redis.call('ZRANGEBYSCORE', 'wd:imap:users:' .. user, (now - 180) * 1000, '+inf')
    for _, member in ipairs(members) do
        if not string.find(member, ':%d+:%x%x%x%x%x%x%x%x$') then
            return true
        end
    end
    return false
end
local function bury()
    for _, dead in ipairs(redis.call('ZRANGEBYSCORE', workers, '-inf', now)) do
        if dead ~= worker then
            local left = redis.call('HGETALL', shared .. ':' .. dead)
            for place = 1, #left, 2 do
                if left[place] ~= '_version' then
                    put(shared, left[place], number(shared, left[place]) - tonumber(left[place + 1]))
                end
            end
            redis.call('DEL', shared .. ':' .. dead)
            redis.call('ZREM', workers, dead)
        end
    end
end
local function alive()
    redis.call('ZADD', workers, now + tonumber(ARGV[2]), worker)
end
"""

#: ARGV 3 the account, 4 sessions that it may have.  Whether it has one more now.
_ENTER = (
    _COMMON
    + """
bury()
local user = ARGV[3]
local count, limit = math.max(number(shared, user), ours(user)), tonumber(ARGV[4])
if count >= limit and not theirs(user) then
    count = ours(user)
end
if count >= limit then
    return 0
end
alive()
redis.call('HINCRBY', ledger, user, 1)
put(shared, user, count + 1)
return 1
"""
)

#: ARGV 3 the account.
_LEAVE = (
    _COMMON
    + """
local user = ARGV[3]
local had = number(ledger, user)
if had > 0 then
    put(ledger, user, had - 1)
    put(shared, user, number(shared, user) - 1)
end
return had
"""
)

#: Whether the ledger is what the worker made it: 0 when it must tell all again.
_BEAT = (
    _COMMON
    + """
bury()
local known = redis.call('ZSCORE', workers, worker)
alive()
if not known then
    return 0
end
local version = redis.call('HGET', shared, '_version') or ''
if version ~= (redis.call('HGET', ledger, '_version') or '') then
    -- WildDuck has emptied the hash.
    for _, user in ipairs(redis.call('HKEYS', ledger)) do
        if user ~= '_version' then
            put(shared, user, math.max(number(shared, user), ours(user)))
        end
    end
    redis.call('HSET', ledger, '_version', version)
end
return 1
"""
)

#: ARGV 3 and on: accounts and the sessions that they have here.
_TELL = (
    _COMMON
    + """
alive()
for place = 3, #ARGV, 2 do
    local user, count = ARGV[place], tonumber(ARGV[place + 1])
    local more = count - number(ledger, user)
    put(ledger, user, count)
    put(shared, user, number(shared, user) + more)
end
return 1
"""
)


class SharedSessions:
    """
    Counts the sessions of each account on one face, over all servers.

    While Redis does not answer, each worker goes by its own.

    @ivar most: sessions that an account may have that says nothing itself.
    """

    _log = Logger()

    def __init__(self, redis: Redis, clock: IReactorTime, most: int, face: str = "imap") -> None:
        """@param face: C{imap} or C{pop3}, whose sessions WildDuck does not count."""
        self.most = most
        self._face = face
        self.worker = os.urandom(8).hex()
        self._redis = redis
        #: Of this worker; also those whose command is on its way.
        self._sessions: Counter[ObjectId] = Counter()
        #: Accounts of which Redis may have heard something else.
        self._unsure: set[ObjectId] = set()
        self._aside = Aside(_MOST_ENDING)
        self._beat = LoopingCall(lambda: Deferred.fromCoroutine(self.beat()))
        self._beat.clock = clock

    def allowed(self, account: Account) -> int:
        """Sessions that an account may have."""
        return (account.imap_max_connections if self._face == "imap" else 0) or self.most

    async def enter(self, account: Account) -> None:
        """@raise TooManySessions: the account has as many as it may."""
        allowed = self.allowed(account)
        if self._sessions[account.id] >= allowed:
            raise TooManySessions()
        self._count(account.id, 1)
        try:
            entered = await self._script(_ENTER, str(account.id), allowed)
        except DomainError:
            self._unsure.add(account.id)
            return
        except BaseException:
            self._unsure.add(account.id)
            self._count(account.id, -1)
            raise
        if not entered:
            self._count(account.id, -1)
            raise TooManySessions()

    def leave(self, account: Account) -> None:
        """Give back what L{enter} took."""
        self._count(account.id, -1)
        if not self._aside.run(self._leave(account.id)):
            self._unsure.add(account.id)

    async def _leave(self, user: ObjectId) -> None:
        if user in self._unsure:
            # L{_tell} says how many there are.
            if not self._beat.running:
                await self.beat()
            return
        try:
            await self._script(_LEAVE, str(user))
        except DomainError:
            self._unsure.add(user)

    async def settle(self) -> None:
        """Wait until the ends of sessions are counted, at shutdown."""
        await self._aside.settle()

    def _count(self, user: ObjectId, more: int) -> None:
        self._sessions[user] += more
        if self._sessions[user] <= 0:
            del self._sessions[user]
        if self._sessions and not self._beat.running:
            self._beat.start(BEAT_SECONDS, now=False)
        elif not self._sessions and self._beat.running:
            self._beat.stop()

    async def beat(self) -> None:
        """Tell that this worker lives, and what Redis may not know of it."""
        try:
            if not await self._script(_BEAT):
                self._unsure.update(self._sessions)
            await self._tell()
        except DomainError:
            self._log.debug("sessions are not counted together: Redis does not answer")

    async def _tell(self) -> None:
        """Tell how many sessions the accounts have of which Redis may have heard something else."""
        unsure, self._unsure = list(self._unsure), set()
        for start in range(0, len(unsure), _AT_ONCE):
            some = unsure[start : start + _AT_ONCE]
            told = [item for user in some for item in (str(user), self._sessions[user])]
            try:
                await self._script(_TELL, *told)
            except DomainError:
                self._unsure.update(unsure[start:])
                raise

    async def _script(self, script: str, *arguments: str | int) -> int:
        shared = f"lim:{self._face}"
        keys = [shared, f"{shared}:workers", f"{shared}:{self.worker}"]
        return int(await self._redis.script(script, keys, [self.worker, DEAD_SECONDS, *arguments]))
