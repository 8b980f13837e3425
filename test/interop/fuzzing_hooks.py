"""
Loaded by schemathesis: most names and ids are those of accounts that exist.

Without it nearly every request would be for something that does not.  Of an event
stream, which has no end, the first bytes are taken for the answer.
"""

from __future__ import annotations

import atexit
import json
import os
import random
from collections import Counter
from typing import Any

import requests
import schemathesis

with open(os.environ["FUZZING_SEEDS"]) as _file:
    _SEEDS: list[dict[str, str]] = json.load(_file)

_random = random.Random(4)
#: Of so many requests one keeps what schemathesis has made up.
_KEPT = 5
#: Parameters elsewhere than in the path that name what a seed has under another name.
_MEANT = {"moveTo": "mailbox"} | {name: name for name in ("mailbox", "user", "username", "password")}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Put values that belong together into path, query and body."""
    if _random.randrange(_KEPT) == 0:
        return
    seed = dict(_random.choice(_SEEDS))
    if "forwarded" in case.path:
        seed["id"] = seed["forwarded"]
    for name in case.path_parameters or ():
        if name in seed:
            case.path_parameters[name] = seed[name]
    if "message" in (case.path_parameters or ()):
        case.path_parameters["message"] = str(_random.randint(1, 5))
    for place in (case.query, case.body):
        if isinstance(place, dict):
            _fill(place, seed)


def _fill(values: dict[str, Any], seed: dict[str, str]) -> None:
    """Half of the values that can be meant, on every level."""
    for name, value in values.items():
        if isinstance(value, dict):
            _fill(value, seed)
        elif name in _MEANT and isinstance(value, str) and _random.randrange(2):
            values[name] = seed[_MEANT[name]]


_statuses: Counter[str] = Counter()
_send = requests.Session.send


def _send_and_hang_up(session: Any, request: Any, **options: Any) -> Any:
    """As C{Session.send}, but a stream of events is left when something of it has come."""
    if not request.path_url.partition("?")[0].endswith("/updates"):
        return _send(session, request, **options)
    response = _send(session, request, **{**options, "stream": True})
    kind = response.headers.get("Content-Type", "")
    if response.status_code == 200 and kind.startswith("text/event-stream"):
        first = next(response.iter_content(None))
        # As if that had been all: the checks are to look at the head and at this.
        response._content, response._content_consumed = first, True
        response.close()
        _statuses["streams"] += 1
    return response


requests.Session.send = _send_and_hang_up


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Count what was answered."""
    _statuses[str(response.status_code)] += 1


@atexit.register
def _write() -> None:
    with open(os.environ["FUZZING_STATUSES"], "w") as file:
        json.dump(_statuses, file)
