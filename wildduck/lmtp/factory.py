"""The LMTP listener's side."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorTime

from wildduck.config import Settings
from wildduck.delivery import Delivery
from wildduck.lmtp.connection import LmtpConnection
from wildduck.network.factory import ConnectionFactory
from wildduck.network.registry import Registry


class LmtpFactory(ConnectionFactory):
    """
    Makes LMTP connections; listen with it on a plain endpoint.

    @ivar delivery: where recipients are found and messages go.
    @ivar hostname: the name in the greeting.
    """

    protocol = LmtpConnection

    def __init__(
        self,
        delivery: Delivery,
        settings: Settings,
        tls_options: Any,
        clock: IReactorTime,
        registry: Registry | None = None,
    ) -> None:
        """
        @param tls_options: for STARTTLS; C{None}: not offered.
        @param registry: connection counts, shared with the worker's other ports;
            C{None}: own ones with the bounds of the settings.
        """
        bounds = settings.limits
        super().__init__(
            clock,
            tls_options=tls_options,
            proxies=settings.lmtp.proxy,
            loopback_is_secure=settings.security.loopback_is_secure,
            registry=registry or Registry(bounds.connections, bounds.connections_per_ip),
        )
        self.delivery = delivery
        self.settings = settings
        self.hostname = settings.hostname
