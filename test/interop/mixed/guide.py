"""What C{docs/migration.rst} tells an operator, done: its TOML, its HAProxy, its commands."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from test.interop.case import Setting, expect
from test.interop.mixed.cluster import within
from test.interop.programs import find
from test.interop.wildduck_server import SynchronizingImap, WildDuck, request
from test.support.blocking_imap import Imap
from test.support.certificates import Authority
from test.support.databases import helper
from test.support.server_process import PASSWORD, ROOT, ServerProcess
from test.support.servers import HOST, free_port
from wildduck.private.binaries import launcher

_TOKEN, _SECRET = "THE-ACCESS-TOKEN", "THE-ACCESS-CONTROL-SECRET"
_HAPROXY_SECONDS = 20.0
#: HAProxy looks every two seconds whether a server is there.
_CHECKED_SECONDS = 10.0
_BACKEND = """
backend imap_{name}
    mode tcp
    {line}
backend api_{name}
    mode http
    server {name} 127.0.0.1:{api}
frontend imap_{name}
    mode tcp
    bind 127.0.0.1:{port}
    default_backend imap_{name}
"""
_HAPROXY = """global
    stats socket {socket} level admin
defaults
    timeout connect 5s
    timeout client 10s
    timeout server 10s
{guide}
"""


def followed(setting: Setting) -> str:
    """From WildDuck alone to this server alone, and back."""
    find("haproxy")
    databases = helper()
    number = databases.take()
    mongo = f"mongodb://127.0.0.1:{databases.mongo_port}/test{number}"
    redis = f"redis://127.0.0.1:{databases.redis_port}/{number}"
    folder = setting.place("guide")
    more = {
        "api_accessToken": _TOKEN,
        "api_accessControl_enabled": "true",
        "api_accessControl_secret": _SECRET,
        "imap_useProxy": "true",
        "strict2fa": "false",
    }
    theirs = WildDuck(mongo, redis, os.path.join(folder, "wildduck.log"), more)
    ours = ServerProcess(os.path.join(folder, "data"), config=_settings(folder, mongo, redis))
    guided = _Guided(ours, theirs, folder)
    try:
        guided.follow()
    finally:
        guided.close()
    expect(not ours.errors(), f"the server's log: {ours.errors()}")
    return "started by the guide's file, tried, given clients by HAProxy, left alone, and taken away"


def _literal(start: str) -> str:
    """The literal block of the guide that begins with a line."""
    with open(os.path.join(ROOT, "docs", "migration.rst")) as file:
        found = re.search(rf"::\n\n((?:    )+{re.escape(start)}.*?)\n(?=\S)", file.read(), re.DOTALL)
    assert found, start
    return re.sub(r"^    ", "", found[1], flags=re.MULTILINE)


def _settings(folder: str, mongo: str, redis: str) -> str:
    """The guide's file, with addresses, ports and certificate of this machine."""
    pem = Authority(folder).server("localhost")
    given = {
        "port = (?!0)[0-9]+": lambda _: f"port = {free_port()}",
        r'"(0\.0\.0\.0|10\.0\.0\.\d+)"': lambda _: f'"{HOST}"',
        '"mongodb:.*"': lambda _: f'"{mongo}"',
        '"redis:.*"': lambda _: f'"{redis}"',
        '"/etc/wildduck/fullchain.pem"': lambda _: f'"{pem}"',
        '"/etc/wildduck/privkey.pem"': lambda _: f'"{pem}"',
    }
    text = _literal("[server]")
    for pattern, value in given.items():
        text, times = re.subn(pattern, value, text)
        expect(times, f"the guide's file has no {pattern}")
    path = os.path.join(folder, "wildduck.toml")
    with open(path, "w") as file:
        file.write(text)
    return path


@dataclass
class _Guided:
    """@ivar ports: HAProxy's: C{ours}, C{theirs} and C{both} for IMAP, C{api}."""

    ours: ServerProcess
    theirs: WildDuck
    folder: str

    def __post_init__(self) -> None:
        self.ports = {name: free_port() for name in ("ours", "theirs", "both", "api")}
        self._socket = os.path.join(self.folder, "haproxy.socket")
        self._proxy: subprocess.Popen[bytes] | None = None

    def close(self) -> None:
        if self._proxy is not None:
            self._proxy.terminate()
            self._proxy.wait()
        self.ours.close()
        self.theirs.close()

    def follow(self) -> None:
        """The guide's steps."""
        self.theirs.start()
        body = {"username": "guide", "address": "guide@example.com", "password": PASSWORD}
        user = ObjectId(self.call("theirs", "POST", "/users", body=body)["id"])
        with self.theirs.lmtp() as lmtp:
            lmtp.command("LHLO guide")
            (reply,) = lmtp.data(b"Subject: before\r\n\r\ntext\r\n", ["guide@example.com"])
            expect(reply.code == 250, f"delivery: {reply}")
        # 3: start it, without clients.
        self.ours.start()
        self.call("ours", "GET", "/health")
        for command in (("user", "show", "guide@example.com"), ("verify", "--min-age", "0s")):
            done = self.ours.command(*command)
            expect(done.returncode == 0, f"{command}: {done.stdout} {done.stderr}")
        # 5 comes first, for both ask for PROXY headers.
        self.begin_proxy()
        self.try_it(user)
        self.share(user)
        self.leave_alone()
        self.go_back()

    # --- 4 ----------------------------------------------------------------------

    def try_it(self, user: ObjectId) -> None:
        """The same mailbox, told within a second; tokens open and shut on both."""
        here, there = self.imap("ours"), self.imap("theirs")
        for one, other in ((here, there), (there, here)):
            validity = [client.command("STATUS INBOX (UIDVALIDITY)").untagged for client in (here, there)]
            expect(validity[0] == validity[1], f"UIDVALIDITY: {validity}")
            one.select()
            other.select()
            other.idle()
            one.command("UID STORE 1 +FLAGS.SILENT (\\Flagged)")
            other.told(1, b"FETCH")
            other.done()
            one.command("UID STORE 1 -FLAGS.SILENT (\\Flagged)")
        for client in (here, there):
            client.close()
        wanted = {"username": "guide", "password": PASSWORD, "scope": "master", "token": True}
        token = self.call("theirs", "POST", "/authenticate", body=wanted)["token"]
        for server in ("theirs", "ours"):
            listed = self.call(server, "GET", "/users/me/mailboxes", token)
            expect(len(listed["results"]) == 5, f"{server}: {listed}")
        self.call("ours", "DELETE", "/authenticate", token)
        self.call("theirs", "GET", "/users/me/mailboxes", token, status=403)

    # --- 5 ----------------------------------------------------------------------

    def begin_proxy(self) -> None:
        """HAProxy with what the guide has, and a frontend for each server alone."""
        lines = re.findall(r"^    (server .*)", _literal("frontend imaps"), re.MULTILINE)
        backends = {"theirs": ("10.0.0.11:993", lines[0]), "ours": ("10.0.0.12:993", lines[1])}
        guide = _literal("frontend imaps") + "\n" + _literal("frontend api")
        guide = guide.replace("bind :8080", f"bind {HOST}:{self.ports['api']}")
        guide = guide.replace("bind :993", f"bind {HOST}:{self.ports['both']}")
        guide = guide.replace("default_backend api_wildduck", "default_backend api_theirs")
        for name, (address, line) in backends.items():
            ports = (self.ours if name == "ours" else self.theirs).ports
            expect(address in guide, f"the guide's HAProxy has no {address}")
            own = f"{HOST}:{ports['imap']}"
            guide = guide.replace(address, own) + _BACKEND.format(
                name=name, line=line.replace(address, own), api=ports["api"], port=self.ports[name]
            )
        path = os.path.join(self.folder, "haproxy.cfg")
        with open(path, "w") as file:
            file.write(_HAPROXY.format(socket=self._socket, guide=guide))
        with open(os.path.join(self.folder, "haproxy.log"), "wb") as log:
            command = [*launcher(), find("haproxy"), "-db", "-f", path]
            self._proxy = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        within(_HAPROXY_SECONDS, self._listens, "HAProxy serves")

    def _listens(self) -> bool:
        expect(self._proxy is not None and self._proxy.poll() is None, "HAProxy does not start, see its log")
        try:
            socket.create_connection((HOST, self.ports["both"]), 1).close()
        except OSError:
            return False
        return True

    def share(self, user: ObjectId) -> None:
        """Both get clients; of the API each what it serves."""
        self.weight("wildduck1", 10)
        servers = {self.greeted_by("both") for _ in range(20)}
        expect(servers == {"ours", "theirs"}, f"clients come to {servers}")
        for path, server in (
            (f"/users/{user}/mailboxes", "ours"),
            (f"/users/{user}/addresses", "ours"),
            (f"/users/{user}/filters", "theirs"),
            (f"/users/{user}/asps", "theirs"),
            ("/settings", "theirs"),
        ):
            through, direct = self.call("api", "GET", path), self.call(server, "GET", path)
            expect(through == direct, f"{path}: {through}, {direct}")

    # --- 6, 7 ---------------------------------------------------------------------

    def leave_alone(self) -> None:
        """WildDuck goes, clients come here."""
        self.weight("wildduck1", 0)
        servers = {self.greeted_by("both") for _ in range(10)}
        expect(servers == {"ours"}, f"clients come to {servers}")
        self.theirs.close()
        with self.imap("both") as client:
            client.append("INBOX", b"Subject: alone\r\n\r\ntext\r\n")

    def go_back(self) -> None:
        """WildDuck serves what was written here."""
        self.theirs.start()
        self.weight("wildduck1", 10)
        self.weight("duck2", 0)
        self.ours.stop()
        done = self.ours.command("verify", "--repair", "--min-age", "0s")
        expect(done.returncode == 0, f"verify: {done.stdout} {done.stderr}")
        within(_CHECKED_SECONDS, lambda: self._served_by("theirs"), "WildDuck is back")
        with self.imap("both") as client:
            client.select()
            expect(client.exists == 2, f"{client.exists} messages")
            subject = client.command("UID FETCH 2 (BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            expect("alone" in str(subject.untagged), f"the message that was written here: {subject.untagged}")

    # --- means ----------------------------------------------------------------------

    def imap(self, name: str) -> Imap:
        """A session through HAProxy, signed in."""
        kind = SynchronizingImap if name == "theirs" else Imap
        client = kind(self.ports[name])
        client.login("guide", PASSWORD)
        return client

    def greeted_by(self, name: str) -> str:
        """Which server greets."""
        with Imap(self.ports[name]) as client:
            return "ours" if b"mail2.example.com" in client.greeting else "theirs"

    def _served_by(self, server: str) -> bool:
        try:
            return self.greeted_by("both") == server
        except (OSError, EOFError, AssertionError):
            return False

    def weight(self, server: str, weight: int) -> None:
        """As the operator changes it."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(5)
            control.connect(self._socket)
            control.sendall(f"set server imaps/{server} weight {weight}\n".encode())
            answer = control.recv(1000)
        expect(not answer.strip(), f"HAProxy: {answer!r}")

    def call(
        self, server: str, method: str, path: str, token: str = _TOKEN, body: Any = None, status: int = 200
    ) -> Any:
        """A call to a server's API, or to C{"api"}, HAProxy's; its JSON."""
        ports = {"ours": self.ours.ports, "theirs": self.theirs.ports, "api": self.ports}[server]
        given, answer = request(ports["api"], method, f"{path}?accessToken={token}", body)
        expect(given == status, f"{server}: {method} {path}: {given} {answer}")
        return answer
