"""Tests of what is searched of an address field because ENVELOPE shows it."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial import unittest

from test.mime.imap_values import parse
from test.support.chance import by_chance
from wildduck.mime import envelope, searched, shown, words
from wildduck.mime.folded import fold

#: Of what address fields are made, whole or broken.
_PIECES = st.one_of(
    st.sampled_from(
        (
            *("ann", "smith", "ann@example.org", "<ann@example.org>", "ann.smith", "=?", "?=", "a b@c"),
            *"@.<>(),:;[]=?-+",
            *(
                '"',
                "\\",
                '"ann smith"',
                '"a\\"n"',
                "(home)",
                "(a (b) c)",
                "(\\))",
                "<@a,@b:c@d>",
                "Club: a@b, c;",
            ),
            *(
                "=?utf-8?q?J=C3=BCrgen?=",
                "=?utf-8?b?w7w=?=",
                "=?utf-8?q?a_<b@c>,?=",
                "=?utf-8?q?",
                "=?x?q?a b?=",
            ),
            *("\u00fc", "e\u0301", "\u00e0", "\uff20", "\x1c", "\0", "\u2003", "\u00a0", "\x85"),
            *(" ", "  ", "\t", "\r\n ", "\r\n\t", "\r\n \r\n ", "\n ", "\r", "\r\r\n "),
        )
    ).map(str.encode),
    st.sampled_from((b"\xe9", b"\xa0", b"\x85")),
)
VALUES = st.lists(_PIECES, max_size=9).map(b"".join)


class ShownTests(unittest.TestCase):
    def test_examples(self) -> None:
        """Names, addresses and routes as ENVELOPE has them, decoded; an address also with its quotes."""
        for value, expected in (
            ("user (c)@ (c) domain.example", {"c", "user@domain.example"}),
            ("Ann <user (c)@ (c) dom>", {"Ann", "user@dom"}),
            ("user (Ann) @ dom (Smith\\))", {"user@dom", "Smith)"}),
            ("fred @ example . com", {"fred@example.com"}),
            (
                "Pete(A wonderful \\) chap) <pete(his account)@silly.test(his host)>",
                {"Pete", "pete@silly.test"},
            ),
            (
                '"Ann \\"A\\" Smith" <"ann smith" @ dom>',
                {'Ann "A" Smith', "ann smith@dom", '"ann smith"@dom'},
            ),
            ('Ann "A" Smith <a@b>', {"Ann A Smith", "a@b"}),
            ("Ann \t Smith\r\n  <a@b>", {"Ann Smith", "a@b"}),
            ("A (c) Club: joe @b, (none) <c@\r\n d>;", {"A Club", "joe@b", "c@d"}),
            ("<@one,@two (c):ann@dom>", {"@one,@two", "ann@dom"}),
            ("a@b (=?utf-8?q?J=C3=BCrgen?= \u00e0)", {"a@b", "J\u00fcrgen \u00e0"}),
            ("=?utf-8?q?J=C3=BC?= (c) =?utf-8?q?rgen?= <a@b>", {"J\u00fcrgen", "a@b"}),
            ("cron (root)", {"cron"}),
            ("", set()),
        ):
            self.assertEqual(set(shown.texts(value.encode())), expected, value)

    @by_chance(130)
    @given(VALUES)
    def test_as_envelope(self, value: bytes) -> None:
        """Each name, mailbox and host that ENVELOPE has is in one of the texts."""
        value = value.replace(b"\0", b"")
        found = set(map(fold, shown.texts(value)))
        listed = parse(envelope.wire([b"Cc:" + value]))[6] or []
        for name, _route, local, domain in listed:
            for part in (name, local, domain):
                if part and part not in (envelope.NO_MAILBOX.encode(), envelope.NO_DOMAIN.encode()):
                    if value.isascii():
                        text = fold(words.decode(part.decode("ascii")))
                        self.assertTrue(any(text in one for one in found), (part, found))
        self.assertNotIn("", found)

    @by_chance(330)
    @given(VALUES)
    def test_plain(self, value: bytes) -> None:
        """All that is shown of a plain field stands in it as it is searched."""
        if shown.is_plain(value):
            text = fold(searched.decoded(value))
            for one in shown.texts(value):
                self.assertIn(fold(one), text)

    def test_usual_are_plain(self) -> None:
        for value in (
            " Ann Smith <ann@example.org>",
            "ann.smith+list=a@example.org",
            " <ann@example.org>",
            ' "Smith, Ann" <ann@example.org>,\r\n\tJ. Doe <joe@example.org>, bob@example.org',
            " =?utf-8?q?J=C3=BCrgen?=\r\n =?utf-8?q?_Gro=C3=9F?= <jg@example.org>",
            ' "=?utf-8?q?J=C3=BCrgen?=" <jg@example.org>',
            " J\u00fcrgen Gro\u00df <jg@example.org>",
            " undisclosed-recipients:;",
            " Club: ann@example.org, joe@example.org;",
            "",
            " root",
        ):
            self.assertTrue(shown.is_plain(value.encode()), value)

    def test_others_are_not(self) -> None:
        for value in (
            "a (c)",
            "a@ b",
            "a @b",
            "Ann  Smith <a@b>",
            "Ann\tSmith <a@b>",
            'Ann "A" Smith <a@b>',
            '"A\\n" <a@b>',
            '"a"@b',
            "<a b>",
            "<@c:a@b>",
            "J. a@b",
            '="?utf-8?q?f=6Fx?=" <a@b>',
            '"=?utf-8?q?a" <b?=@c>',
        ):
            self.assertFalse(shown.is_plain(value.encode()), value)

    def test_long(self) -> None:
        """However long and broken a field is, it is read once from the front, or this never ends."""
        for piece in (
            "a",
            "=",
            "a=",
            '"=',
            "a ",
            "a@b, ",
            '"a" <b@c>, ',
            "=?u?q?a?= ",
            "a\r\n ",
            "a:",
            "<a@b>,",
        ):
            for end in ("\\", '"', "@@"):
                self.assertFalse(shown.is_plain((piece * 4_000 + end).encode()))
            self.assertFalse(shown.is_plain(('"' + piece * 4_000).encode()))
