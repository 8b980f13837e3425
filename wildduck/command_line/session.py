"""Running one coroutine on the databases, and saying what went wrong in one line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import click
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from wildduck.command_line.running import with_running_databases
from wildduck.config import Settings
from wildduck.domain import Domain
from wildduck.errors import ConfigurationError, DomainError


def run(settings: Settings, work: Callable[[Domain], Awaitable[Any]]) -> Any:
    """
    Connect, do the work, disconnect.

    @return: what the work returns.
    @raise click.ClickException: with the one line of a failure that was foreseen.
    """
    settings = with_running_databases(settings)

    async def connected(reactor: Any) -> Any:
        domain = Domain(settings, reactor)
        try:
            await domain.open(ensure_indexes=False)
            return await work(domain)
        finally:
            await domain.close()

    result = _in_reactor(connected)
    if isinstance(result, Failure):
        if result.check(DomainError, ConfigurationError):
            raise click.ClickException(result.getErrorMessage())
        result.raiseException()
    return result


def _in_reactor(work: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    """Run the reactor for one coroutine; its result, or the L{Failure} that it ended with."""
    from twisted.internet import reactor

    outcome: list[Any] = []

    def begin() -> None:
        Deferred.fromCoroutine(work(reactor)).addBoth(end)

    def end(result: Any) -> None:
        outcome.append(result)
        reactor.stop()

    reactor.callWhenRunning(begin)
    reactor.run()
    if not outcome:
        raise click.Abort()
    return outcome[0]
