"""The data folder."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

from twisted.trial import unittest

from test.support.databases import data_folder
from wildduck.errors import ConfigurationError
from wildduck.private.folder import DataFolder, Record, lock_file


class DataFolderTests(unittest.SynchronousTestCase):
    """L{DataFolder}."""

    def setUp(self) -> None:
        self.folder = DataFolder(data_folder(self))
        self.addCleanup(self.folder.unlock)

    def test_only_the_owner(self) -> None:
        """The folder is made with mode 0700, files in it with 0600."""
        self.folder.lock()
        self.folder.write_run({"pid": 1})
        self.assertEqual(stat.S_IMODE(os.stat(self.folder.path).st_mode), 0o700)
        for name in ("run.json", "server.lock"):
            self.assertEqual(stat.S_IMODE(os.stat(self.folder.file(name)).st_mode), 0o600)

    def test_in_use(self) -> None:
        """A second server on the folder is refused, until the first gives it back."""
        self.folder.lock()
        other = DataFolder(self.folder.path)
        error = self.assertRaises(ConfigurationError, other.lock)
        self.assertEqual(str(error), f"data folder {self.folder.path} is in use by another server")
        self.folder.unlock()
        other.lock()
        other.unlock()

    def test_killed(self) -> None:
        """The lock of a process that was killed is free at once."""
        self.folder.make()
        script = (
            "import sys, time; from wildduck.private.folder import DataFolder;"
            " DataFolder(sys.argv[1]).lock(); print(1, flush=True); time.sleep(60)"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(
            [sys.executable, "-c", script, self.folder.path], stdout=subprocess.PIPE, env=environment
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            self.assertRaises(ConfigurationError, self.folder.lock)
            process.kill()
        self.folder.lock()

    def test_not_writable(self) -> None:
        """A path that can't be a folder is refused with one line."""
        path = self.mktemp()
        with open(path, "w"):
            pass
        error = self.assertRaises(ConfigurationError, DataFolder(os.path.join(path, "data")).lock)
        self.assertIn("Not a directory", str(error))

    def test_record(self) -> None:
        """What is recorded of the databases is read back; a new folder has an empty record."""
        self.folder.make()
        self.assertEqual(self.folder.record(), Record())
        record = Record(mongod=(6, 0, 5), redis=(6, 2, 14), mongod_port=4711, redis_port=4712)
        self.folder.save(record)
        self.assertEqual(self.folder.record(), record)

    def test_damaged_record(self) -> None:
        """A damaged record stops the start: without it a folder could be opened by an older server."""
        self.folder.make()
        with open(self.folder.file("databases.json"), "w") as file:
            file.write("{")
        error = self.assertRaises(ConfigurationError, self.folder.record)
        self.assertIn("damaged", str(error))

    def test_remove_run(self) -> None:
        """Removing run.json twice is harmless."""
        self.folder.make()
        self.folder.write_run({})
        self.folder.remove_run()
        self.folder.remove_run()
        self.assertNotIn("run.json", os.listdir(self.folder.path))

    def test_lock_is_not_inherited(self) -> None:
        """A child does not keep the lock unless it is handed the descriptor."""
        self.folder.make()
        descriptor = lock_file(self.folder.file("x.lock"))
        assert descriptor is not None
        self.assertFalse(os.get_inheritable(descriptor))
        os.close(descriptor)
