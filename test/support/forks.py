"""
Python processes without the time that their imports take.

A server imports a thousand modules: a second of a processor's time and most of
what a short test would cost.  Here one process (this module run with C{-m}) has
imported them and does nothing but fork.  A fork runs what an interpreter of its
own would run, with the arguments, folder and descriptors that it is given, in a
session of its own, with a reactor that is made anew.  The process that forks is
started when the first fork is asked for; it ends when trial does, however that
ends, and its forks with it.

Tests of the start itself start interpreters.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from typing import Any

from test.support.environment import ROOT, environment

_IMPORTED = (
    "twisted.scripts.twistd",
    "wildduck.service",
    *(f"wildduck.command_line.{name}" for name in ("deliver", "main", "token", "user", "verify")),
)
#: Of C{prctl}: by which signal a process ends when its parent does.
_PDEATHSIG = 1
#: Bytes of one request, which has options and paths.
_REQUEST = 1 << 16
#: Bytes of a process id or an exit status.
_NUMBER = 20


class Fork:
    """
    A started process: what of L{subprocess.Popen} its users need.

    @ivar returncode: exit status, negative for a signal, once it is known.
    """

    def __init__(self, code: str, arguments: Sequence[str], cwd: str, standard: tuple[int, int, int]) -> None:
        """
        @param code: what C{python -c} would run with these arguments.
        @param standard: its standard input, output and error.
        """
        self.returncode: int | None = None
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = json.dumps({"code": code, "arguments": list(arguments), "cwd": cwd}).encode()
        assert len(request) < _REQUEST
        with theirs:
            socket.send_fds(_template(), [request], [*standard, theirs.fileno()])
        self.pid = int(self._line.recv(_NUMBER))

    def poll(self) -> int | None:
        """Its exit status, if it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """
        Its exit status.

        @raise subprocess.TimeoutExpired: it has not ended.
        """
        if self.returncode is None:
            self._line.settimeout(timeout)
            try:
                self.returncode = int(self._line.recv(_NUMBER) or -signal.SIGKILL)
            except (BlockingIOError, TimeoutError):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0) from None
            self._line.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Nothing happens when it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def run(
    code: str, arguments: Sequence[str], cwd: str, stdin: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    """
    Start one and wait for its end, as C{subprocess.run}.

    @raise subprocess.TimeoutExpired: after that many seconds; it is killed.
    """
    file = partial(tempfile.TemporaryFile, "w+")
    with file() as given, file() as output, file() as errors:
        given.write(stdin)
        given.seek(0)
        fork = Fork(code, arguments, cwd, (given.fileno(), output.fileno(), errors.fileno()))
        try:
            status = fork.wait(timeout)
        except subprocess.TimeoutExpired:
            fork.kill()
            raise
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(arguments, status, output.read(), errors.read())


_line: socket.socket | None = None


def _template() -> socket.socket:
    """Where the process that forks takes requests."""
    global _line
    if _line is None:
        # It keeps requests of several threads apart.
        _line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            subprocess.Popen(
                [sys.executable, "-m", "test.support.forks", str(theirs.fileno())],
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
    return _line


# --- the process that forks -----------------------------------------------------


def _serve(line: socket.socket) -> dict[str, Any]:
    """Fork for each request; in a fork, what it is to run."""
    while True:
        request, descriptors, _, _ = socket.recv_fds(line, _REQUEST, 4)
        if not request:
            sys.exit()
        if os.fork() == 0:
            line.close()
            return _kept(descriptors, json.loads(request))
        for descriptor in descriptors:
            os.close(descriptor)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                """One more keeper has ended."""


def _kept(descriptors: list[int], request: dict[str, Any]) -> dict[str, Any]:
    """Fork, keep the fork, and tell its process id and then its exit status; it returns in the fork."""
    _end_with_parent(signal.SIGKILL)
    *standard, status = descriptors
    from twisted.internet import reactor

    pid = os.fork()
    if pid == 0:
        _end_with_parent(signal.SIGTERM)
        os.setsid()
        os.close(status)
        for number, descriptor in enumerate(standard):
            os.dup2(descriptor, number)
            os.close(descriptor)
        # txmongo keeps the one that was there when it was imported, so it stays the same object;
        # as it was, all forks would be woken by each other's sockets.
        reactor.__init__()  # type: ignore[misc]
        os.chdir(request["cwd"])
        sys.argv = ["-c", *request["arguments"]]
        return request
    for descriptor in (0, 1, 2, *standard):
        os.close(descriptor)
    with socket.socket(fileno=status) as line:
        line.send(b"%d" % pid)
        _, ended = os.waitpid(pid, 0)
        with contextlib.suppress(OSError):
            line.send(b"%d" % os.waitstatus_to_exitcode(ended))
    os._exit(0)


def _end_with_parent(number: int) -> None:
    ctypes.CDLL(None).prctl(_PDEATHSIG, number)


def _main() -> None:
    line = socket.socket(fileno=int(sys.argv[1]))
    for name in _IMPORTED:
        importlib.import_module(name)
    from twisted.application.service import IServiceMaker
    from twisted.plugin import getPlugins

    list(getPlugins(IServiceMaker))
    # What is imported stays shared, for nobody looks through it.
    gc.collect()
    gc.freeze()
    request = _serve(line)
    exec(compile(request["code"], "<string>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    _main()
