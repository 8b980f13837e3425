"""Libraries of other languages' and Python's registries, installed into C{.interop/} and used from there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from test.support.server_process import ROOT


class Missing(Exception):
    """A program or library that this machine lacks; the text says why it could not be had."""


def _checkout() -> str:
    """The main checkout, where this one is a worktree of git: what is installed serves all."""
    try:
        with open(os.path.join(ROOT, ".git")) as file:
            main, marked, _ = file.read().partition("gitdir: ")[2].partition("/.git/worktrees/")
    except OSError:
        return ROOT
    return main if marked else ROOT


#: Where everything is put.
FOLDER = os.path.join(_checkout(), ".interop")
_INSTALL_SECONDS = 600
_NPM_OPTIONS = ("--no-audit", "--no-fund", "--ignore-scripts")


def npm(package: str, version: str) -> tuple[str, str]:
    """
    The path of C{node} and a folder with C{node_modules} that has the package.

    @raise Missing: one of them can't be had.
    """
    node, npm_program = shutil.which("node"), shutil.which("npm")
    if not node or not npm_program:
        raise Missing(f"{package}: neither node nor npm is installed from here, and they are not on PATH")
    folder = os.path.join(FOLDER, "npm")
    if not os.path.isdir(os.path.join(folder, "node_modules", package)):
        os.makedirs(folder, exist_ok=True)
        _install([npm_program, "install", "--prefix", folder, *_NPM_OPTIONS, f"{package}@{version}"], package)
    return node, folder


def npm_together(name: str, packages: dict[str, str]) -> str:
    """
    A folder of their own with C{node_modules} that has several packages.

    @param name: of the folder.
    @param packages: package to version; another version that lies there is replaced.
    @raise Missing: they can't be had.
    """
    folder = os.path.join(FOLDER, name)
    wanted = [f"{package}@{version}" for package, version in packages.items()]
    mark = os.path.join(folder, "installed")
    if _read(mark) != " ".join(wanted):
        npm_program = shutil.which("npm")
        if not npm_program:
            raise Missing(f"{name}: npm is not installed from here, and it is not on PATH")
        os.makedirs(folder, exist_ok=True)
        options = [*_NPM_OPTIONS, "--omit=dev", "--no-progress"]
        _install([npm_program, "install", "--prefix", folder, *options, *wanted], name)
        with open(mark, "w") as file:
            file.write(" ".join(wanted))
    return folder


def pypi(package: str, version: str) -> str:
    """
    A folder to put on PYTHONPATH, with the package.

    @raise Missing: it can't be had.
    """
    folder = os.path.join(FOLDER, "pypi")
    if not os.path.isdir(os.path.join(folder, package.lower())):
        options = ["--quiet", "--disable-pip-version-check", "--target", folder]
        _install([sys.executable, "-m", "pip", "install", *options, f"{package}=={version}"], package)
    return folder


def virtual_environment(package: str, version: str) -> str:
    """
    The program of a package that has a virtual environment of its own, for what it needs
    may be in our way.

    @raise Missing: it can't be had.
    """
    folder = os.path.join(FOLDER, f"{package}-{version}")
    program = os.path.join(folder, "bin", package)
    if not os.path.exists(program):
        _install([sys.executable, "-m", "venv", folder], package)
        pip = [os.path.join(folder, "bin", "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
        _install([*pip, "install", f"{package}=={version}"], package)
    return program


def _install(command: Sequence[str], package: str) -> None:
    print(f"installing {package}", flush=True)
    done = subprocess.run(
        list(command), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_INSTALL_SECONDS
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"status {done.returncode}"]
        raise Missing(f"{package}: {lines[-1]}")


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
