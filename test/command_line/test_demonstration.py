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
            raise unittest.SkipTest("curl is not installed, and most of the printed commands are curl's")
        heed_interrupts(self)
        data = data_folder(self)
        for first in (True, False):
            self.round(data, first)

    def round(self, data: str, first: bool) -> None:
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
        commands = dict(re.findall(r"^  (\w.*):\n    (\S.*)$", printed, re.MULTILINE))
        self.assertEqual(6, len(commands), printed)
        deliver = commands["deliver a message by LMTP"]
        argv = [sys.executable, "-m", "wildduck.command_line", *shlex.split(deliver)[1:]]
        delivered = subprocess.run(
            argv, env=environment(), cwd=os.path.dirname(data), capture_output=True, text=True
        )
        self.assertEqual(delivered.returncode, 0, delivered)
        self.curl(commands["add it once more, over the API"], '"success": true')
        self.curl(commands["list the mailboxes"], '"total": 2' if first else '"total": 4')
        self.curl(commands["read it by IMAP"], "It works")
        self.curl(commands["read it by POP3"], "It works")
        self.curl(commands["create another account"], '"success": true' if first else "UserExistsError")
        document = re.search(r"its OpenAPI document: (\S+)$", printed, re.MULTILINE)
        assert document
        self.curl(f"curl -s {document[1]}", '"/users/{user}/mailboxes"')
        for name in ("imap", "imap_tls", "pop3", "pop3_tls", "lmtp", "api"):
            self.assertIn(f"127.0.0.1:{run['ports'][name]}", printed)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=_PATIENCE)
        self.assertEqual(process.returncode, 0)
        for pid in (run["pid"], *run["databases"].values()):
            self.assertRaises(ProcessLookupError, os.kill, pid, 0)

    def curl(self, command: str, expected: str) -> None:
        """Run a printed curl command."""
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=60)
        self.assertIn(expected, done.stdout, done)
