"""What the server asks of the operating system."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

from twisted.trial import unittest

from test.support.server_process import environment
from wildduck.errors import ConfigurationError
from wildduck.machine import make_folder


class MakeFolderTests(unittest.SynchronousTestCase):
    """L{make_folder}."""

    def test_made(self) -> None:
        """It is made for its owner only, parents included; a second time is harmless."""
        path = os.path.join(os.path.abspath(self.mktemp()), "below")
        self.assertEqual(make_folder("it", path), path)
        make_folder("it", path)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o700)

    def test_impossible(self) -> None:
        """Where it can't be made, one line says what and why."""
        path = os.path.abspath(self.mktemp())
        with open(path, "w"):
            pass
        error = self.assertRaises(ConfigurationError, make_folder, "storage.spool", path)
        self.assertEqual(str(error), f"storage.spool {path}: File exists")


_DESCRIPTORS = """
import resource, sys
from twisted.logger import globalLogPublisher
from wildduck.machine import raise_descriptor_limit
globalLogPublisher.addObserver(lambda event: print(event["log_level"].name))
resource.setrlimit(resource.RLIMIT_NOFILE, (100, int(sys.argv[1])))
raise_descriptor_limit(200)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


class DescriptorLimitTests(unittest.SynchronousTestCase):
    """L{raise_descriptor_limit}, in a process of its own."""

    def limit(self, hard: int) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", _DESCRIPTORS, str(hard)], env=environment(), capture_output=True, text=True
        )
        self.assertEqual(done.returncode, 0, done)
        return done.stdout.split()

    def test_raised(self) -> None:
        """The limit is raised to what is wanted, without a word."""
        self.assertEqual(self.limit(300), ["200"])

    def test_less(self) -> None:
        """Where less is allowed, it is raised to that, and the log says so."""
        self.assertEqual(self.limit(150), ["warn", "150"])
