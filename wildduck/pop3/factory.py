"""The listener's side of POP3."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorTime

from wildduck.accounts import Accounts, SessionCounter, SignedIn
from wildduck.config import Settings
from wildduck.mailstore.store import MailStore
from wildduck.network.factory import ConnectionFactory
from wildduck.network.registry import Registry
from wildduck.pop3.connection import Pop3Connection
from wildduck.pop3.session import Services


class Pop3Factory(ConnectionFactory):
    """
    Makes the connections of one POP3 port.

    @ivar services: what their sessions share.
    """

    protocol = Pop3Connection

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
        @param tls_options: for STLS or TLS from the first byte; C{None}: neither.
        @param implicit_tls: TLS from the first byte (RFC 8314 §3.3).
        @param registry: counts connections; shared by all mail ports of a worker.
        @param signed_in: counts sessions; shared by its POP3 ports.
        """
        super().__init__(
            clock,
            tls_options=tls_options,
            implicit_tls=implicit_tls,
            proxies=settings.pop3.proxy,
            loopback_is_secure=settings.security.loopback_is_secure,
            registry=registry,
        )
        counter = signed_in or SignedIn(settings.pop3.connections_per_user)
        self.services = Services(accounts, store, settings, counter)
