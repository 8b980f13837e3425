"""C{make run}: what is printed works, and Ctrl-C leaves nothing."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading

from twisted.trial import unittest

from test.support.databases import data_folder
from test.support.interrupts import heed_interrupts
from test.support.server_process import automatic_ports, environment

#: Seconds for what takes a few on an idle machine.
_PATIENCE = 120.0


class DemonstrationTests(unittest.SynchronousTestCase):
    """C{python -m wildduck.command_line.demonstration}."""

    def test_all(self) -> None:
        """It prints an account and commands that work, Ctrl-C ends all, and so it does a second time."""
        if not shutil.which("curl"):
            raise unittest.SkipTest("curl is not installed, and two of the printed commands are curl's")
        heed_interrupts(self)
        data = data_folder(self)
        for _ in range(2):
            self.round(data)

    def round(self, data: str) -> None:
        sets = [argument for item in automatic_ports() for argument in ("--set", item)]
        process = subprocess.Popen(
            [sys.executable, "-m", "wildduck.command_line.demonstration", "--data", data, *sets],
            cwd=os.path.dirname(data),
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.addCleanup(process.kill)
        assert process.stdout is not None
        deadline = threading.Timer(_PATIENCE, process.kill)
        deadline.start()
        printed = ""
        for line in process.stdout:
            printed += line
            if "Ctrl-C stops" in line:
                break
        else:
            self.fail(printed)
        deadline.cancel()
        with open(os.path.join(data, "run.json")) as file:
            run = json.load(file)
        deliver, read, create = re.findall(r"^    (\S.*)$", printed, re.MULTILINE)
        argv = [sys.executable, "-m", "wildduck.command_line", *shlex.split(deliver)[1:]]
        delivered = subprocess.run(
            argv, env=environment(), cwd=os.path.dirname(data), capture_output=True, text=True
        )
        self.assertEqual(delivered.returncode, 0, delivered)
        self.curl(read, "It works")
        self.assertIn(f"pop3://demo@127.0.0.1:{run['ports']['pop3']}/", printed)
        self.curl(create.replace("user@", f"user{run['pid']}@"), '"success": true')
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=_PATIENCE)
        self.assertEqual(process.returncode, 0)
        for pid in (run["pid"], *run["databases"].values()):
            self.assertRaises(ProcessLookupError, os.kill, pid, 0)

    def curl(self, command: str, expected: str) -> None:
        """Run a printed curl command."""
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=60)
        self.assertIn(expected, done.stdout, done)
