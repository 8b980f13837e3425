"""
How soon a change is told to a session that waits in IDLE, in the process that made it and in another.

The writer's commands go to one of two servers on the same databases; a client
waits on each.  What counts is the time after the writer was told that it is
done (OK, 250); the time since just before the last bytes of the command were
sent is shown beside it.
"""

from __future__ import annotations

import select
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from test.support.blocking_imap import Imap
from test.support.blocking_lmtp import Lmtp
from test.support.server_process import ServerProcess, automatic_ports

#: Medians that are allowed, in seconds: in one process, in two.
ALLOWED = (0.010, 0.020)
COUNT = 50

_USER = "soak-latency"
_OTHER = "Other"
_MESSAGE = b"From: sender@example.net\r\nSubject: latency\r\n\r\nText.\r\n"
_PAUSE_SECONDS = 0.02
_PATIENCE_SECONDS = 60.0

#: How the last response begins that a change makes.
_Told = tuple[int, bytes]


class _Times:
    """Seconds of one kind of change: until each watcher was told, until the writer had its answer."""

    def __init__(self) -> None:
        self.told: tuple[list[float], list[float]] = ([], [])
        self.answered: list[float] = []

    def show(self, kind: str) -> bool:
        """Print them; whether the medians are allowed."""
        held = True
        for told, place, allowed in zip(self.told, ("one process", "two processes"), ALLOWED, strict=True):
            after = [one - answer for one, answer in zip(told, self.answered, strict=True)]
            good = statistics.median(after) <= allowed
            held = held and good
            print(
                f"latency: {kind:7} {place:13} {_sum(after)} after the answer, {_sum(told)} after it was sent"
                f"{'' if good else f' (allowed: {allowed * 1e3:.0f} ms)'}",
                flush=True,
            )
        return held


def _sum(values: list[float]) -> str:
    """Median and 95th percentile of seconds."""
    p95 = sorted(values)[(len(values) * 95 - 1) // 100]
    return f"median {statistics.median(values) * 1e3:6.1f} ms, p95 {p95 * 1e3:6.1f} ms"


class _Bench:
    """A writer, and a watcher on each server."""

    def __init__(self, servers: tuple[ServerProcess, ServerProcess], count: int) -> None:
        self._count = count
        self._address = servers[0].account(_USER)
        self._lmtp = servers[0].lmtp()
        self._writer = servers[0].imap(_USER)
        self._watchers = [server.imap(_USER) for server in servers]
        self._exists = 0

    def __enter__(self) -> _Bench:
        self._writer.command(f"CREATE {_OTHER}")
        for _ in range(self._count):
            self._writer.append(_OTHER, _MESSAGE)
        for watcher in self._watchers:
            watcher.select()
            watcher.idle()
        return self

    def __exit__(self, *_: object) -> None:
        for client in (self._lmtp, self._writer, *self._watchers):
            client.close()

    def run(self) -> bool:
        """All kinds of changes; whether all were told soon enough."""
        held = [self._measure("LMTP", self._deliver), self._measure("APPEND", self._append)]
        self._writer.select(_OTHER)
        held.append(self._measure("COPY", lambda _: self._arrival("COPY 1 INBOX")))
        held.append(self._measure("MOVE", lambda _: self._arrival("MOVE 1 INBOX")))
        self._writer.select()
        held.append(self._measure("STORE", self._delete))
        uids = self._writer.uids()
        held.append(self._measure("EXPUNGE", lambda number: self._expunge(uids[number])))
        return all(held)

    # Each sends a command and returns who waits for its answer, and what watchers are told last.

    def _deliver(self, number: int) -> tuple[Lmtp, _Told]:
        self._lmtp.envelope("sender@example.net", [self._address])
        self._lmtp.send(_MESSAGE)
        self._exists += 1
        return self._lmtp, (self._exists, b"EXISTS")

    def _append(self, number: int) -> tuple[Imap, _Told]:
        return self._arrival("APPEND INBOX", _MESSAGE)

    def _arrival(self, command: str, *literal: bytes) -> tuple[Imap, _Told]:
        self._writer.send(command, *literal)
        self._exists += 1
        return self._writer, (self._exists, b"EXISTS")

    def _delete(self, number: int) -> tuple[Imap, _Told]:
        self._writer.send(f"STORE {number + 1} +FLAGS.SILENT (\\Deleted)")
        return self._writer, (number + 1, b"FETCH")

    def _expunge(self, uid: int) -> tuple[Imap, _Told]:
        self._writer.send(f"UID EXPUNGE {uid}")
        return self._writer, (1, b"EXPUNGE")

    def _measure(self, kind: str, change: Callable[[int], tuple[Imap | Lmtp, _Told]]) -> bool:
        """One kind of change, many times."""
        times = _Times()
        for number in range(self._count):
            began = time.monotonic()
            writer, told = change(number)
            heard = self._listen(writer, told)
            times.answered.append(heard[writer] - began)
            for watcher, values in zip(self._watchers, times.told, strict=True):
                values.append(heard[watcher] - began)
            time.sleep(_PAUSE_SECONDS)
        return times.show(kind)

    def _listen(self, writer: Imap | Lmtp, told: _Told) -> dict[Imap | Lmtp, float]:
        """When each of the three had something to read, which is then read."""
        heard: dict[Imap | Lmtp, float] = {}
        waiting: list[Imap | Lmtp] = [writer, *self._watchers]
        while waiting:
            ready = select.select(waiting, [], [], _PATIENCE_SECONDS)[0]
            now = time.monotonic()
            assert ready, "nothing is told"
            for client in ready:
                heard[client] = now
                waiting.remove(client)
                if client is not writer:
                    client.told(*told)
                elif isinstance(writer, Lmtp):
                    assert writer.reply().code == 250
                else:
                    writer.finish()
        return heard


def run(server: ServerProcess, count: int = COUNT) -> bool:
    """
    @param server: on databases of its own; a second one is started beside it.
    @return: whether the medians are what is allowed.
    """
    with beside(server) as second, _Bench((server, second), count) as bench:
        return bench.run()


@contextmanager
def beside(server: ServerProcess) -> Iterator[ServerProcess]:
    """
    A second server on the databases of one that has its own.

    @raise AssertionError: its log tells of an error.
    """
    databases = [f"{name}.uri={server.run[name]['uri']}" for name in ("mongo", "redis")]
    second = ServerProcess(f"{server.data}-second", [*automatic_ports(), *databases])
    second.start()
    try:
        yield second
    finally:
        second.close()
    assert not second.errors(), second.errors()
