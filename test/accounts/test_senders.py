"""Which addresses an account may write as."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from wildduck.accounts.senders import is_listed


class WhitelistTests(TestCase):
    def test_entries(self) -> None:
        """Whole addresses, suffixes and prefixes, in any case; a wildcard stands at one end only."""
        for entry, address, wanted in (
            ("a@example.com", "A@Example.com", True),
            ("a@example.com", "b@example.com", False),
            ("a@example.com", "xa@example.com", False),
            ("*@example.com", "x@example.com", True),
            ("*@example.com", "x@example.com.org", False),
            ("*@example.com", "x@evilexample.com", False),
            ("sales*", "sales7@example.org", True),
            ("sales*", "xsales@example.org", False),
            ("*", "any@example.org", True),
            ("", "any@example.org", False),
            ("a*b@example.com", "axb@example.com", False),
        ):
            self.assertIs(is_listed(address, [entry]), wanted, (entry, address))

    def test_odd_documents(self) -> None:
        self.assertFalse(is_listed("a@example.com", [None, 7, {"$ne": 1}, []]))
