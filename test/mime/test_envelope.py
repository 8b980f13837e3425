"""Tests for ENVELOPE, stored and sent."""

from __future__ import annotations

from typing import Any

from hypothesis import given, strategies as st
from twisted.trial import unittest

from test.mime.imap_values import parse
from test.support.chance import by_chance
from wildduck import limits
from wildduck.mime import envelope, headers

_NAMES = ("date", "subject", "from", "sender", "reply-to", "to", "cc", "bcc", "in-reply-to", "message-id")


def sent(*lines: bytes) -> dict[str, Any]:
    """What is sent, by field name."""
    value = parse(envelope.wire(lines))
    assert len(value) == len(_NAMES)
    return dict(zip(_NAMES, value, strict=True))


def stored(*lines: bytes) -> dict[str, Any]:
    value = envelope.stored(headers.parsed_header(lines))
    return dict(zip(_NAMES, value, strict=True))


class WireTests(unittest.TestCase):
    """RFC 3501 §7.4.2."""

    def test_empty(self) -> None:
        """Without fields all is NIL."""
        self.assertEqual(envelope.wire([]), b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)")

    def test_whole(self) -> None:
        """A usual message, byte for byte."""
        self.assertEqual(
            envelope.wire(
                [
                    b"Date: Mon, 6 Jun 2005 22:21:22 +0200",
                    b"From: A <a@b>",
                    b"To: c@d, E <e@f>",
                    b'Subject: =?utf-8?q?x?= "y"',
                    b"Message-ID: <1@b>",
                    b"In-Reply-To: <0@b>",
                ]
            ),
            b'("Mon, 6 Jun 2005 22:21:22 +0200" "=?utf-8?q?x?= \\"y\\"" '
            b'(("A" NIL "a" "b")) (("A" NIL "a" "b")) '
            b'(("A" NIL "a" "b")) ((NIL NIL "c" "d")("E" NIL "e" "f")) NIL NIL "<0@b>" "<1@b>")',
        )

    def test_name_in_a_comment(self) -> None:
        """Bytes of letters beyond ASCII are no blanks, whatever they are in Latin-1."""
        found = sent("From: a@b (Voil\u00e0  \u00c5sa)".encode())
        self.assertEqual(found["from"], [["Voil\u00e0 \u00c5sa".encode(), None, b"a", b"b"]])

    def test_texts(self) -> None:
        """Raw header strings, unfolded, encoded-words in place; of several the last."""
        found = sent(
            b"Subject: a",
            b"Subject:  b\r\n\t c  ",
            b"Date:\r\n d\r\n   e",
            b"Message-ID: <\xff\0>",
            b"In-Reply-To:",
        )
        self.assertEqual(
            (found["subject"], found["date"], found["message-id"], found["in-reply-to"]),
            (b"b c", b"d   e", b"<\xff\x80>", b""),
        )

    def test_defaults(self) -> None:
        """Sender and Reply-To are From where they are absent or empty."""
        author = [[None, None, b"a", b"b"]]
        for lines in ((), (b"Sender:", b"Reply-To: ")):
            found = sent(b"From: a@b", *lines)
            self.assertEqual((found["sender"], found["reply-to"]), (author, author))
        found = sent(b"From: a@b", b"Sender: c@d")
        self.assertEqual((found["sender"], found["reply-to"]), ([[None, None, b"c", b"d"]], author))
        self.assertIsNone(sent(b"Sender: c@d")["from"])

    def test_addresses(self) -> None:
        """Name, route, mailbox and host, free of quoting; repeated fields add up."""
        for value, expected in (
            (b'"A \\"B\\"" <"a b"@c>', [[b'A "B"', None, b"a b", b"c"]]),
            (b"<@r,@s:a@b>", [[None, b"@r,@s", b"a", b"b"]]),
            (b"a@b (Name), (No) c@d", [[b"Name", None, b"a", b"b"], [None, None, b"c", b"d"]]),
            (b"root", [[None, None, b"root", b"MISSING_DOMAIN"]]),
            (b"A B", [[b"A B", None, b"MISSING_MAILBOX", b"MISSING_DOMAIN"]]),
            (b"<>", [[None, None, b"MISSING_MAILBOX", b"MISSING_DOMAIN"]]),
            (b"J\xf6rg <\xe4@b>", [[b"J\xf6rg", None, b"\xe4", b"b"]]),
            (b"A\0 <a@b>", [[b"A\x80", None, b"a", b"b"]]),
            (b"(only a comment)", None),
            (b" ,, ", None),
            (b"", None),
        ):
            self.assertEqual(sent(b"To: " + value)["to"], expected, value)
        self.assertEqual(
            sent(b"To: a@b", b"TO : c@d")["to"], [[None, None, b"a", b"b"], [None, None, b"c", b"d"]]
        )

    def test_groups(self) -> None:
        """A group begins with its name and no host, and ends with all NIL."""
        end = [None, None, None, None]
        for value, expected in (
            (
                b"G: a@b, C <c@d>;, e@f",
                [
                    [None, None, b"G", None],
                    [None, None, b"a", b"b"],
                    [b"C", None, b"c", b"d"],
                    end,
                    [None, None, b"e", b"f"],
                ],
            ),
            (b"undisclosed-recipients:;", [[None, None, b"undisclosed-recipients", None], end]),
            (b":;", [[None, None, b"", None], end]),
        ):
            self.assertEqual(sent(b"To: " + value)["to"], expected)

    def test_bounds(self) -> None:
        """Addresses are bounded over all fields; From comes first."""
        many = b",".join([b"a@b"] * 500_000)
        found = sent(b"To: " + many, b"Cc: a@b", b"From: c@d")
        self.assertEqual(found["from"], [[None, None, b"c", b"d"]])
        self.assertEqual(len(found["to"]), limits.ADDRESSES - 1)
        self.assertIsNone(found["cc"])
        self.assertEqual(len(sent(b"Subject: " + b"x" * 10_000_000)["subject"]), limits.HEADER_BYTES - 1)

    @by_chance(170)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from([name.encode() for name in _NAMES] + [b"X"]),
                st.lists(
                    st.one_of(
                        st.sampled_from(
                            [b"a@b", b"<", b">", b",", b":", b";", b'"', b"(", b")", b"\\", b"\r\n ", b"\0"]
                        ),
                        st.binary(max_size=4),
                    ),
                    max_size=12,
                ).map(b"".join),
            ).map(b": ".join),
            max_size=10,
        )
    )
    def test_any_bytes(self, lines: list[bytes]) -> None:
        """Any header gives one balanced value of ten, and every address four."""
        for value in list(sent(*lines).values())[2:8]:
            for address in value or ():
                self.assertEqual(len(address), 4)
        stored(*lines)

    def test_from_tree(self) -> None:
        """A stored tree gives what its header gives."""
        lines = [b"From: \xe4 <a@b>", b"Subject: x\r\n y"]
        tree = {"header": headers.stored_lines(b"\r\n".join(lines))}
        self.assertEqual(envelope.from_tree(tree), envelope.wire(lines))


class StoredTests(unittest.TestCase):
    """WildDuck's form: decoded, bytes for what people read."""

    def test_empty(self) -> None:
        """Without fields all but the subject is null."""
        self.assertEqual(envelope.stored({}), [None, b"", *[None] * 8])

    def test_texts(self) -> None:
        """The subject is decoded; of repeated fields the last counts."""
        found = stored(
            b"Subject: a", b"Subject: =?utf-8?q?=C3=A4?=", b"Date: x", b"Date: y", b"Message-ID: <1>"
        )
        self.assertEqual((found["subject"], found["date"], found["message-id"]), ("ä".encode(), "y", "<1>"))

    def test_addresses(self) -> None:
        """Names are decoded, domains in Unicode, Sender and Reply-To default to From."""
        for value, expected in (
            (
                b"=?utf-8?q?J=C3=B6?= <a@xn--mnchen-3ya.de>",
                [["Jö".encode(), None, b"a", "münchen.de".encode()]],
            ),
            (b"a@XN--99999999", [[None, None, b"a", b"XN--99999999"]]),
            (b"a@xn--" + b"a" * 70, [[None, None, b"a", b"xn--" + b"a" * 70]]),
            (b"a@x.xn--p1ai.y", [[None, None, b"a", "x.рф.y".encode()]]),
            (b"Name", [[b"Name", None, None, None]]),
            (b"<local>", [[None, None, b"local", None]]),
            (b"G: a@b;", [[None, None, b"G", None], [None, None, b"a", b"b"], [None] * 4]),
            (b",", None),
        ):
            found = stored(b"From: " + value)
            self.assertEqual((found["from"], found["sender"], found["reply-to"]), (expected,) * 3)

    def test_odd_documents(self) -> None:
        """What another writer left in parsedHeader does no harm."""
        odd = {"from": [None, 3, {"name": None}, {"group": [None]}], "subject": 3, "date": [], "to": {"a": 1}}
        self.assertEqual(len(envelope.stored(odd)), 10)
