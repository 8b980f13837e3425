"""The pair of private databases, with real ones in folders of their own."""

from __future__ import annotations

import os
import signal
import socket
from typing import Any

import redis
from pymongo import MongoClient
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.trial import unittest

from test.support.databases import data_folder
from wildduck.errors import ConfigurationError
from wildduck.private.databases import LEAVING_SECONDS, PrivateDatabases
from wildduck.private.folder import DataFolder, Record, lock_file
from wildduck.private.process import ChildFailed


class PrivateDatabasesTests(unittest.TestCase):
    """L{PrivateDatabases}."""

    timeout = 120

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.folder = DataFolder(data_folder(self))
        self.folder.lock()
        self.addCleanup(self.folder.unlock)

    async def start(self) -> PrivateDatabases:
        databases = PrivateDatabases(self.folder)
        databases.look()
        await databases.start(self.reactor)
        self.addCleanup(lambda: Deferred.fromCoroutine(databases.stop()))
        return databases

    def write(self, databases: PrivateDatabases) -> None:
        with MongoClient[dict[str, Any]](databases.mongo_uri) as client:
            client.get_default_database().things.insert_one({"_id": "kept"})
        with redis.Redis.from_url(databases.redis_uri) as client:
            client.set("kept", "value")

    def read(self, databases: PrivateDatabases) -> tuple[list[dict[str, Any]], bytes | None]:
        with MongoClient[dict[str, Any]](databases.mongo_uri) as client:
            rows = list(client.get_default_database().things.find())
        with redis.Redis.from_url(databases.redis_uri) as client:
            return rows, client.get("kept")

    kept = ([{"_id": "kept"}], b"value")

    async def test_restart(self) -> None:
        """Data, ports and versions outlive a stop; nothing of the databases does."""
        databases = await self.start()
        self.write(databases)
        record = self.folder.record()
        pids = databases.pids
        self.assertEqual(set(pids), {"mongod", "redis-server"})
        await databases.stop()
        for pid in pids.values():
            assert pid is not None
            self.assertRaises(ProcessLookupError, os.kill, pid, 0)
        again = await self.start()
        self.assertEqual(self.folder.record(), record)
        self.assertEqual(self.read(again), self.kept)

    async def test_other_ports(self) -> None:
        """When its port is taken meanwhile, the replica set moves to another with its data."""
        databases = await self.start()
        self.write(databases)
        await databases.stop()
        old = self.folder.record()
        for port in (old.mongod_port, old.redis_port):
            taken = socket.socket()
            self.addCleanup(taken.close)
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", port))
            # Bound for itself, not listening: mongod, which looks for its old address, is refused at once.
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        databases = await self.start()
        new = self.folder.record()
        self.assertNotEqual(new.mongod_port, old.mongod_port)
        self.assertNotEqual(new.redis_port, old.redis_port)
        self.assertEqual(self.read(databases), self.kept)

    async def test_crash(self) -> None:
        """Databases that are killed are started again with what they had acknowledged."""
        databases = await self.start()
        self.write(databases)
        with redis.Redis.from_url(databases.redis_uri) as client:
            # everysec: what is older than a second is on disk.
            client.execute_command("BGREWRITEAOF")
            while client.info("persistence")["aof_rewrite_in_progress"]:
                await deferLater(self.reactor, 0.05)
        before = dict(databases.pids)
        for pid in before.values():
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        while any(pid is None or pid == before[name] for name, pid in databases.pids.items()):
            await deferLater(self.reactor, 0.05)
        self.assertEqual(self.read_patiently(databases), self.kept)

    def read_patiently(self, databases: PrivateDatabases) -> Any:
        while True:
            try:
                return self.read(databases)
            except redis.RedisError:
                continue

    async def test_children_of_a_killed_server(self) -> None:
        """A start waits until databases that still run in the folder have ended, and not for ever."""
        self.folder.make()
        held = lock_file(self.folder.file("databases.lock"))
        assert held is not None
        clock = Clock()
        waiting = Deferred.fromCoroutine(PrivateDatabases(self.folder)._take_lock(clock))
        clock.advance(1)
        self.assertNoResult(waiting)
        os.close(held)
        clock.advance(1)
        held = self.successResultOf(waiting)
        waiting = Deferred.fromCoroutine(PrivateDatabases(self.folder)._take_lock(clock))
        clock.advance(LEAVING_SECONDS + 1)
        self.failureResultOf(waiting, ChildFailed)
        os.close(held)

    def test_newer(self) -> None:
        """A folder that a newer server wrote is refused before anything is started."""
        self.folder.save(Record(mongod=(99, 0, 0), redis=(6, 0, 0)))
        error = self.assertRaises(ConfigurationError, PrivateDatabases(self.folder).look)
        self.assertIn("was written by mongod 99.0.0, newer than", str(error))

    async def test_loopback_only(self) -> None:
        """Neither listens on anything but 127.0.0.1."""
        databases = await self.start()
        record = self.folder.record()
        listening = set()
        with open("/proc/net/tcp") as table:
            for line in table.readlines()[1:]:
                address, state = line.split()[1], line.split()[3]
                if state == "0A" and int(address.partition(":")[2], 16) in (
                    record.mongod_port,
                    record.redis_port,
                ):
                    listening.add(address.partition(":")[0])
        self.assertEqual(listening, {"0100007F"})
        del databases
