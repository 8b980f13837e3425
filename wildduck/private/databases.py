"""
The pair of private databases of one data folder.

C{look} is called before the reactor runs and only looks; C{start} starts both
side by side and returns once both can be used.
"""

from __future__ import annotations

import os
import socket
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from wildduck.database import bootstrap
from wildduck.errors import ConfigurationError
from wildduck.limits import MIB
from wildduck.private.binaries import Binary, find_mongod, find_redis, launcher
from wildduck.private.folder import DataFolder, Record, lock_file
from wildduck.private.probe import redis_answers
from wildduck.private.process import READY_SECONDS, Child, ChildFailed

HOST = "127.0.0.1"

#: mongod's own cache; its minimum, for a private database serves few accounts.
CACHE_GB = 0.25
#: The oplog of a set without secondaries is of use to nobody; MongoDB's minimum is 990 when resized later.
OPLOG_MB = 256
#: Redis numbers its databases; tests take one each.
REDIS_DATABASES = 64
#: A log that is longer at start is set aside (one old one is kept).
LOG_BYTES = 16 * MIB
#: How long children of a server that was killed may take to end.
LEAVING_SECONDS = 30.0
#: A port that was free can be taken a moment later.
PORT_ATTEMPTS = 3


class PrivateDatabases:
    """
    mongod and redis-server in one data folder.

    @ivar mongo_uri: valid once started.
    @ivar redis_uri: valid once started.
    """

    _log = Logger()

    def __init__(self, folder: DataFolder, cache_gb: float = CACHE_GB) -> None:
        self._folder = folder
        self._cache_gb = cache_gb
        self._record = Record()
        self._mongod: Binary | None = None
        self._redis: Binary | None = None
        self._lock: int | None = None
        self._children: list[Child] = []
        self.mongo_uri = ""
        self.redis_uri = ""

    def look(self) -> None:
        """
        Whether this machine can run them on this folder; starts nothing.

        @raise ConfigurationError: with the one line that says why not.
        """
        launcher()
        self._record = self._folder.record()
        self._mongod = find_mongod(self._record.mongod)
        self._redis = find_redis(self._record.redis)

    async def start(self, reactor: Any) -> None:
        """
        Start both, after the children of a server that was killed have ended.

        @raise ChildFailed: one of them can't be started; none is left running.
        """
        assert self._mongod is not None and self._redis is not None
        for name in ("mongodb", "redis", "log"):
            self._folder.make(name)
        self._lock = await self._take_lock(reactor)
        starts = [
            Deferred.fromCoroutine(self._start_mongod(reactor, self._mongod)),
            Deferred.fromCoroutine(self._start_redis(reactor, self._redis)),
        ]
        results: Any = await DeferredList(starts, consumeErrors=True)
        for success, result in results:
            if not success:
                await self.stop()
                result.raiseException()
        ports = [port for _, port in results]
        self._record = Record(
            mongod=self._mongod.version, redis=self._redis.version, mongod_port=ports[0], redis_port=ports[1]
        )
        self._folder.save(self._record)
        self.mongo_uri = f"mongodb://{HOST}:{ports[0]}/wildduck"
        self.redis_uri = f"redis://{HOST}:{ports[1]}/0"

    async def stop(self) -> None:
        """Stop both; returns once they have ended."""
        children, self._children = self._children, []
        await DeferredList([Deferred.fromCoroutine(child.stop()) for child in children])
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def pids(self) -> dict[str, int | None]:
        """Process ids by name."""
        return {child.name: child.pid for child in self._children}

    async def _take_lock(self, reactor: Any) -> int:
        """The lock that only running databases hold."""
        deadline = reactor.seconds() + LEAVING_SECONDS
        while (descriptor := lock_file(self._folder.file("databases.lock"))) is None:
            if reactor.seconds() > deadline:
                raise ChildFailed(f"databases of another server still run in {self._folder.path}")
            await deferLater(reactor, 0.1)
        return descriptor

    async def _start_mongod(self, reactor: Any, binary: Binary) -> int:
        def command(port: int) -> list[str]:
            return [
                binary.path,
                *("--dbpath", self._folder.file("mongodb")),
                *("--replSet", bootstrap.REPLICA_SET),
                *("--bind_ip", HOST),
                *("--port", str(port)),
                *("--wiredTigerCacheSizeGB", f"{self._cache_gb:g}"),
                *("--oplogSize", str(OPLOG_MB)),
                "--nounixsocket",
                *("--setParameter", "diagnosticDataCollectionEnabled=false"),
                *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
            ]

        async def ready(port: int) -> bool:
            pool = reactor.getThreadPool()
            return bool(await deferToThreadPool(reactor, pool, bootstrap.settle, HOST, port))

        return await self._start_child(reactor, "mongod", self._record.mongod_port, command, ready)

    async def _start_redis(self, reactor: Any, binary: Binary) -> int:
        def command(port: int) -> list[str]:
            return [
                binary.path,
                *("--bind", HOST),
                *("--port", str(port)),
                *("--dir", self._folder.file("redis")),
                *("--databases", str(REDIS_DATABASES)),
                # Tokens, counters and POP3 bounds must outlive a restart (spec/schema.md §10).
                *("--appendonly", "yes"),
                *("--appendfsync", "everysec"),
                # The append-only file is all that is loaded; snapshots would only cost.
                *("--save", ""),
            ]

        async def ready(port: int) -> bool:
            return await redis_answers(reactor, HOST, port)

        return await self._start_child(reactor, "redis-server", self._record.redis_port, command, ready)

    async def _start_child(self, reactor: Any, name: str, port: int, command: Any, ready: Any) -> int:
        """Start one child on its old port, or on another where that is taken; the port."""
        assert self._lock is not None
        log = self._folder.file("log", f"{name}.log")
        _set_aside(log)
        for attempt in range(PORT_ATTEMPTS):
            port = port if port and _is_free(port) else _free_port()
            argv = [*launcher(), *command(port)]
            child = Child(reactor, name, argv, log, self._lock, partial(ready, port))
            self._children.append(child)
            try:
                await child.start()
                return port
            except ChildFailed:
                self._children.remove(child)
                if _is_free(port) or attempt == PORT_ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")


def _set_aside(path: str) -> None:
    """Keep logs from growing for ever."""
    try:
        if os.path.getsize(path) > LOG_BYTES:
            os.replace(path, f"{path}.1")
    except FileNotFoundError:
        return


def _is_free(port: int) -> bool:
    """Whether the port can be bound now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


__all__ = ["HOST", "READY_SECONDS", "ConfigurationError", "PrivateDatabases"]
