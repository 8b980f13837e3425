"""
C{python -m test.run}: the whole suite, in two trial processes side by side.

Each has databases of its own.  The tests that start whole servers wait more
than they work, so they go in one process and everything else in the other,
which halves the time on two cores.  What a process prints is shown when it
ends; the last line counts the tests of both.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
#: Packages and modules whose tests start whole servers.
_WITH_SERVERS = ("command_line", "integration", "private", "test_packaging", "test_service")
_RAN = re.compile(r"^Ran (\d+) tests in", re.MULTILINE)
_FAILED = re.compile(r"\b(?:failures|errors|unexpectedSuccesses)=(\d+)")
_SKIPPED = re.compile(r"\bskips=(\d+)")


def groups() -> tuple[list[str], list[str]]:
    """Names for trial: every package and test module of this folder is in one of the two."""
    names = [
        path.stem
        for path in sorted(_HERE.iterdir())
        if (path.is_dir() and (path / "__init__.py").exists())
        or (path.suffix == ".py" and path.name.startswith("test_"))
    ]
    slow = [f"test.{name}" for name in names if name in _WITH_SERVERS]
    return slow, [f"test.{name}" for name in names if name not in _WITH_SERVERS]


def main() -> int:
    """@return: exit status."""
    root = _HERE.parent
    folder = root / "build"
    folder.mkdir(exist_ok=True)
    running = []
    for number, names in enumerate(groups()):
        log = folder / f"trial-{number}.log"
        command = [sys.executable, "-m", "twisted.trial", "--temp-directory", str(folder / f"trial-{number}")]
        with log.open("w") as output:
            process = subprocess.Popen(
                [*command, *names],
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        running.append((process, log))
    ran = failed = skipped = 0
    broken = False
    for process, log in running:
        broken = process.wait() != 0 or broken
        text = log.read_text(errors="replace")
        print(text, flush=True)
        closing = text[text.rfind("\nRan ") :]
        ran += sum(map(int, _RAN.findall(closing)))
        failed += sum(map(int, _FAILED.findall(closing)))
        skipped += sum(map(int, _SKIPPED.findall(closing)))
    if broken and not failed:
        failed = 1  # a process that died has no closing line
    print(f"{ran - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if broken or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
