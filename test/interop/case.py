"""What a case of C{python -m test.interop} is, and what it finds ready."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from test.interop import transcript
from test.interop.recorder import Recorder
from test.support.server_process import ServerProcess

#: Listeners that clients reach through a relay that records.
_RECORDED = ("imap", "pop3")


class Failed(Exception):
    """The other program did not do what it should; the text says what and shows its output."""


class Skipped(Exception):
    """The case can't run here; the text says why."""


@dataclass
class Setting:
    """
    What all cases share.

    @ivar server: a running server with private databases.
    @ivar folder: for files of the case; removed in the end.
    @ivar recorder: keeps what clients and server say on the plain ports.
    @ivar kept: what one case has found out and others need again, by a name of theirs.
    @ivar ports: by listener name, for the clients: those of the relays where there are relays.
    @ivar closers: called at the end of the run, the last one first; raise L{Failed} for what they find.
    """

    server: ServerProcess
    folder: str
    recorder: Recorder = field(default_factory=Recorder)
    ports: dict[str, int] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    closers: list[Callable[[], None]] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)
    _case: str = ""

    def __post_init__(self) -> None:
        self.ports = dict(self.server.ports)
        for listener in _RECORDED:
            if listener in self.ports:
                self.ports[listener] = self.recorder.forward(listener, self.ports[listener])

    def run(self, case: Case) -> str:
        """
        Run a case and judge what was said on the wire.

        @return: a sentence of what was seen.
        @raise Failed: it does not hold.
        """
        self._case = case.name
        self.recorder.cut = None
        self.recorder.take()
        said = case.run(self)
        conversations = self.recorder.take()
        undeserved = transcript.judge(case.name, conversations)
        expect(not undeserved, "the server refused what is right:\n" + "\n".join(undeserved))
        return said

    def judge_log(self, log: str) -> str:
        """
        Judge a client's own log, of a session that the relay can't read; the log.

        @raise Failed: it shows a refusal that was not deserved.
        """
        undeserved = transcript.judge_log(self._case, log)
        expect(not undeserved, "the server refused what is right:\n" + "\n".join(undeserved))
        return log

    def close(self) -> list[str]:
        """End what cases have started; what is wrong with it."""
        problems = []
        while self.closers:
            try:
                self.closers.pop()()
            except Exception as error:
                problems.append(str(error))
        self.recorder.close()
        return problems

    def account(self, name: str) -> str:
        """An account with the address C{name@example.com}, made when it is asked for first; the address."""
        if name not in self._names:
            self.server.account(name)
            self._names.add(name)
        return f"{name}@example.com"

    def place(self, name: str) -> str:
        """A folder below L{folder}, made when it is asked for first; absolute."""
        path = os.path.join(self.folder, name)
        os.makedirs(path, exist_ok=True)
        return path

    def certificate(self) -> str:
        """The server's certificate, a PEM file that signs itself."""
        return os.path.join(self.server.data, "tls", "cert.pem")


def environment(home: str) -> dict[str, str]:
    """The environment of a program that shall find and leave its files in C{home} only."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    return kept | {"HOME": home, "LC_ALL": "C.UTF-8", "TERM": "xterm", "TMPDIR": home}


def private_file(folder: str, name: str, text: str) -> str:
    """Write a file that nobody else may read, for it holds a password; its path."""
    path = os.path.join(folder, name)
    with open(path, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(text)
    return path


@dataclass(frozen=True)
class Case:
    """
    One case.

    @ivar name: as on the command line.
    @ivar run: returns a sentence of what was seen.
    """

    name: str
    run: Callable[[Setting], str]


def output_of(
    arguments: Sequence[str],
    stdin: str = "",
    seconds: float = 120,
    home: str | None = None,
    variables: Mapping[str, str] | None = None,
    statuses: Sequence[int] = (0,),
) -> str:
    """
    Run a program; what it printed on both outputs.

    @param home: see L{environment}; C{None}: the environment of this process.
    @param variables: added to the environment.
    @param statuses: exit statuses that are right.
    @raise Failed: its exit status is none of them, or it takes too long.
    """
    try:
        done = subprocess.run(
            list(arguments),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
            cwd=home,
            env=(environment(home) if home else dict(os.environ)) | dict(variables or {}),
        )
    except subprocess.TimeoutExpired as error:
        shown = (error.stdout or b"").decode("utf-8", "replace")
        raise Failed(f"{arguments[0]} did not end within {seconds:g} seconds:\n{shown}") from None
    if done.returncode not in statuses:
        raise Failed(f"{arguments[0]} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def expect(condition: object, what: str) -> None:
    """
    @raise Failed: the condition does not hold.
    """
    if not condition:
        raise Failed(what)
