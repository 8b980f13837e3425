"""
Real databases for tests: one private mongod and redis-server for a whole trial run.

They live in a helper process (this module run with C{-m}) that ends, removing
its folder, when its standard input does: after the run, after Ctrl-C, and after
C{kill -9} of trial.  It is started when the first test asks.

They lie in memory where there is room, for a disk is waited for after each message.

A test gets a database name and a Redis number from L{fresh_settings}; both are
emptied after it.  Databases are emptied, not dropped, and used again,
because making a hundred indexes for each test would take most of the run.
"""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from typing import Any

import redis
from pymongo import MongoClient
from twisted.trial import unittest

from test.support.fast_folder import fast_folder
from wildduck import config
from wildduck.database import Databases

#: Redis numbers of a private redis-server; 0 is left alone.
_REDIS_NUMBERS = 63

#: What can be kept in a database of its own (C{[mongo]}).
_OWN = ("users", "gridfs", "sender")


class _Helper:
    """The helper process and clients that block, which is what set-up and clean-up want."""

    def __init__(self) -> None:
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "test.support.databases"],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the test databases did not start, see above")
        answer = json.loads(line)
        self.mongo_port: int = answer["mongo_port"]
        self.redis_port: int = answer["redis_port"]
        #: Process ids by name, for tests that look at the processes.
        self.pids: dict[str, int] = answer["pids"]
        self.client: MongoClient[dict[str, Any]] = MongoClient(
            "127.0.0.1", self.mongo_port, directConnection=True
        )
        #: Pairs whose indexes a test has had made: by which settings, and the collections there were then.
        self._indexed: dict[int, tuple[config.MongoSettings, set[Any]]] = {}
        #: Pairs of which one test at least used databases for accounts, attachments and the queue too.
        self._split: set[int] = set()
        self._free: list[int] = []
        self._made = 0
        self._used: queue.SimpleQueue[int] = queue.SimpleQueue()
        threading.Thread(target=self._clean, daemon=True).start()

    def take(self) -> int:
        """The number of a free pair of databases."""
        if self._free:
            return self._free.pop()
        self._made += 1
        if self._made > _REDIS_NUMBERS:
            raise RuntimeError("too many databases in use at once: is a test case leaking them?")
        return self._made

    def give_back(self, number: int) -> None:
        """Have the pair emptied while the next test runs, and used again then."""
        self._used.put(number)

    def _clean(self) -> None:
        while True:
            number = self._used.get()
            names = self._names(number)
            present = set().union(*(_empty(self.client[name]) for name in names))
            self.redis(number).flushdb()
            if number in self._indexed and not self._indexed[number][1] <= present:
                del self._indexed[number]
            self._free.append(number)

    def split(self, number: int) -> dict[str, str]:
        """Names of the databases that a pair has beside its main one, by what they are for."""
        self._split.add(number)
        return {handle: f"test{number}-{handle}" for handle in _OWN}

    def _names(self, number: int) -> list[str]:
        own = [f"test{number}-{handle}" for handle in _OWN] if number in self._split else []
        return [f"test{number}", *own]

    async def ensure_indexes(self, settings: config.MongoSettings, databases: Databases) -> None:
        """Make the indexes of a pair, where no earlier test has; each would ask for them one by one."""
        match = re.search(r"/test(\d+)\Z", settings.uri)
        number = int(match[1]) if match else 0
        if number in self._indexed and self._indexed[number][0] == settings:
            return
        await databases.ensure_indexes(mixed_cluster=settings.mixed_cluster)
        if number:
            ids = (_collections(self.client[name]).values() for name in self._names(number))
            self._indexed[number] = (settings, set().union(*ids))

    def redis(self, number: int) -> Any:
        """A blocking client of one Redis database."""
        return redis.Redis(port=self.redis_port, db=number)


def _empty(database: Any) -> set[Any]:
    """
    Empty the collections that have documents, asked for together: a test uses few of them.

    @return: ids of all collections.
    """
    present = _collections(database)
    if present:
        first, *others = present
        unions = [{"$unionWith": {"coll": name, "pipeline": _look(name)}} for name in others]
        for row in list(database[first].aggregate([*_look(first), *unions])):
            database[row["_id"]].delete_many({})
    return set(present.values())


def _collections(database: Any) -> dict[str, Any]:
    """Names and ids; a collection that is dropped and made again gets another id."""
    rows = database.list_collections(filter={"type": "collection"})
    return {row["name"]: row["info"]["uuid"] for row in rows}


def _look(name: str) -> list[dict[str, Any]]:
    return [{"$limit": 1}, {"$project": {"_id": {"$literal": name}}}]


_helper: _Helper | None = None


def helper() -> _Helper:
    """The databases of this run."""
    global _helper
    if _helper is None:
        _helper = _Helper()
    return _helper


def data_folder(test: unittest.SynchronousTestCase, name: str = "data") -> str:
    """An empty folder that is removed after the test."""
    path = tempfile.mkdtemp(prefix="wildduck-test-")
    test.addCleanup(shutil.rmtree, path, ignore_errors=True)
    return os.path.join(path, name)


def fresh_settings(test: unittest.SynchronousTestCase, *sets: str, split: bool = False) -> config.Settings:
    """
    Settings with empty databases and a data folder for one test.

    @param sets: C{SECTION.KEY=VALUE}, as for C{--set}.
    @param split: accounts, attachments and the queue in databases of their own.
    """
    databases = helper()
    number = databases.take()
    test.addCleanup(databases.give_back, number)
    name = f"test{number}"
    own = [f"mongo.{handle}={own}" for handle, own in databases.split(number).items()] if split else []
    ports = [f"{key}=auto" for key in ("imap.port", "imap.tls_port", "pop3.port", "pop3.tls_port")]
    return config.load(
        None,
        data_folder(test),
        [
            f"mongo.uri=mongodb://127.0.0.1:{databases.mongo_port}/{name}",
            f"redis.uri=redis://127.0.0.1:{databases.redis_port}/{number}",
            *own,
            *ports,
            "lmtp.port=auto",
            "api.port=auto",
            *sets,
        ],
    )


async def ensure_indexes(settings: config.Settings, databases: Databases) -> None:
    """Make the indexes in the databases of a test, unless an earlier test's are there."""
    await helper().ensure_indexes(settings.mongo, databases)


def blocking_database(settings: config.Settings) -> Any:
    """A blocking pymongo handle of the main database, to look at what was stored."""
    return helper().client[settings.mongo.uri.rpartition("/")[2]]


def blocking_redis(settings: config.Settings) -> Any:
    """A blocking client of the test's Redis database."""
    return helper().redis(int(settings.redis.uri.rpartition("/")[2]))


# --- the helper process ---------------------------------------------------------


def _main() -> None:
    from twisted.internet import reactor, stdio
    from twisted.internet.defer import Deferred
    from twisted.internet.protocol import Protocol

    from wildduck.private.databases import PrivateDatabases
    from wildduck.private.folder import DataFolder

    path = tempfile.mkdtemp(prefix="wildduck-test-databases-", dir=fast_folder())
    folder = DataFolder(path)
    databases = PrivateDatabases(folder)
    status = 0

    class UntilEnd(Protocol):
        def connectionLost(self, reason: Any = None) -> None:
            reactor.stop()

    async def start() -> None:
        databases.look()
        await databases.start(reactor)
        record = folder.record()
        answer = {"mongo_port": record.mongod_port, "redis_port": record.redis_port, "pids": databases.pids}
        print(json.dumps(answer), flush=True)

    def failed(failure: Any) -> None:
        nonlocal status
        print(f"test databases: {failure.getErrorMessage()}", file=sys.stderr)
        status = 1
        reactor.stop()

    def begin() -> None:
        stdio.StandardIO(UntilEnd())
        Deferred.fromCoroutine(start()).addErrback(failed)

    def end() -> Deferred[None]:
        return Deferred.fromCoroutine(databases.stop())

    reactor.callWhenRunning(begin)
    reactor.addSystemEventTrigger("before", "shutdown", end)
    reactor.callLater(24 * 3600, reactor.stop)
    reactor.run()
    shutil.rmtree(path, ignore_errors=True)
    sys.exit(status)


if __name__ == "__main__":
    _main()
