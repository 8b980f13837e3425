"""
The sockets that the server listens on.

They are bound before the reactor runs, while a taken port can still be told in
one line, and before privileges are dropped, so that ports below 1024 can be
had.  They begin to listen only when the server can serve: until then a
connection is refused, which balancers understand.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping
from typing import Any, Literal

from twisted.internet.interfaces import IListeningPort

from wildduck.config import key_name
from wildduck.errors import ConfigurationError

#: Connections the kernel holds until they are accepted.
BACKLOG = 1024


class BoundSockets:
    """Sockets by listener name, bound and not yet listening."""

    def __init__(self) -> None:
        self._sockets: dict[str, socket.socket] = {}

    @classmethod
    def bind(cls, addresses: Mapping[str, tuple[str, int | Literal["auto"]]]) -> BoundSockets:
        """
        Bind all.

        @param addresses: listener name to (address, port).
        @raise ConfigurationError: with one line that names the key; none stays bound.
        """
        bound = cls()
        # Fixed ports first, or a free port that "auto" takes could be one of them.
        for name in sorted(addresses, key=lambda name: addresses[name][1] == "auto"):
            host, port = addresses[name]
            try:
                bound._sockets[name] = _bound(host, 0 if port == "auto" else port)
            except OSError as error:
                bound.close()
                where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                raise ConfigurationError(
                    f"{key_name(name)}: {where}: {os.strerror(error.errno or 0)}"
                ) from None
        return bound

    @property
    def ports(self) -> dict[str, int]:
        """Port numbers by listener name."""
        return {name: int(bound.getsockname()[1]) for name, bound in self._sockets.items()}

    def listen(self, reactor: Any, name: str, factory: Any) -> IListeningPort:
        """
        Begin to listen; the socket then belongs to the returned port.

        @raise ConfigurationError: another process was faster.
        """
        bound = self._sockets.pop(name)
        try:
            bound.listen(BACKLOG)
            port: IListeningPort = reactor.adoptStreamPort(bound.fileno(), bound.family, factory)
        except OSError as error:
            raise ConfigurationError(f"{key_name(name)}: {os.strerror(error.errno or 0)}") from None
        finally:
            bound.close()
        return port

    def close(self) -> None:
        """Close those that do not listen."""
        sockets, self._sockets = self._sockets, {}
        for bound in sockets.values():
            bound.close()


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound
