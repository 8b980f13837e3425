"""
C{python -m test.soak [PART …]}: what takes too long for C{make test}.

C{messages}: 1,000 generated messages, about 3 GB, there and back.  C{memory}:
the server's resident set while large messages go in and out.  C{latency}: how
soon changes are told to waiting sessions, here and in a second server.
C{sessions}: random interleavings of several sessions on one mailbox.
C{writers}: what sessions of two servers are told of slow writers.  C{bytes}:
random and mutated bytes in IMAP sessions.  C{chance}: the tests by chance, with
more tries.  Each runs on a server with private databases in a temporary folder,
but for the last, which are tests.  Exit status 1: something did not hold.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable

from test.soak import chance, hostile, latency, memory, messages, sessions, writers
from test.support.server_process import ServerProcess, automatic_ports


def main() -> int:
    """@return: exit status."""
    parser = argparse.ArgumentParser(prog="python -m test.soak")
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help="messages, memory, latency, sessions, writers, bytes, chance; default: all",
    )
    parser.add_argument("--count", type=int, default=1000, help="messages (default: 1000)")
    parser.add_argument("--seconds", type=float, default=0, help="stop sending messages after; 0: never")
    parser.add_argument("--seed", type=int, default=1, help="of the first message, round or session")
    parser.add_argument("--reads", type=int, default=memory.READS, help="50 MB messages read by memory")
    parser.add_argument("--minutes", type=float, default=10, help="of sessions (default: 10)")
    parser.add_argument("--bytes", type=int, default=10_000_000, help="random ones (default: 10000000)")
    parser.add_argument("--tries", type=int, default=4, help="of chance, times those of tests (default: 4)")
    parser.add_argument("--shrink", action="store_true", help="look for the shortest way sessions fail")
    options = parser.parse_args()
    parts: dict[str, Callable[[], bool]] = {
        "messages": _on_server(
            lambda server: messages.run(server, options.count, options.seconds, options.seed)
        ),
        "memory": _on_server(lambda server: memory.run(server, options.reads)),
        "latency": _on_server(latency.run),
        "writers": _on_server(writers.run),
        "bytes": _on_server(lambda server: hostile.run(server, options.bytes, options.seed)),
        "sessions": _on_server(
            lambda server: sessions.run(server, options.minutes, options.seed, options.shrink)
        ),
        "chance": lambda: chance.run(options.tries),
    }
    unknown = [name for name in options.parts if name not in parts]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}")
    held = [_run(name, parts[name]) for name in options.parts or parts]
    return 0 if all(held) else 1


def _run(name: str, part: Callable[[], bool]) -> bool:
    held = part()
    print(f"{name}: {'holds' if held else 'DOES NOT HOLD'}", flush=True)
    return held


def _on_server(part: Callable[[ServerProcess], bool]) -> Callable[[], bool]:
    """The part on a server of its own, which logs no error."""

    def run() -> bool:
        folder = tempfile.mkdtemp(prefix="wildduck-soak-")
        options = [*automatic_ports(), "storage.default_quota=1 TiB"]
        server = ServerProcess(os.path.join(folder, "data"), options)
        try:
            server.start()
            held = part(server)
        finally:
            server.close()
            shutil.rmtree(folder, ignore_errors=True)
        for line in server.errors():
            held = False
            print(f"the server's log: {line}")
        return held

    return run


if __name__ == "__main__":
    sys.exit(main())
