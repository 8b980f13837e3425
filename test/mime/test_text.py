"""Tests for the readable text of a message."""

from __future__ import annotations

from hypothesis import given
from twisted.trial import unittest

from test.mime.storing import crlf
from test.mime.strategies import messages
from test.support.chance import by_chance
from wildduck import limits
from wildduck.mime import headers, text
from wildduck.mime.message import scan
from wildduck.mime.part import Part
from wildduck.mime.text import Texts


def texts(source: str | bytes, attachments: dict[str, str] | None = None) -> Texts:
    message = scan(crlf(source) if isinstance(source, str) else source)

    def header_of(part: Part) -> list[bytes]:
        return headers.split_header(message.read(part.header_start, part.body_start))

    def read(part: Part, length: int) -> bytes:
        return message.read(part.body_start, min(part.body_end, part.body_start + length))

    return text.extract(text.collect(message.root, header_of, read), attachments or {})


def plain(body: str, extra: str = "") -> str:
    return f"Content-Type: text/plain\n{extra}\n{body}"


def html(body: str, extra: str = "") -> str:
    return f"Content-Type: text/html\n{extra}\n{body}"


def multi(subtype: str, *parts: str) -> str:
    boundary = f"b{len(''.join(parts))}"
    return (
        f"Content-Type: multipart/{subtype}; boundary={boundary}\n\n"
        + "".join(f"--{boundary}\n{part}\n" for part in parts)
        + f"--{boundary}--\n"
    )


def message(inner: str) -> str:
    return f"Content-Type: message/rfc822\n\nSubject: inner\n{inner}"


class SelectionTests(unittest.TestCase):
    """Which parts are taken for what."""

    def test_table(self) -> None:
        """Outside of alternatives each part serves for both; attachments for none."""
        for source, expected, markup in (
            (plain("a"), "a", ["<p>a</p>"]),
            (html("<b>a</b>"), "a", ["<b>a</b>"]),
            (plain(""), "", []),
            (multi("alternative", plain("a"), html("b")), "a", ["b"]),
            (multi("alternative", html("b"), plain("a")), "a", ["b"]),
            (multi("alternative", plain("a")), "a", []),
            (multi("alternative", html("<b>a</b>")), "a", ["<b>a</b>"]),
            (multi("alternative", plain("a"), multi("related", html("b"))), "a", ["b"]),
            (multi("related", multi("alternative", plain("a"), html("b"))), "a", ["b"]),
            (
                multi("mixed", plain("a\n\n"), html("<p>b</p>"), plain("c")),
                "a\nb\nc",
                ["<p>a</p>", "<p>b</p>", "<p>c</p>"],
            ),
            (
                multi("mixed", multi("alternative", plain("a"), html("b")), plain("c")),
                "a\nc",
                ["b", "<p>c</p>"],
            ),
            (multi("mixed", plain("a"), plain("b", "Content-Disposition: attachment\n")), "a", ["<p>a</p>"]),
            (multi("mixed", plain("a", "Content-Disposition: INLINE; filename=x\n")), "a", ["<p>a</p>"]),
            (multi("mixed", plain("a", "Content-Disposition: unknown\n")), "", []),
            ("Content-Type: text/enriched\n\na", "", []),
            (
                multi(
                    "report",
                    plain("a"),
                    "Content-Type: message/delivery-status\n\nStatus: 5",
                    "Content-Type: text/rfc822-headers\n\nTo: x",
                ),
                "a\nStatus: 5\nTo: x",
                ["<p>a</p>", "<p>Status: 5</p>", "<p>To: x</p>"],
            ),
            (multi("mixed", plain("a"), message(plain("b"))), "a", ["<p>a</p>"]),
            (
                multi("mixed", plain("a"), message(multi("mixed", plain("b")))),
                "a\nb",
                ["<p>a</p>", "<p>b</p>"],
            ),
            (multi("digest", "\nSubject: s\n\nb"), "b", ["<p>b</p>"]),
        ):
            found = texts(source)
            self.assertEqual((found.text, found.footer, found.html), (expected, "", markup), source)

    def test_links(self) -> None:
        """Links to parts become attachment links in both."""
        found = texts(html('<img src="cid:x">see cid:x'), {"x": "ATT00001"})
        self.assertEqual(found.html, ['<img src="attachment:ATT00001">see attachment:ATT00001'])
        self.assertIn("see attachment:ATT00001", found.text)


class DecodingTests(unittest.TestCase):
    """Transfer encoding, charset, flowed text."""

    def test_encodings(self) -> None:
        """Encodings and charsets are undone, wrong ones as well as can be."""
        for source, expected in (
            (
                b"Content-Type: text/plain; charset=iso-8859-1\r\n"
                b"Content-Transfer-Encoding: quoted-printable\r\n\r\ncaf=E9 =\r\nx",
                "café x",
            ),
            (b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nw6Q", "ä"),
            (b"\r\ncaf\xe9", "café"),
            (b"\r\ncaf\xc3\xa9", "café"),
            (b"Content-Type: text/plain; charset=nonsense\r\n\r\ncaf\xc3\xa9", "café"),
            (b"Content-Transfer-Encoding: nonsense\r\n\r\nx", "x"),
            (b"\r\na\nb\rc", "a\nb\nc"),
        ):
            self.assertEqual(texts(source).text, expected)

    def test_flowed(self) -> None:
        """Soft line breaks are joined per quote depth, stuffing goes, a signature mark stays (RFC 3676)."""
        for source, delsp, expected in (
            ("flow \ned \nend\nnext", False, "flow ed end\nnext"),
            ("flow \ned", True, "flowed"),
            ("> quo \n> ted\n>> deeper \n> back", False, "> quo ted\n>> deeper \n> back"),
            (" stuffed\n  two", False, "stuffed\n two"),
            ("a \n-- \nsig", False, "a -- \nsig"),
            ("-- \nsig", False, "-- \nsig"),
            ("open ", False, "open "),
            ("", False, ""),
        ):
            self.assertEqual(text.unflow(source, delsp), expected)
        found = texts("Content-Type: text/plain; format=flowed; delsp=yes\n\nflow \ned\n")
        self.assertEqual(found.text, "flowed")


class BoundTests(unittest.TestCase):
    """spec/schema.md 'messages': 1 KiB indexed, 100 KiB kept, HTML bounded."""

    def test_text(self) -> None:
        """The first part is indexed, the rest kept up to the bound."""
        found = texts(plain("é" * 1500))
        self.assertEqual((len(found.text), len(found.footer)), (1024, 476))
        found = texts(multi("mixed", *[plain("word " * 30_000)] * 3))
        self.assertEqual(len(found.text + found.footer), limits.TEXT_KEPT)

    def test_html(self) -> None:
        """HTML is kept up to the bound, over all parts."""
        found = texts(multi("mixed", *[html("<p>word</p>" * 30_000)] * 5))
        self.assertEqual(sum(map(len, found.html)), limits.HTML_KEPT)

    def test_huge_html(self) -> None:
        """HTML past its bound is not converted."""
        found = texts(html("<p>word</p>" * 300_000))
        self.assertEqual((found.text, len(found.html[0])), ("", limits.HTML_KEPT))

    @by_chance(70)
    @given(messages)
    def test_any_bytes(self, data: bytes) -> None:
        """Any message has some text, that can be stored."""
        found = texts(data)
        "".join((found.text, found.footer, *found.html)).encode("utf-8")
