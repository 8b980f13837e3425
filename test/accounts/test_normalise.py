"""Names and addresses in their stored and looked-up forms."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.support.chance import by_chance
from wildduck.accounts import normalise
from wildduck.errors import BadInput


class UsernameTests(SynchronousTestCase):
    def test_accepted(self) -> None:
        """Sign-in names are lower-cased and kept with their dots."""
        for given_name, stored in (
            ("TestUser", "testuser"),
            (" a.b-c ", "a.b-c"),
            ("user@example.com", "user@example.com"),
            ("a=b:c_d", "a=b:c_d"),
        ):
            self.assertEqual(normalise.username(given_name), stored)

    def test_refused(self) -> None:
        """What could not be told from an address or a wildcard is no sign-in name."""
        for name in ("", "a..b", ".a", "a.", "a b", "a@b@c", "*", "a+b", "ä", "x" * 129, "a\n", "$ne"):
            self.assertRaises(BadInput, normalise.username, name)

    def test_view(self) -> None:
        """Dots before the @ do not tell two names apart."""
        self.assertEqual(normalise.name_view("Te.st.User"), "testuser")
        self.assertEqual(normalise.name_view("a.b@example.com"), "ab@example.com")


class AddressTests(SynchronousTestCase):
    def test_view(self) -> None:
        """Labels, dots, case and A-labels do not tell two addresses apart."""
        for address, view in (
            ("First.Last+tag@Example.COM", "firstlast@example.com"),
            ("jõgeva@xn--bcher-kva.example", "jõgeva@bücher.example"),
            ("JO\u0303GEVA@example.com", "jõgeva@example.com"),
            ('"odd@local"@example.com', '"odd@local"@example.com'),
            ("user@xn--\u0000.example", "user@xn--\u0000.example"),
            ("user@sub.xn--bcher-kva.example", "user@sub.bücher.example"),
            ("user@" + "xn--bcher-kva." * 20, "user@" + "xn--bcher-kva." * 20),
        ):
            self.assertEqual(normalise.address_view(address), view)

    def test_new_address(self) -> None:
        """An address is stored with its dots; wildcard forms are accepted."""
        for address in (
            "a.b@example.com",
            "*@example.com",
            "*suf@example.com",
            "pre*@example.com",
            "user@*",
            "õ@õ.ee",
        ):
            self.assertEqual(normalise.new_address(address), address)

    def test_refused(self) -> None:
        """What could never match, or match too much, is refused."""
        for address in (
            "nobody",
            "@example.com",
            "a@",
            "a+b@example.com",
            "a@b@*",
            "*@*",
            "a*b@example.com",
            "a@ex*mple.com",
            "a b@example.com",
            "a..b@example.com",
            "a@-x.com",
            "a@x..com",
            "*" + "x" * 33 + "@example.com",
            "x" * 65 + "@example.com",
            "a\r\n@example.com",
            "a@example.com\n.",
            "<a@example.com>",
        ):
            self.assertRaises(BadInput, normalise.new_address, address)

    def test_wildcards_longest_first(self) -> None:
        """Longer patterns come before shorter ones, the catch-all last."""
        self.assertEqual(
            list(normalise.wildcard_views("abc", "d")),
            ["abc*@d", "*abc@d", "ab*@d", "*bc@d", "a*@d", "*c@d", "*@d"],
        )
        self.assertEqual(len(list(normalise.wildcard_views("x" * 1000, "d"))), 65)

    def test_beside_what_is_taken_out(self) -> None:
        """Blanks and combining marks beside a label or a dot are as they are anywhere."""
        for address, view in (("0 +x@d.e", "0@d.e"), (". x@d.e", "x@d.e"), ("a.\u0301@d.e", "\xe1@d.e")):
            self.assertEqual(normalise.address_view(address), view)

    @by_chance(50)
    @given(st.text(max_size=50))
    def test_any_text(self, text: str) -> None:
        """Any text has a view, and the view of a view is itself."""
        view = normalise.address_view(text)
        self.assertEqual(normalise.address_view(view), view)
