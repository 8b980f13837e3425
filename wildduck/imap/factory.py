"""The listener's side of IMAP."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bson import ObjectId
from twisted.internet.interfaces import IReactorTime

from wildduck.accounts import Account, Accounts
from wildduck.config import Settings
from wildduck.errors import LimitReached
from wildduck.imap.connection import ImapConnection
from wildduck.imap.session import Services
from wildduck.mailstore.store import MailStore
from wildduck.network.factory import ConnectionFactory
from wildduck.network.registry import Registry


class SignedIn:
    """
    Counts the sessions of each account in this worker, over all its IMAP ports.

    @ivar most: sessions that one account may have.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._sessions: Counter[ObjectId] = Counter()

    def enter(self, account: Account) -> None:
        """@raise LimitReached: the account has too many sessions."""
        if self._sessions[account.id] >= self.most:
            raise LimitReached("Too many simultaneous connections")
        self._sessions[account.id] += 1

    def leave(self, account: Account) -> None:
        self._sessions[account.id] -= 1
        if self._sessions[account.id] <= 0:
            del self._sessions[account.id]


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
        signed_in: SignedIn | None = None,
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
