"""
WildDuck's channel for each worker (spec/schema.md §10).

With the setting C{const:imap:use_wd_worker_channels} WildDuck sends a ping only to
the workers that serve the account, each on a channel of its own, instead of to
all on C{wd_events}.  Who serves an account says so in a sorted set of Redis, at
least every 30 s, whatever the setting; so do we, to be sent WildDuck's pings,
and we send ours likewise, for that spares every other node.  All nodes hear
both channels all the time, so nothing is lost while the setting changes.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Collection, Sequence
from typing import Any

from bson.objectid import ObjectId
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from wildduck.database import Database, Redis
from wildduck.errors import DomainError

SETTING = "const:imap:use_wd_worker_channels"
PREFIX = "wd_events:worker:"
_WORKERS = "wd:imap:users:"

#: Seconds for which what the setting says is believed, as in WildDuck.
SETTING_SECONDS = 5.0
#: A worker that has said nothing for so long serves the account no more (seconds).
SERVES_SECONDS = 120
#: The set of a user outlives that by so much.
_SPARE_SECONDS = 60
#: Time between two sayings.
REFRESH_SECONDS = 30.0
#: Users of one call of the script.
_BATCH = 500

_SAY = """
for _, key in ipairs(KEYS) do
    redis.call('ZREMRANGEBYSCORE', key, 0, ARGV[3])
    redis.call('ZADD', key, ARGV[2], ARGV[1])
    redis.call('EXPIRE', key, ARGV[4])
end
return 1
"""

_LEAVE = """
for _, key in ipairs(KEYS) do
    redis.call('ZREM', key, ARGV[1])
end
return 1
"""


class WorkerChannels:
    """
    Which workers serve an account, this one among them.

    @ivar channel: where this worker is told.
    """

    log = Logger()

    def __init__(self, redis: Redis, main: Database) -> None:
        """@param main: has C{settings}."""
        self._redis = redis
        self._main = main
        self._worker = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
        self.channel = PREFIX + self._worker
        self._used = False
        self._asked = -SETTING_SECONDS
        self._asking: Deferred[None] | None = None
        self._users: Callable[[], Collection[ObjectId]] = frozenset
        self._refreshing = LoopingCall(self._refresh)
        self._refreshing.clock = redis.clock
        self._under_way = False
        redis.when_connected(self._again)

    def start(self, users: Callable[[], Collection[ObjectId]]) -> None:
        """
        Say from now on whom this worker serves.

        @param users: whom, when it is asked.
        """
        self._users = users
        if not self._refreshing.running:
            self._refreshing.start(REFRESH_SECONDS, now=False)

    def stop(self) -> None:
        """Say nothing more; what was said expires."""
        if self._refreshing.running:
            self._refreshing.stop()

    # --- telling -------------------------------------------------------------------

    async def used(self) -> bool:
        """Whether WildDuck sends to workers; what was known last, if the database does not answer."""
        now = self._redis.clock.seconds()
        if self._asking is None and abs(now - self._asked) >= SETTING_SECONDS:
            self._asked = now
            self._asking = Deferred.fromCoroutine(self._ask())
            self._asking.addBoth(self._was_asked)
        asking = self._asking
        if asking is not None:
            # Also who comes while it is asked: what was known before may be wrong.
            await asking
        return self._used

    def _was_asked(self, _result: object) -> None:
        self._asking = None

    async def _ask(self) -> None:
        try:
            found = await self._main.find_one("settings", {"key": SETTING}, projection={"value": True})
        except DomainError:
            self.log.debug("whether worker channels are used can not be told")
        else:
            self._used = _is_true(found)

    async def serving(self, user: ObjectId) -> list[str]:
        """
        The channels of the workers that serve an account.

        @raise Unavailable: Redis is away.
        """
        since = self._now() - SERVES_SECONDS * 1000
        workers = await self._redis.execute("ZRANGEBYSCORE", _key(user), since, "+inf")
        return [PREFIX + worker.decode("utf-8", "replace") for worker in workers or ()]

    # --- being told ------------------------------------------------------------------

    def serve(self, user: ObjectId, on_said: Callable[[], None]) -> None:
        """
        This worker serves an account from now on.

        @param on_said: called when others know it and may have told what was not heard here before.
        """
        self._background(self._serve(user, on_said))

    async def _serve(self, user: ObjectId, on_said: Callable[[], None]) -> None:
        await self._say([user])
        if await self.used():
            on_said()

    def leave(self, user: ObjectId) -> None:
        """This worker serves an account no more."""
        if user not in self._users():
            self._background(self._redis.script(_LEAVE, [_key(user)], [self._worker]))

    async def leave_all(self) -> None:
        """This worker ends.  Where Redis does not answer the others forget it by themselves."""
        try:
            for some in _batches(list(self._users())):
                await self._redis.script(_LEAVE, [_key(user) for user in some], [self._worker])
        except DomainError:
            self.log.debug("that this worker ends could not be said")

    async def _say(self, users: Sequence[ObjectId]) -> None:
        now = self._now()
        gone, life = now - SERVES_SECONDS * 1000, SERVES_SECONDS + _SPARE_SECONDS
        await self._redis.script(_SAY, [_key(user) for user in users], [self._worker, now, gone, life])

    def _refresh(self) -> None:
        """Say it again, one batch after the other."""
        if not self._under_way and self._users():
            self._under_way = True
            self._background(self._say_all())

    async def _say_all(self) -> None:
        try:
            for some in _batches(list(self._users())):
                await self._say(some)
        finally:
            self._under_way = False

    def _again(self) -> None:
        """Redis is back, and may have forgotten everything."""
        if self._refreshing.running:
            self._refresh()

    def _background(self, work: Any) -> None:
        Deferred.fromCoroutine(_awaited(work)).addErrback(self._failed)

    def _failed(self, failure: Any) -> None:
        if failure.check(DomainError):
            self.log.debug("whom this worker serves could not be said")
        else:
            self.log.failure("whom this worker serves could not be said", failure)

    def _now(self) -> int:
        """Milliseconds since 1970."""
        return int(self._redis.clock.seconds() * 1000)


async def _awaited(work: Any) -> Any:
    return await work


def _key(user: ObjectId) -> str:
    return f"{_WORKERS}{user}"


def _batches(users: list[ObjectId]) -> list[list[ObjectId]]:
    return [users[start : start + _BATCH] for start in range(0, len(users), _BATCH)]


def _is_true(setting: dict[str, Any] | None) -> bool:
    """The setting's value, JSON text; anything else but true is false."""
    try:
        return setting is not None and json.loads(setting["value"]) is True
    except (KeyError, TypeError, ValueError, RecursionError):
        return False
