"""Tests of L{wildduck.mime.message_ids}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from wildduck.mime.message_ids import first_message_id, message_ids


class MessageIdTests(SynchronousTestCase):
    def test_found(self) -> None:
        """Valid ids, in their order; quoting makes no difference, other text neither."""
        for value, ids in [
            ("", []),
            ("<a@b>", ["a@b"]),
            # RFC 5256 §3
            (
                '<"01KF8JCEOCBS0045PS"@xxx.yyy.com> <01KF8JCEOCBS0045PS@xxx.yyy.com>',
                ["01KF8JCEOCBS0045PS@xxx.yyy.com"] * 2,
            ),
            ('<"a\\"b c"@d>', ['a"b c@d']),
            ("<a@b><c@d>,\r\n <E@F> x", ["a@b", "c@d", "E@F"]),
            ("Your message of Monday <a@b>", ["a@b"]),
            ("<a> <@b> <a@> a@b <a b@c> <a@b", []),
            ("< a @ b >", ["a@b"]),
            ("<a@[10.0.0.1]>", ["a@[10.0.0.1]"]),
            ("<<a@b>>", ["a@b"]),
        ]:
            self.assertEqual(list(message_ids(value)), ids, value)

    def test_first(self) -> None:
        """Of In-Reply-To only the first counts."""
        self.assertEqual(first_message_id("x <a@b> <c@d>"), "a@b")
        self.assertIsNone(first_message_id("x"))

    def test_effort(self) -> None:
        """A field made to take long is done in a moment; by looking again and again it would take minutes."""
        for piece in ("<", '<"', "<a", "<a@", "<a @", '<"\\'):
            list(message_ids(piece * 30_000))
