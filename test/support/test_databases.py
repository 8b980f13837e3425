"""The test databases themselves."""

from __future__ import annotations

from twisted.trial import unittest

from test.support.databases import blocking_database, blocking_redis, fresh_settings


class FreshSettingsTests(unittest.TestCase):
    """Each test has databases of its own."""

    def _write(self) -> None:
        settings = fresh_settings(self)
        database, redis = blocking_database(settings), blocking_redis(settings)
        self.assertEqual(list(database.messages.find()), [])
        self.assertEqual(redis.keys(), [])
        database.messages.insert_one({"_id": 1})
        redis.set("a", "b")

    def test_first(self) -> None:
        """A test finds nothing of another test."""
        self._write()

    def test_second(self) -> None:
        """Another test finds nothing of the first."""
        self._write()
