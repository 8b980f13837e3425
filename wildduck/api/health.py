"""C{GET /health}: whether the databases answer and take writes (spec/api.md §17)."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from twisted.internet.interfaces import IReactorTime

import wildduck
from wildduck.api.frame.answers import Success
from wildduck.api.frame.application import Application
from wildduck.api.frame.call import Call
from wildduck.api.frame.route import Route
from wildduck.api.frame.schema import Schema
from wildduck.database import Databases, Redis
from wildduck.errors import DatabaseFailure, DomainError, Unavailable


class Unhealthy(DomainError):
    """A database does not answer; the text says which."""

    http = (500, "Unhealthy")

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.extra = {"success": False, "version": wildduck.__version__, "message": text}


class Health(Success, kw_only=True):
    """@ivar version: of this server."""

    version: str


class HealthApi:
    """Asks what every delivery and every reader needs."""

    def __init__(self, databases: Databases, redis: Redis, clock: IReactorTime) -> None:
        self._databases = databases
        self._redis = redis
        self._clock = clock

    def register(self, application: Application) -> None:
        """Add the route."""
        route = Route(
            "GET", "/health", Schema({}), Health, self.health, permission=(), tag="Health",
            summary="Whether the databases answer and take writes",
        )  # fmt: skip
        application.add(route)

    async def health(self, _call: Call) -> Health:
        """@raise Unhealthy: with WildDuck's words for what fails."""
        await self._probe("DB is down", self._databases.main.command({"ping": 1}))
        now = datetime.fromtimestamp(self._clock.seconds(), timezone.utc)
        mark = {"$set": {"value": uuid4().hex, "time": now}}
        write = self._databases.main.update_one("health", {"_id": "wildduck"}, mark, upsert=True)
        await self._probe("Could not write to DB", write)
        await self._probe("Redis is down", self._redis.execute("PING"))
        await self._probe(
            "Redis is not writeable/readable", self._redis.execute("HSET", "health", "ping", "pong")
        )
        return Health(version=wildduck.__version__)

    async def _probe(self, text: str, operation: Any) -> None:
        try:
            await operation
        except (Unavailable, DatabaseFailure) as error:
            raise Unhealthy(text) from error
