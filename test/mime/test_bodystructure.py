"""Tests for BODY and BODYSTRUCTURE, sent and stored."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from twisted.trial import unittest

from test.mime.imap_values import parse
from test.mime.storing import crlf
from test.mime.strategies import messages
from test.support.chance import by_chance
from wildduck import limits
from wildduck.mime import bodystructure, headers
from wildduck.mime.bodystructure import Sent
from wildduck.mime.message import scan
from wildduck.mime.part import Part
from wildduck.mime.tree import build

PLAIN = b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" %d %d NIL NIL NIL NIL)'


def sent(data: bytes, extended: bool = True) -> bytes:
    """What is sent for a message."""
    message = scan(data)

    def header_of(part: Part) -> list[bytes]:
        return headers.split_header(message.read(part.header_start, part.body_start))

    return bodystructure.wire(message.root, header_of, extended)


def from_tree(data: bytes, extended: bool = True) -> bytes:
    """What is sent for the stored tree of a message."""
    return bodystructure.from_tree(build(scan(data)).root, extended)


def stored(text: str) -> list[Any]:
    return bodystructure.stored(build(scan(crlf(text))).root)


class WireTests(unittest.TestCase):
    """RFC 3501 §7.4.2; the same from the scanned structure and from the stored tree."""

    def check(self, text: str | bytes, expected: bytes) -> None:
        data = crlf(text) if isinstance(text, str) else text
        self.assertEqual(sent(data), expected)
        self.assertEqual(from_tree(data), expected)
        parse(expected)

    def test_plain(self) -> None:
        """The default type, and the count of lines."""
        self.check("Subject: x\n\nhello\nworld", PLAIN % (12, 1))
        self.check("\nhello\n", PLAIN % (7, 1))

    def test_every_field(self) -> None:
        """Type as written, parameters, id, description, encoding, MD5, disposition, language, location."""
        self.check(
            'Content-Type: TEXT/Html; Charset=utf-8; name="a b"\nContent-ID: <1@x>\n'
            "Content-Description: =?utf-8?q?d?=\nContent-Transfer-Encoding: Quoted-Printable\n"
            "Content-MD5: Q2hl\nContent-Disposition: attachment; filename*=utf-8''a%20b\n"
            "Content-Language: en, de-CH (Swiss), 5!\nContent-Location: http://x/\n y\n\nx\n",
            b'("TEXT" "Html" ("Charset" "utf-8" "name" "a b") "<1@x>" "=?utf-8?q?d?=" "Quoted-Printable" 3 1 '
            b'"Q2hl" ("attachment" ("filename*" "utf-8\'\'a%20b")) ("en" "de-CH") "http://x/ y")',
        )

    def test_no_text(self) -> None:
        """Only text has lines, and the default charset."""
        self.check(
            "Content-Type: image/png\nContent-Transfer-Encoding: base64\n\nQUJD\n",
            b'("image" "png" NIL NIL NIL "base64" 6 NIL NIL NIL NIL)',
        )

    def test_not_extended(self) -> None:
        """BODY has no extension data."""
        data = crlf("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-MD5: x\n\nx\n--b--\n")
        self.assertEqual(
            sent(data, False), b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0) "mixed")'
        )
        self.assertEqual(from_tree(data, False), sent(data, False))

    def test_multipart(self) -> None:
        """Parts, then subtype, parameters, disposition, language, location."""
        self.check(
            "Content-Type: multipart/Mixed; boundary=b; x=y\n"
            "Content-Disposition: inline\nContent-Language: en\nContent-Location: l\n\n"
            "--b\n\na\n--b\nContent-Type: multipart/alternative; boundary=c\n\n"
            "--c\n\nb\n--c--\n--b--\n",
            b"("
            + PLAIN % (1, 0)
            + b"("
            + PLAIN % (1, 0)
            + b' "alternative" ("boundary" "c") NIL NIL NIL)'
            + b' "Mixed" ("boundary" "b" "x" "y") ("inline" NIL) ("en") "l")',
        )

    def test_message(self) -> None:
        """A message/rfc822 has envelope, structure and lines."""
        self.check(
            "Content-Type: Message/RFC822; a=b\n\nSubject: s\nFrom: a@b\n\nbody\n",
            b'("message" "rfc822" ("a" "b") NIL NIL "7bit" 31 (NIL "s" '
            b'((NIL NIL "a" "b")) ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) NIL NIL NIL NIL NIL) '
            + PLAIN % (6, 1)
            + b" 4 NIL NIL NIL NIL)",
        )

    def test_digest(self) -> None:
        """Parts of a multipart/digest are messages by default (RFC 2046 §5.1.5)."""
        data = crlf("Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: s\n\nx\n--b--\n")
        value = parse(sent(data))
        self.assertEqual((value[0][:2], value[0][7][1]), ([b"message", b"rfc822"], b"s"))
        self.assertEqual(from_tree(data), sent(data))

    def test_encoded_message(self) -> None:
        """A message that can not be looked into has an empty envelope and structure."""
        self.check(
            "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeA==\n",
            b'("message" "rfc822" NIL NIL NIL "base64" 18 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) '
            + PLAIN % (0, 0)
            + b" 1 NIL NIL NIL NIL)",
        )

    def test_empty_multipart(self) -> None:
        """A multipart without parts is sent with an empty one, for the grammar wants one."""
        self.check(
            "Content-Type: multipart/mixed; boundary=b\n\nnothing\n",
            b"(" + PLAIN % (0, 0) + b' "mixed" ("boundary" "b") NIL NIL NIL)',
        )

    def test_wrong_types(self) -> None:
        """A multipart without boundary, and what is no type, are text/plain (RFC 2045 §5.2)."""
        for value in ("multipart/mixed", "multipart/mixed; boundary=", "", "nonsense here"):
            self.check(f"Content-Type: {value}\n\nx\n", PLAIN % (3, 1))

    def test_wrong_values(self) -> None:
        """Values that hold nothing, or no token, are NIL; a wrong encoding is 7bit."""
        self.check(
            "Content-Type: text/plain\nContent-ID:\nContent-Description: \nContent-Disposition: ;a=b\n"
            "Content-Language: ,;\nContent-Location:\nContent-Transfer-Encoding: quoted printable\n\nx\n",
            PLAIN % (3, 1),
        )

    def test_eight_bit(self) -> None:
        """Eight bits and NULs go as literals, a NUL as 0x80."""
        self.check(
            b'Content-Type: text/plain; charset=x; name="\xe4\0"\r\nContent-Description: "\xff"\r\n\r\nx',
            b'("text" "plain" ("charset" "x" "name" {2}\r\n\xe4\x80) NIL {3}\r\n"\xff" '
            b'"7bit" 1 0 NIL NIL NIL NIL)',
        )

    def test_other_form(self) -> None:
        """A part that is sent in base64 says so, with the size as sent."""
        message = scan(b"Content-Type: text/plain; charset=x\r\nContent-Transfer-Encoding: 8bit\r\n\r\na\0b")
        value = parse(
            bodystructure.wire(
                message.root,
                lambda part: headers.split_header(message.read(part.header_start, part.body_start)),
                False,
                lambda part: Sent(4, 0, True),
            )
        )
        self.assertEqual(value[5:], [b"base64", 4, 0])
        value = parse(bodystructure.from_tree(build(message).root, False, lambda node: Sent(4, 0, True)))
        self.assertEqual(value[5:], [b"base64", 4, 0])

    def test_bounds(self) -> None:
        """What is kept as one piece because it lies too deep is unknown data, with all its bytes."""
        data = b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(1000)
        )
        value = parse(sent(data + b"\r\nx"))
        for _ in range(limits.MIME_DEPTH):
            self.assertEqual(value[1], b"mixed")
            value = value[0]
        self.assertEqual(value[:2], [b"application", b"octet-stream"])

    def test_wildduck_tree(self) -> None:
        """A tree that WildDuck split by the last of two Content-Types is described as it was split."""
        tree = {
            "header": ["Content-Type: text/html", "Content-Type: multipart/mixed; boundary=b"],
            "parsedHeader": {"content-type": {"value": "multipart/mixed"}},
            "boundary": "b",
            "childNodes": [{"header": [], "size": 3, "lineCount": 1}],
        }
        self.assertEqual(
            bodystructure.from_tree(tree, True),
            b"(" + PLAIN % (3, 1) + b' "mixed" ("boundary" "b") NIL NIL NIL)',
        )

    def test_odd_documents(self) -> None:
        """Whatever a tree holds, one balanced value is sent."""
        for tree in (
            {},
            {"header": None, "size": "3", "lineCount": None, "childNodes": [None, 3], "message": 3},
            {"header": ["Content-Type: multipart/mixed"], "boundary": "b", "childNodes": False},
            {"parsedHeader": 3, "header": ["Content-Type: a/b", "Content-Type: c/d"], "size": -1},
            {"message": {}, "size": 3.0},
        ):
            for extended in (False, True):
                parse(bodystructure.from_tree(tree, extended))
            bodystructure.stored(tree)

    @by_chance(100)
    @given(messages)
    def test_any_bytes(self, data: bytes) -> None:
        """Any message gives one balanced value in both forms, from the bytes and from the tree."""
        for extended in (False, True):
            parse(sent(data, extended))
            parse(from_tree(data, extended))


class StoredTests(unittest.TestCase):
    """WildDuck's form (its strings in upper case, values decoded)."""

    def test_leaf(self) -> None:
        """Twelve items for text, eleven for others; parameter values are bytes."""
        self.assertEqual(
            stored(
                "Content-Type: text/plain; charset=utf-8; name*=utf-8''%C3%A4\nContent-ID: <1>\n"
                "Content-Description: d\nContent-Transfer-Encoding: 8bit\nContent-MD5: m\n"
                "Content-Disposition: inline; a=b\nContent-Language: en, de\nContent-Location: l\n\nx\n"
            ),
            [
                "TEXT",
                "PLAIN",
                ["CHARSET", b"utf-8", "NAME", "ä".encode()],
                "<1>",
                "d",
                "8BIT",
                3,
                1,
                "m",
                ["INLINE", ["A", b"b"]],
                ["en", "de"],
                "l",
            ],
        )
        self.assertEqual(
            stored("Content-Type: image/png\n\nx"),
            ["IMAGE", "PNG", None, None, None, "7BIT", 1, None, None, None, None],
        )

    def test_composites(self) -> None:
        """Parts of a multipart, what a message holds, and a stand-in where there is no part."""
        leaf = ["TEXT", "PLAIN", None, None, None, "7BIT", 1, 0, None, None, None, None]
        self.assertEqual(
            stored("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n"),
            [leaf, "MIXED", ["BOUNDARY", b"b"], None, None, None],
        )
        self.assertEqual(
            stored("Content-Type: message/rfc822\n\nSubject: s\n\nx"),
            [
                "MESSAGE",
                "RFC822",
                None,
                None,
                None,
                "7BIT",
                15,
                [None, b"s", *[None] * 8],
                leaf,
                2,
                None,
                None,
                None,
                None,
            ],
        )
        self.assertEqual(stored("Content-Type: multipart/mixed; boundary=b\n\nnothing\n")[0][6:8], [0, 0])
