"""
The front door: C{twistd wildduck} as a process of its own.

What makeService refuses is one line on stderr; what runs drains, and leaves
nothing behind however it ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator

from twisted.trial import unittest

from test.support import forks
from test.support.databases import data_folder
from test.support.interrupts import heed_interrupts
from test.support.server_process import ServerProcess, automatic_ports, environment, shared_databases
from test.support.servers import free_port
from wildduck import config
from wildduck.private.folder import DataFolder, Record
from wildduck.tls.certificate import make_self_signed

_CODE = "from twisted.scripts.twistd import run; run()"
_TWISTD = (sys.executable, "-c", _CODE)
#: For what takes a second on an idle machine.
_PATIENCE = 60.0
_LISTENERS = {"imap", "imap_tls", "pop3", "pop3_tls", "lmtp", "api"}


def twistd(
    *arguments: str, folder: str, daemon: bool = False, forked: bool = True
) -> subprocess.CompletedProcess[str]:
    """
    Run twistd until it ends.

    @param forked: not in an interpreter of its own, unless it becomes a daemon.
    """
    mode = ["--pidfile=twistd.pid", "--logfile=twistd.log"] if daemon else ["-n", "--pidfile="]
    if forked and not daemon:
        return forks.run(_CODE, [*mode, "wildduck", *arguments], folder, "", 120)
    return subprocess.run(
        [*_TWISTD, *mode, "wildduck", *arguments],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition: object) -> None:
    """Poll, up to a bound that only a failure reaches."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


class RefusedTests(unittest.SynchronousTestCase):
    """What ends start-up with exactly one line on stderr and exit status 1."""

    def setUp(self) -> None:
        self.data = data_folder(self)
        self.folder = os.path.dirname(self.data)

    def refused(self, *arguments: str, daemon: bool = False, forked: bool = True) -> str:
        """The line."""
        done = twistd("--data", self.data, *arguments, folder=self.folder, daemon=daemon, forked=forked)
        self.assertEqual(done.returncode, 1, done)
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 1, done)
        self.assertTrue(lines[0].startswith("wildduck: "), done)
        return lines[0][len("wildduck: ") :]

    def sets(self, *items: str) -> list[str]:
        return [argument for item in items for argument in ("--set", item)]

    def test_bad_key(self) -> None:
        """A key that does not exist."""
        line = self.refused(*self.sets("imap.prot=1"), forked=False)
        self.assertEqual(line, "--set imap.prot: unknown key 'prot', did you mean 'port'?")

    def test_bad_key_in_the_file(self) -> None:
        """A key in the file that does not exist."""
        path = os.path.join(self.folder, "wildduck.toml")
        with open(path, "w") as file:
            file.write("[lmtp]\nover_qouta = '4.2.2'\n")
        line = self.refused("--config", path)
        self.assertEqual(line, f"{path}: unknown key lmtp.over_qouta, did you mean 'over_quota'?")

    def test_bad_key_as_daemon(self) -> None:
        """A daemon refuses before it leaves the terminal."""
        self.refused(*self.sets("imap.prot=1"), daemon=True)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "twistd.pid")))

    def test_taken_port(self) -> None:
        """A port that another process listens on is named with its key."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            line = self.refused(*self.sets(*automatic_ports(), f"lmtp.port={port}"))
        self.assertEqual(line, f"lmtp.port: 127.0.0.1:{port}: Address already in use")

    def test_unreachable_mongodb(self) -> None:
        """A MongoDB that does not answer."""
        port = free_port()
        line = self.refused(
            *self.sets(f"mongo.uri=mongodb://127.0.0.1:{port}/wildduck", "redis.uri=redis://127.0.0.1")
        )
        self.assertIn(f"mongo.uri: MongoDB at 127.0.0.1:{port} does not answer", line)

    def test_unreachable_redis(self) -> None:
        """A Redis that does not answer."""
        mongo, _ = shared_databases(self)
        port = free_port()
        line = self.refused(*self.sets(mongo, f"redis.uri=redis://127.0.0.1:{port}"))
        self.assertIn(f"redis.uri: Redis at 127.0.0.1:{port} does not answer", line)

    def test_unusable_uri(self) -> None:
        """A URI with an option that would not be honoured."""
        line = self.refused(
            *self.sets("mongo.uri=mongodb://h/w?readPreference=secondary", "redis.uri=redis://127.0.0.1")
        )
        self.assertIn("mongo.uri: readPreference can not be used", line)

    def test_no_entry(self) -> None:
        """A sign-in that the database refuses is found after the start has begun, and told the same way."""
        mongo, redis = shared_databases(self)
        mongo = mongo.replace("mongodb://", "mongodb://nobody:wrong@") + "?authSource=admin"
        line = self.refused(*self.sets(mongo, redis, *automatic_ports()))
        self.assertIn("MongoDB", line)
        self.assertNotIn("wrong", line)

    def test_late(self) -> None:
        """What only the start itself finds is told the same way."""
        mongo, redis = shared_databases(self)
        redis = redis.replace("redis://", "redis://:wrong@")
        line = self.refused(*self.sets(mongo, redis, *automatic_ports()), forked=False)
        self.assertRegex(line, r"Redis at 127\.0\.0\.1:\d+ refuses the name or password")

    def test_newer(self) -> None:
        """A data folder that a newer mongod wrote."""
        folder = DataFolder(self.data)
        folder.make()
        folder.save(Record(mongod=(99, 0, 0)))
        self.assertIn("was written by mongod 99.0.0, newer than", self.refused())

    def test_folder_in_use(self) -> None:
        """A data folder that another server uses."""
        folder = DataFolder(self.data)
        folder.lock()
        self.addCleanup(folder.unlock)
        self.assertEqual(self.refused(), f"data folder {self.data} is in use by another server")

    def test_certificate(self) -> None:
        """A certificate that is not there."""
        line = self.refused(*self.sets("tls.cert=/nonexistent", "tls.key=/nonexistent"))
        self.assertEqual(line, "tls.cert: /nonexistent: No such file or directory")

    def test_no_programs(self) -> None:
        """A machine without a mongod."""
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "from wildduck.private import binaries; binaries._in_package = lambda *_: None;"
                "from wildduck.service import makeService, Options; options = Options();"
                f"options['data'] = {self.data!r}; makeService(options)",
            ],
            env={**environment(), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
        )
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1), done)
        self.assertIn("wildduck: private databases need mongod 5.0 or later", done.stderr)


class RunningTests(unittest.SynchronousTestCase):
    """A server that runs."""

    def setUp(self) -> None:
        heed_interrupts(self)

    def server(self, *sets: str, private: bool = False) -> ServerProcess:
        databases = [] if private else shared_databases(self)
        # Those with databases of their own are started by an interpreter, as users do.
        server = ServerProcess(data_folder(self), [*databases, *automatic_ports(), *sets], forked=not private)
        self.addCleanup(server.close)
        server.start()
        return server

    def test_run_file(self) -> None:
        """run.json names the ports and databases in use, for its owner only, while the server runs."""
        server = self.server(private=True)
        path = os.path.join(server.data, "run.json")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertEqual(server.run["pid"], server.pid)
        self.assertEqual(set(server.run["ports"]), _LISTENERS)
        for name in ("imap", "pop3", "lmtp"):
            with socket.create_connection(("127.0.0.1", server.run["ports"][name]), _PATIENCE) as client:
                self.assertTrue(client.recv(100).startswith((b"* OK", b"+OK", b"220")))
        self.assertTrue(server.run["mongo"]["uri"].startswith("mongodb://127.0.0.1:"))
        self.assertTrue(server.run["redis"]["uri"].startswith("redis://127.0.0.1:"))
        server.stop()
        self.assertFalse(os.path.exists(path))

    def test_off(self) -> None:
        """A port of 0 is not listened on."""
        server = self.server("imap.tls_port=0", "pop3.port=0", "lmtp.port=0")
        self.assertEqual(set(server.ports), {"imap", "pop3_tls", "api"})

    def test_second_server(self) -> None:
        """Another server on the same folder is refused while the first runs."""
        server = self.server()
        sets = [argument for item in automatic_ports() for argument in ("--set", item)]
        done = twistd("--data", server.data, *sets, folder=os.path.dirname(server.data))
        self.assertEqual(done.stderr, f"wildduck: data folder {server.data} is in use by another server\n")

    def test_interrupt(self) -> None:
        """Ctrl-C, which reaches the whole process group, ends the server, then the databases."""
        server = self.server(private=True)
        pids = server.run["databases"]
        self.assertTrue(all(is_running(pid) for pid in pids.values()), pids)
        for pid in pids.values():
            self.assertNotEqual(os.getpgid(pid), server.pid)
        os.killpg(server.pid, signal.SIGINT)
        # twistd ends by the signal that it was sent, once everything is down.
        self.assertEqual(server._ended(_PATIENCE), -signal.SIGINT)
        self.assertFalse(any(is_running(pid) for pid in pids.values()))
        self.assertEqual(server.errors(), [])
        self.assertEqual(server.seen("cut off at shutdown"), 0)

    def test_interrupt_while_starting(self) -> None:
        """Ctrl-C during the start leaves nothing behind either."""
        server = ServerProcess(data_folder(self), automatic_ports())
        self.addCleanup(server.close)
        with self.starting(server) as process:
            log = os.path.join(server.data, "log", "mongod.log")
            wait_until(lambda: os.path.exists(log) and self.children(process.pid))
            children = self.children(process.pid)
            os.killpg(process.pid, signal.SIGINT)
            self.assertEqual(process.wait(_PATIENCE), -signal.SIGINT)
        self.assertFalse(any(is_running(pid) for pid in children), children)

    @contextlib.contextmanager
    def starting(self, server: ServerProcess) -> Iterator[subprocess.Popen[bytes]]:
        sets = [argument for item in automatic_ports() for argument in ("--set", item)]
        process = subprocess.Popen(
            [*_TWISTD, "-n", "--pidfile=", "wildduck", "--data", server.data, *sets],
            cwd=os.path.dirname(server.data),
            env=environment(),
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def children(self, pid: int) -> list[int]:
        try:
            with open(f"/proc/{pid}/task/{pid}/children") as file:
                return [int(word) for word in file.read().split()]
        except FileNotFoundError:
            return []

    def test_kill(self) -> None:
        """kill -9 of the server ends the databases; the next start has the data and the ports."""
        server = self.server(private=True)
        server.account("alice")
        with server.lmtp() as lmtp:
            lmtp.data(b"Subject: kept\r\n\r\nText.\r\n", ["alice@example.com"])
        before = server.run
        server.kill()
        wait_until(lambda: not any(is_running(pid) for pid in before["databases"].values()))
        server.start()
        self.assertEqual(server.run["mongo"], before["mongo"])
        self.assertEqual(server.run["redis"], before["redis"])
        with server.imap("alice") as client:
            client.select()
            self.assertEqual(client.exists, 1)

    def test_kill_and_start_at_once(self) -> None:
        """A start right after kill -9 waits for the old databases instead of opening their files."""
        server = self.server(private=True)
        server.account("alice")
        server.kill()
        server.start()
        self.assertEqual(server.api("/user?username=alice")[0], 200)

    def test_database_crash(self) -> None:
        """A mongod that is killed is started again; answers are temporary errors until then."""
        server = self.server(private=True)
        server.expected += ["mongod ended with signal 9", "Traceback", "#error]"]
        server.account("alice")
        os.kill(server.run["databases"]["mongod"], signal.SIGKILL)
        wait_until(lambda: server.seen("mongod runs again"))
        wait_until(lambda: server.api("/health")[0] == 200)
        with server.lmtp() as lmtp:
            (reply,) = lmtp.data(b"Subject: after\r\n\r\nText.\r\n", ["alice@example.com"])
            self.assertEqual(reply.code, 250, reply)

    def test_daemon(self) -> None:
        """As a daemon it has a pid file, serves, and ends on SIGTERM."""
        data = data_folder(self)
        folder = os.path.dirname(data)
        sets = [argument for item in automatic_ports() for argument in ("--set", item)]
        done = twistd("--data", data, *sets, folder=folder, daemon=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        with open(os.path.join(folder, "twistd.pid")) as file:
            pid = int(file.read())
        self.addCleanup(self.end, pid)
        run = os.path.join(data, "run.json")
        wait_until(lambda: os.path.exists(run))
        with open(run, "rb") as content:
            self.assertIn(str(pid).encode(), content.read())
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not is_running(pid))
        self.assertFalse(os.path.exists(run))
        self.assertFalse(os.path.exists(os.path.join(folder, "twistd.pid")))

    def end(self, pid: int) -> None:
        if is_running(pid):
            os.kill(pid, signal.SIGKILL)

    def certificate(self, port: int) -> bytes:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", port), _PATIENCE) as plain,
            context.wrap_socket(plain) as secure,
        ):
            return secure.getpeercert(True) or b""

    def test_hangup(self) -> None:
        """SIGHUP reads the certificate again; one that can't be read is logged and the old one stays."""
        folder = os.path.dirname(data_folder(self))
        paths = [os.path.join(folder, name) for name in ("cert.pem", "key.pem")]

        def renew() -> bytes:
            pair = make_self_signed("localhost")
            for path, content in zip(paths, pair, strict=True):
                with open(path, "wb") as file:
                    file.write(content)
            return ssl.PEM_cert_to_DER_cert(pair[0].decode())

        first = renew()
        server = self.server(f"tls.cert={paths[0]}", f"tls.key={paths[1]}")
        self.assertEqual(self.certificate(server.ports["imap_tls"]), first)
        second = renew()
        os.kill(server.pid, signal.SIGHUP)
        server.wait_for("certificate read again", 1)
        self.assertEqual(self.certificate(server.ports["imap_tls"]), second)
        os.unlink(paths[0])
        server.expected.append("the old certificate stays in use")
        os.kill(server.pid, signal.SIGHUP)
        server.wait_for("the old certificate stays in use", 1)
        self.assertEqual(self.certificate(server.ports["imap_tls"]), second)

    def test_self_signed(self) -> None:
        """Without a certificate a self-signed pair is made in the data folder and kept."""
        server = self.server()
        with open(os.path.join(server.data, "tls", "cert.pem")) as file:
            der = ssl.PEM_cert_to_DER_cert(file.read())
        self.assertEqual(self.certificate(server.ports["imap_tls"]), der)
        server.stop()
        server.start()
        self.assertEqual(self.certificate(server.ports["imap_tls"]), der)

    def test_log_level(self) -> None:
        """Events below log.level are not written."""
        server = self.server("log.level=info")
        self.assertGreater(server.seen("serving:"), 0)
        server.stop()
        data = data_folder(self)
        sets = [*shared_databases(self), *automatic_ports(), "log.level=warn"]
        arguments = [argument for item in sets for argument in ("--set", item)]
        process = subprocess.Popen(
            [*_TWISTD, "-n", "--pidfile=", "wildduck", "--data", data, *arguments],
            cwd=os.path.dirname(data),
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.kill)
        wait_until(lambda: os.path.exists(os.path.join(data, "run.json")))
        process.terminate()
        output, _ = process.communicate(timeout=_PATIENCE)
        self.assertNotIn("serving:", output)

    def test_drain(self) -> None:
        """SIGTERM lets the message that is being sent be delivered, and says goodbye to idle sessions."""
        server = self.server()
        server.account("alice")
        with server.imap("alice") as idle, server.lmtp() as lmtp:
            for line in ("MAIL FROM:<>", "RCPT TO:<alice@example.com>"):
                self.assertEqual(lmtp.command(line).code, 250)
            self.assertEqual(lmtp.command("DATA").code, 354)
            os.kill(server.pid, signal.SIGTERM)
            self.assertEqual(idle.finish(check=False).status, "BYE")
            lmtp._socket.sendall(b"Subject: last\r\n\r\nText.\r\n.\r\n")
            self.assertEqual(lmtp.reply().code, 250)
        self.assertEqual(server._ended(_PATIENCE), -signal.SIGTERM)
        server.start()
        with server.imap("alice") as client:
            client.select()
            self.assertEqual(client.exists, 1)


class ListenersTests(unittest.SynchronousTestCase):
    """Which listeners the settings name."""

    def test_all(self) -> None:
        """These are all."""
        names = set(config.listeners(config.load()))
        self.assertEqual(names, _LISTENERS)
