"""
Settings that WildDuck keeps in the database for all servers (spec/schema.md §8).

Its API (C{POST /settings/:key}) changes them while servers run.  They are read at the
start and again when somebody asks for one and they are a minute old; nobody waits for
that, so asking costs a look at a dictionary.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from wildduck.database.database import Database
from wildduck.errors import DomainError
from wildduck.limits import MAILBOXES

#: Seconds for which what was read is believed.
FRESH_SECONDS = 60.0

COLLECTION = "settings"


@dataclass(frozen=True, slots=True)
class Setting:
    """
    A whole number.

    @ivar least: what is less is no value.
    @ivar most: what is more counts as this.
    """

    key: str
    least: int = 0
    most: int = 2**53


#: Milliseconds that a removed message stays in C{archived}.
ARCHIVE_TIME = Setting("const:archive:time", most=36_500 * 86_400_000)
#: Milliseconds that an event stays in C{authlog}; 0: there is none.
AUTHLOG_TIME = Setting("const:authlog:time", most=36_500 * 86_400_000)
#: Bytes of an account without a quota of its own.  WildDuck takes 0 too, and then refuses nothing or
#: everything, by who asks; here it is no value.
MAX_STORAGE = Setting("const:max:storage", least=1)
#: Mailboxes of one account.
MAX_MAILBOXES = Setting("const:max:mailboxes", most=10 * MAILBOXES)
#: In a day, of an account that has no number of its own.
MAX_RECIPIENTS = Setting("const:max:recipients")
MAX_FORWARDS = Setting("const:max:forwards")
#: Filters of one account.
MAX_FILTERS = Setting("const:max:filters")
#: Bytes in a day, likewise.
MAX_IMAP_UPLOAD = Setting("const:max:imap:upload")
MAX_IMAP_DOWNLOAD = Setting("const:max:imap:download")
MAX_POP3_DOWNLOAD = Setting("const:max:pop3:download")

#: All that this server goes by, but for those of L{wildduck.events.worker_channels}.
SETTINGS = (
    ARCHIVE_TIME,
    AUTHLOG_TIME,
    MAX_STORAGE,
    MAX_MAILBOXES,
    MAX_RECIPIENTS,
    MAX_FORWARDS,
    MAX_FILTERS,
    MAX_IMAP_UPLOAD,
    MAX_IMAP_DOWNLOAD,
    MAX_POP3_DOWNLOAD,
)
_BY_KEY = {setting.key: setting for setting in SETTINGS}


class SharedSettings:
    """
    What the collection C{settings} said when it was last read.

    While the database does not answer the last values count.
    """

    _log = Logger()

    def __init__(self, main: Database, seconds: Callable[[], float] = time.monotonic) -> None:
        """@param seconds: tells how much time goes by."""
        self._main = main
        self._seconds = seconds
        self._read_at = float("-inf")
        self._values: dict[str, int] = {}
        #: Values that are none, as they were complained of.
        self._odd: dict[str, str] = {}
        self._answers = True

    def value(self, setting: Setting, default: int) -> int:
        """
        The value that all servers share, or else this one's.

        @param setting: one of L{SETTINGS}.
        @param default: of this server's file.
        """
        if not 0 <= self._seconds() - self._read_at < FRESH_SECONDS:
            Deferred.fromCoroutine(self.read()).addErrback(self._failed)
        return self._values.get(setting.key, default)

    async def read(self) -> None:
        """Look now.  A database that does not answer is logged, and leaves what was."""
        # Others that ask meanwhile do not begin it too.
        self._read_at = self._seconds()
        try:
            rows = await self._main.find(
                COLLECTION,
                {"key": {"$in": list(_BY_KEY)}},
                projection={"key": True, "value": True},
                limit=2 * len(_BY_KEY),
            )
        except DomainError:
            if self._answers:
                self._log.warn("the settings in the database could not be read, the last ones count")
            self._answers = False
            return
        self._answers = True
        self._take(rows)

    def _take(self, rows: list[dict[str, Any]]) -> None:
        values, odd = {}, {}
        for row in rows:
            setting = _BY_KEY[row["key"]]
            number = _number(row.get("value"))
            if number is None or number < setting.least:
                odd[setting.key] = repr(row.get("value"))[:100]
            else:
                values[setting.key] = min(number, setting.most)
        for key, shown in odd.items():
            if self._odd.get(key) != shown:
                self._log.warn("the setting {key} in the database is ignored: {value}", key=key, value=shown)
        self._values, self._odd = values, odd

    def _failed(self, failure: Any) -> None:
        self._log.failure("the settings in the database could not be read", failure)


def _number(value: Any) -> int | None:
    """A stored value, JSON text, as a whole number; C{None} where it is none."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 2**63:
        return None
    return int(value)
