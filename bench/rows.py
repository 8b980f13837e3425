"""
The rows: what is measured of one server, and how.

A row gets a L{Place} and does its work between C{place.meter()}'s ends; what it does before and after
is not counted.  Rows change the mailboxes alike on all servers and leave INBOX as it was, but for
the messages that C{idle} delivers.
"""

from __future__ import annotations

import re
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bench import mail, processes
from bench.clients import Imap, Lmtp, Pop3, Refused, deliver_all
from bench.servers import PASSWORD, Server
from test.interop.wildduck_server import request

#: Has the mailbox that is read.
READER = "bench"
#: Get mail: one for each connection of a row that delivers.
RECIPIENTS = tuple(f"bench{number}" for number in range(8))
POP3_MESSAGES = 250
IDLE_SESSIONS = 500
#: Seconds: less can not be told from nothing.
_NO_TIME = 0.0001


@dataclass
class Sample:
    """
    What one row gave in one round.

    @ivar seconds: of each repetition.
    @ivar operations: in each repetition.
    @ivar server_cpu: seconds of the server's processes, in all.
    @ivar database_cpu: of mongod and redis-server.
    @ivar note: what else there is to see: hits of a search.
    @ivar value: instead of seconds, for rows that measure something else.
    @ivar p99: seconds, of rows with many requests.
    """

    seconds: list[float] = field(default_factory=list)
    operations: int = 1
    server_cpu: float = 0.0
    database_cpu: float = 0.0
    note: str = ""
    value: float | None = None
    p99: float | None = None


@dataclass
class Place:
    """
    One server in one round.

    @ivar messages: in INBOX.
    @ivar run: of Message-IDs, another one in each round.
    @ivar wrk: path of the program, C{""} where it is not needed.
    @ivar size: bounds a count to what a small run has.
    """

    server: Server
    database_pids: list[int]
    messages: int
    run: str
    size: Callable[[int], int]
    wrk: str = ""
    sample: Sample = field(default_factory=Sample)
    _reader: Imap | None = None

    @contextmanager
    def meter(self, operations: int = 1) -> Iterator[None]:
        """Measure what is done within; again for each repetition."""
        server, database = self.cpu()
        began = time.perf_counter()
        yield
        self.sample.seconds.append(time.perf_counter() - began)
        server_after, database_after = self.cpu()
        self.sample.operations = operations
        self.sample.server_cpu += server_after - server
        self.sample.database_cpu += database_after - database

    def cpu(self) -> tuple[float, float]:
        """Seconds that the server and the databases have used."""
        return processes.cpu(self.server.pid), sum(processes.cpu(pid) for pid in self.database_pids)

    def imap(self, mailbox: str = "") -> Imap:
        """A new signed-in connection."""
        client = Imap(self.server.ports["imap"])
        client.login(READER, PASSWORD)
        if mailbox:
            client.do(f"SELECT {mailbox}")
        return client

    @property
    def reader(self) -> Imap:
        """The round's connection, with INBOX selected."""
        if self._reader is None:
            self._reader = self.imap("INBOX")
        return self._reader

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


@dataclass(frozen=True)
class Row:
    """
    @ivar name: as on the command line.
    @ivar title: for people.
    @ivar rate: operations per second are shown, not milliseconds for each.
    @ivar target: how many times better than WildDuck this server shall be.
    @ivar unit: of C{Sample.value}.
    @ivar servers: by which it can be done.
    """

    name: str
    title: str
    run: Callable[[Place], None]
    rate: bool = False
    target: float = 1.0
    unit: str = ""
    servers: tuple[str, ...] = ("ours", "wildduck", "dovecot")
    #: It is enough to do it once.
    once: bool = False


def memory_idle(place: Place) -> None:
    """After a start, before anything else."""
    place.sample.value = processes.memory(place.server.pid) / 1e6


def select_first(place: Place) -> None:
    """The first SELECT after a start."""
    client = place.imap()
    with place.meter():
        client.do("SELECT INBOX")
    client.close()


def select_again(place: Place) -> None:
    client = place.imap("INBOX")
    for _ in range(5):
        with place.meter():
            client.do("SELECT INBOX")
    client.close()


def _deliveries(count: int, connections: int, make: Callable[[int, str], bytes]) -> Callable[[Place], None]:
    def run(place: Place) -> None:
        number = place.size(count)
        # WildDuck drops a second message of the same Message-ID.
        mark = f"{place.run}-{make.__name__}-{connections}"
        messages = [make(index, mark) for index in range(1, number + 1)]
        recipients = [f"{name}@example.com" for name in RECIPIENTS[:connections]]
        # What a process does once, the first time, belongs to no delivery.
        warm = [make(number + 1 + index, mark) for index in range(4 * connections)]
        deliver_all(place.server.ports["lmtp"], mail.SENDER, recipients, warm)
        with place.meter(number):
            deliver_all(place.server.ports["lmtp"], mail.SENDER, recipients, messages)

    return run


def _command(command: str, repeat: int = 1) -> Callable[[Place], None]:
    def run(place: Place) -> None:
        reader = place.reader
        for _ in range(repeat):
            with place.meter():
                reader.do(command)

    return run


def bodies(place: Place) -> None:
    """The oldest messages, whole."""
    _command(f"FETCH 1:{place.size(2000)} (BODY.PEEK[])", 2)(place)


def _search(criteria: str, repeat: int = 3) -> Callable[[Place], None]:
    def run(place: Place) -> None:
        reader, found = place.reader, 0
        for _ in range(repeat):
            with place.meter():
                found = reader.found(criteria)
        place.sample.note = f"{found} found"

    return run


def store(place: Place) -> None:
    """Flags that the messages do not have yet."""
    for _ in range(2):
        place.reader.do(f"STORE {_first_thousand(place)} -FLAGS.SILENT (\\Seen)")
        with place.meter():
            place.reader.do(f"STORE {_first_thousand(place)} +FLAGS (\\Seen)")


def copy(place: Place) -> None:
    with_mail = _mailbox(place, "copies")
    with place.meter():
        place.reader.do(f"COPY {_first_thousand(place)} {with_mail}")


def move(place: Place) -> None:
    source, target = _mailbox(place, "from"), _mailbox(place, "to")
    place.reader.do(f"COPY {_first_thousand(place)} {source}")
    client = place.imap(source)
    with place.meter():
        client.do(f"MOVE 1:* {target}")
    client.close()


def append(place: Place) -> None:
    count = place.size(200)
    messages = [mail.small(number, f"{place.run}-append") for number in range(1, count + 1)]
    client = place.imap()
    target = _mailbox(place, "appended")
    client.append(target, mail.small(count + 1, f"{place.run}-append"))
    with place.meter(count):
        for message in messages:
            client.append(target, message)
    client.close()


def sign_in(place: Place) -> None:
    for _ in range(5):
        client = Imap(place.server.ports["imap"])
        with place.meter():
            client.login(READER, PASSWORD)
        client.close()


def sign_in_many(place: Place) -> None:
    """Each connection is of one of eight accounts."""
    clients = [Imap(place.server.ports["imap"]) for _ in range(100)]
    with place.meter(len(clients)):
        for number, client in enumerate(clients):
            client.send(f"LOGIN {RECIPIENTS[number % len(RECIPIENTS)]} {PASSWORD}")
        for client in clients:
            client.finish()
    for client in clients:
        client.close()


def pop3(place: Place) -> None:
    """The newest messages, one after the other."""
    client = Pop3(place.server.ports["pop3"])
    client.do(f"USER {READER}")
    client.do(f"PASS {PASSWORD}")
    with place.meter():
        listed = client.lines("LIST").count(b"\n") - 2
        for number in range(max(1, listed - POP3_MESSAGES + 1), listed + 1):
            client.lines(f"RETR {number}")
    client.do("QUIT")
    client.close()


def idle(place: Place) -> None:
    """From the reply of LMTP to EXISTS in a session that waits."""
    watcher, lmtp = place.imap("INBOX"), Lmtp(place.server.ports["lmtp"])
    watcher.idle()
    server, database = place.cpu()
    count = place.size(20)
    for number in range(count):
        message = mail.small(number + 1, f"{place.run}-idle")
        lmtp.begin(f"{READER}@example.com", mail.SENDER, message)
        place.sample.seconds.append(_notice(watcher, lmtp))
        time.sleep(0.02)
    server_after, database_after = place.cpu()
    place.sample.server_cpu, place.sample.database_cpu = server_after - server, database_after - database
    place.sample.p99 = sorted(place.sample.seconds)[(count * 99 - 1) // 100]
    watcher.done()
    watcher.close()
    lmtp.close()


def _notice(watcher: Imap, lmtp: Lmtp) -> float:
    """Seconds from one thing to the other; both may come at once, in any order."""
    answered = told = 0.0
    while not (answered and told):
        waiting = [*((lmtp,) if not answered else ()), *((watcher,) if not told else ())]
        ready = select.select(waiting, [], [])[0]
        now = time.perf_counter()
        if watcher in ready and watcher.line().endswith(b"EXISTS"):
            told = now
        if lmtp in ready:
            lmtp.finish()
            answered = now
    return max(_NO_TIME, told - answered)


def memory_sessions(place: Place) -> None:
    """Sessions that have INBOX open and wait in IDLE."""
    before = processes.memory(place.server.pid)
    count = place.size(IDLE_SESSIONS)
    clients = []
    for _ in range(count):
        clients.append(place.imap("INBOX"))
        clients[-1].idle()
    memory = processes.memory(place.server.pid)
    place.sample.value = memory / 1e6
    place.sample.note = f"{(memory - before) / count / 1e3:.0f} KB each"
    for client in clients:
        client.close()


def _requests(find: Callable[[Place, str, str], str]) -> Callable[[Place], None]:
    """wrk on one URL, by 8 connections; C{find} gets the ids of the account and its INBOX."""

    def run(place: Place) -> None:
        port = place.server.ports["api"]
        user = str(_get(port, f"/users/resolve/{READER}")["id"])
        boxes = _get(port, f"/users/{user}/mailboxes")["results"]
        path = find(place, user, next(str(box["id"]) for box in boxes if box["path"] == "INBOX"))
        _get(port, path)
        command = [
            place.wrk,
            "-t1",
            "-c8",
            f"-d{place.size(5)}s",
            "--latency",
            f"http://127.0.0.1:{port}{path}",
        ]
        server, database = place.cpu()
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        server_after, database_after = place.cpu()
        if "Non-2xx" in said:
            raise Refused(said)
        count = int(re.search(r"(\d+) requests in", said)[1])  # type: ignore[index]
        place.sample.seconds = [count / float(re.search(r"Requests/sec: *([\d.]+)", said)[1])]  # type: ignore[index]
        place.sample.operations = count
        place.sample.server_cpu, place.sample.database_cpu = server_after - server, database_after - database
        number, unit = re.search(r"99% +([\d.]+)(us|ms|s|m)\s", said).groups()  # type: ignore[union-attr]
        place.sample.p99 = float(number) * {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}[unit]

    return run


def _get(port: int, path: str) -> Any:
    status, answer = request(port, "GET", path)
    if status != 200:
        raise Refused(f"{path}: {status} {str(answer)[:200]}")
    return answer


def _first_thousand(place: Place) -> str:
    return f"1:{place.size(1000)}"


def _mailbox(place: Place, kind: str) -> str:
    """
    A new mailbox.

    It stays: what is deleted is put aside afterwards, which would be counted to the row after it.
    """
    name = f"{kind}-{place.run}"
    place.reader.do(f"CREATE {name}")
    return name


_ALL = "UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE"
_WITH_API = ("ours", "wildduck")

ROWS = (
    Row("memory", "memory after a start", memory_idle, unit="MB"),
    Row("select-first", "SELECT, the first after a start", select_first),
    Row("select", "SELECT again", select_again),
    Row("flags", "FETCH 1:* (FLAGS)", _command("FETCH 1:* (FLAGS)", 3), target=20),
    Row("envelope", f"FETCH 1:* ({_ALL})", _command(f"FETCH 1:* ({_ALL})", 2)),
    Row("body", "FETCH 1:2000 (BODY.PEEK[])", bodies, target=3),
    Row("search-unseen", "SEARCH UNSEEN", _search("UNSEEN")),
    Row("search-from", "SEARCH FROM, 10 %", _search(f"FROM {mail.RARE_SENDER}")),
    Row("search-text", "SEARCH TEXT, word at the start", _search(f"TEXT {mail.EARLY}")),
    Row("search-text-late", "SEARCH TEXT, word further on", _search(f"TEXT {mail.LATE}")),
    Row("search-body", "SEARCH BODY, word at the start", _search(f"BODY {mail.EARLY}")),
    Row("store", "STORE 1:1000 +FLAGS (\\Seen)", store, target=3),
    Row("copy", "COPY 1:1000", copy, target=10),
    Row("move", "MOVE of 1000", move, target=10),
    Row("append", "APPEND 4 KB", append, rate=True, target=3),
    Row("lmtp", "LMTP 4 KB, 1 connection", _deliveries(300, 1, mail.small), rate=True, target=2),
    Row("lmtp-8", "LMTP 4 KB, 8 connections", _deliveries(600, 8, mail.small), rate=True, target=2),
    Row("lmtp-1m", "LMTP 1 MB, 1 connection", _deliveries(25, 1, mail.large), rate=True, target=2),
    Row("login", "LOGIN", sign_in),
    Row("login-100", "LOGIN, 100 connections at once", sign_in_many, rate=True),
    Row("pop3", f"POP3 LIST, RETR of {POP3_MESSAGES}", pop3),
    Row("idle", "LMTP reply to EXISTS in IDLE", idle, target=10),
    Row(
        "api-list",
        "API: 20 messages of a list",
        _requests(lambda place, user, box: f"/users/{user}/mailboxes/{box}/messages?limit=20"),
        rate=True,
        servers=_WITH_API,
    ),
    Row(
        "api-message",
        "API: one message",
        _requests(lambda place, user, box: f"/users/{user}/mailboxes/{box}/messages/100"),
        rate=True,
        servers=_WITH_API,
    ),
    Row(
        "api-mailboxes",
        "API: mailboxes",
        _requests(lambda place, user, box: f"/users/{user}/mailboxes"),
        rate=True,
        servers=_WITH_API,
    ),
    Row("sessions", f"memory with {IDLE_SESSIONS} sessions in IDLE", memory_sessions, unit="MB", once=True),
)
