"""Work that is done in steps, done at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wildduck.api.frame.json_body import Steps


def value_of(steps: Steps) -> Any:
    """What they come to."""
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            return ended.value


def pauses(steps: Steps) -> Iterator[None]:
    """Each step; what they come to, and what they raise, is left out."""
    try:
        yield from steps
    except Exception:
        return
