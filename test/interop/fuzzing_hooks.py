"""
Loaded by schemathesis: most path parameters are those of accounts that exist.

Without it nearly every request would be for an account that does not.
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


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Put values that belong together into a path."""
    if not case.path_parameters or _random.randrange(_KEPT) == 0:
        return
    seed = dict(_random.choice(_SEEDS))
    if "forwarded" in case.path:
        seed["id"] = seed["forwarded"]
    for name in case.path_parameters:
        if name in seed:
            case.path_parameters[name] = seed[name]
    if "message" in case.path_parameters:
        case.path_parameters["message"] = str(_random.randint(1, 5))


_statuses: Counter[str] = Counter()


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Count what was answered."""
    _statuses[str(response.status_code)] += 1


@atexit.register
def _write() -> None:
    with open(os.environ["FUZZING_STATUSES"], "w") as file:
        json.dump(_statuses, file)
