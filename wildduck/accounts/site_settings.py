"""
Settings that WildDuck keeps in the database for all its servers (spec/schema.md §8).

Its API changes them while servers run; each server looks again once a minute.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from wildduck.database import Database
from wildduck.errors import DomainError

#: Seconds for which a value is believed.
FRESH_SECONDS = 60.0

AUTHLOG_TIME = datetime.timedelta(days=30)
_MOST_DAYS = 36_500


class SiteSettings:
    """
    Reads C{settings}.

    While the database does not answer, or where a value is none, the last one
    that was read or the default counts.
    """

    _log = Logger()

    def __init__(self, main: Database, clock: IReactorTime) -> None:
        self._main = main
        self._clock = clock
        self._values: dict[str, tuple[float, Any]] = {}

    async def number(self, key: str, default: int) -> int:
        """
        A number that is not negative.

        @param key: of this code, so that few are kept.
        """
        value = await self._value(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return default
        return int(value) if 0 <= value < 2**63 else default

    async def authlog_time(self) -> datetime.timedelta:
        """How long an event stays in the log; nothing: there is to be no log."""
        milliseconds = await self.number("const:authlog:time", int(AUTHLOG_TIME.total_seconds() * 1000))
        return min(datetime.timedelta(milliseconds=min(milliseconds, 2**53)), datetime.timedelta(_MOST_DAYS))

    async def _value(self, key: str) -> Any:
        """What is stored, from JSON; C{None} for nothing."""
        read, value = self._values.get(key, (float("-inf"), None))
        now = self._clock.seconds()
        if 0 <= now - read < FRESH_SECONDS:
            return value
        # Once at a time: others go on with the old value meanwhile.
        self._values[key] = (now, value)
        try:
            row = await self._main.find_one("settings", {"key": key}, projection={"value": True})
        except DomainError:
            self._log.warn("setting {key} could not be read", key=key)
            return value
        value = _parsed(row.get("value")) if row else None
        self._values[key] = (now, value)
        return value


def _parsed(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
