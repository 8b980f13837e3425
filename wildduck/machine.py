"""What the server asks of the operating system."""

from __future__ import annotations

import os
import resource

from twisted.logger import Logger

from wildduck.errors import ConfigurationError

_log = Logger()


def make_folder(name: str, path: str) -> str:
    """
    A folder with mode 0700, made where it is missing.

    @param name: what it is, for the message.
    @raise ConfigurationError: with one line, when it can't be made.
    """
    try:
        os.makedirs(path, 0o700, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{name} {path}: {error.strerror}") from None
    return path


def raise_descriptor_limit(wanted: int) -> None:
    """
    Let the process open as many files and connections as it may need.

    Most systems start a process with 1,024, and let it raise that itself.

    @param wanted: descriptors; with fewer, a line of the log says so.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted or soft == resource.RLIM_INFINITY:
        return
    possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
    if possible < wanted:
        _log.warn(
            "only {possible} open files are allowed, limits.connections needs {wanted}",
            possible=possible,
            wanted=wanted,
        )
