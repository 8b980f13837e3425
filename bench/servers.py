"""The three servers, each as operators run it, at one durability: what was answered is on the disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Protocol

from bench.databases import Databases
from test.interop.programs import find
from test.interop.wildduck_server import VERSION, WildDuck
from test.support.dovecot import Dovecot
from test.support.server_process import automatic_ports, environment
from wildduck import __version__
from wildduck.private.binaries import launcher

PASSWORD = "secretpass"

#: Sessions of one account that a row needs at once.
_SESSIONS = 1000
_START_SECONDS = 60.0
_TWISTD = "from twisted.scripts.twistd import run; run()"
#: Redis numbers.
_DISTINCT = {"ours": 0, "wildduck": 1}


class Server(Protocol):
    """
    A server that a run measures.

    @ivar name: as on the command line.
    @ivar title: with its version, for people.
    @ivar durability: what it has done before it says that mail is stored.
    @ivar ports: by protocol, while it runs.
    """

    name: str
    title: str
    durability: str

    @property
    def ports(self) -> Mapping[str, int]: ...

    @property
    def pid(self) -> int: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def make_account(self, name: str) -> None:
        """An account whose address is C{name@example.com} and whose password is L{PASSWORD}."""


class Ours:
    """This server, one process; what it logs goes to a file, as WildDuck's."""

    name = "ours"
    title = f"wildduck {__version__}"
    durability = "majority and journal before the answer (store.md §1); no other setting exists"

    def __init__(self, folder: str, databases: Databases) -> None:
        self._folder = os.path.join(folder, "ours")
        self._process: subprocess.Popen[bytes] | None = None
        self.ports: Mapping[str, int] = {}
        settings = [
            *automatic_ports(),
            f"mongo.uri={databases.mongo_uri('bench_ours')}",
            f"redis.uri={databases.redis_uri(_DISTINCT['ours'])}",
            f"imap.connections_per_user={_SESSIONS}",
            "storage.default_quota=1 TiB",
        ]
        self._options = ["--data", os.path.join(self._folder, "data")]
        for setting in settings:
            self._options += ["--set", setting]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        os.makedirs(self._folder, exist_ok=True)
        run = os.path.join(self._folder, "data", "run.json")
        if os.path.exists(run):
            os.remove(run)
        with open(os.path.join(self._folder, "log"), "wb") as log:
            self._process = subprocess.Popen(
                [*launcher(), sys.executable, "-c", _TWISTD, "-n", "--pidfile=", "wildduck", *self._options],
                cwd=self._folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not os.path.exists(run):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start:\n{self._log()[-3000:]}")
            time.sleep(0.05)
        with open(run) as file:
            self.ports = json.load(file)["ports"]

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None
            if "Traceback" in self._log():
                raise RuntimeError(f"the server's log shows errors: {self._folder}/log")

    def make_account(self, name: str) -> None:
        command = ["user", "create", name, "--password-stdin", "--address", f"{name}@example.com"]
        made = subprocess.run(
            [sys.executable, "-m", "wildduck.command_line", *command, *self._options],
            input=PASSWORD,
            capture_output=True,
            text=True,
            env=environment(),
        )
        if made.returncode:
            raise RuntimeError(made.stderr)

    def _log(self) -> str:
        with open(os.path.join(self._folder, "log"), errors="replace") as file:
            return file.read()


class Wildduck:
    """npm's WildDuck, one process."""

    name = "wildduck"
    title = f"WildDuck {VERSION}"
    durability = "w=majority&journal=true in its connection string"

    def __init__(self, folder: str, databases: Databases) -> None:
        os.makedirs(os.path.join(folder, "wildduck"), exist_ok=True)
        self._process = WildDuck(
            databases.mongo_uri("bench_wildduck") + "?w=majority&journal=true",
            databases.redis_uri(_DISTINCT["wildduck"]),
            os.path.join(folder, "wildduck", "log"),
            {"log_level": "info", "imap_maxConnections": _SESSIONS},
        )

    @property
    def ports(self) -> Mapping[str, int]:
        return self._process.ports

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        self._process.start()

    def stop(self) -> None:
        self._process.close()

    def make_account(self, name: str) -> None:
        big = 10**12
        self._process.account(
            name,
            quota=big,
            receivedMax=10**8,
            imapMaxUpload=big,
            imapMaxDownload=big,
            pop3MaxDownload=big,
            imapMaxConnections=_SESSIONS,
        )


class DebianDovecot:
    """Debian's Dovecot on Maildir."""

    name = "dovecot"
    durability = "mail_fsync=always"

    def __init__(self, folder: str, databases: Databases) -> None:
        program = find("dovecot")
        for part in ("/usr/lib/dovecot/lmtp", "/usr/lib/dovecot/pop3"):
            find(part)
        self._process = Dovecot(
            os.path.join(folder, "dovecot"), program, PASSWORD, ("imap", "pop3", "lmtp"), sync=True
        )
        version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
        self.title = f"Dovecot {version.partition(' ')[0]}, Maildir"

    @property
    def ports(self) -> Mapping[str, int]:
        return self._process.ports

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        self._process.start()

    def stop(self) -> None:
        self._process.stop()

    def make_account(self, name: str) -> None:
        """Nothing: any name has an account."""


SERVERS = {kind.name: kind for kind in (Ours, Wildduck, DebianDovecot)}
