"""
Databases, accounts and mail, connected: everything up to floor 3.

The C{wildduck} command uses it without the faces on top, which take longer to
import than most commands to run.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from wildduck import limits
from wildduck.accounts import Accounts
from wildduck.accounts.tokens import AccessTokens
from wildduck.accounts.usage import LimitDefaults
from wildduck.config import Settings
from wildduck.database import Databases, Redis
from wildduck.events import Notifier, WorkerChannels
from wildduck.mailstore.store import MailStore
from wildduck.threads import BoundedPool


class Domain:
    """
    Databases, accounts and mail, connected.

    @ivar databases: and what follows: valid between L{open} and L{close}.
    """

    databases: Databases
    redis: Redis
    notifier: Notifier
    store: MailStore
    accounts: Accounts
    tokens: AccessTokens

    _log = Logger()

    def __init__(self, settings: Settings, reactor: Any) -> None:
        """@param settings: with C{mongo.uri} and C{redis.uri}."""
        self._settings = settings
        self._reactor = reactor
        self._closers: list[Any] = []

    async def open(self, *, ensure_indexes: bool) -> None:
        """
        Connect and check.

        @param ensure_indexes: the server does; a command trusts that it did.
        @raise ConfigurationError: with one line; L{close} is to be called nonetheless.
        """
        settings, reactor = self._settings, self._reactor
        self.databases = await Databases.connect(settings.mongo, reactor)
        self._closers.append(self.databases.close)
        self.redis = await Redis.connect(settings.redis.uri, reactor)
        self._closers.append(self.redis.close)
        if ensure_indexes:
            await self.databases.ensure_indexes(mixed_cluster=settings.mongo.mixed_cluster)
        workers = WorkerChannels(self.redis, self.databases.main) if settings.mongo.mixed_cluster else None
        self.notifier = Notifier(self.redis, workers)
        mime_pool = self._pool("mime", settings.limits.mime_threads, limits.MIME_QUEUE)
        password_pool = self._pool("passwords", settings.limits.password_threads, limits.PASSWORD_QUEUE)
        self.store = MailStore(self.databases, self.redis, self.notifier, settings, reactor, mime_pool)
        self.accounts = Accounts(
            self.databases,
            self.redis,
            self.store,
            password_pool,
            reactor,
            default_quota=settings.storage.default_quota,
            failures_per_ip=settings.security.failures_per_ip,
            notifier=self.notifier,
            limits=LimitDefaults(
                quota=settings.storage.default_quota,
                pop3_messages=settings.pop3.max_messages,
                imap_connections=settings.imap.connections_per_user,
                imap_upload=settings.imap.upload_per_day,
                imap_download=settings.imap.download_per_day,
                pop3_download=settings.pop3.download_per_day,
            ),
            email_domain=settings.server.email_domain or settings.server.hostname,
            pwned_passwords_url=settings.security.pwned_passwords_url,
        )
        self._closers.append(self.accounts.settle)
        self.tokens = AccessTokens.from_settings(self.redis, self.databases.users, reactor, settings.api)
        self._closers.append(self._stop_notifier)
        self._closers.append(self.store.settle)

    async def close(self) -> None:
        """Disconnect, in the opposite order; harmless before L{open} and a second time."""
        while self._closers:
            close = self._closers.pop()
            try:
                await close()
            except Exception:
                self._log.failure("a connection or pool did not end in order")

    async def _stop_notifier(self) -> None:
        await self.notifier.leave()

    def _pool(self, name: str, threads: int, queue: int) -> BoundedPool:
        pool = BoundedPool(self._reactor, name, threads, queue)
        pool.start()
        self._closers.append(pool.stop)
        return pool
