"""
Locks in Redis, shared with WildDuck.

The form was seen at WildDuck 1.51: a lock is a hash C{<namespace>:<name>} with
the holder's token in C{index} and a time to live; tokens come from the counter
C{<namespace>index}; who gives a lock back publishes its key on
C{<namespace>-release} (spec/schema.md §10).
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred

from wildduck.database.redis import Redis

#: A release may go unheard; ask again after so many seconds.
_ASK_AGAIN = 1.0


class Lock:
    """
    One that is held.

    @ivar name: as given to L{Locks.acquire}.
    """

    def __init__(self, redis: Redis, name: str, namespace: str, token: int) -> None:
        self.name = name
        self._redis = redis
        self._namespace = namespace
        self._key = f"{namespace}:{name}"
        self._token = token

    async def extend(self, ttl: float) -> bool:
        """
        Hold it for C{ttl} more seconds from now.

        @return: C{False} when it has expired, and may be another's.
        @raise Unavailable: Redis is away.
        """
        return bool(await self._redis.script("lock_extend", [self._key], [self._token, _milliseconds(ttl)]))

    async def release(self) -> bool:
        """
        Give it back.

        @return: C{False} when it had expired; another's is left alone.
        @raise Unavailable: Redis is away; the lock expires by itself.
        """
        released = await self._redis.script(
            "lock_release", [self._key], [self._token, f"{self._namespace}-release"]
        )
        return bool(released)


class Locks:
    """
    WildDuck's namespaces: C{mail} for C{mbwr:<mailbox>}, C{wildduck} for all others
    (C{gs.<base64 hash>}, C{gc_expired}); other namespaces are ours to choose.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: dict[str, list[Deferred[None]]] = {}
        self._heard: dict[str, Callable[[], None]] = {}

    async def acquire(self, name: str, ttl: float, wait: float = 0.0, *, namespace: str = "") -> Lock | None:
        """
        Take a lock.

        @param ttl: seconds until it expires by itself.
        @param wait: seconds to wait for another holder.
        @return: C{None} when another holds it for longer than that.
        @raise Unavailable: Redis is away.
        """
        namespace = namespace or ("mail" if name.startswith("mbwr:") else "wildduck")
        key = f"{namespace}:{name}"
        clock = self._redis.clock
        until = clock.seconds() + wait
        while True:
            reply = await self._redis.script("lock_acquire", [key, f"{namespace}index"], [_milliseconds(ttl)])
            if reply > 0:
                return Lock(self._redis, name, namespace, reply)
            left = until - clock.seconds()
            if left <= 0:
                return None
            held = (-1 - reply) / 1000
            await self._released(namespace, key, min(left, held + 0.001, _ASK_AGAIN))

    async def _released(self, namespace: str, key: str, seconds: float) -> None:
        """Wait until the lock is given back, but not for longer."""
        if namespace not in self._heard:
            self._heard[namespace] = self._redis.subscribe(f"{namespace}-release", self._wake)
        released: Deferred[None] = Deferred()
        waiting = self._waiting.setdefault(key, [])
        waiting.append(released)
        timer = self._redis.clock.callLater(seconds, released.callback, None)
        try:
            await released
        except CancelledError:
            raise
        finally:
            if timer.active():
                timer.cancel()
            if released in waiting:
                waiting.remove(released)
            if not waiting:
                self._waiting.pop(key, None)

    def _wake(self, payload: bytes) -> None:
        for released in list(self._waiting.get(payload.decode("utf-8", "replace"), ())):
            if not released.called:
                released.callback(None)


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))
