"""Tests for header fields and WildDuck's stored form of them."""

from __future__ import annotations

from typing import Any

from hypothesis import given, strategies as st
from twisted.trial import unittest

from test.support.chance import by_chance
from wildduck import limits
from wildduck.mime import headers
from wildduck.mime.part import ContentType


class FieldTests(unittest.TestCase):
    """Raw fields."""

    def test_split(self) -> None:
        """Folding stays, final line breaks go, lines without a colon are kept."""
        for raw, fields in (
            (b"", []),
            (b"\r\n", []),
            (b"A: b\r\nC: d\r\n\r\n", [b"A: b", b"C: d"]),
            (b"A: b\r\n c\r\n\td\r\nE: f", [b"A: b\r\n c\r\n\td", b"E: f"]),
            (b"A: b\n c\nE: f\n", [b"A: b\n c", b"E: f"]),
            (b"A: b\r\r\n c\r\r\nE: f\r\r\n", [b"A: b\r\r\n c", b"E: f"]),
            (b"A: b\rC: d\r\n", [b"A: b\rC: d"]),
            (b"no colon\r\n cont\r\nA: b", [b"no colon\r\n cont", b"A: b"]),
            (b" leading\r\nA: b", [b" leading", b"A: b"]),
        ):
            self.assertEqual(headers.split_header(raw), fields)

    def test_look_up(self) -> None:
        """Names are compared without case; a blank before the colon is allowed."""
        lines = [b"Subject: a", b"SUBJECT : b", b"Subject-x: c", b"subject", b"subject:"]
        self.assertEqual(headers.all_of(lines, b"subject"), [b" a", b" b", b""])
        self.assertEqual(headers.first(lines, b"Subject"), b" a")
        self.assertEqual(headers.last(lines, b"Subject"), b"")
        self.assertIsNone(headers.first(lines, b"To"))
        self.assertIsNone(headers.last([], b"To"))

    @by_chance(100)
    @given(st.lists(st.sampled_from([b"A: b", b"\r\n", b"\n", b"\r", b" ", b"\t", b"x", b":"])).map(b"".join))
    def test_no_byte_is_lost(self, raw: bytes) -> None:
        """Nothing but line breaks lies between fields, and they come in order."""
        position = 0
        for field in headers.split_header(raw):
            start = raw.index(field, position)
            self.assertEqual(raw[position:start].strip(b"\r\n"), b"")
            position = start + len(field)
        self.assertEqual(raw[position:].strip(b"\r\n"), b"")


class ContentTypeTests(unittest.TestCase):
    """RFC 2045 §5."""

    def test_types(self) -> None:
        """Types are in lower case; what can not be read is text/plain, a lone type nearly at its word."""
        for raw, value in (
            (b"Text/HTML; charset=x", "text/html"),
            (b" image / png ", "image/png"),
            (b"text/html charset=x", "text/html"),
            (b"text", "text/plain"),
            (b"text/", "text/plain"),
            (b"multipart", "multipart/mixed"),
            (b"image", "application/octet-stream"),
            (b"text plain", "text/plain"),
            (b"/plain", "text/plain"),
            (b"", "text/plain"),
            (b"\xff/\xff", "text/plain"),
            (b"a b/c d", "text/plain"),
        ):
            self.assertEqual(headers.content_type(raw).value, value, raw)

    def test_defaults(self) -> None:
        """Without the field it is text/plain, in a digest message/rfc822."""
        self.assertEqual(headers.content_type(None), ContentType("text", "plain", {}))
        self.assertEqual(headers.content_type(None, in_digest=True).value, "message/rfc822")
        self.assertEqual(headers.content_type(b"", in_digest=True).value, "text/plain")

    def test_parameters(self) -> None:
        """Parameters are decoded."""
        found = headers.content_type(b"multipart/mixed; boundary=\"a b\"; name*=utf-8''%c3%a4")
        self.assertEqual(found.parameters, {"boundary": "a b", "name": "ä"})

    def test_transfer_encoding(self) -> None:
        """The mechanism is one token; anything else is 7bit."""
        for raw, encoding in (
            (None, "7bit"),
            (b" BASE64 ", "BASE64"),
            (b"base64 (comment)", "base64"),
            (b"quoted-printable;", "quoted-printable"),
            (b"quoted printable", "7bit"),
            (b"", "7bit"),
            (b"8 bit", "7bit"),
            (b"text/html", "7bit"),
        ):
            self.assertEqual(headers.transfer_encoding(raw), encoding, raw)


class ParsedHeaderTests(unittest.TestCase):
    """WildDuck's parsedHeader."""

    def parsed(self, *lines: bytes) -> dict[str, Any]:
        found = headers.parsed_header(lines)
        self.assertEqual(found.pop("content-type")["value"], "text/plain")
        return found

    def test_texts(self) -> None:
        """Values are unfolded; of repeated fields WildDuck unfolds only the last."""
        self.assertEqual(
            self.parsed(b"X-A: a  b\r\n   c\r\n\td  ", b"X-B : b", b"X-C:"),
            {"x-a": "a  b c d", "x-b": "b", "x-c": ""},
        )
        self.assertEqual(
            self.parsed(b"R: 1\r\n x", b"R: 2\n y", b"r:3\r\n z"), {"r": ["1\r\n x", "2\r\n y", "3 z"]}
        )

    def test_single(self) -> None:
        """Of some fields only the last counts."""
        self.assertEqual(
            self.parsed(b"Message-ID: <1>", b"Message-ID: <2>\r\n x", b"In-Reply-To: a", b"In-Reply-To: b"),
            {"message-id": "<2> x", "in-reply-to": "b"},
        )

    def test_eight_bit(self) -> None:
        """Raw 8-bit text is UTF-8, else windows-1252; encoded-words stay."""
        self.assertEqual(
            self.parsed("A: ä".encode(), b"B: \xe4", b"C: =?utf-8?q?x?="),
            {"a": "ä", "b": "ä", "c": "=?utf-8?q?x?="},
        )

    def test_keys(self) -> None:
        """Names that WildDuck leaves out, or that would be odd keys, are left out."""
        self.assertEqual(
            self.parsed(
                b"a_b: 1",
                b"a.b: 1",
                b"$a: 1",
                b"a b: 1",
                b"a" * 100 + b": 1",
                b"\xe4: 1",
                b"no colon",
                b": 1",
            ),
            {},
        )
        self.assertEqual(
            self.parsed(b"a" * 99 + b": 1", b"constructor: q"), {"a" * 99: "1", "constructor": "q"}
        )

    def test_addresses(self) -> None:
        """Address fields are lists, repeated ones add up, an empty one is an empty text."""
        self.assertEqual(
            self.parsed(b"To: a@b", b"To: G: C <c@d>;", b"Cc:", b"Bcc: ,", b"From: =?utf-8?q?x?= <a@b>"),
            {
                "to": [
                    {"address": "a@b", "name": ""},
                    {"name": "G", "group": [{"address": "c@d", "name": "C"}]},
                ],
                "cc": "",
                "bcc": [],
                "from": [{"address": "a@b", "name": "=?utf-8?q?x?="}],
            },
        )

    def test_order(self) -> None:
        """Keys are in WildDuck's order, from the bottom up; values of one key from the top down."""
        found = headers.parsed_header([b"A: 1", b"B: 2", b"A: 3", b"C: 4"])
        self.assertEqual(list(found), ["c", "a", "b", "content-type"])
        self.assertEqual(found["a"], ["1", "3"])

    def test_structured(self) -> None:
        """Content-Disposition is parsed if there is something in it."""
        self.assertEqual(
            self.parsed(b"Content-Disposition: inline")["content-disposition"],
            {"value": "inline", "type": "inline", "subtype": "", "params": {}},
        )
        self.assertEqual(self.parsed(b"Content-Disposition: "), {"content-disposition": ""})

    def test_bounds(self) -> None:
        """Addresses are bounded over all fields, a line that does not fit is left out."""
        many = b",".join([b"a@b"] * limits.ADDRESSES)
        parsed = self.parsed(b"To: " + many, b"From: x@y", b"Cc: " + many)
        self.assertEqual(sum(len(parsed[name]) for name in ("from", "to", "cc")), limits.ADDRESSES)
        self.assertEqual(len(parsed["from"]), 1)
        self.assertEqual(self.parsed(b"X: " + b"x" * limits.HEADER_BYTES, b"Y: y"), {"y": "y"})

    @by_chance(100)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(
                    [b"To", b"Subject", b"Content-Type", b"Content-Disposition", b"List-Id", b"X-\xff", b"A"]
                ),
                st.binary(max_size=20),
            ).map(b": ".join),
            max_size=12,
        )
    )
    def test_any_bytes(self, lines: list[bytes]) -> None:
        """Any bytes give a header with a content-type."""
        self.assertIn("value", headers.parsed_header(lines)["content-type"])
        headers.indexed(lines)
        headers.subject(lines)


class StoredLinesTests(unittest.TestCase):
    """WildDuck's header list."""

    def test_bytes(self) -> None:
        """Each byte is one character, each fold a CRLF, and the bytes come back."""
        raw = b"A: \x00\x80\xff\xe4\n b\r\nC: d\r\n"
        self.assertEqual(headers.stored_lines(raw), ["A: \x00\x80\xff\xe4\r\n b", "C: d"])
        self.assertEqual(
            headers.lines_of({"header": headers.stored_lines(raw)}), [b"A: \x00\x80\xff\xe4\r\n b", b"C: d"]
        )

    def test_budget(self) -> None:
        """A line that does not fit is left out, later ones may fit."""
        self.assertEqual(headers.stored_lines(b"A: 12345\r\nB: 1\r\n", 5), ["B: 1"])

    def test_odd_documents(self) -> None:
        """A tree with another header, or none, is read as far as it goes."""
        self.assertEqual(headers.lines_of({}), [])
        self.assertEqual(headers.lines_of({"header": False}), [])
        self.assertEqual(headers.lines_of({"header": ["A: €", None]}), ["A: €".encode(), b"None"])


class IndexedTests(unittest.TestCase):
    """The searchable headers of a document."""

    def test_values(self) -> None:
        """Decoded, in lower case, in order; a List-Id is reduced to its identifier."""
        self.assertEqual(
            headers.indexed(
                [
                    b"Subject: =?utf-8?q?=C3=84?=\r\n B",
                    b"X-Other: x",
                    b'List-ID: "My List" <My.List.Example>',
                    b"List-Id: bare.example",
                    b"To: A <A@B>",
                    b"to: c@d",
                ]
            ),
            [
                {"key": "subject", "value": "ä b"},
                {"key": "list-id", "value": "my.list.example"},
                {"key": "list-id", "value": "bare.example"},
                {"key": "to", "value": "a <a@b>"},
                {"key": "to", "value": "c@d"},
            ],
        )

    def test_cut(self) -> None:
        """Long values are cut as WildDuck does: at 880 bytes, then four UTF-16 units."""
        for text, length in (
            ("x" * 879, 879),
            ("x" * 880, 876),
            ("x" * 5000, 876),
            ("é" * 440, 436),
            ("€" * 500, 290),
            ("😀" * 500, 218),
        ):
            (row,) = headers.indexed([b"Subject: " + text.encode()])
            self.assertEqual(len(row["value"]), length)
        (row,) = headers.indexed([b"Subject: a" + "😀".encode() * 500])
        row["value"].encode("utf-8")

    def test_bound(self) -> None:
        """A field repeated without end is indexed only so often."""
        self.assertLessEqual(len(headers.indexed([b"To: a@b"] * 100_000)), 1000)

    def test_subject(self) -> None:
        """The last Subject counts, blanks collapsed."""
        self.assertEqual(headers.subject([b"Subject: a", b"Subject:  b\r\n\t =?utf-8?q?c?="]), "b c")
        self.assertEqual(headers.subject([]), "")
