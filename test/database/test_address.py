"""MongoDB URIs."""

from __future__ import annotations

from twisted.trial import unittest

from test.support.certificates import authority
from wildduck.database.address import Address, parse
from wildduck.errors import ConfigurationError


class ParseTests(unittest.SynchronousTestCase):
    """L{parse} honours an option or refuses it."""

    def test_plain(self) -> None:
        """Hosts and a database are all that is needed."""
        self.assertEqual(parse("mongodb://a:1,b/mail"), Address((("a", 1), ("b", 27017)), "mail"))

    def test_credentials(self) -> None:
        """Credentials are decoded, belong to the URI's database by default, and are not shown."""
        address = parse("mongodb://us%40er:p%3Ass@a/mail")
        self.assertEqual((address.username, address.password, address.auth_source), ("us@er", "p:ss", "mail"))
        self.assertNotIn("p:ss", repr(address) + address.label)
        self.assertEqual(parse("mongodb://u:p@a/mail?authSource=admin").auth_source, "admin")

    def test_for_txmongo(self) -> None:
        """txmongo gets a URI with which it does sign in (P7), and no option it breaks on (P6, P8)."""
        self.assertEqual(
            parse(
                "mongodb://u%2F:p@a,b:2/mail?authSource=admin&replicaSet=rs&tls=false&w=majority"
            ).for_txmongo(),
            "mongodb://u%2F:p@a:27017,b:2/mail?authSource=admin&replicaSet=rs",
        )
        self.assertEqual(parse("mongodb://[::1]/mail").for_txmongo(), "mongodb://[::1]:27017/mail")

    def test_refused(self) -> None:
        """What can not be honoured is refused with one line that names it, and never the password."""
        table = (
            ("mongodb://u:secret@a/mail?readPreference=secondary", "readPreference"),
            ("mongodb://u:secret@a/mail?readPreference=primary", "readPreference"),
            ("mongodb://u:secret@a/mail?maxPoolSize=3", "maxpoolsize"),
            ("mongodb://u:secret@a/mail?compressors=zlib", "compressors"),
            ("mongodb://u:secret@a/mail?retryWrites=false", "retrywrites can only be true"),
            ("mongodb://u:secret@a/mail?w=1", "w can only be majority"),
            ("mongodb://u:secret@a/mail?authMechanism=SCRAM-SHA-256", "SCRAM-SHA-256"),
            ("mongodb://u:secret@a/mail?tlsCAFile=/dev/null", "tls=true"),
            ("mongodb://u:secret@a/mail?tls=true&tlsCAFile=/nowhere", "/nowhere"),
            ("mongodb://u:secret@a/mail?tls=true&tlsCAFile=/dev/null", "TLS files"),
            ("mongodb://u:secret@a/", "names no database"),
            ("mongodb://u:secret@a", "names no database"),
            ("mongodb://%2Ftmp%2Fx.sock/mail", "UNIX sockets"),
            ("mongodb://u@a/mail", "password"),
            ("http://u:secret@a/mail", "URI"),
            ("mongodb://u:sec/ret@a/mail", "URI"),
            ("", "URI"),
        )
        for uri, words in table:
            error = self.assertRaises(ConfigurationError, parse, uri, "mongo.users")
            self.assertIn(words, str(error))
            self.assertIn("mongo.users", str(error))
            self.assertNotIn("secret", str(error))
            self.assertEqual(len(str(error).splitlines()), 1)

    def test_what_we_do_anyway(self) -> None:
        """Options that ask for what is done anyway are accepted."""
        parse("mongodb://a/mail?retryWrites=true&retryReads=true&w=majority&journal=true")

    def test_tls(self) -> None:
        """TLS options become a L{Secure}."""
        path = authority(self).certificate_path
        secure = parse(f"mongodb://a/mail?tls=true&tlsCAFile={path}").secure
        assert secure is not None
        self.assertEqual((secure.authorities, secure.any_name, secure.any_certificate), (path, False, False))
        secure = parse("mongodb://a/mail?tls=true&tlsAllowInvalidHostnames=true").secure
        assert secure is not None
        self.assertTrue(secure.any_name)
        secure = parse("mongodb://a/mail?tls=true&tlsInsecure=true").secure
        assert secure is not None
        self.assertTrue(secure.any_name and secure.any_certificate)
        self.assertIsNone(parse("mongodb://a/mail?tls=false").secure)
