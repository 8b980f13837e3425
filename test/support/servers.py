"""
Database servers of one test case's own: a standalone mongod, one with sign-in
or TLS, a redis-server that can be restarted.

They block while they start (a quarter of a second) and die with trial.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from typing import Any

import redis
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from test.support.fast_folder import fast_folder
from wildduck.database import bootstrap
from wildduck.private.binaries import find_mongod, find_redis, launcher

HOST = "127.0.0.1"
_START_SECONDS = 30.0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class _Server:
    """
    @ivar port: stays the same over restarts.
    """

    def __init__(self, *options: str) -> None:
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="wildduck-test-server-", dir=fast_folder())
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def _command(self) -> list[str]:
        raise AssertionError

    def _answers(self) -> bool:
        raise AssertionError

    def start(self) -> None:
        """Start, and wait until it answers."""
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self._process = subprocess.Popen(
                [*launcher(), *self._command(), *self._options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                with open(os.path.join(self.folder, "log")) as text:
                    raise RuntimeError(f"server did not start: {text.read()[-2000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """As C{kill -9}."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End it and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Mongod(_Server):
    """
    A standalone mongod.

    @ivar client_options: for pymongo, where it needs some.
    """

    def __init__(self, *options: str, **client_options: Any) -> None:
        self.client_options = client_options
        super().__init__(*options)

    def _command(self) -> list[str]:
        return [
            find_mongod().path,
            *("--dbpath", self.folder, "--bind_ip", HOST, "--port", str(self.port)),
            *("--wiredTigerCacheSizeGB", "0.25", "--nounixsocket"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        ]

    def client(self) -> Any:
        """A blocking client."""
        return MongoClient(
            HOST, self.port, directConnection=True, serverSelectionTimeoutMS=500, **self.client_options
        )

    def _answers(self) -> bool:
        with self.client() as client:
            try:
                client.admin.command("ping")
                return True
            except PyMongoError:
                return False


class ReplicaSet(Mongod):
    """A replica set of one mongod, for tests that disturb it."""

    def __init__(self) -> None:
        super().__init__("--replSet", bootstrap.REPLICA_SET)

    def _answers(self) -> bool:
        return bootstrap.settle(HOST, self.port)


class RedisServer(_Server):
    """A redis-server that keeps nothing; a UNIX socket lies in its folder."""

    @property
    def socket_path(self) -> str:
        return os.path.join(self.folder, "socket")

    def _command(self) -> list[str]:
        return [
            find_redis().path,
            *("--bind", HOST, "--port", str(self.port), "--dir", self.folder),
            *("--save", "", "--unixsocket", self.socket_path),
        ]

    def client(self, number: int = 0) -> Any:
        """A blocking client."""
        return redis.Redis(unix_socket_path=self.socket_path, db=number)

    def _answers(self) -> bool:
        try:
            self.client().ping()
            return True
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False


class Sentinel(_Server):
    """
    A sentinel that is told where the master is; it finds out nothing by itself.
    """

    def __init__(self, service: str, master_port: int) -> None:
        self._service = service
        self._master_port = master_port
        super().__init__()
        self.point_to(master_port)

    def _command(self) -> list[str]:
        path = os.path.join(self.folder, "sentinel.conf")
        with open(path, "w") as file:
            file.write(f"port {self.port}\nbind {HOST}\ndir {self.folder}\n")
        return [find_redis().path, path, "--sentinel"]

    def _client(self) -> Any:
        return redis.Redis(HOST, self.port)

    def point_to(self, port: int) -> None:
        """Make another server the master."""
        client = self._client()
        if port != self._master_port:
            client.execute_command("SENTINEL", "REMOVE", self._service)
        client.execute_command("SENTINEL", "MONITOR", self._service, HOST, port, 1)
        self._master_port = port

    def _answers(self) -> bool:
        try:
            return bool(self._client().ping())
        except redis.RedisError:
            return False


_kept: dict[str, Any] = {}


def shared(kind: str, make: Callable[[], Any]) -> Any:
    """A server that all tests of the run share; it dies with trial."""
    if kind not in _kept:
        from twisted.internet import reactor

        _kept[kind] = make()
        reactor.addSystemEventTrigger("after", "shutdown", _kept[kind].close)
    return _kept[kind]
