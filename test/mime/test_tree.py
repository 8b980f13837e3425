"""Tests for the stored tree; what WildDuck stores was seen on WildDuck 1.51."""

from __future__ import annotations

import hashlib
from typing import Any

from twisted.trial import unittest

from test.mime.storing import crlf, multipart
from wildduck import limits
from wildduck.mime import tree
from wildduck.mime.message import scan


def built(data: bytes) -> tree.Tree:
    return tree.build(scan(data))


def attachment(body: bytes = b"x", kind: bytes = b"application/pdf") -> bytes:
    return b"Content-Type: " + kind + b"\r\n\r\n" + body


def leaf_keys(node: dict[str, Any]) -> dict[str, Any]:
    return {key: node.get(key) for key in ("body", "lineCount", "size", "attachmentId")}


class FormTests(unittest.TestCase):
    """The keys and values of nodes."""

    def test_leaf(self) -> None:
        """A text leaf has its header, parsed header and body, in WildDuck's order."""
        root = built(crlf("Subject: x\n y\n\nhi\nthere\n")).root
        self.assertEqual(
            list(root.items()),
            [
                ("header", ["Subject: x\r\n y"]),
                ("parsedHeader", root["parsedHeader"]),
                ("body", b"hi\r\nthere\r\n"),
                ("multipart", False),
                ("boundary", False),
                ("lineCount", 2),
                ("size", 11),
            ],
        )
        self.assertEqual(root["parsedHeader"]["subject"], "x y")
        self.assertEqual(root["parsedHeader"]["content-type"]["value"], "text/plain")

    def test_multipart(self) -> None:
        """A multipart begins with its children, and has the subtype as written."""
        data = multipart(b"\r\nx").replace(b"multipart/mixed", b"Multipart/MiXed")
        root = built(data).root
        self.assertEqual(
            list(root),
            ["childNodes", "header", "parsedHeader", "body", "multipart", "boundary", "lineCount", "size"],
        )
        self.assertEqual((root["multipart"], root["boundary"], root["body"]), ("MiXed", "b", b""))
        self.assertEqual(leaf_keys(root["childNodes"][0])["body"], b"x")

    def test_message(self) -> None:
        """A message/rfc822 is stored outside, its structure stands before its lines."""
        data = multipart(b"Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nz")
        node = built(data).root["childNodes"][0]
        self.assertEqual(
            list(node),
            [
                *("header", "parsedHeader", "body", "multipart", "boundary", "message"),
                *("lineCount", "size", "attachmentId"),
            ],
        )
        self.assertEqual((node["body"], node["size"], node["lineCount"]), (False, 15, 2))
        self.assertEqual(leaf_keys(node["message"])["body"], b"z")

    def test_without_parts(self) -> None:
        """A multipart in which no part was found has no children."""
        root = built(crlf("Content-Type: multipart/mixed; boundary=b\n\nnothing\n")).root
        self.assertNotIn("childNodes", root)
        self.assertEqual((root["boundary"], root["body"], root["size"]), ("b", b"nothing\r\n", 9))

    def test_preamble_and_epilogue(self) -> None:
        """Both make the body of a multipart, which ends in CRLF; lines are counted before that."""
        for preamble, epilogue, body, lines in (
            (b"", b"", b"", 0),
            (b"\r\n", b"", b"\r\n", 1),
            (b"p1\r\np2\r\n", b"", b"p1\r\np2\r\n", 2),
            (b"p\r\n\r\n", b"", b"p\r\n\r\n", 2),
            (b"", b"e1\r\ne2\r\n", b"e1\r\ne2\r\n", 2),
            (b"", b"e", b"e\r\n", 0),
            (b"p\r\n", b"e\r\n", b"p\r\ne\r\n", 2),
        ):
            root = built(multipart(b"\r\nx", preamble=preamble, epilogue=epilogue)).root
            self.assertEqual((root["body"], root["lineCount"], root["size"]), (body, lines, len(body)))

    def test_inner_preamble(self) -> None:
        """Directly before an outer boundary WildDuck counts one line less."""
        inner = b"Content-Type: multipart/mixed; boundary=c\r\n\r\np\r\n--c\r\n\r\nx\r\n--c--"
        for end, lines in ((b"", 0), (b"\r\n", 1)):
            node = built(multipart(inner + end)).root["childNodes"][0]
            self.assertEqual((node["body"], node["lineCount"]), (b"p\r\n", lines))

    def test_bytes_as_they_came(self) -> None:
        """Bodies keep bare line feeds; header strings are one character a byte, folds CRLF."""
        root = built(b"X: \xe4\n \xc3\xa4\n\none\ntwo").root
        self.assertEqual((root["header"], root["body"]), (["X: \xe4\r\n \xc3\xa4"], b"one\ntwo"))

    def test_digest(self) -> None:
        """A part that is a message by its multipart/digest is described as one."""
        data = multipart(b"\r\nSubject: y\r\n\r\nz").replace(b"/mixed", b"/digest")
        node = built(data).root["childNodes"][0]
        self.assertEqual(node["parsedHeader"]["content-type"]["value"], "message/rfc822")

    def test_repeated_fields(self) -> None:
        """The parsed header shows the Content-Type that was followed."""
        data = b"Content-Type: multipart/mixed; boundary=b\r\nContent-Type: text/plain\r\n\r\n--b\r\n\r\nx"
        root = built(data).root
        self.assertEqual(root["parsedHeader"]["content-type"]["value"], "multipart/mixed")


class StorageTests(unittest.TestCase):
    """What is stored outside the tree."""

    def test_rule(self) -> None:
        """Text, mail headers and delivery status stay, but for attachments; other types go."""
        for header, stays in (
            ("Content-Type: text/plain", True),
            ("Content-Type: TEXT/HTML; name=f.html", True),
            ("Content-Type: text/rfc822-headers", True),
            ("Content-Type: message/delivery-status", True),
            ("Content-Type: text/plain\nContent-Disposition: INLINE; filename=f", True),
            ("Content-Type: text/plain\nContent-Disposition: ; filename=f", True),
            ("Content-Type: text/plain\nContent-Disposition:", True),
            ("A: b", True),
            ("Content-Type: multipart/mixed", True),
            ("Content-Type: text/plain\nContent-Disposition: attachment", False),
            ("Content-Type: text/plain\nContent-Disposition: foo", False),
            ("Content-Type: text/calendar", False),
            ("Content-Type: message/disposition-notification", False),
            ("Content-Type: image/png\nContent-Disposition: inline", False),
        ):
            found = built(multipart(crlf(header + "\n\nx")))
            node = found.root["childNodes"][0]
            self.assertEqual(node["body"], b"x" if stays else False, header)
            self.assertEqual(node.get("attachmentId"), None if stays else "ATT00001", header)
            self.assertEqual(len(found.externals), 0 if stays else 1, header)

    def test_empty_body(self) -> None:
        """An empty body is never stored outside."""
        node = built(multipart(attachment(b""))).root["childNodes"][0]
        self.assertEqual(leaf_keys(node), {"body": b"", "lineCount": 0, "size": 0, "attachmentId": None})

    def test_long_text(self) -> None:
        """Text of 300 KiB stays, a byte more does not."""
        for size, stays in ((limits.INLINE_PART_BYTES, True), (limits.INLINE_PART_BYTES + 1, False)):
            root = built(b"A: b\r\n\r\n" + b"x" * size).root
            self.assertEqual(root["body"] is not False, stays)

    def test_text_in_all(self) -> None:
        """Of many texts only the first megabyte stays."""
        found = built(multipart(*[b"\r\n" + b"x" * 300_000] * 10))
        self.assertEqual(
            [node["body"] is not False for node in found.root["childNodes"]], [True] * 3 + [False] * 7
        )
        self.assertEqual(len(found.externals), 7)

    def test_text_with_nul(self) -> None:
        """A text with NULs is stored outside."""
        node = built(multipart(b"\r\nx\0y")).root["childNodes"][0]
        self.assertEqual((node["body"], node["attachmentId"]), (False, "ATT00001"))

    def test_external(self) -> None:
        """What is to be stored says where it is, its digest, type, encoding and line length."""
        body = b"QUJDREVG\r\nQUJD"
        header = b"Content-Type: Image/PNG; name=x\r\nContent-Transfer-Encoding: BASE64\r\n\r\n"
        data = multipart(b"\r\nx", header + body)
        (external,) = built(data).externals
        start = data.index(body)
        self.assertEqual(
            external,
            tree.External(
                attachment_id="ATT00001",
                start=start,
                end=start + len(body),
                sha256=hashlib.sha256(body).digest(),
                transfer_encoding="base64",
                content_type="image/png",
                line_length=8,
            ),
        )

    def test_line_length_of_base64_only(self) -> None:
        """Without the label base64 nothing is stored decoded."""
        (external,) = built(multipart(attachment(b"QUJDREVG\r\nQUJD"))).externals
        self.assertEqual((external.line_length, external.transfer_encoding), (None, "7bit"))

    def test_order_of_ids(self) -> None:
        """Ids count in the order of the message, inner messages included; an inner root stays."""
        inner = multipart(attachment(b"inner")).replace(b"=b\r", b"=c\r").replace(b"--b", b"--c")
        data = multipart(
            attachment(b"one"),
            b"Content-Type: message/rfc822\r\n\r\n" + inner,
            b"Content-Type: message/rfc822\r\n\r\n" + attachment(b"root"),
            attachment(b"two"),
        )
        found = built(data)
        bodies = {external.attachment_id: data[external.start : external.end] for external in found.externals}
        self.assertEqual([bodies[key] for key in sorted(bodies)][:3], [b"one", inner, b"inner"])
        self.assertEqual(bodies["ATT00005"], b"two")
        self.assertEqual(found.root["childNodes"][2]["message"]["body"], b"root")

    def test_copies_in_messages_are_bounded(self) -> None:
        """Messages in messages are stored again for each level only up to a multiple of the whole."""
        data = b"Content-Type: message/rfc822\r\n\r\n" * 40 + attachment(b"x" * 1_000_000)
        found = built(data)
        stored = sum(external.end - external.start for external in found.externals)
        self.assertLess(stored, 5 * len(data))
        deepest = found.root
        while "message" in deepest:
            deepest = deepest["message"]
        self.assertEqual((deepest["body"], deepest["size"]), (b"", 1_000_000))


class BoundTests(unittest.TestCase):
    """Headers beyond the bound."""

    def test_long_header(self) -> None:
        """Of ten megabytes of header fields one stays in the tree."""
        root = built(b"".join(b"X-%d: some value\r\n" % i for i in range(500_000)) + b"\r\nx").root
        kept = sum(map(len, root["header"]))
        self.assertTrue(limits.HEADER_BYTES // 3 < kept < limits.HEADER_BYTES)

    def test_type_of_a_part_without_room(self) -> None:
        """A part whose fields found no room still has its type and encoding."""
        header = b"Content-Type: image/png; name=%s\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD"
        root = built(multipart(*[header % (b"n" * 1000)] * 2000)).root
        last = root["childNodes"][-1]
        self.assertEqual(last["header"], [])
        self.assertEqual(last["parsedHeader"]["content-type"]["value"], "image/png")
        self.assertEqual(last["parsedHeader"]["content-transfer-encoding"], "base64")
