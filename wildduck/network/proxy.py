"""
The PROXY protocol header, versions 1 and 2, of a connection that a load balancer forwards.

The header's syntax is Twisted's (L{twisted.protocols.haproxy}); here stand what
Twisted leaves open: which bytes belong to it, whatever their segments, and
that any bytes give addresses or a L{ProtocolError}.

@see: U{https://www.haproxy.org/download/1.8/doc/proxy-protocol.txt}
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass
from typing import Any

from twisted.protocols.haproxy._v1parser import V1Parser
from twisted.protocols.haproxy._v2parser import V2Parser

from wildduck import limits
from wildduck.errors import ProtocolError
from wildduck.network.address import NetworkAddress

#: Longest version 1 header, CRLF included (§2.1).
_V1_BYTES = 107
_V1_START = b"PROXY "
#: Without the addresses that may follow it, which Twisted's parser demands.
_V1_UNKNOWN = b"PROXY UNKNOWN\r\n"
_V2_START: bytes = V2Parser.PREFIX
_V2_FIXED = 16


@dataclass(frozen=True, slots=True)
class ProxyResult:
    """
    A complete header.

    @ivar source: the client, C{None} when the balancer does not say (version 1
        C{UNKNOWN}, version 2 C{LOCAL} or C{UNSPEC}, or no TCP over IP).
    @ivar destination: the address it connected to, C{None} likewise.
    @ivar rest: what followed the header.
    """

    source: NetworkAddress | None
    destination: NetworkAddress | None
    rest: bytes


class ProxyHeader:
    """Collects one header; memory is bounded by L{limits.PROXY_BYTES}."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> ProxyResult | None:
        """
        @return: C{None}: the header goes on.
        @raise ProtocolError: this is no PROXY header, or too long a one.
        """
        # More than a header is never looked at, so that this stays linear.
        spare = limits.PROXY_BYTES - len(self._data)
        self._data, rest = self._data + data[:spare], data[spare:]
        length = _header_length(self._data)
        if length is None or length > len(self._data):
            return None
        header, rest = self._data[:length], self._data[length:] + rest
        self._data = b""
        source, destination = _addresses(header)
        return ProxyResult(source, destination, rest)


def _header_length(data: bytes) -> int | None:
    """
    Length of the header that the data begins with, C{None} if it can't be told yet.

    @raise ProtocolError: it begins with no header, or with one that is too long.
    """
    if _V2_START.startswith(data[: len(_V2_START)]) and data:
        if len(data) < _V2_FIXED:
            return None
        length = _V2_FIXED + int(struct.unpack_from("!H", data, 14)[0])
        if length > limits.PROXY_BYTES:
            raise ProtocolError("PROXY header too long")
        return length
    if _V1_START.startswith(data[: len(_V1_START)]):
        end = data.find(b"\r\n", 0, _V1_BYTES)
        if end < 0 and len(data) >= _V1_BYTES:
            raise ProtocolError("PROXY header too long")
        return None if end < 0 else end + 2
    raise ProtocolError("no PROXY header")


def _addresses(header: bytes) -> tuple[NetworkAddress | None, NetworkAddress | None]:
    if header == _V1_UNKNOWN:
        return None, None
    try:
        if header.startswith(_V1_START):
            info = V1Parser.parse(header[:-2])
        else:
            info = V2Parser.parse(header)
        source, destination = _address(info.source), _address(info.destination)
    except Exception as error:  # Twisted's parsers raise several kinds
        raise ProtocolError("malformed PROXY header") from error
    if source is None or destination is None:
        return None, None
    return source, destination


def _address(address: Any) -> NetworkAddress | None:
    """
    @raise ValueError: no IP address, or no port.
    """
    if address is None or getattr(address, "type", None) != "TCP":
        return None
    host = address.host
    ipaddress.ip_address(host)
    if not 0 <= address.port <= 65535:
        raise ValueError("port")
    return NetworkAddress.make(host, address.port)
