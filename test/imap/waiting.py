"""Waiting for something to happen, without saying how long it takes."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.task import deferLater


async def until(condition: Callable[[], object]) -> None:
    """Let the reactor run until a condition holds; only a failing test waits long."""
    from twisted.internet import reactor

    for _ in range(10_000):
        if condition():
            return
        await deferLater(reactor, 0.002)
    raise AssertionError("it does not happen")
