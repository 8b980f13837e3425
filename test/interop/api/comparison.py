"""The comparison, a case of C{python -m test.interop}."""

from __future__ import annotations

import os

from test.interop.api import addresses, differences, mailboxes, messages, users
from test.interop.api.call import Call
from test.interop.api.compare import Comparison
from test.interop.api.run import run
from test.interop.case import Failed, Setting, expect
from test.interop.wildduck_server import VERSION, WildDuck, installed
from test.support.databases import helper
from test.support.server_process import ServerProcess, automatic_ports

CALLS: tuple[Call, ...] = (
    *users.CREATION,
    *users.READING,
    *addresses.OF_USERS,
    *addresses.FORWARDED,
    *mailboxes.MAILBOXES,
    *messages.UPLOADS,
    *messages.READING,
    *messages.CHANGES,
    *users.CHANGES,
    *users.SIGN_IN,
)
_PEER_SETTINGS = {"imap_maxConnections": 15}
_SETTINGS = ("api.compat_status=true", "server.hostname=example.com")


def same_answers(setting: Setting) -> str:
    """Status, shape and values, but for ids, times, words of errors and what docs/differences.rst names."""
    installed()
    numbers = [helper().take() for _ in range(2)]
    uris = [
        (
            f"mongodb://127.0.0.1:{helper().mongo_port}/test{number}",
            f"redis://127.0.0.1:{helper().redis_port}/{number}",
        )
        for number in numbers
    ]
    folder = setting.place("api")
    with WildDuck(*uris[1], os.path.join(folder, "wildduck.log"), _PEER_SETTINGS) as peer:
        theirs = run(peer.ports["api"], CALLS)
    mongo, redis = uris[0]
    server = ServerProcess(
        os.path.join(folder, "data"),
        [f"mongo.uri={mongo}", f"redis.uri={redis}", *automatic_ports(), *_SETTINGS],
    )
    server.start()
    try:
        ours = run(server.ports["api"], CALLS)
    finally:
        server.close()
        for number in numbers:
            helper().give_back(number)
    expect(not server.errors(), "our log:\n" + "\n".join(server.errors()))
    comparison = Comparison(differences.RULES)
    for call, our, their in zip(CALLS, ours, theirs, strict=True):
        comparison.compare(call, our, their)
    problems = comparison.problems
    problems += [f"docs/differences.rst does not say: {words}" for words in differences.undocumented()]
    problems += [f"{rule}: no call differs so" for rule in differences.RULES if rule not in comparison.used]
    if problems:
        raise Failed(f"{len(problems)} problems:\n" + "\n".join(problems))
    reasons = len({rule.words for rule in comparison.used})
    return f"{len(CALLS)} calls answered as WildDuck {VERSION} does, but for {reasons} differences"
