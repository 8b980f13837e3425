"""Redis URIs."""

from __future__ import annotations

from twisted.trial import unittest

from wildduck.database.redis_address import RedisAddress, parse
from wildduck.errors import ConfigurationError


class ParseTests(unittest.SynchronousTestCase):
    """All forms of a Redis URI."""

    def test_forms(self) -> None:
        """Host, socket and Sentinel, with database and credentials."""
        table = (
            ("redis://a", RedisAddress((("a", 6379),))),
            ("redis://a:1/3", RedisAddress((("a", 1),), db=3)),
            ("redis://[::1]:1/", RedisAddress((("::1", 1),))),
            ("redis://:p%40@a?db=4", RedisAddress((("a", 6379),), password="p@", db=4)),
            ("redis://u:p@a/0", RedisAddress((("a", 6379),), username="u", password="p")),
            ("unix:///run/redis.sock?db=2", RedisAddress(path="/run/redis.sock", db=2)),
            (
                "redis+sentinel://:p@a,b:2/mymaster/3?sentinel_password=s",
                RedisAddress(
                    (("a", 26379), ("b", 2)), service="mymaster", password="p", sentinel_password="s", db=3
                ),
            ),
            ("redis-sentinel://a/mymaster", RedisAddress((("a", 26379),), service="mymaster")),
        )
        for uri, address in table:
            self.assertEqual(parse(uri), address, uri)

    def test_tls(self) -> None:
        """rediss:// is TLS with the system's authorities, unless options say otherwise."""
        secure = parse("rediss://a").secure
        assert secure is not None
        self.assertFalse(secure.any_certificate)
        secure = parse("rediss://a?verify=false").secure
        assert secure is not None
        self.assertTrue(secure.any_certificate)

    def test_refused(self) -> None:
        """What can not be honoured is refused with one line, and never the password."""
        for uri in (
            "",
            "http://a",
            "redis://",
            "redis://a/x",
            "redis://a/1/2",
            "redis://a/1?db=2",
            "redis://:secret@a,b",
            "redis://:secret@a?timeout=3",
            "redis://:secret@a?ca=/x",
            "redis://a:port",
            "redis://secret@a",
            "rediss://a?verify=maybe",
            "rediss://a?ca=/nowhere",
            "unix://",
            "redis+sentinel://a",
        ):
            error = self.assertRaises(ConfigurationError, parse, uri)
            self.assertNotIn("secret", str(error))
            self.assertEqual(len(str(error).splitlines()), 1)

    def test_not_shown(self) -> None:
        """The password is not in what is shown of an address."""
        self.assertNotIn("secret", repr(parse("redis://:secret@a")))
