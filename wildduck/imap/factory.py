"""The listener's side of IMAP."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorTime

from wildduck.accounts import Accounts, SessionCounter, SignedIn
from wildduck.config import Settings
from wildduck.imap.connection import ImapConnection
from wildduck.imap.session import Services
from wildduck.mailstore.store import MailStore
from wildduck.network.factory import ConnectionFactory
from wildduck.network.registry import Registry


class ImapFactory(ConnectionFactory):
    """
    Makes the connections of one IMAP port.

    @ivar services: what their sessions share.
    """

    protocol = ImapConnection

    def __init__(
        self,
        accounts: Accounts,
        store: MailStore,
        settings: Settings,
        tls_options: Any,
        clock: IReactorTime,
        *,
        implicit_tls: bool = False,
        registry: Registry | None = None,
        signed_in: SessionCounter | None = None,
    ) -> None:
        """
        @param tls_options: for STARTTLS or TLS from the first byte; C{None}: neither.
        @param implicit_tls: TLS from the first byte (RFC 8314 §3.2).
        @param registry: counts connections; shared by all mail ports of a worker.
        @param signed_in: counts sessions; shared by its IMAP ports.
        """
        super().__init__(
            clock,
            tls_options=tls_options,
            implicit_tls=implicit_tls,
            proxies=settings.imap.proxy,
            loopback_is_secure=settings.security.loopback_is_secure,
            registry=registry,
        )
        counter = signed_in or SignedIn(settings.imap.connections_per_user)
        self.services = Services(accounts, store, settings, clock, counter)
