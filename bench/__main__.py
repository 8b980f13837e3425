"""
C{python -m bench}: this server beside WildDuck and Dovecot.

All run one after the other on the same databases and disk, and answer the same clients: in each round
each row is done by each server in turn.  What is shown is the median of all rounds; of two numbers in
brackets the first is the CPU time of the server for one operation, the second that of mongod and
redis-server.  A ratio says how many times better this server is, in brackets that of the CPU time.

What it lacks it installs (Dovecot and wrk as Debian packages when root, WildDuck and Node.js from npm).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench import mail
from bench.clients import Imap, Refused, deliver_all
from bench.databases import Databases
from bench.document import write
from bench.results import Line, figure, table
from bench.rows import READER, RECIPIENTS, ROWS, Place, Row, Sample
from bench.servers import PASSWORD, SERVERS, Server
from test.interop.programs import Missing, find
from test.support.fast_folder import fast_folder

#: A run on fewer messages does less of everything.
_FULL = 10_000
#: Messages of INBOX that stay unseen.
_UNSEEN = 100
_MARK = "filled"


class Run:
    """
    Servers, databases and what they gave.

    @ivar samples: by row and server, one for each round.
    """

    def __init__(self, options: argparse.Namespace, folder: str) -> None:
        self._options = options
        self._folder = folder
        self._mark = f"{int(time.time()):x}"
        self._databases = Databases(folder)
        self.servers: list[Server] = []
        self.rows = [row for row in ROWS if not options.rows or row.name in options.rows]
        self.samples: dict[tuple[str, str], list[Sample]] = {}
        self._wrk = find("wrk") if any(row.name.startswith("api") for row in self.rows) else ""
        for name in options.servers:
            self.servers.append(SERVERS[name](folder, self._databases))

    def measure(self) -> Iterator[int]:
        """All rounds; stands still after each, with its number from 1."""
        for server in self.servers:
            self._fill(server)
        for number in range(self._options.rounds):
            self._round(number)
            yield number + 1

    def close(self) -> None:
        """End the databases."""
        self._databases.close()

    def lines(self) -> list[Line]:
        """The results of all rows that were done."""
        found = []
        for row in self.rows:
            figures = {
                server.name: figure(samples)
                for server in self.servers
                if (samples := self.samples.get((row.name, server.name)))
            }
            if figures:
                found.append(Line(row, figures))
        return found

    def about(self, rounds: int) -> dict[str, Any]:
        """What was run, and how."""
        return {
            "servers": {server.name: server.title for server in self.servers},
            "durability": {server.name: server.durability for server in self.servers},
            "versions": self._databases.versions,
            "storage": storage(self._folder),
            "messages": self._options.messages,
            "rounds": rounds,
            "cores": os.cpu_count(),
        }

    def _fill(self, server: Server) -> None:
        """Accounts and the mailbox that is read, if the folder has none from before."""
        mark = os.path.join(self._folder, server.name, f"{_MARK}-{self._options.messages}")
        if os.path.exists(mark):
            return
        began = time.monotonic()
        server.start()
        try:
            for name in (READER, *RECIPIENTS):
                server.make_account(name)
            messages = [mail.small(number, "inbox") for number in range(1, self._options.messages + 1)]
            connections = 4
            deliver_all(server.ports["lmtp"], mail.SENDER, [f"{READER}@example.com"] * connections, messages)
            with_flags = max(1, self._options.messages - _UNSEEN)
            client = Imap(server.ports["imap"])
            client.login(READER, PASSWORD)
            client.do("SELECT INBOX")
            client.do(f"STORE 1:{with_flags} +FLAGS.SILENT (\\Seen)")
            client.close()
        finally:
            server.stop()
        with open(mark, "w"):
            pass
        self._say(f"{server.name}: {self._options.messages} messages in {time.monotonic() - began:.0f} s")

    def _round(self, number: int) -> None:
        """Every row once by every server, in turn."""
        places = []
        try:
            for server in self.servers:
                server.start()
                place = Place(
                    server,
                    self._databases.pids,
                    self._options.messages,
                    f"{self._mark}-{number}",
                    self._size,
                    self._wrk,
                )
                places.append(place)
            time.sleep(1)
            for row in self.rows:
                if row.once and number + 1 < self._options.rounds:
                    continue
                # Another one begins each time.
                for place in places[number % len(places) :] + places[: number % len(places)]:
                    if place.server.name in row.servers:
                        self._sample(row, place, number)
        finally:
            for place in places:
                place.close()
                place.server.stop()

    def _sample(self, row: Row, place: Place, number: int) -> None:
        place.sample = Sample()
        self._databases.settle()
        try:
            row.run(place)
        except Refused as error:
            self._say(f"{row.name}: {place.server.name}: {error}")
            place.close()
            return
        name = place.server.name
        self.samples.setdefault((row.name, name), []).append(place.sample)
        shown = Line(row, {name: figure([place.sample])}).shown(name)
        self._say(f"round {number + 1}  {row.title:36.36}  {name:8}  {shown}")

    def _size(self, count: int) -> int:
        """A count, bounded to what a run on few messages has."""
        return (
            min(count, max(1, count * self._options.messages // 10_000))
            if self._options.messages < 10_000
            else count
        )

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def storage(folder: str) -> str:
    """Where the databases and Maildir lie."""
    with open("/proc/mounts") as file:
        mounts = [line.split()[1:3] for line in file]
    path = os.path.realpath(folder)
    point, kind = max(
        (mount for mount in mounts if f"{path}/".startswith(mount[0].rstrip("/") + "/")),
        key=lambda m: len(m[0]),
    )
    return "memory (tmpfs)" if kind == "tmpfs" else f"disk ({kind})"


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    rows, add = [row.name for row in ROWS], parser.add_argument
    add("--messages", type=int, default=_FULL, help=f"in the mailbox (default: {_FULL})")
    add("--rounds", type=int, default=3, help="default: 3")
    add("--rows", nargs="+", choices=rows, metavar="ROW", help=f"of {' '.join(rows)}")
    add("--servers", nargs="+", choices=list(SERVERS), default=list(SERVERS), metavar="SERVER")
    add("--folder", help="keep databases and mail in this folder, and use what is there")
    add("--memory", action="store_true", help="databases and mail in memory, not on the disk")
    add("--json", metavar="FILE", default=os.path.join("build", "bench.json"), help="default: %(default)s")
    add("--write-docs", action="store_true", help="write the table into docs/performance.rst")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """@return: exit status."""
    options = _options(arguments)
    parent = fast_folder() if options.memory else None
    folder = os.path.abspath(options.folder or tempfile.mkdtemp(prefix="wdbench-", dir=parent))
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o755)  # Dovecot's own users reach theirs
    try:
        run = Run(options, folder)
        try:
            for rounds in run.measure():
                _keep(options, run.about(rounds), run.lines())
        finally:
            run.close()
    except Missing as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        if not options.folder:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def _keep(options: argparse.Namespace, about: Mapping[str, Any], lines: Sequence[Line]) -> None:
    """Show and write what there is so far."""
    os.makedirs(os.path.dirname(os.path.abspath(options.json)), exist_ok=True)
    with open(options.json, "w") as file:
        json.dump({**about, "rows": [line.as_json() for line in lines]}, file, indent=1)
    print("\n".join(f"{key}: {value}" for key, value in about.items()))
    print(table(lines), flush=True)
    if options.write_docs:
        write(about, lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
