"""Tests for L{wildduck.network.address}."""

from __future__ import annotations

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from wildduck.network.address import NetworkAddress, Networks


class NetworkAddressTests(SynchronousTestCase):
    """L{NetworkAddress}."""

    def test_canonical(self) -> None:
        """One address has one form, however it was written."""
        for host, expected in {
            "192.0.2.1": "192.0.2.1",
            "::FFFF:192.0.2.1": "192.0.2.1",
            "2001:DB8:0:0::1": "2001:db8::1",
            "fe80::1%eth0": "fe80::1",
            "example.com": "",
        }.items():
            self.assertEqual(NetworkAddress.make(host, 1).host, expected)

    def test_from_twisted(self) -> None:
        """IPv4, IPv6 and UNIX addresses of transports."""
        self.assertEqual(
            NetworkAddress.from_twisted(IPv4Address("TCP", "192.0.2.1", 25)), NetworkAddress("192.0.2.1", 25)
        )
        self.assertEqual(
            NetworkAddress.from_twisted(IPv6Address("TCP", "::1", 25)), NetworkAddress("::1", 25)
        )
        self.assertEqual(NetworkAddress.from_twisted(UNIXAddress("/run/lmtp")), NetworkAddress("", 0))

    def test_local(self) -> None:
        """Loopback networks and UNIX sockets are local."""
        for host in ("127.0.0.1", "127.9.9.9", "::1", ""):
            self.assertTrue(NetworkAddress(host).is_local, host)
        for host in ("192.0.2.1", "0.0.0.0", "2001:db8::1"):
            self.assertFalse(NetworkAddress(host).is_local, host)

    def test_group(self) -> None:
        """IPv6 addresses of one /64 count together."""
        self.assertEqual(NetworkAddress("192.0.2.1").group, "192.0.2.1")
        self.assertEqual(NetworkAddress("2001:db8::1").group, NetworkAddress("2001:db8::ffff:1").group)
        self.assertNotEqual(NetworkAddress("2001:db8::1").group, NetworkAddress("2001:db8:0:1::1").group)

    def test_shown(self) -> None:
        """As text it is the host."""
        self.assertEqual(
            [str(NetworkAddress("192.0.2.1", 5)), str(NetworkAddress(""))], ["192.0.2.1", "local"]
        )


class NetworksTests(SynchronousTestCase):
    """L{Networks}."""

    def test_contains(self) -> None:
        """Addresses and networks of both families; a UNIX socket is in none."""
        networks = Networks(["192.0.2.0/28", "2001:db8::/32", "198.51.100.7"])
        for host, expected in {"192.0.2.15": True, "192.0.2.16": False, "2001:db8::9": True, "::1": False,
                               "198.51.100.7": True, "": False}.items():  # fmt: skip
            self.assertEqual((host, NetworkAddress(host) in networks), (host, expected))
        self.assertTrue(networks)
        self.assertFalse(Networks([]))

    def test_wrong(self) -> None:
        """What is no address is refused."""
        self.assertRaises(ValueError, Networks, ["localhost"])
