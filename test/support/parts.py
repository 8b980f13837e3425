"""Connected parts of the server for tests that need no listener."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial import unittest

from test.support.databases import ensure_indexes, fresh_settings
from wildduck.config import Settings
from wildduck.database import Databases, Redis
from wildduck.events import Notifier
from wildduck.mailstore import MailStore
from wildduck.threads import BoundedPool


async def connected(
    test: unittest.TestCase, settings: Settings | None = None
) -> tuple[Settings, Databases, Redis]:
    """Databases of one test, with their indexes; closed when it ends."""
    from twisted.internet import reactor

    settings = settings or fresh_settings(test)
    databases = await Databases.connect(settings.mongo, reactor)
    test.addCleanup(_closer(databases.close))
    redis = await Redis.connect(settings.redis.uri, reactor)
    test.addCleanup(_closer(redis.close))
    await ensure_indexes(settings, databases)
    return settings, databases, redis


def pool(test: unittest.TestCase, name: str = "test") -> BoundedPool:
    """A started thread pool, stopped when the test ends."""
    from twisted.internet import reactor

    threads = BoundedPool(reactor, name, 2, 50)
    threads.start()
    test.addCleanup(threads.stop)
    return threads


def _closer(close: Any) -> Any:
    return lambda: Deferred.fromCoroutine(close())


async def mail_store(
    test: unittest.TestCase, settings: Settings, databases: Databases, redis: Redis
) -> MailStore:
    """A mail store; what runs behind its answers is waited for when the test ends."""
    from twisted.internet import reactor

    store = MailStore(databases, redis, Notifier(redis), settings, reactor, pool(test, "mime"))
    test.addCleanup(_closer(store.settle))
    return store
