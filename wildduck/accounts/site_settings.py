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


#: The settings that are looked at here.
_KEYS = (
    "const:authlog:time",
    "const:max:recipients",
    "const:max:forwards",
    "const:max:filters",
    "const:max:imap:upload",
    "const:max:imap:download",
    "const:max:pop3:download",
)


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
        self._read = float("-inf")
        self._values: dict[str, Any] = {}

    async def number(self, key: str, default: int) -> int:
        """
        A number that is not negative.

        @param key: one of those above.
        """
        assert key in _KEYS, key
        await self._refresh()
        value = self._values.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return default
        return int(value) if 0 <= value < 2**63 else default

    async def authlog_time(self) -> datetime.timedelta:
        """How long an event stays in the log; nothing: there is to be no log."""
        milliseconds = await self.number("const:authlog:time", int(AUTHLOG_TIME.total_seconds() * 1000))
        return min(datetime.timedelta(milliseconds=min(milliseconds, 2**53)), datetime.timedelta(_MOST_DAYS))

    def forget(self) -> None:
        """Look again when next asked: something was changed here."""
        self._read = float("-inf")

    async def _refresh(self) -> None:
        now = self._clock.seconds()
        if 0 <= now - self._read < FRESH_SECONDS:
            return
        # Once at a time: others go on with the old values meanwhile.
        self._read = now
        try:
            rows = await self._main.find(
                "settings", {"key": {"$in": list(_KEYS)}}, projection={"key": True, "value": True}, limit=100
            )
        except DomainError:
            self._log.warn("the settings in the database could not be read")
            return
        self._values = {row["key"]: _parsed(row.get("value")) for row in rows}


def _parsed(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
