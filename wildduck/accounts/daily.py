"""
Bytes of one day: IMAP uploads and downloads, POP3 downloads (spec/schema.md §10
C{iup:}, C{idw:}, C{pdw:}, counted together with WildDuck's).

What may be refused is asked for before it begins; what was moved is counted
behind the answer.  So the last download of a day may go over the limit, as in WildDuck.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from wildduck.accounts.aside import Aside
from wildduck.accounts.values import Account
from wildduck.database import Redis, SharedSettings
from wildduck.database.shared_settings import (
    MAX_IMAP_DOWNLOAD,
    MAX_IMAP_UPLOAD,
    MAX_POP3_DOWNLOAD,
    Setting,
)
from wildduck.errors import DailyLimitReached, DomainError
from wildduck.limits import KIB

DAY_SECONDS = 86_400

#: Bytes of one session that are told in one go, and after how long at the next chance.
_GATHERED = 256 * KIB
_GATHERED_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class DailyLimit:
    """
    One of the three.

    @ivar prefix: of the counter's key.
    @ivar field: of L{Account}, what it may have itself, 0 for the default.
    @ivar setting: of all servers.
    @ivar name: what is refused.
    """

    prefix: str
    field: str
    setting: Setting
    name: str


IMAP_UPLOAD = DailyLimit("iup", "imap_max_upload", MAX_IMAP_UPLOAD, "Upload")
IMAP_DOWNLOAD = DailyLimit("idw", "imap_max_download", MAX_IMAP_DOWNLOAD, "Download")
POP3_DOWNLOAD = DailyLimit("pdw", "pop3_max_download", MAX_POP3_DOWNLOAD, "Download")


class DailyMeter:
    """
    One session's side of one limit.

    Without Redis nothing is refused and nothing counted.
    """

    def __init__(
        self,
        redis: Redis,
        settings: SharedSettings,
        aside: Aside,
        limit: DailyLimit,
        account: Account,
        default: int,
        clock: IReactorTime,
    ) -> None:
        """@param default: bytes of a day where neither account nor site say another number; 0: no limit."""
        self._redis = redis
        self._settings = settings
        self._aside = aside
        self._limit = limit
        self._key = f"{limit.prefix}:{account.id}"
        self._own = int(getattr(account, limit.field))
        self._default = default
        self._clock = clock
        self._told = float("-inf")
        #: What the counter was last seen at, and its seconds to live; C{None} at first.
        self._seen: tuple[int, int] | None = None
        self._uncounted = 0
        self._counting = False

    async def check(self) -> None:
        """@raise DailyLimitReached: the account has moved as much as it may today."""
        most = self._own or self._settings.value(self._limit.setting, self._default)
        if not most:
            return
        if self._seen is None or self._seen[0] + self._uncounted >= most:
            # At the brim it is looked at each time, for the day may have ended.
            size, self._uncounted = self._uncounted, 0
            await self._look(size)
        if self._seen is not None and self._seen[0] >= most:
            raise DailyLimitReached(self._limit.name, self._seen[1])

    def add(self, size: int) -> None:
        """Count bytes that were moved; returns at once, and tells Redis now and then."""
        self._uncounted += size
        now = self._clock.seconds()
        if self._uncounted >= _GATHERED or not 0 <= now - self._told < _GATHERED_SECONDS:
            self._told = now
            self.flush()

    def flush(self) -> None:
        """Tell what was not told; also at the end of the session."""
        if self._uncounted and not self._counting:
            self._counting = self._aside.run(self._count())

    async def _count(self) -> None:
        try:
            while self._uncounted:
                size, self._uncounted = self._uncounted, 0
                await self._look(size)
        finally:
            self._counting = False

    async def _look(self, size: int) -> None:
        try:
            _, count, left = await self._redis.script("ttl_counter", [self._key], [size, 0, DAY_SECONDS])
        except DomainError:
            self._seen = None
            return
        self._seen = int(count), int(left)
