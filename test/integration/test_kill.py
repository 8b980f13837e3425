"""What was accepted is kept: C{kill -9} of the server and of mongod in the midst of deliveries."""

from __future__ import annotations

import base64
import itertools
import os
import random
import signal
import threading
from collections.abc import Callable
from typing import Any

from test.integration.callers import Callers
from test.support.blocking_imap import CommandFailed
from test.support.blocking_lmtp import Lmtp
from test.support.server_process import ServerProcess, ServerTestCase

_DELIVERIES = 500
_CONNECTIONS = 4
_KILLS = 3
#: Accepted messages between two kills.
_BETWEEN = _DELIVERIES // (_KILLS + 1)
#: A delivery that fails is sent again, as another message, after this many seconds.
_PAUSE = 0.05
#: Attempts to look into INBOX after a kill.
_LOOKS = 600
_ADDRESS = "kill@example.com"


def message(name: str, rng: random.Random) -> bytes:
    """A message with that Message-ID, an attachment that others have too, and one of its own."""
    shared = base64.encodebytes(random.Random(len(name) % 3).randbytes(3000)).replace(b"\n", b"\r\n")
    own = base64.encodebytes(rng.randbytes(2000)).replace(b"\n", b"\r\n")
    part = b"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return (
        b"From: sender@example.net\r\nSubject: kill\r\nMessage-ID: <%s@example.net>\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nText.\r\n"
        % name.encode()
        + b"%b%b%b%b--b--\r\n" % (part, shared, part, own)
    )


class _Deliverers(Callers):
    """
    Connections that deliver until so many messages are accepted.

    @ivar accepted: Message-IDs that got 250, in the order of the replies.
    """

    def __init__(self, server: ServerProcess) -> None:
        self.accepted: list[str] = []
        self._names = itertools.count()
        super().__init__(server, _CONNECTIONS)

    def _run(self, number: int) -> None:
        rng = random.Random(number)
        connection: Lmtp | None = None
        while len(self.accepted) < _DELIVERIES:
            name = f"m{next(self._names)}"
            try:
                if connection is None:
                    connection = self._server.lmtp()
                connection.envelope("sender@example.net", [_ADDRESS])
                (reply,) = connection.content(message(name, rng), 1)
            except (OSError, AssertionError) as error:
                # The server is gone, or its database is: 4yz at MAIL, RCPT or the end.
                if isinstance(error, AssertionError) and "LMTP: 4" not in str(error):
                    self._tell(problem=f"{name}: {error}")
                    return
                if connection is not None:
                    connection.close()
                connection = None
                threading.Event().wait(_PAUSE)
                continue
            if reply.code == 250:
                self._tell(accepted=name)
            elif not 400 <= reply.code < 500:
                self._tell(problem=f"{name}: {reply}")
                return
            else:
                threading.Event().wait(_PAUSE)
        if connection is not None:
            connection.close()

    def _tell(self, accepted: str = "", problem: str = "") -> None:
        with self._changed:
            if accepted:
                self.accepted.append(accepted)
            if problem:
                self.problems.append(problem)
            self._changed.notify_all()


class KillTests(ServerTestCase):
    """500 accepted deliveries over four connections, with three kills among them."""

    def _deliver(self, server: ServerProcess, kill: Callable[[], None]) -> None:
        seen: dict[int, bytes] = {}
        deliverers = _Deliverers(server)
        for number in range(1, _KILLS + 1):
            deliverers.wait_for(number * _BETWEEN)
            kill()
            self._look(server, seen)
        deliverers.wait_for(_DELIVERIES)
        deliverers.join()
        self.assertEqual(deliverers.problems, [])
        self._look(server, seen, len(deliverers.accepted))
        names = sorted(seen.values())
        accepted = {b"<%s@example.net>" % name.encode() for name in deliverers.accepted}
        self.assertEqual(len(names), len(set(names)), "a message is there twice")
        self.assertEqual(accepted - set(names), set(), "an accepted message is lost")
        self._verify(server)

    def _look(self, server: ServerProcess, seen: dict[int, bytes], least: int = 0) -> None:
        """
        Read INBOX; no UID may name another message than before, or come back.

        @param seen: Message-ID by UID of the looks before, brought up to date.
        @param least: messages to wait for: behind an unused UID they are shown after a time (store.md §2).
        """
        rows = self._rows(server)
        for _ in range(_LOOKS):
            if len(rows) >= least:
                break
            threading.Event().wait(_PAUSE)
            rows = self._rows(server)
        now = {row["UID"]: row["ENVELOPE"][9] for row in rows}
        self.assertEqual(len(now), len(rows), "a UID is there twice")
        self.assertEqual({uid: now.get(uid) for uid in seen}, seen, "a UID changed its message")
        seen.update(now)

    def _rows(self, server: ServerProcess) -> list[dict[str, Any]]:
        """INBOX; while the databases come back the server may say that it has to wait."""
        for _ in range(_LOOKS):
            try:
                with server.imap("kill") as client:
                    client.select()
                    answer = client.command("UID FETCH 1:* (ENVELOPE)") if client.exists else None
                    return list(answer.rows().values()) if answer else []
            except CommandFailed as error:
                self.assertIn("[UNAVAILABLE]", str(error))
                threading.Event().wait(_PAUSE)
        self.fail("the databases do not come back")

    def _verify(self, server: ServerProcess) -> None:
        """The verifier mends what the crashes left, and is content then."""
        repaired = server.command("verify", "--min-age", "0", "--repair")
        self.assertEqual(repaired.returncode, 0, repaired)
        clean = server.command("verify", "--min-age", "0")
        self.assertEqual((clean.returncode, clean.stdout), (0, "nothing found\n"), repaired)

    def test_server(self) -> None:
        """The server is killed and started again: accepted messages are there once, UIDs never repeat."""
        server = self.server()
        server.account("kill")

        def kill() -> None:
            server.kill()
            server.start()

        self._deliver(server, kill)

    def test_mongod(self) -> None:
        """mongod is killed and the server starts it again: the same holds."""
        server = self.server(private=True)
        server.expected = ["mongod ended with signal 9", "MongoDB", "mongo"]
        server.account("kill")

        def kill() -> None:
            ended = server.seen("mongod runs again")
            os.kill(self._mongod(server), signal.SIGKILL)
            server.wait_for("mongod runs again", ended + 1)

        self._deliver(server, kill)

    def _mongod(self, server: ServerProcess) -> int:
        """The process id of the server's mongod, its child."""
        with open(f"/proc/{server.pid}/task/{server.pid}/children") as file:
            for pid in map(int, file.read().split()):
                with open(f"/proc/{pid}/comm") as comm:
                    if comm.read().strip() == "mongod":
                        return pid
        raise AssertionError("the server has no mongod")
