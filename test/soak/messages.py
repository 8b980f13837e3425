"""Generated messages by the thousand, each sent, read back and compared by digest."""

from __future__ import annotations

import time

from test.support.messages import generated, sizes
from test.support.round_trip import RoundTrip
from test.support.server_process import ServerProcess

LEAST, MOST = 1_000, 40_000_000
_PROGRESS_SECONDS = 10.0


def run(server: ServerProcess, count: int, seconds: float, seed: int) -> bool:
    """
    Round trips of messages whose sizes are evenly spread over the logarithm.

    @param count: messages.
    @param seconds: stop after this time even if messages are left; 0: never.
    @param seed: of the first message.
    @return: whether all came back as they went in.
    """
    began = shown = time.monotonic()
    sent = failed = octets = 0
    with RoundTrip(server, "soak-messages") as trip:
        for number, size in enumerate(sizes(count, LEAST, MOST, seed), seed):
            message = generated(number, size)
            problems = trip.run(number, message)
            sent += 1
            octets += len(message)
            for problem in problems:
                failed += 1
                print(f"messages: seed {number}, size {size}: {problem}", flush=True)
            now = time.monotonic()
            if now - shown >= _PROGRESS_SECONDS:
                shown = now
                print(f"messages: {_sum(sent, octets, now - began)}, {count - sent} to come", flush=True)
            if seconds and now - began >= seconds:
                break
    print(
        f"messages: {_sum(sent, octets, time.monotonic() - began)}, "
        f"{trip.repeated} refused at first, {failed} wrong",
        flush=True,
    )
    return failed == 0


def _sum(sent: int, octets: int, seconds: float) -> str:
    return f"{sent} messages, {octets / 1e9:.3f} GB in {seconds:.0f} s"
