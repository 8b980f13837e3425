"""
A server in a process of its own, as a user starts it: for tests that kill it, restart it or weigh it.

The databases are the run's (L{test.support.databases}) or the server's own.
Its log is watched: a line of an error that the test does not expect fails the
test when the server is stopped.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

from twisted.trial import unittest

from test.support.blocking_imap import Imap
from test.support.blocking_lmtp import Lmtp
from test.support.databases import data_folder, helper
from test.support.environment import ROOT as ROOT, environment as environment
from test.support.forks import Fork, run
from test.support.servers import shared
from wildduck import config
from wildduck.private.binaries import launcher

PASSWORD = "secretpass"

_START_SECONDS = 60.0
_STOP_SECONDS = 60.0
_COMMAND_SECONDS = 300.0
_TWISTD = "from twisted.scripts.twistd import run; run()"
_COMMAND = "from wildduck.command_line.main import main; main()"
_ERRORS = ("Traceback", "#error]", "#critical]")


class ServerProcess:
    """
    C{twistd -n wildduck} on a data folder.

    @ivar data: the folder.
    @ivar ports: by listener name, while it runs.
    @ivar expected: log lines that hold one of these are no failure.
    """

    def __init__(
        self, data: str, sets: Sequence[str] = (), config: str | None = None, forked: bool = False
    ) -> None:
        """
        @param config: path of a settings file.
        @param forked: it and its commands are forks (L{test.support.forks}), not interpreters of their own.
        """
        self.data = data
        self._forked = forked
        self._config = ["--config", config] if config else []
        self.ports: dict[str, int] = {}
        self.expected: list[str] = []
        self._sets = list(sets)
        self._process: subprocess.Popen[bytes] | Fork | None = None
        self._served = 0
        self._reading = False
        self._reader: threading.Thread | None = None
        self._lines: list[str] = []
        self._changed = threading.Condition()

    def start(self) -> None:
        """
        Start and return when it serves.

        @raise AssertionError: it does not, with the log.
        """
        self.begin()
        self.until_it_serves()

    def begin(self) -> None:
        """The first half of L{start}."""
        arguments = ["-n", "--pidfile=", "wildduck", "--data", self.data, *self._config]
        for item in self._sets:
            arguments += ["--set", item]
        self._served = self.seen("serving:")
        os.makedirs(os.path.dirname(self.data) or ".", exist_ok=True)
        output, written = os.pipe()
        self._process = self._spawn(arguments, os.path.dirname(self.data) or ".", written)
        os.close(written)
        self._reading = True
        self._reader = threading.Thread(target=self._read, args=(output,), daemon=True)
        self._reader.start()

    def _spawn(self, arguments: list[str], cwd: str, output: int) -> subprocess.Popen[bytes] | Fork:
        if self._forked:
            with open(os.devnull) as null:
                return Fork(_TWISTD, arguments, cwd, (null.fileno(), output, output))
        return subprocess.Popen(
            # It ends when this process does, however that ends, and not by Ctrl-C before it.
            [*launcher(), sys.executable, "-c", _TWISTD, *arguments],
            cwd=cwd,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def until_it_serves(self) -> None:
        """The second half of L{start}."""
        try:
            self.wait_for("serving:", self._served + 1)
        except AssertionError:
            self.kill()
            raise
        with open(os.path.join(self.data, "run.json")) as file:
            self.run: dict[str, Any] = json.load(file)
        self.ports = self.run["ports"]

    def stop(self) -> None:
        """SIGTERM, and wait for an orderly end."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._ended(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the server did not end after SIGTERM:\n" + self.log()) from None
        # twistd ends itself by the signal in the end, when everything is down.
        assert status in (0, -signal.SIGTERM) and self._down(), f"ended with {status}:\n{self.log()}"

    def kill(self) -> None:
        """SIGKILL, and wait."""
        assert self._process is not None
        self._process.kill()
        self._ended(_STOP_SECONDS)

    def close(self) -> None:
        """Stop it if it runs; nothing is left."""
        if self._process is not None:
            self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        """Everything it has printed, over all starts."""
        return "\n".join(self._lines)

    def errors(self) -> list[str]:
        """Log lines that tell of an error."""
        return [
            line
            for line in self._lines
            if any(mark in line for mark in _ERRORS) and not any(word in line for word in self.expected)
        ]

    def seen(self, text: str) -> int:
        """Log lines so far that hold this text."""
        return sum(text in line for line in self._lines)

    def wait_for(self, text: str, count: int) -> None:
        """
        Return when so many log lines hold this text.

        @raise AssertionError: the server ended, or that takes too long.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.seen(text) >= count or not self._reading, _START_SECONDS)
            assert self.seen(text) >= count, f"the server does not say {text!r}:\n{self.log()}"

    def memory(self) -> int:
        """Resident bytes of the server's process."""
        with open(f"/proc/{self.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu(self) -> float:
        """Seconds of CPU the server's process has used."""
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    # --- as a user uses it -----------------------------------------------------

    def imap(self, user: str | None = None, **options: Any) -> Imap:
        """A connection, signed in if C{user} is given."""
        client = Imap(self.ports["imap"], **options)
        if user:
            client.login(user, PASSWORD)
        return client

    def lmtp(self) -> Lmtp:
        return Lmtp(self.ports["lmtp"])

    def api(self, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """One request to the HTTP API: status and JSON."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports['api']}{path}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def account(self, name: str, quota: int = 1 << 40) -> str:
        """Make an account C{name} with the address C{name@example.com}; the address."""
        status, answer = self.api("/user/create", {"username": name, "password": PASSWORD, "quota": quota})
        assert status == 200, answer
        address = f"{name}@example.com"
        status, answer = self.api("/user/address/create", {"username": name, "address": address})
        assert status == 200, answer
        return address

    def settings(self, data: str) -> config.Settings:
        """Its settings with another data folder, for parts of the server in this process."""
        return config.load(None, data, self._sets)

    def command(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run the C{wildduck} command on the server's folder."""
        words = ["--data", self.data, *self._config]
        for item in self._sets:
            words += ["--set", item]
        words += arguments
        cwd = os.path.dirname(self.data)
        if self._forked:
            return run(_COMMAND, words, cwd, stdin, _COMMAND_SECONDS)
        return subprocess.run(
            [sys.executable, "-c", _COMMAND, *words],
            input=stdin,
            capture_output=True,
            text=True,
            env=environment(),
            cwd=cwd,
            timeout=_COMMAND_SECONDS,
        )

    def _down(self) -> bool:
        """Whether the last lines tell of an orderly end."""
        return any("Server Shut Down" in line for line in self._lines[-5:])

    def _read(self, output: int) -> None:
        with open(output, errors="replace") as lines:
            for line in lines:
                with self._changed:
                    self._lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._reading = False
            self._changed.notify_all()

    def _ended(self, seconds: float) -> int:
        assert self._process is not None and self._reader is not None
        status = self._process.wait(seconds)
        self._reader.join(_STOP_SECONDS)
        self._process = None
        return status


_AUTO = ("imap.port", "imap.tls_port", "pop3.port", "pop3.tls_port", "lmtp.port", "api.port")


def automatic_ports() -> list[str]:
    """Settings for ports that are free."""
    return [f"{key}=auto" for key in _AUTO]


def shared_databases(test: unittest.SynchronousTestCase) -> list[str]:
    """Settings for a pair of the run's databases, emptied after the test."""
    databases = helper()
    number = databases.take()
    test.addCleanup(databases.give_back, number)
    return _addresses(number)


def _addresses(number: int) -> list[str]:
    databases = helper()
    return [
        f"mongo.uri=mongodb://127.0.0.1:{databases.mongo_port}/test{number}",
        f"redis.uri=redis://127.0.0.1:{databases.redis_port}/{number}",
    ]


class _Shared(ServerProcess):
    """Started on a pair of the run's databases, until the run ends."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="wildduck-test-")
        addresses = _addresses(helper().take())
        super().__init__(os.path.join(self._folder, "data"), [*addresses, *automatic_ports()], forked=True)
        self.start()

    def close(self) -> None:
        super().close()
        shutil.rmtree(self._folder, ignore_errors=True)


class ServerTestCase(unittest.TestCase):
    """A test case with helpers that start servers, whose logs must show no error."""

    def server(self, *sets: str, private: bool = False) -> ServerProcess:
        """
        A started server on empty databases, stopped after the test.

        @param private: on databases of its own, instead of the run's.
        """
        server = self._make([] if private else shared_databases(self), sets)
        server.start()
        return server

    def pair(self, *sets: str) -> tuple[ServerProcess, ServerProcess]:
        """Two started servers on the same empty databases, as two machines of a cluster."""
        databases = shared_databases(self)
        first, second = self._make(databases, sets), self._make(databases, sets)
        # Side by side.
        first.begin()
        second.begin()
        first.until_it_serves()
        second.until_it_serves()
        return first, second

    def _make(self, databases: Sequence[str], sets: Sequence[str]) -> ServerProcess:
        server = ServerProcess(data_folder(self), [*databases, *automatic_ports(), *sets], forked=True)
        self.addCleanup(self._finish, server)
        return server

    def shared_server(self) -> ServerProcess:
        """A started server that the tests of the class have together; each has accounts of its own."""
        server: ServerProcess = shared(f"server of {type(self).__qualname__}", _Shared)
        before = len(server.errors())
        self.addCleanup(lambda: self.assertEqual(server.errors()[before:], [], server.log()))
        return server

    def _finish(self, server: ServerProcess) -> None:
        server.close()
        self.assertEqual(server.errors(), [], server.log())
