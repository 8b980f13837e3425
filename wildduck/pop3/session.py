"""
One client's session: its state, its account and its maildrop.

Command handlers know this class and nothing of the transport behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from twisted.internet.error import ConnectionLost

from wildduck.accounts import POP3_DOWNLOAD, Account, Accounts, DailyMeter, SessionCounter, SignIn
from wildduck.config import Settings
from wildduck.mailstore.store import MailStore
from wildduck.pop3.maildrop import Maildrop, open_maildrop
from wildduck.pop3.transfer import Transfer
from wildduck.pop3.update import Update


class State(Enum):
    """Where a session is (RFC 1939 §3)."""

    AUTHORIZATION = "AUTHORIZATION"
    TRANSACTION = "TRANSACTION"
    #: After QUIT: the connection is closed when it is answered.
    UPDATE = "UPDATE"


class Line(Protocol):
    """The session's side of the connection (L{wildduck.pop3.connection.Pop3Connection})."""

    session: str
    is_open: bool
    tls_active: bool

    @property
    def secure(self) -> bool: ...
    @property
    def can_start_tls(self) -> bool: ...
    @property
    def peer_host(self) -> str: ...

    def send(self, data: bytes) -> None: ...
    async def drained(self) -> None: ...
    async def ask(self) -> bytes | None: ...
    def start_tls(self) -> None: ...
    def signed_in(self) -> None: ...
    def signed_out(self, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Services:
    """
    What all sessions of a worker share.

    @ivar counter: the POP3 sessions of each account.
    """

    accounts: Accounts
    store: MailStore
    settings: Settings
    counter: SessionCounter


class Session:
    """
    @ivar state: see L{State}.
    @ivar username: what USER said, until PASS or STLS; C{""}: nothing.
    """

    def __init__(self, line: Line, services: Services) -> None:
        self.line = line
        self.services = services
        self.state = State.AUTHORIZATION
        self.username = ""
        self._account: Account | None = None
        self._unlisten: Callable[[], None] | None = None
        self._maildrop: Maildrop | None = None
        self._transfer: Transfer | None = None
        self._meter: DailyMeter | None = None

    @property
    def maildrop(self) -> Maildrop:
        """The command table lets nobody ask before sign-in."""
        assert self._maildrop is not None, "not signed in"
        return self._maildrop

    @property
    def transfer(self) -> Transfer:
        """Likewise."""
        assert self._transfer is not None, "not signed in"
        return self._transfer

    @property
    def in_response(self) -> bool:
        """A response was begun and not ended: nothing else may be said."""
        return self._transfer is not None and self._transfer.begun

    async def sign_in(self, username: str, password: str) -> None:
        """
        Sign in and open the maildrop; after a failure nothing has changed.

        @raise AuthenticationFailed: and what else sign-in refuses.
        @raise TooManySessions: the account has as many as it may.
        @raise MailboxNotFound: it has no INBOX.
        @raise twisted.internet.error.ConnectionLost: the client is gone.
        """
        services, line = self.services, self.line
        account = await services.accounts.sign_in(
            SignIn(username, password, service="pop3", ip=line.peer_host, session=line.session)
        )
        await services.counter.enter(account)
        try:
            most = account.pop3_max_messages or services.settings.pop3.max_messages
            maildrop = await open_maildrop(services.store, account.id, most)
            if not line.is_open:
                raise ConnectionLost()
        except BaseException:
            services.counter.leave(account)
            raise
        self._account, self._maildrop = account, maildrop
        default = services.settings.pop3.download_per_day
        self._meter = services.accounts.meter(POP3_DOWNLOAD, account, default)
        self._transfer = Transfer(services.store, maildrop, line, self._meter)
        self.state = State.TRANSACTION
        self._unlisten = services.store.listen(account.id, _no_news, self._commanded)
        line.signed_in()

    def _commanded(self, command: Mapping[str, Any]) -> None:
        """Another part of the cluster ends the account's sessions (spec/schema.md §10 C{wd_events})."""
        if command.get("command") == "LOGOUT":
            self.line.signed_out(str(command.get("reason") or "Signed out by the administrator"))

    async def update(self) -> None:
        """
        Do what QUIT makes of the session.

        @raise DomainError: some deleted messages were not removed.
        """
        assert self._account is not None
        store, how = self.services.store, self.services.settings.pop3.delete
        await Update(store, self._account, self.maildrop, self.line.session).run(how)

    def ended(self) -> None:
        """The connection is over; may be called again."""
        account, self._account = self._account, None
        unlisten, self._unlisten = self._unlisten, None
        if unlisten is not None:
            unlisten()
        if self._meter is not None:
            self._meter.flush()
        if account is not None:
            self.services.counter.leave(account)


def _no_news() -> None:
    """A maildrop stays as it was at sign-in (RFC 1939 §3)."""
