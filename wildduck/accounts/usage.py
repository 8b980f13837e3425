"""What an account has used of its daily and hourly limits (spec/schema.md §10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId
from twisted.logger import Logger

from wildduck.accounts.documents import LIMITS
from wildduck.database import Databases, Redis, shared_settings
from wildduck.errors import DomainError
from wildduck.limits import GIB

#: The limit's field: its counter in Redis.
_COUNTERS = {
    "recipients": "wdr",
    "forwards": "wdf",
    "receivedMax": "rl:rcpt",
    "imapMaxUpload": "iup",
    "imapMaxDownload": "idw",
    "pop3MaxDownload": "pdw",
}

#: What an account without a limit of its own may, where the setting is not there either.
_DEFAULTS = {
    "recipients": (shared_settings.MAX_RECIPIENTS, 2000),
    "forwards": (shared_settings.MAX_FORWARDS, 2000),
    "filters": (shared_settings.MAX_FILTERS, 400),
}
#: Likewise, where this server's settings say what.
_DAILY = {
    "imapMaxUpload": (shared_settings.MAX_IMAP_UPLOAD, "imap_upload"),
    "imapMaxDownload": (shared_settings.MAX_IMAP_DOWNLOAD, "imap_download"),
    "pop3MaxDownload": (shared_settings.MAX_POP3_DOWNLOAD, "pop3_download"),
}
#: Messages from outside within a minute (WildDuck's MX plugin).
_RECEIVED = 60

_READ = """
local found = {}
for i, key in ipairs(KEYS) do
    found[i] = {redis.call('GET', key), redis.call('TTL', key)}
end
return found
"""


@dataclass(frozen=True, slots=True)
class Counter:
    """
    One limit.

    @ivar used: within the current window.
    @ivar ttl: seconds to its end; C{None}: none has begun.
    """

    allowed: int
    used: int = 0
    ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """
    All limits of an account.

    @ivar counters: by the field of the document that holds the limit.
    """

    counters: Mapping[str, Counter] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LimitDefaults:
    """
    Limits of an account that has none of its own; by the settings of this server.

    @ivar quota: bytes.
    @ivar pop3_messages: that POP3 shows.
    @ivar imap_connections: at a time.
    @ivar imap_upload: bytes in a day; likewise C{imap_download} and C{pop3_download}.
    """

    quota: int
    pop3_messages: int = 250
    imap_connections: int = 15
    imap_upload: int = 10 * GIB
    imap_download: int = 10 * GIB
    pop3_download: int = 10 * GIB


class Usages:
    """Reads limits and counters."""

    _log = Logger()

    def __init__(self, databases: Databases, redis: Redis, defaults: LimitDefaults) -> None:
        self._databases = databases
        self._redis = redis
        self._settings = databases.shared_settings
        self._defaults = defaults

    @property
    def default_quota(self) -> int:
        """Bytes of an account that has no quota of its own."""
        return self._settings.value(shared_settings.MAX_STORAGE, self._defaults.quota)

    async def of(self, document: Mapping[str, Any]) -> Usage:
        """
        Limits and what is used of them; where Redis does not answer nothing counts as used.

        @param document: the user's.
        """
        user: ObjectId = document["_id"]
        allowed = {name: self._allowed(name, document) for name in LIMITS}
        counters = {name: Counter(value) for name, value in allowed.items()}
        filters = await self._databases.main.count("filters", {"user": user}, slow=False)
        counters["filters"] = Counter(allowed["filters"], filters)
        counters["quota"] = Counter(allowed["quota"], positive(document.get("storageUsed")))
        for name, (used, ttl) in (await self._counted(user)).items():
            counters[name] = Counter(allowed[name], used, ttl)
        return Usage(counters)

    def _allowed(self, name: str, document: Mapping[str, Any]) -> int:
        own = positive(document.get(name))
        if own:
            return own
        if name in _DEFAULTS:
            key, default = _DEFAULTS[name]
            return self._settings.value(key, default)
        if name in _DAILY:
            key, attribute = _DAILY[name]
            return self._settings.value(key, getattr(self._defaults, attribute))
        return {
            "quota": self.default_quota,
            "pop3MaxMessages": self._defaults.pop3_messages,
            "imapMaxConnections": self._defaults.imap_connections,
            "receivedMax": _RECEIVED,
        }[name]

    async def _counted(self, user: ObjectId) -> dict[str, tuple[int, int | None]]:
        """Used and seconds left, as far as Redis tells."""
        keys = [f"{prefix}:{user}" for prefix in _COUNTERS.values()]
        try:
            rows = await self._redis.script(_READ, keys)
            sessions = await self._redis.execute("HGET", "lim:imap", str(user))
        except DomainError:
            self._log.warn("what account {user} has used is not known: Redis does not answer", user=str(user))
            return {}
        numbers = {
            name: (counted(used), ttl if isinstance(ttl, int) and ttl >= 0 else None)
            for name, (used, ttl) in zip(_COUNTERS, rows, strict=True)
        }
        return {**numbers, "imapMaxConnections": (counted(sessions), None)}


def positive(value: Any) -> int:
    """A stored number as an int from 0 on; 0 for what is none."""
    if isinstance(value, (int, float)) and 0 < value < 2**63:
        return int(value)
    return 0


def counted(value: Any) -> int:
    """A counter of Redis, from 0 on; 0 for a missing or odd one."""
    try:
        return max(0, int(value))
    except (TypeError, ValueError):
        return 0
