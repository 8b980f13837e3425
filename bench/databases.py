"""The mongod (a replica set of one) and redis-server that all servers of a run share."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

import pymongo
import redis

from test.support.servers import HOST, free_port
from wildduck.database import bootstrap
from wildduck.private.binaries import find_mongod, find_redis, launcher

#: mongod's cache: it holds all that a run stores, for this server and for WildDuck.
CACHE_GB = 1
_START_SECONDS = 60.0


class Databases:
    """
    Both processes, started when made.

    @ivar pids: by program.
    """

    def __init__(self, folder: str) -> None:
        """
        @param folder: absolute; what is in it from an earlier run is used again.
        """
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._mongo_port, self._redis_port = free_port(), free_port()
        mongod, redis_server = find_mongod(), find_redis()
        self.versions = {
            name: ".".join(str(part) for part in binary.version)
            for name, binary in (("mongod", mongod), ("redis-server", redis_server))
        }
        try:
            self._start(
                "mongod",
                [
                    *(mongod.path, "--dbpath", self._place("mongodb"), "--replSet", bootstrap.REPLICA_SET),
                    *("--bind_ip", HOST, "--port", str(self._mongo_port), "--nounixsocket"),
                    *("--wiredTigerCacheSizeGB", str(CACHE_GB), "--oplogSize", "1000"),
                    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
                ],
                lambda: bootstrap.settle(HOST, self._mongo_port),
            )
            self._start(
                "redis-server",
                [
                    *(redis_server.path, "--bind", HOST, "--port", str(self._redis_port)),
                    *("--dir", self._place("redis"), "--appendonly", "yes", "--save", ""),
                ],
                self._redis_answers,
            )
        except BaseException:
            self.close()
            raise

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes.values()]

    def mongo_uri(self, name: str) -> str:
        """URI of one database."""
        return f"mongodb://{HOST}:{self._mongo_port}/{name}"

    def redis_uri(self, number: int) -> str:
        return f"redis://{HOST}:{self._redis_port}/{number}"

    def settle(self) -> None:
        """
        Have mongod write its files now.

        What was stored before is compressed then, which else were counted to who comes next.
        """
        client: pymongo.MongoClient[dict[str, Any]]
        with pymongo.MongoClient(self.mongo_uri("admin"), directConnection=True) as client:
            client.admin.command("fsync")

    def close(self) -> None:
        """End both."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait()
        self._processes.clear()

    def _place(self, name: str) -> str:
        path = os.path.join(self._folder, name)
        os.makedirs(path, exist_ok=True)
        return path

    def _start(self, name: str, command: Sequence[str], answers: Callable[[], bool]) -> None:
        with open(os.path.join(self._folder, f"{name}.log"), "ab") as log:
            process = subprocess.Popen(
                [*launcher(), *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._processes[name] = process
        deadline = time.monotonic() + _START_SECONDS
        while not answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start, see {log.name}")
            time.sleep(0.05)

    def _redis_answers(self) -> bool:
        try:
            return bool(redis.Redis(HOST, self._redis_port).ping())
        except redis.RedisError:
            return False
