"""
What is made of the settings, in which order, and how it comes down again.

L{Faces} are the listeners on top of a L{Domain <wildduck.domain.Domain>}.
"""

from __future__ import annotations

from functools import partial
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from wildduck import limits
from wildduck.accounts import SharedSessions
from wildduck.api import make_application
from wildduck.config import Settings
from wildduck.delivery import Delivery
from wildduck.domain import Domain
from wildduck.imap.factory import ImapFactory
from wildduck.listeners import BoundSockets
from wildduck.lmtp.factory import LmtpFactory
from wildduck.mailstore.collector import Collector
from wildduck.network.factory import ConnectionFactory
from wildduck.network.registry import Registry
from wildduck.pop3.factory import Pop3Factory
from wildduck.tasks import TaskLoop
from wildduck.tls import ServerTls

_Face = TypeVar("_Face", ImapFactory, Pop3Factory)


class Faces:
    """The listeners of one server and its collector."""

    _log = Logger()

    def __init__(self, settings: Settings, domain: Domain, tls: ServerTls, reactor: Any) -> None:
        self._reactor = reactor
        self._ports: list[IListeningPort] = []
        self._collector: Collector = domain.store.collector()
        self._tasks: TaskLoop | None = None
        if settings.tasks.enabled:
            self._tasks = TaskLoop(
                domain.databases.main, domain.accounts, domain.store, reactor, settings.tasks.poll_seconds
            )
        registry = Registry(settings.limits.connections, settings.limits.connections_per_ip)

        def mailbox_face(make: type[_Face], signed_in: Any, implicit_tls: bool) -> _Face:
            return make(
                domain.accounts,
                domain.store,
                settings,
                tls,
                reactor,
                implicit_tls=implicit_tls,
                registry=registry,
                signed_in=signed_in,
            )

        self._imap_sessions = SharedSessions(domain.redis, reactor, settings.imap.connections_per_user)
        imap = partial(mailbox_face, ImapFactory, self._imap_sessions)
        self._pop3_sessions = SharedSessions(
            domain.redis, reactor, settings.pop3.connections_per_user, "pop3"
        )
        pop3 = partial(mailbox_face, Pop3Factory, self._pop3_sessions)

        delivery = Delivery(domain.accounts, domain.store)
        self._mail: dict[str, ConnectionFactory] = {
            "imap": imap(implicit_tls=False),
            "imap_tls": imap(implicit_tls=True),
            "pop3": pop3(implicit_tls=False),
            "pop3_tls": pop3(implicit_tls=True),
            "lmtp": LmtpFactory(delivery, settings, tls, reactor, registry=registry),
        }
        self._api = make_application(
            domain.accounts,
            domain.store,
            domain.databases,
            domain.redis,
            reactor,
            settings.api,
        )

    def listen(self, sockets: BoundSockets) -> None:
        """
        Begin to serve on all bound sockets.

        @raise ConfigurationError: a port was taken meanwhile.
        """
        factories: dict[str, Any] = {**self._mail, "api": self._api.site()}
        for name in sockets.ports:
            self._ports.append(sockets.listen(self._reactor, name, factories[name]))
        self._collector.startService()
        if self._tasks is not None:
            self._tasks.startService()

    async def drain(self) -> None:
        """
        Accept nothing more, let what is under way end.

        Returns after L{limits.DRAIN_SECONDS} at the latest, with what has not
        ended by then cut off.
        """
        ports, self._ports = self._ports, []
        await DeferredList([_fired(port.stopListening()) for port in ports])
        waits = [factory.drain() for factory in self._mail.values()]
        if self._collector.running:
            waits.append(_fired(self._collector.stopService()))
        if self._tasks is not None and self._tasks.running:
            waits.append(_fired(self._tasks.stopService()))
        waits.append(self._api.drained())
        ended = DeferredList([wait.addTimeout(limits.DRAIN_SECONDS + 1, self._reactor) for wait in waits])
        result: Any
        for success, result in await ended:
            if not success:
                self._log.warn("cut off at shutdown: {reason}", reason=result)
        await self._imap_sessions.settle()
        await self._pop3_sessions.settle()


def _fired(result: Any) -> Deferred[Any]:
    """A result that may be a Deferred, as a Deferred."""
    if isinstance(result, Deferred):
        return result
    return succeed(result)
