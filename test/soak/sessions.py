"""Sessions on one mailbox that do whatever comes to hypothesis' mind, for as long as one likes."""

from __future__ import annotations

import os
import time
from typing import Any

from pymongo import MongoClient

from test.sessions import machine
from test.support.server_process import ServerProcess, automatic_ports

_EXAMPLES = 4
_STEPS = 60


def run(server: ServerProcess, minutes: float, seed: int, shrink: bool) -> bool:
    """
    Rounds of random interleavings (L{machine}), one seed after the other.

    @param server: with private databases; a second process uses them too.
    @param minutes: begin no round after this time.
    @param seed: of the first round; those with an odd one run in one process.
    @param shrink: look for the shortest way to fail, for minutes each time.
    @return: whether all held; what did not is printed.
    """
    mongo, redis = server.run["mongo"]["uri"], server.run["redis"]["uri"]
    data = os.path.join(os.path.dirname(server.data), "beside", "data")
    sets = [f"mongo.uri={mongo}", f"redis.uri={redis}", *automatic_ports()]
    beside = ServerProcess(data, sets)
    client: MongoClient[Any] = MongoClient(mongo, directConnection=True)
    try:
        beside.start()
        with server.lmtp() as lmtp:
            database = client.get_default_database()
            stages = [machine.Stage(servers, database, lmtp) for servers in ([server, beside], [server])]
            stages[1].numbers = stages[0].numbers
            failed = _rounds(stages, minutes, seed, shrink)
    finally:
        beside.close()
        client.close()
    for line in beside.errors():
        failed += 1
        print(f"sessions: the second server's log: {line}")
    return failed == 0


def _rounds(stages: list[machine.Stage], minutes: float, seed: int, shrink: bool) -> int:
    """@return: how many did not hold."""
    began = time.monotonic()
    rounds = failed = 0
    while time.monotonic() - began < 60 * minutes:
        stage = stages[seed % 2]
        try:
            machine.run(stage, examples=_EXAMPLES, steps=_STEPS, seed=seed, shrink=shrink)
        except AssertionError as error:
            failed += 1
            print(f"sessions: {error}", flush=True)
        rounds += 1
        seed += 1
    print(f"sessions: {rounds} rounds in {time.monotonic() - began:.0f} s, {failed} wrong", flush=True)
    return failed
