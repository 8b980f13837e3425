"""A mailbox face on real databases, spoken to over in-memory transports."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from test.support.databases import ensure_indexes, fresh_settings
from test.support.passwords import cheap_passwords
from wildduck.accounts import Account
from wildduck.config import Settings
from wildduck.domain import Domain
from wildduck.mailstore.recent import Recents
from wildduck.mailstore.values import Appended, Mailbox
from wildduck.mime.message import scan
from wildduck.network.factory import ConnectionFactory

PASSWORD = "secret pass"

_Server = TypeVar("_Server", bound="MailServer")


class MailServer:
    """
    Base of the faces' servers: what they serve.

    @ivar domain: accounts and store on databases of the test's own.
    @ivar factory: the port.
    """

    settings: Settings
    domain: Domain
    factory: ConnectionFactory

    @classmethod
    async def start(
        cls: type[_Server],
        test: TestCase,
        *sets: str,
        tls_options: Any = "tls",
        clock: Any = None,
        adjusted: Callable[[Settings], Settings] | None = None,
    ) -> _Server:
        """
        @param sets: settings, C{SECTION.KEY=VALUE}.
        @param tls_options: C{None}: the server has no STARTTLS.
        @param clock: of the connections; the reactor if not given.
        @param adjusted: makes the settings of those that the test databases need.
        """
        from twisted.internet import reactor

        cheap_passwords(test)
        server = cls()
        server.settings = fresh_settings(test, *sets)
        if adjusted is not None:
            server.settings = adjusted(server.settings)
        os.makedirs(server.settings.spool, exist_ok=True)
        server.domain = Domain(server.settings, reactor)
        test.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        await server.domain.open(ensure_indexes=False)
        await ensure_indexes(server.settings, server.domain.databases)
        server.factory = server.make_factory(tls_options, clock or reactor)
        return server

    def make_factory(self, tls_options: Any, clock: Any, **options: Any) -> ConnectionFactory:
        """A port of the face."""
        raise AssertionError

    async def stop(self) -> None:
        for connection in list(self.factory.connections):
            connection.abort()
        await self.factory.drain()
        await self.domain.close()

    async def account(self, name: str = "fred") -> Account:
        return await self.domain.accounts.create(name, PASSWORD)

    async def mailbox(self, account: Account, path: str, special_use: str | None = None) -> Mailbox:
        """The mailbox of this name, made if it is missing."""
        mailboxes = self.domain.store.mailboxes
        found = {mailbox.path: mailbox for mailbox in await mailboxes.list(account.id)}
        return found.get(path) or await mailboxes.create(account.id, path, special_use)

    async def forget_recent(self, account: Account, path: str) -> None:
        """Let a session have been told of all messages of a mailbox."""
        mailbox = await self.mailbox(account, path)
        view = await self.domain.store.open_mailbox(mailbox, recents=Recents.CLAIMED)
        view.close()

    async def add(
        self,
        account: Account,
        path: str,
        content: bytes,
        *flags: str,
        internal_date: datetime | None = None,
    ) -> Appended:
        """Put a message into a mailbox, not through the face."""
        mailbox = await self.mailbox(account, path)
        message = scan(content)
        try:
            return await self.domain.store.add(
                account,
                mailbox,
                message,
                flags=flags,
                internal_date=internal_date,
                meta={"source": "MX"},
                session="",
            )
        finally:
            message.close()
