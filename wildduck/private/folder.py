"""
The data folder: what lies where, and who may use it.

::

    server.lock       held while a server works with the folder
    databases.lock    held by mongod and redis-server themselves, as inherited descriptor
    databases.json    which versions wrote the folder, on which ports
    mongodb/ redis/   the databases' files
    log/              what mongod and redis-server write
    spool/            large messages under way; its files have no names
    tls/              the self-signed pair
    run.json          while serving: ports and addresses (mode 0600)

The folder and everything in it belong to the user that runs the server.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from typing import Any

from msgspec import Struct, json as msgspec_json

from wildduck.errors import ConfigurationError
from wildduck.machine import make_folder


class Record(Struct, frozen=True):
    """
    C{databases.json}.

    @ivar mongod: version of the last mongod that worked in the folder.
    @ivar redis: likewise for redis-server.
    @ivar mongod_port: where it listened; the replica set's configuration in the
        files holds it too.
    @ivar redis_port: likewise.
    """

    mongod: tuple[int, ...] = ()
    redis: tuple[int, ...] = ()
    mongod_port: int = 0
    redis_port: int = 0


class DataFolder:
    """
    One data folder.

    @ivar path: absolute path.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._lock: int | None = None

    def file(self, *names: str) -> str:
        """Path of something in the folder."""
        return os.path.join(self.path, *names)

    def make(self, *names: str) -> str:
        """
        A folder in the folder (or itself), made with mode 0700 where it is missing.

        @raise ConfigurationError: it can't be made.
        """
        return make_folder("data folder", self.file(*names))

    def lock(self) -> None:
        """
        Take the folder for this server; the lock survives a fork and ends with the process.

        @raise ConfigurationError: another server has it, or it can't be written.
        """
        self.make()
        try:
            descriptor = lock_file(self.file("server.lock"))
        except OSError as error:
            raise ConfigurationError(f"data folder {self.path}: {error.strerror}") from None
        if descriptor is None:
            raise ConfigurationError(f"data folder {self.path} is in use by another server")
        self._lock = descriptor

    def unlock(self) -> None:
        """Give the folder back; harmless when it is not held."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def record(self) -> Record:
        """
        What C{databases.json} says; an empty record for a new folder.

        @raise ConfigurationError: it can't be read.
        """
        path = self.file("databases.json")
        try:
            with open(path, "rb") as file:
                return msgspec_json.decode(file.read(), type=Record)
        except FileNotFoundError:
            return Record()
        except OSError as error:
            raise ConfigurationError(f"{path}: {error.strerror}") from None
        except ValueError:
            raise ConfigurationError(f"{path}: damaged; it names the databases' versions and ports") from None

    def save(self, record: Record) -> None:
        """Replace C{databases.json}."""
        write_private(self.file("databases.json"), msgspec_json.format(msgspec_json.encode(record)) + b"\n")

    def write_run(self, run: dict[str, Any]) -> None:
        """Write C{run.json}."""
        write_private(self.file("run.json"), json.dumps(run, indent=2).encode() + b"\n")

    def remove_run(self) -> None:
        """Remove C{run.json}, if it is there."""
        try:
            os.unlink(self.file("run.json"))
        except FileNotFoundError:
            return


def lock_file(path: str) -> int | None:
    """
    An exclusive lock on a file that is made if need be.

    @return: the descriptor that holds the lock, or C{None} when another has it.
    @raise OSError: the file can't be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return None
        raise
    return descriptor


def write_private(path: str, content: bytes) -> None:
    """Replace a file at once, so that no reader sees half of it; mode 0600."""
    temporary = f"{path}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(temporary, path)
