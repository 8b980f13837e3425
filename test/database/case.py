"""What the tests of C{wildduck.database} have in common."""

from __future__ import annotations

from typing import Any

from twisted.trial import unittest

from test.support.databases import fresh_settings
from test.support.relay import Relay
from test.support.servers import Mongod, shared
from wildduck.database import Database, Databases, MongoSettings, Redis


def reactor() -> Any:
    """The real one."""
    from twisted.internet import reactor

    return reactor


def standalone() -> Mongod:
    """A standalone mongod of this run."""
    server: Mongod = shared("standalone", Mongod)
    return server


async def connect(test: unittest.TestCase, uri: str, **more: Any) -> Databases:
    """Handles that are closed with the test."""
    databases = await Databases.connect(MongoSettings(uri, **more), reactor())
    test.addCleanup(databases.close)
    return databases


class ReplicaSetCase(unittest.TestCase):
    """
    One empty database on the run's replica set.

    @ivar main: its handle.
    """

    timeout = 60

    async def setUp(self) -> None:  # type: ignore[override]
        self.settings = fresh_settings(self)
        self.databases = await Databases.connect(self.settings.mongo, reactor())
        self.addCleanup(self.databases.close)
        self.main: Database = self.databases.main


class StandaloneCase(unittest.TestCase):
    """One empty database on a standalone server."""

    timeout = 60

    async def setUp(self) -> None:  # type: ignore[override]
        server = standalone()
        self.databases = await connect(self, f"mongodb://127.0.0.1:{server.port}/standalone")
        self.main: Database = self.databases.main
        with server.client() as client:
            client.drop_database("standalone")


class RelayedCase(unittest.TestCase):
    """
    A relay in front of the replica set, and in front of a standalone server.

    @ivar relay: the one in use.
    """

    timeout = 60

    async def through_relay(self) -> Database:
        """A handle on the replica set, all of whose bytes pass L{relay}."""
        settings = fresh_settings(self)
        address, _, name = settings.mongo.uri.rpartition("/")
        self.direct = (await connect(self, settings.mongo.uri)).main
        self._start_relay(int(address.rpartition(":")[2]))
        uri = f"mongodb://127.0.0.1:{self.relay.port}/{name}?directConnection=true"
        return (await connect(self, uri)).main

    async def standalone_through_relay(self) -> Database:
        """The same on a standalone server."""
        server = standalone()
        with server.client() as client:
            client.drop_database("relayed")
        self.direct = (await connect(self, f"mongodb://127.0.0.1:{server.port}/relayed")).main
        self._start_relay(server.port)
        return (await connect(self, f"mongodb://127.0.0.1:{self.relay.port}/relayed")).main

    def _start_relay(self, port: int) -> None:
        self.relay = Relay(reactor(), port)
        self.relay.start()
        self.addCleanup(self.relay.stop)


class RedisCase(unittest.TestCase):
    """
    One empty Redis database of the run's server.

    @ivar redis: a connected client.
    """

    timeout = 60

    async def setUp(self) -> None:  # type: ignore[override]
        self.settings = fresh_settings(self)
        self.redis = await self.another()

    async def another(self) -> Redis:
        """Another client of the same database."""
        redis = await Redis.connect(self.settings.redis.uri, reactor())
        self.addCleanup(redis.close)
        return redis
