"""Forms in which one password reaches a server."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.support.chance import by_chance
from wildduck.accounts.passwords import PASSWORD_LENGTH, is_possible
from wildduck.accounts.prepared_passwords import forms


class FormsTests(SynchronousTestCase):
    def test_forms(self) -> None:
        """OpaqueString composes and has one blank; SASLprep also drops and folds (RFC 4013 §3, examples)."""
        for password, others in (
            ("user", []),
            ("USER", []),
            ("I\u00adX", ["IX"]),
            ("\u00aa", ["a"]),
            ("\u2168", ["IX"]),
            ("p\xe4ss", []),
            ("pa\u0308ss", ["p\xe4ss"]),
            ("a\xa0\u3000\xe4", ["a  \xe4"]),
            ("\xbda\u0308", ["\xbd\xe4", "1\u20442\xe4"]),
            # Nothing would be left of it, or too much.
            ("\u00ad", []),
            ("\ufdfa" * PASSWORD_LENGTH, []),
        ):
            self.assertEqual((password, *others), forms(password))

    @by_chance(50)
    @given(st.text(max_size=PASSWORD_LENGTH + 1).filter(is_possible))
    def test_any(self, password: str) -> None:
        """Each is possible, and no two are the same; what was prepared stays as it is."""
        found = forms(password)
        self.assertEqual(password, found[0])
        self.assertEqual(len(set(found)), len(found))
        self.assertTrue(all(map(is_possible, found)))
        self.assertLessEqual(len(found), 3)
