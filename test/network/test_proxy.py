"""Tests for L{wildduck.network.proxy}."""

from __future__ import annotations

import socket
import struct

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.support.chance import by_chance
from wildduck import limits
from wildduck.errors import ProtocolError
from wildduck.network.address import NetworkAddress
from wildduck.network.proxy import ProxyHeader, ProxyResult

START = b"\r\n\r\n\0\r\nQUIT\n"


def version_2(command: int, family: int, addresses: bytes, more: bytes = b"") -> bytes:
    """A header of version 2, written by its specification (§2.2)."""
    return START + struct.pack("!BBH", 0x20 | command, family, len(addresses) + len(more)) + addresses + more


IPV4 = socket.inet_aton("198.51.100.1") + socket.inet_aton("203.0.113.5") + struct.pack("!HH", 1234, 143)
IPV6 = socket.inet_pton(socket.AF_INET6, "2001:db8::1") + socket.inet_pton(socket.AF_INET6, "2001:db8::2")
IPV6 += struct.pack("!HH", 1234, 143)

GOOD = {
    b"PROXY TCP4 198.51.100.1 203.0.113.5 1234 143\r\n": ("198.51.100.1", "203.0.113.5"),
    b"PROXY TCP6 2001:DB8::1 2001:db8:0::2 1234 143\r\n": ("2001:db8::1", "2001:db8::2"),
    b"PROXY TCP6 ::ffff:198.51.100.1 ::1 1234 143\r\n": ("198.51.100.1", "::1"),
    b"PROXY UNKNOWN\r\n": None,
    b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n": None,
    version_2(1, 0x11, IPV4): ("198.51.100.1", "203.0.113.5"),
    version_2(1, 0x11, IPV4, b"\x04\x00\x01x" * 50): ("198.51.100.1", "203.0.113.5"),
    version_2(1, 0x21, IPV6): ("2001:db8::1", "2001:db8::2"),
    version_2(0, 0, b""): None,
    version_2(0, 0x11, IPV4): None,
    version_2(1, 0, b""): None,
    version_2(1, 0x10, b""): None,
    version_2(1, 0x12, IPV4): None,  # UDP
    version_2(1, 0x31, b"/a".ljust(108, b"\0") + b"/b".ljust(108, b"\0")): None,
}

BAD = [
    b"GET / HTTP/1.1\r\n",
    b"proxy TCP4 198.51.100.1 203.0.113.5 1234 143\r\n",
    b"PROXY TCP4 198.51.100.1 203.0.113.5 1234\r\n",
    b"PROXY TCP4 198.51.100.1 203.0.113.5 1234 65536\r\n",
    b"PROXY TCP4 198.51.100.1 203.0.113.5 -1 143\r\n",
    b"PROXY TCP4 198.51.100.1 203.0.113.5 a 143\r\n",
    b"PROXY TCP4 300.51.100.1 203.0.113.5 1234 143\r\n",
    b"PROXY TCP4 client.example 203.0.113.5 1234 143\r\n",
    b"PROXY TCP4 \xff 203.0.113.5 1234 143\r\n",
    b"PROXY TCP5 198.51.100.1 203.0.113.5 1234 143\r\n",
    b"PROXY \r\n",
    b"PROXY " + b"x" * 200,
    START + b"\x11\x11\x00\x0c" + IPV4,  # version 1 in binary
    START + b"\x2f\x11\x00\x0c" + IPV4,
    START + b"\x21\x71\x00\x0c" + IPV4,
    version_2(1, 0x11, IPV4[:-1]),
    START + b"\x21\x11\xff\xff",
    b"\r\n\r\n\r\n",
]


def feed(pieces: list[bytes]) -> ProxyResult | None:
    header = ProxyHeader()
    result = None
    for piece in pieces:
        assert result is None
        result = header.feed(piece)
    return result


class ProxyHeaderTests(SynchronousTestCase):
    """L{ProxyHeader}."""

    def test_good(self) -> None:
        """Each form of header is understood at its last byte, byte by byte too; the rest is given back."""
        for header, expected in GOOD.items():
            for pieces in (
                [header + b"EHLO"],
                [bytes([byte]) for byte in header[:-1]] + [header[-1:] + b"EHLO"],
            ):
                result = feed(pieces)
                assert result is not None
                self.assertEqual(result.rest, b"EHLO")
                hosts = result.source and result.destination and (result.source.host, result.destination.host)
                self.assertEqual((header, hosts), (header, expected))

    def test_ports(self) -> None:
        """Ports come with the addresses."""
        for header in (b"PROXY TCP4 198.51.100.1 203.0.113.5 1234 143\r\n", version_2(1, 0x11, IPV4)):
            result = ProxyHeader().feed(header)
            assert result is not None
            self.assertEqual(result.source, NetworkAddress("198.51.100.1", 1234))
            self.assertEqual(result.destination, NetworkAddress("203.0.113.5", 143))

    def test_bad(self) -> None:
        """What is no header is a protocol error."""
        for header in BAD:
            with self.assertRaises(ProtocolError):
                self.fail(f"{header!r} gives {feed([header])}")

    def test_longest(self) -> None:
        """A header up to the bound is taken, with everything behind it; a longer one is refused unread."""
        room = limits.PROXY_BYTES - 16
        result = ProxyHeader().feed(version_2(0, 0, bytes(room)) + b"x" * 100_000)
        assert result is not None
        self.assertEqual(len(result.rest), 100_000)
        self.assertRaises(
            ProtocolError, ProxyHeader().feed, START + b"\x21\x11" + struct.pack("!H", room + 1)
        )

    @by_chance(50)
    @given(st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(START.__add__),
                     st.binary(max_size=100).map(b"PROXY TCP4 ".__add__)))  # fmt: skip
    def test_any_bytes(self, data: bytes) -> None:
        """Any bytes give a result, "need more" or a protocol error, and nothing else."""
        try:
            feed([data])
        except ProtocolError:
            pass
