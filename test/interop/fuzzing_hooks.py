"""
Loaded by schemathesis: most names and ids are those of accounts that exist.

Without it nearly every request would be for something that does not.
"""

from __future__ import annotations

import atexit
import json
import os
import random
from collections import Counter
from typing import Any

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


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Count what was answered."""
    _statuses[str(response.status_code)] += 1


@atexit.register
def _write() -> None:
    with open(os.environ["FUZZING_STATUSES"], "w") as file:
        json.dump(_statuses, file)
