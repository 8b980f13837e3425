"""
C{python -m test.run}: the whole suite, in worker processes side by side.

Each worker has databases of its own and takes one test module after the other,
the longest first, so that all are busy until the end.  How long a module took is
kept in F{build/test-times.json} for the order of the next run.

What a worker prints is shown when all have ended, then the modules that took
longest; the last line counts the tests of all.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_BUILD = _HERE.parent / "build"
_TIMES = _BUILD / "test-times.json"
#: One more than processors, for tests also wait: with two more, two processors took a tenth
#: longer.  Each has a mongod, which wants memory.
_WORKERS = min(4, (os.cpu_count() or 2) + 1)
#: Seconds that one module may take; far beyond what any does.
_PATIENCE = 900.0
#: Modules listed at the end.
_SLOWEST = 15
#: What starts first where nothing is known of its time: the longest modules, then those that start
#: whole servers.
_FIRST = (
    "test.test_service",
    "test.imap.test_dialogues",
    "test.command_line.test_commands",
    "test.integration.test_kill",
    "test.mailstore.search.test_search",
    "test.mailstore.text_index.test_text_index",
    "test.api.test_updates",
    "test.integration",
    "test.sessions",
    "test.database.test_faults",
    "test.mime.test_hostile",
    "test.command_line",
    "test.private",
    "test.imap",
)

_RAN = re.compile(r"^Ran (\d+) tests in", re.MULTILINE)
_FAILED = re.compile(r"\b(?:failures|errors|unexpectedSuccesses)=(\d+)")
_SKIPPED = re.compile(r"\bskips=(\d+)")


def modules() -> list[str]:
    """Names of all test modules, the longest first."""
    names = [
        ".".join(path.relative_to(_HERE.parent).with_suffix("").parts)
        for path in sorted(_HERE.rglob("test_*.py"))
    ]
    known: dict[str, float] = {}
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(_TIMES.read_text())

    def place(name: str) -> tuple[int, float]:
        first = next((at for at, start in enumerate(_FIRST) if name.startswith(start)), len(_FIRST))
        return (-1, -known[name]) if name in known else (first, 0.0)

    return sorted(names, key=place)


class _Worker:
    """
    One process and the thread that hands it modules.

    @ivar died: what it was at when it ended too early, or nothing.
    """

    def __init__(self, number: int, work: queue.SimpleQueue[str], times: dict[str, float]) -> None:
        self.died = ""
        self._work = work
        self._times = times
        self._log = _BUILD / f"trial-{number}.log"
        self._line, theirs = socket.socketpair()
        with theirs, self._log.open("w") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "test.run", str(theirs.fileno()), str(_BUILD / f"trial-{number}")],
                cwd=_HERE.parent,
                env=_environment(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self) -> str:
        """
        Wait for its end.

        @return: what it printed.
        """
        self._thread.join()
        return self._log.read_text(errors="replace")

    @property
    def passed(self) -> bool:
        """Whether it ended as it should, without a failure."""
        return not self.died and self._process.returncode == 0

    def _run(self) -> None:
        name = "its start"
        try:
            self._line.settimeout(_PATIENCE)
            with self._line.makefile("rw") as line:
                while True:
                    try:
                        name = self._work.get_nowait()
                    except queue.Empty:
                        break
                    started = time.monotonic()
                    print(name, file=line, flush=True)
                    if line.readline().strip() != name:
                        raise EOFError
                    self._times[name] = time.monotonic() - started
                name = "its end"
                self._line.shutdown(socket.SHUT_WR)
            self._process.wait(_PATIENCE)
        except (OSError, EOFError, subprocess.TimeoutExpired):
            self.died = name
            self._process.kill()
            self._process.wait()
        finally:
            self._line.close()


def _environment() -> dict[str, str]:
    """Compiled modules are kept: the tests start two hundred interpreters."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def main() -> int:
    """@return: exit status."""
    _BUILD.mkdir(exist_ok=True)
    work: queue.SimpleQueue[str] = queue.SimpleQueue()
    names = modules()
    for name in names:
        work.put(name)
    times: dict[str, float] = {}
    workers = [_Worker(number, work, times) for number in range(_WORKERS)]
    ran = failed = skipped = 0
    for worker in workers:
        text = worker.join()
        print(text, flush=True)
        closing = text[text.rfind("\nRan ") :]
        ran += sum(map(int, _RAN.findall(closing)))
        failed += sum(map(int, _FAILED.findall(closing)))
        skipped += sum(map(int, _SKIPPED.findall(closing)))
        if worker.died:
            print(f"a worker ended too early, at {worker.died}")
    complete = set(times) == set(names)
    passed = complete and all(worker.passed for worker in workers)
    if not passed and not failed:
        failed = 1  # a process that died has no closing line
    if complete:
        _TIMES.write_text(json.dumps(times, indent=1, sort_keys=True))
    print("Slowest modules:")
    for name, seconds in sorted(times.items(), key=lambda item: -item[1])[:_SLOWEST]:
        print(f"{seconds:6.1f} s  {name}")
    print(f"{max(0, ran - failed - skipped)} passed, {failed} failed, {skipped} skipped")
    return 0 if passed and ran else 1


def work(descriptor: int, folder: str) -> int:
    """
    Run test modules as they are named, one a line, each line given back when it is done.

    @return: exit status.
    """
    from twisted.trial import reporter, runner, unittest
    from twisted.trial.itrial import ITestCase

    class Given(unittest.TestSuite):
        """Loads the tests when their turn comes."""

        def run(self, result: reporter.TestResult) -> reporter.TestResult:
            loader = runner.TestLoader()
            for name in _names(descriptor):
                if not result.shouldStop:
                    unittest.decorate(loader.loadByNames([name], recurse=True), ITestCase).run(result)
            return result

    trial = runner.TrialRunner(reporter.TreeReporter, workingDirectory=folder)
    return 0 if trial.run(Given()).wasSuccessful() else 1


def _names(descriptor: int) -> Iterator[str]:
    with socket.socket(fileno=descriptor) as line, line.makefile("rw") as lines:
        while name := lines.readline().strip():
            yield name
            print(name, file=lines, flush=True)


if __name__ == "__main__":
    sys.exit(work(int(sys.argv[1]), sys.argv[2]) if sys.argv[1:] else main())
