"""Settings: what is accepted, and the one line that says why something is not."""

from __future__ import annotations

import os
import re
import tempfile
import textwrap
import typing

from hypothesis import given, strategies
from twisted.trial import unittest

from test.support.chance import by_chance
from wildduck import config
from wildduck.config import load
from wildduck.config.reading import tomllib
from wildduck.errors import ConfigurationError
from wildduck.limits import GIB, MIB

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class _ConfigTestCase(unittest.SynchronousTestCase):
    def file(self, text: str) -> str:
        directory = tempfile.mkdtemp(dir=os.path.dirname(os.path.abspath(self.mktemp())))
        path = os.path.join(directory, "wildduck.toml")
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        return path

    def refused(self, text: str | None = None, *sets: str) -> str:
        """The line that refuses a file or C{--set} options, without the file's name."""
        path = None if text is None else self.file(text)
        line = str(self.assertRaises(ConfigurationError, load, path, None, sets))
        self.assertEqual(len(line.splitlines()), 1, line)
        return line.replace(f"{path}: ", "") if path else line


class DefaultsTests(_ConfigTestCase):
    """Settings without a file."""

    def test_ports(self) -> None:
        """The ports are those that other software is told."""
        settings = load()
        self.assertEqual(
            config.listeners(settings),
            {
                "imap": ("127.0.0.1", 9143),
                "imap_tls": ("127.0.0.1", 9993),
                "pop3": ("127.0.0.1", 9110),
                "pop3_tls": ("127.0.0.1", 9995),
                "lmtp": ("127.0.0.1", 2424),
                "api": ("127.0.0.1", 8080),
            },
        )

    def test_values(self) -> None:
        """What the issue names has its default."""
        settings = load()
        self.assertEqual(settings.limits.max_message_size, 64 * MIB)
        self.assertTrue(settings.security.loopback_is_secure)
        self.assertTrue(settings.private)
        self.assertEqual(settings.data, os.path.abspath("wildduck-data"))

    def test_spool(self) -> None:
        """Spooled messages go to the data folder unless another folder is set."""
        self.assertEqual(load(data="/var/lib/x").spool, "/var/lib/x/spool")
        self.assertEqual(load(sets=["storage.spool=/fast"]).spool, "/fast")

    def test_shown_in_the_example(self) -> None:
        """etc/wildduck.toml shows every key with its default, and no other."""
        path = os.path.join(_ROOT, "etc", "wildduck.toml")
        self.assertEqual(load(path), load())
        with open(path, "rb") as file:
            shown = tomllib.load(file)
        self.assertEqual(list(shown), list(config.SECTIONS))
        for name, section in config.SECTIONS.items():
            self.assertEqual(list(shown[name]), list(typing.get_type_hints(section)), name)


class GuideTests(_ConfigTestCase):
    """docs/migration.rst, whose file and HAProxy are tried by C{test.interop}."""

    def setUp(self) -> None:
        with open(os.path.join(_ROOT, "docs", "migration.rst")) as file:
            self.text = file.read()

    def test_keys(self) -> None:
        """What it calls a key of ours is one."""
        named = set()
        for section, struct in config.SECTIONS.items():
            hints = typing.get_type_hints(struct)
            for line in self.text.splitlines():
                # The left column has WildDuck's keys.
                line = line[43:] if line.startswith("``") else line
                for key in re.findall(rf"``{section}\.(\w+)``", line):
                    if f"{section}.{key}" not in self.theirs:
                        self.assertIn(key, hints, line)
                        named.add(f"{section}.{key}")
        self.assertGreater(len(named), 25)

    #: Keys of WildDuck that the text names too.
    theirs = ("imap.useProxy",)

    def test_file(self) -> None:
        """Its file is taken."""
        block = re.search(r"::\n\n((?:    .*\n|\n)+)", self.text[self.text.index("2. The file") :])
        assert block
        text = textwrap.dedent(block[1])
        self.assertTrue(load(self.file(text)).mongo.mixed_cluster)


class FileTests(_ConfigTestCase):
    """Settings from a file."""

    def test_values(self) -> None:
        """Values of the file replace defaults, those it does not name stay."""
        settings = load(self.file('[imap]\nport = "auto"\ntls_port = 0\nproxy = ["10.0.0.0/8", "::1"]\n'))
        self.assertEqual(settings.imap.port, "auto")
        self.assertEqual(settings.imap.tls_port, 0)
        self.assertEqual(settings.imap.proxy, ("10.0.0.0/8", "::1"))
        self.assertEqual(settings.lmtp.port, 2424)

    def test_sizes(self) -> None:
        """A size is a number of bytes or a number with its unit."""
        for text, value in (("3145728", 3 * MIB), ('"3 MiB"', 3 * MIB), ('"1GiB"', GIB)):
            settings = load(self.file(f"[limits]\nmax_message_size = {text}\n"))
            self.assertEqual(settings.limits.max_message_size, value)

    def test_unknown_key(self) -> None:
        """An unknown key is an error that suggests the nearest one."""
        self.assertEqual(self.refused("[imap]\nprot = 1"), "unknown key imap.prot, did you mean 'port'?")

    def test_unknown_key_far_from_all(self) -> None:
        """Where no key is near, all are named."""
        self.assertEqual(
            self.refused("[tls]\nzzz = 1"), "unknown key tls.zzz (known: cert, key, min_version)"
        )

    def test_unknown_section(self) -> None:
        """An unknown section is an error that suggests the nearest one."""
        self.assertEqual(self.refused("[ltmp]\nport = 1"), "unknown section 'ltmp', did you mean 'lmtp'?")

    def test_key_outside(self) -> None:
        """A key before the first section is an error."""
        self.assertIn("unknown key 'port'", self.refused("port = 1"))

    def test_section_as_key(self) -> None:
        """A section's name used as a key is an error that says how sections look."""
        self.assertEqual(self.refused("imap = 1"), "imap must be a section, as in [imap]")

    def test_types(self) -> None:
        """A value of another type is refused with the key and what is expected; nothing is converted."""
        for text, line in (
            ('[imap]\nport = "143"', "imap.port: expected a port number up to 65535, 0 for off, or 'auto'"),
            ("[imap]\nport = true", "imap.port: expected a port number up to 65535, 0 for off, or 'auto'"),
            ("[imap]\nport = 65536", "imap.port: expected a port number up to 65535, 0 for off, or 'auto'"),
            ("[imap]\nport = -1", "imap.port: expected a port number up to 65535, 0 for off, or 'auto'"),
            ("[imap]\nhost = 1", "imap.host: expected str, got int"),
            ("[imap]\nproxy = '::1'", "imap.proxy: expected array, got str"),
            ("[security]\nloopback_is_secure = 1", "security.loopback_is_secure: expected bool, got int"),
            ("[lmtp]\nover_quota = '4.2.3'", "lmtp.over_quota: expected '4.2.2' or '5.2.2'"),
            ("[imap]\nconnections_per_user = 0", "imap.connections_per_user: expected int >= 1"),
            (
                "[limits]\nmax_message_size = '9 GB'",
                "limits.max_message_size: expected a number of bytes, or a size such as '64 MiB'",
            ),
            ("[limits]\nmax_message_size = '9 TiB'", "limits.max_message_size: expected int <= 1073741824"),
        ):
            self.assertEqual(self.refused(text), line)

    def test_not_toml(self) -> None:
        """A file that is not TOML is refused with the place in it."""
        self.assertIn("line 2", self.refused("[imap]\nport = \n"))

    def test_not_text(self) -> None:
        """A file that is not UTF-8 is refused with one line."""
        self.assertIn("decode", self.refused("[imap]\nhost = '\udcff'"))

    def test_no_file(self) -> None:
        """A missing file is refused with its name."""
        line = str(self.assertRaises(ConfigurationError, load, "/nonexistent/wildduck.toml"))
        self.assertEqual(line, "/nonexistent/wildduck.toml: No such file or directory")


class SetTests(_ConfigTestCase):
    """C{--set} options."""

    def test_wins(self) -> None:
        """An option wins over the file, a later option over an earlier one."""
        path = self.file("[imap]\nport = 1\ntls_port = 2\n")
        settings = load(path, None, ["imap.port=3", "imap.port=4"])
        self.assertEqual((settings.imap.port, settings.imap.tls_port), (4, 2))

    def test_values(self) -> None:
        """Numbers, switches, lists and text are understood without quotes."""
        settings = load(
            None,
            None,
            [
                "imap.port=auto",
                "storage.archive=false",
                'imap.proxy=["10.0.0.0/8"]',
                "limits.max_message_size=3 MiB",
                "api.token=12345",
                "log.level=debug",
            ],
        )
        self.assertEqual(settings.imap.port, "auto")
        self.assertFalse(settings.storage.archive)
        self.assertEqual(settings.imap.proxy, ("10.0.0.0/8",))
        self.assertEqual(settings.limits.max_message_size, 3 * MIB)
        self.assertEqual(settings.api.token, "12345")
        self.assertEqual(settings.log.level, "debug")

    def test_text_with_equals(self) -> None:
        """Everything after the first equals sign is the value."""
        self.assertEqual(load(None, None, ["api.token=a=b"]).api.token, "a=b")

    def test_malformed(self) -> None:
        """What is not SECTION.KEY=VALUE is refused."""
        for item in ("imap.port", "imap=1", "=1", ".port=1", "imap.=1", "a\nb"):
            self.assertIn("expected SECTION.KEY=VALUE", self.refused(None, item))

    def test_unknown(self) -> None:
        """Unknown names are refused with a suggestion."""
        self.assertEqual(
            self.refused(None, "imap.prot=1"), "--set imap.prot: unknown key 'prot', did you mean 'port'?"
        )
        self.assertEqual(
            self.refused(None, "imapp.port=1"),
            "--set imapp.port: unknown section 'imapp', did you mean 'imap'?",
        )

    @by_chance(50)
    @given(strategies.text())
    def test_any_text(self, text: str) -> None:
        """Whatever is given, it is accepted or refused with one line."""
        for item in (
            text,
            f"imap.port={text}",
            f"imap.proxy={text}",
            f"api.host={text}",
            f"server.hostname={text}",
        ):
            try:
                load(None, None, [item])
            except ConfigurationError as error:
                self.assertEqual(len(str(error).splitlines()), 1)


class TogetherTests(_ConfigTestCase):
    """What keys must agree on."""

    def test_databases(self) -> None:
        """MongoDB and Redis are configured both or neither."""
        line = "mongo.uri and redis.uri: set both, or neither for private databases"
        self.assertEqual(self.refused(None, "mongo.uri=mongodb://h/wildduck"), line)
        self.assertEqual(self.refused(None, "redis.uri=redis://h"), line)
        self.assertFalse(load(None, None, ["mongo.uri=mongodb://h/w", "redis.uri=redis://h"]).private)

    def test_handles(self) -> None:
        """A second database without the first is refused."""
        self.assertIn("need mongo.uri", self.refused(None, "mongo.gridfs=files"))

    def test_certificate(self) -> None:
        """Certificate and key are configured both or neither."""
        self.assertIn("set both", self.refused(None, "tls.cert=cert.pem"))

    def test_open_api(self) -> None:
        """The API is open to other machines only with a token."""
        line = "api.host: without api.token the API serves loopback addresses only"
        for host in ("0.0.0.0", "::", "10.1.2.3"):
            self.assertEqual(self.refused(None, f"api.host={host}"), line)
            load(None, None, [f"api.host={host}", "api.token=secret"])
        for host in ("127.0.0.2", "::1"):
            load(None, None, [f"api.host={host}"])

    def test_token(self) -> None:
        """A token that no header can carry is refused."""
        self.assertIn("printable ASCII", self.refused(None, "api.token=a b"))

    def test_host(self) -> None:
        """A host that is no address literal is refused."""
        self.assertEqual(
            self.refused(None, "imap.host=localhost"),
            "imap.host: localhost is not an IP address (all: 0.0.0.0 or ::)",
        )

    def test_hostname(self) -> None:
        """A host name that would break a greeting is refused."""
        self.assertIn("is not a host name", self.refused(None, "server.hostname=a b"))
        self.assertEqual(load(None, None, ["server.hostname=mail.example.com"]).hostname, "mail.example.com")

    def test_proxy(self) -> None:
        """A proxy source that is no address or network is refused."""
        for name in ("imap", "pop3", "lmtp"):
            self.assertIn(f"{name}.proxy: *", self.refused(None, f'{name}.proxy=["*"]'))

    def test_same_port(self) -> None:
        """Two listeners on one port are refused; free ones and off do not collide."""
        self.assertEqual(self.refused(None, "lmtp.port=8080"), "api.port: port 8080 is lmtp.port already")
        load(None, None, ["lmtp.port=0", "api.port=0"])
        load(None, None, ["lmtp.port=auto", "api.port=auto"])
