"""The tests that try things by chance, more often than C{make test} has time for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from test.support import chance

_TESTS = Path(__file__).parent.parent


def modules() -> list[str]:
    """Names of the test modules that ask L{chance} how often."""
    return [
        ".".join(path.relative_to(_TESTS.parent).with_suffix("").parts)
        for path in sorted(_TESTS.rglob("test_*.py"))
        if "test.support.chance import" in path.read_text()
    ]


def run(tries: int) -> bool:
    """
    @param tries: times as many as in C{make test}.
    @return: whether all passed.
    """
    names = modules()
    print(f"chance: {len(names)} modules, {tries} times as many tries", flush=True)
    folder = tempfile.mkdtemp(prefix="wildduck-soak-")
    trial = [sys.executable, "-m", "twisted.trial", "--reporter=text", f"--temp-directory={folder}/trial"]
    try:
        ended = subprocess.run(
            [*trial, *names],
            cwd=_TESTS.parent,
            env={**os.environ, chance.VARIABLE: str(tries)},
            stdin=subprocess.DEVNULL,
            check=False,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return ended.returncode == 0
