"""
How much is tried by chance: some in each run of the tests, much where there is time.

C{WILDDUCK_TEST_TRIES}, 1 if not set, multiplies the numbers that tests give
here; C{make soak} sets more (L{test.soak.chance}).  C{make test} tries the same
each time, so that a change is told by its own faults and no others; what is
tried with more is new each time.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings

VARIABLE = "WILDDUCK_TEST_TRIES"
_TRIES = int(os.environ.get(VARIABLE, "1"))


def tries(count: int) -> int:
    """
    How often to try.

    @param count: as often as C{make test} does.
    """
    return count * _TRIES


def seed(number: int) -> int:
    """
    Where random choices begin.

    @param number: there in C{make test}, which tries the same each time; elsewhere anywhere.
    """
    if _TRIES == 1:
        return number
    chosen = int.from_bytes(os.urandom(4), "big")
    print(f"random choices begin at {chosen}")
    return chosen


def by_chance(count: int, **more: Any) -> settings:
    """
    Settings of a test by hypothesis; a pause of the machine is no failure of it.

    @param count: examples, as of L{tries}.
    """
    return settings(
        max_examples=tries(count),
        derandomize=_TRIES == 1,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        **more,
    )
