"""
Programs of Debian's packages, unpacked into C{.interop/} and run from there: nothing is installed.

A program sees its packages' files below C{/usr}, for it may have paths there built in; nobody else
does, for it has a mount namespace of its own.  That takes root or a kernel that lets users have
namespaces.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence

from test.interop.packages import FOLDER

_FOLDER = os.path.join(FOLDER, "debian")
_SECONDS = 600
#: Folders of apt's that are ours, so that it needs no rights and changes nothing.
_APT = (
    "-qq",
    f"-oDir::State::lists={_FOLDER}/lists",
    f"-oDir::Cache={_FOLDER}/cache",
    "-oDebug::NoLocking=1",
    "-oAPT::Sandbox::User=root",
)
_RUN = """\
#!/bin/sh
exec unshare {options} sh -c 'mount -t overlay overlay -o "lowerdir=$0:/usr" /usr && exec "$@"' \\
  {files} {program} "$@"
"""
_updated = False


class Unusable(Exception):
    """It can't be had or can't run in this way; the text says why."""


def unpacked(program: str, packages: Sequence[str]) -> str:
    """
    A file that runs a program; its packages are fetched when it is asked for first.

    @param program: name below C{/usr/bin}, or its path.
    @param packages: of which the first gives the folder its name.
    @raise Unusable: see there.
    """
    if not all(map(shutil.which, ("apt-get", "dpkg-deb", "unshare"))):
        raise Unusable("this is no Debian")
    folder = os.path.join(_FOLDER, packages[0])
    if not os.path.isdir(folder):
        _fetch(folder, packages)
    return _runner(folder, program)


def _fetch(folder: str, packages: Sequence[str]) -> None:
    """Unpack the packages and what they need and this machine lacks."""
    global _updated
    print(f"unpacking {' '.join(packages)}", flush=True)
    archives = f"{folder}.archives"
    for needed in (f"{_FOLDER}/lists/partial", f"{_FOLDER}/cache/archives/partial", f"{archives}/partial"):
        os.makedirs(needed, exist_ok=True)
    if not _updated:
        _call("apt-get", *_APT, "update")
        _updated = True
    options = (f"-oDir::Cache::archives={archives}", "--yes", "--no-install-recommends", "--download-only")
    _call("apt-get", *_APT, *options, "install", *packages)
    unfinished = f"{folder}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    for name in ("bin", "lib", "sbin"):
        os.makedirs(os.path.join(unfinished, "usr", name))
        os.symlink(f"usr/{name}", os.path.join(unfinished, name))
    for name in sorted(os.listdir(archives)):
        if name.endswith(".deb"):
            _call("dpkg-deb", "--extract", os.path.join(archives, name), unfinished)
    shutil.rmtree(archives)
    os.rename(unfinished, folder)


def _runner(folder: str, program: str) -> str:
    """The file that runs a program; before it is written, whether such files can run here is tried."""
    path = os.path.join(folder, f"run-{os.path.basename(program)}")
    text = _RUN.format(
        options="--mount" if os.geteuid() == 0 else "--mount --map-root-user",
        files=shlex.quote(os.path.join(folder, "usr")),
        program=shlex.quote(program),
    )
    if not _holds(path, text):  # Or the checkout has moved, or another user was here.
        trial = f"{path}.trial"
        _write(trial, text.replace('exec "$@"', 'command -v "$1"'))
        _call(trial)
        os.unlink(trial)
        _write(path, text)
    return path


def _holds(path: str, text: str) -> bool:
    try:
        with open(path) as file:
            return file.read() == text
    except OSError:
        return False


def _write(path: str, text: str) -> None:
    with open(path, "w", opener=lambda path, flags: os.open(path, flags, 0o755)) as file:
        file.write(text)


def _call(*command: str) -> None:
    """
    @raise Unusable: it failed, with the last line it wrote.
    """
    done = subprocess.run(
        command,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_SECONDS,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise Unusable(f"{os.path.basename(command[0])}: {lines[-1]}")
