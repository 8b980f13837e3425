"""
Access tokens of the API, in WildDuck's form (spec/api.md 'Access token').

A token is 40 hexadecimal digits that only its holder knows.  Redis has, under
its SHA-256, whom it stands for, signed with a secret of the settings: who can
write to Redis can not make one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass, field

from bson import ObjectId
from twisted.internet.interfaces import IReactorTime

from wildduck.config import ApiSettings
from wildduck.database import Database, Redis
from wildduck.errors import DomainError, UserNotFound

#: Seconds that a token lives when it is not used, and for which it can be used
#: at all (spec/config.md).
TTL = 14 * 24 * 3600
LIFETIME = 180 * 24 * 3600

_TOKEN = re.compile(rb"[0-9a-f]{40}\Z")
_ID = re.compile(r"[0-9a-f]{24}\Z", re.IGNORECASE)


class InvalidToken(DomainError):
    """The token is missing or wrong, or the caller needs one."""

    http = (403, "InvalidToken")
    text = "Invalid accessToken value"


class NoTokenSecret(DomainError):
    """Tokens can't be signed."""

    http = (400, "TokensNotConfigured")
    text = "This server issues no access tokens: api.access_secret is not set"


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """
    Whom a token stands for.

    @ivar user: the account, C{None} for a token that is bound to none.
    @ivar auth_version: of the account when the token was made; C{None} for a
        token that outlives password changes.
    """

    role: str
    user: ObjectId | None
    auth_version: int | None = None
    token: str = field(default="", repr=False)


class AccessTokens:
    """Makes, checks, renews and drops role tokens."""

    def __init__(
        self,
        redis: Redis,
        users: Database,
        clock: IReactorTime,
        *,
        secret: str,
        ttl: int = TTL,
        lifetime: int = LIFETIME,
    ) -> None:
        """
        @param secret: key of the signatures, C{""}: no tokens are made or taken.
        @param ttl: seconds that a token lives unused.
        @param lifetime: seconds that it can live at all.
        """
        self._redis = redis
        self._users = users
        self._clock = clock
        self._secret = secret.encode("utf-8")
        self._ttl = ttl
        self._lifetime = lifetime

    @classmethod
    def from_settings(
        cls, redis: Redis, users: Database, clock: IReactorTime, settings: ApiSettings
    ) -> AccessTokens:
        """@param settings: section C{[api]}."""
        return cls(
            redis,
            users,
            clock,
            secret=settings.access_secret,
            ttl=settings.token_ttl,
            lifetime=settings.token_lifetime,
        )

    async def issue(
        self, role: str, user: ObjectId | None, *, auth_version: int | None = None, ttl: int | None = None
    ) -> str:
        """
        A new token.

        @param user: the account that it is bound to; C{None} for none.
        @param auth_version: the account's; the token ends when that is raised.
        @param ttl: seconds unused, C{None} for the default, 0 for ever.
        @raise NoTokenSecret: there is no secret to sign with.
        """
        if not self._secret:
            raise NoTokenSecret()
        token = secrets.token_hex(20)
        ttl = self._ttl if ttl is None else ttl
        name = str(user) if user is not None else role
        fields: list[str | int] = ["user", name, "role", role, "created", int(self._clock.seconds() * 1000)]
        if ttl:
            fields += ["ttl", ttl]
        if auth_version is not None:
            fields += ["authVersion", auth_version]
        fields += ["s", self._signature(token, name, role, auth_version)]
        key = _key(token)
        await self._redis.script(
            "redis.call('HSET', KEYS[1], unpack(ARGV, 2)) "
            "if tonumber(ARGV[1]) > 0 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end",
            [key],
            [ttl, *fields],
        )
        return token

    async def sign_in(self, user: ObjectId) -> str:
        """
        A token of role C{user} for an account, which ends when its password changes.

        @raise NoTokenSecret: there is no secret to sign with.
        @raise UserNotFound: no such account.
        """
        return await self.issue("user", user, auth_version=await self.auth_version(user))

    async def auth_version(self, user: ObjectId) -> int:
        """@raise UserNotFound: no such account."""
        found = await self._users.find_one("users", {"_id": user}, projection={"authVersion": True})
        if found is None:
            raise UserNotFound()
        return _number(found.get("authVersion"))

    async def check(self, token: bytes) -> TokenHolder:
        """
        Whom a token stands for; using it prolongs its life.

        @raise InvalidToken: it is unknown, expired, forged, or was made before
            the account's password changed; or the account is gone, disabled
            or suspended (spec/differences.md G 'disabled=true').
        """
        if not self._secret or not _TOKEN.match(token):
            raise InvalidToken()
        text = token.decode("ascii")
        key = _key(text)
        stored = _texts(await self._redis.execute("HGETALL", key))
        name, role = stored.get("user", ""), stored.get("role", "")
        version = _number(stored["authVersion"]) if "authVersion" in stored else None
        signature = self._signature(text, name, role, version)
        if not name or not role or not hmac.compare_digest(signature, stored.get("s", "")):
            raise InvalidToken()
        await self._prolong(key, _number(stored.get("ttl")), _number(stored.get("created")))
        user = ObjectId(name) if _ID.match(name) else None
        if user is not None:
            await self._check_account(user, version)
        return TokenHolder(role, user, version, text)

    async def renew(self, token: str, auth_version: int) -> None:
        """
        Let a token outlive a change that raised its account's C{authVersion}: whoever
        changes the password stays signed in.
        """
        key = _key(token)
        stored = _texts(await self._redis.execute("HGETALL", key))
        if "authVersion" not in stored:
            return
        signature = self._signature(token, stored.get("user", ""), stored.get("role", ""), auth_version)
        await self._redis.script(
            "if redis.call('EXISTS', KEYS[1]) == 1 then "
            "redis.call('HSET', KEYS[1], 'authVersion', ARGV[1], 's', ARGV[2]) end",
            [key],
            [auth_version, signature],
        )

    async def drop(self, token: str) -> bool:
        """End a token; C{False} if there is none."""
        return bool(await self._redis.execute("DEL", _key(token)))

    async def _prolong(self, key: str, ttl: int, created: int) -> None:
        if ttl <= 0:
            return
        if self._clock.seconds() - created / 1000 >= self._lifetime:
            await self._redis.execute("DEL", key)
            raise InvalidToken()
        await self._redis.execute("EXPIRE", key, ttl)

    async def _check_account(self, user: ObjectId, version: int | None) -> None:
        found = await self._users.find_one(
            "users", {"_id": user}, projection={"authVersion": True, "disabled": True, "suspended": True}
        )
        if found is None or found.get("disabled") or found.get("suspended"):
            raise InvalidToken()
        if version is not None and version < _number(found.get("authVersion")):
            raise InvalidToken()

    def _signature(self, token: str, user: str, role: str, version: int | None) -> str:
        """HMAC over JSON in WildDuck's order of keys."""
        signed: dict[str, str | int] = {"token": token, "user": user}
        if version is not None:
            signed["authVersion"] = version
        signed["role"] = role
        text = json.dumps(signed, separators=(",", ":"), ensure_ascii=False)
        return hmac.new(self._secret, text.encode("utf-8"), hashlib.sha256).hexdigest()


def _key(token: str) -> str:
    return f"tn:token:{hashlib.sha256(token.encode('ascii')).hexdigest()}"


def _texts(reply: object) -> dict[str, str]:
    """A hash as Redis answers it."""
    items = reply if isinstance(reply, list) else []
    texts = [item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in items]
    return dict(zip(texts[::2], texts[1::2], strict=False))


def _number(value: object) -> int:
    """A stored number, 0 for a missing or odd one."""
    try:
        return int(float(str(value))) if value is not None else 0
    except (ValueError, OverflowError):
        return 0
