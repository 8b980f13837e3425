"""Network addresses of a connection's two ends, in one comparable form."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Host = ipaddress.IPv4Address | ipaddress.IPv6Address


def _parse(host: str) -> _Host | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


@dataclass(frozen=True, slots=True)
class NetworkAddress:
    """
    An IP address with a port.

    @ivar host: canonical text form, IPv4-mapped IPv6 as IPv4 (C{::ffff:192.0.2.1}
        is C{192.0.2.1}); C{""} for a UNIX socket.
    @ivar port: 0 for a UNIX socket.
    """

    host: str
    port: int = 0

    @classmethod
    def make(cls, host: str, port: int) -> NetworkAddress:
        """Normalise a host; text that is no IP address is taken as C{""}."""
        parsed = _parse(host)
        return cls("" if parsed is None else str(parsed), port)

    @classmethod
    def from_twisted(cls, address: Any) -> NetworkAddress:
        """From what C{transport.getPeer()} gives; anything without host is a UNIX socket."""
        host, port = getattr(address, "host", None), getattr(address, "port", None)
        return cls.make(host if isinstance(host, str) else "", port if isinstance(port, int) else 0)

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine: loopback or a UNIX socket."""
        parsed = _parse(self.host)
        return not self.host or (parsed is not None and parsed.is_loopback)

    @property
    def group(self) -> str:
        """What connections are counted by: an IPv4 address, or the /64 network of an IPv6 one."""
        parsed = _parse(self.host)
        if isinstance(parsed, ipaddress.IPv6Address):
            return str(ipaddress.IPv6Network((int(parsed), 64), strict=False))
        return self.host

    def __str__(self) -> str:
        return self.host or "local"


class Networks:
    """A set of addresses and networks, such as those allowed to speak PROXY to us."""

    def __init__(self, sources: Iterable[str]) -> None:
        """
        @param sources: C{"192.0.2.1"} or C{"192.0.2.0/24"}, IPv6 likewise.
        @raise ValueError: one is neither.
        """
        self._networks: list[_Network] = [ipaddress.ip_network(source, strict=False) for source in sources]

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, address: NetworkAddress) -> bool:
        parsed = _parse(address.host)
        if parsed is None:
            return False
        return any(parsed.version == network.version and parsed in network for network in self._networks)
