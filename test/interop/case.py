"""What a case of C{python -m test.interop} is, and what it finds ready."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from test.support.server_process import ServerProcess


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
    """

    server: ServerProcess
    folder: str
    _names: set[str] = field(default_factory=set)

    def account(self, name: str) -> str:
        """An account with the address C{name@example.com}, made when it is asked for first; the address."""
        if name not in self._names:
            self.server.account(name)
            self._names.add(name)
        return f"{name}@example.com"

    def place(self, name: str) -> str:
        """An empty folder below L{folder}."""
        path = os.path.join(self.folder, name)
        os.makedirs(path, exist_ok=True)
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


def output_of(arguments: Sequence[str], stdin: str = "", seconds: float = 120) -> str:
    """
    Run a program; what it printed on both outputs.

    @raise Failed: its exit status is not 0, or it takes too long.
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
        )
    except subprocess.TimeoutExpired as error:
        shown = (error.stdout or b"").decode("utf-8", "replace")
        raise Failed(f"{arguments[0]} did not end within {seconds:g} seconds:\n{shown}") from None
    if done.returncode:
        raise Failed(f"{arguments[0]} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def expect(condition: object, what: str) -> None:
    """
    @raise Failed: the condition does not hold.
    """
    if not condition:
        raise Failed(what)
