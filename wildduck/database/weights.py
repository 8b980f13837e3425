"""Pages that end early, where their rows are long: the database tells before they are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from wildduck.limits import LISTED_BYTES

#: The member in which a row's weight is read.
WEIGHT = "weight"


def weight_of(fields: Sequence[str]) -> dict[str, Any]:
    """A projection to the bytes of these fields together, as L{WEIGHT}."""
    return {WEIGHT: {"$bsonSize": {"values": [f"${name}" for name in fields]}}}


def fitting(rows: Iterable[dict[str, Any]]) -> int:
    """How many rows a page can have: C{limits.LISTED_BYTES} of L{WEIGHT}, but one row at least."""
    sums = accumulate(int(row[WEIGHT]) for row in rows)
    return sum(not place or total <= LISTED_BYTES for place, total in enumerate(sums))
