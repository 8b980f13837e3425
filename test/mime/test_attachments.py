"""Tests for the list of attachments; rows were seen on WildDuck 1.51."""

from __future__ import annotations

from typing import Any

from twisted.trial import unittest

from test.mime.storing import crlf, multipart
from wildduck.mime import attachments, tree
from wildduck.mime.message import scan


def listed(data: bytes) -> attachments.Attachments:
    message = scan(data)
    return attachments.listed(message.root, tree.build(message))


def row(header: str, body: bytes = b"x") -> dict[str, Any]:
    """The row of a part with this header."""
    (found,) = listed(multipart(crlf(header + "\n\n") + body)).rows
    return found


class RowTests(unittest.TestCase):
    """One row."""

    def test_row(self) -> None:
        """A row has WildDuck's keys in WildDuck's order."""
        found = row(
            'Content-Type: Application/PDF; name="n.pdf"\nContent-Transfer-Encoding: BASE64\n'
            'Content-Disposition: Attachment; filename="f.pdf"\nContent-ID: a@b',
            b"QUJD",
        )
        self.assertEqual(
            list(found.items()),
            [
                ("id", "ATT00001"),
                ("filename", "f.pdf"),
                ("contentType", "application/pdf"),
                ("disposition", "attachment"),
                ("transferEncoding", "base64"),
                ("cid", "<a@b>"),
                ("related", False),
                ("sizeKb", 1),
                ("size", 4),
            ],
        )

    def test_defaults(self) -> None:
        """Without disposition, encoding and Content-ID there are values for them."""
        found = row("Content-Type: application/pdf")
        self.assertEqual(
            (found["disposition"], found["transferEncoding"], found["cid"]), (False, "7bit", None)
        )

    def test_names(self) -> None:
        """Names come from the disposition, then the type, decoded and as they are."""
        for header, name in (
            ('Content-Type: application/pdf; name="a b.pdf"', "a b.pdf"),
            ("Content-Type: application/pdf; name==?utf-8?q?=C3=A4.pdf?=", "ä.pdf"),
            ("Content-Disposition: attachment; filename*=utf-8''%C3%A4.pdf", "ä.pdf"),
            ("Content-Disposition: attachment; filename*0*=utf-8''%C3%A4; filename*1=\"b c\"", "äb c"),
            ("Content-Disposition: attachment; filename=../x/y", "../x/y"),
        ):
            self.assertEqual(row(header)["filename"], name, header)

    def test_made_up_names(self) -> None:
        """An attachment without a name gets eight hexadecimal digits and its type's extension."""
        for kind, extension in (
            ("application/pdf", "pdf"),
            ("image/jpeg", "jpeg"),
            ("audio/mpeg", "mpga"),
            ("text/x-unknown", "bin"),
        ):
            name = row(f"Content-Type: {kind}\nContent-Disposition: attachment")["filename"]
            self.assertRegex(name, rf"^[0-9a-f]{{8}}\.{extension}$")

    def test_size(self) -> None:
        """The size in KiB is rounded up, for base64 it is that of the decoded bytes."""
        for encoding, size, expected in (
            ("7bit", 1024, 1),
            ("7bit", 1025, 2),
            ("base64", 1399, 1),
            ("base64", 1400, 2),
            ("base64", 2732, 2),
            ("base64", 2802, 3),
        ):
            header = f"Content-Type: image/png\nContent-Transfer-Encoding: {encoding}"
            self.assertEqual(row(header, b"x" * size)["sizeKb"], expected)

    def test_long_names(self) -> None:
        """Ten thousand long names do not swell the document."""
        part = b"Content-Type: image/png; name=" + b"n" * 900 + b"\r\n\r\nx"
        rows = listed(multipart(*[part] * 3000)).rows
        self.assertEqual(len(rows[0]["filename"]), 255)
        self.assertLess(sum(len(row["filename"]) for row in rows), 300_000)


class ListTests(unittest.TestCase):
    """Which parts are attachments."""

    def test_text_is_none(self) -> None:
        """Texts are no attachments, also where they are stored outside the tree."""
        found = listed(multipart(b"\r\nx", b"\r\n" + b"x" * 400_000, b"\r\nx\0"))
        self.assertEqual((found.rows, found.has_attachments), ([], False))

    def test_related(self) -> None:
        """What lies in a multipart/related, however deep, belongs to its HTML."""
        image = b"Content-Type: image/png\r\nContent-ID: <%s>\r\n\r\nx"
        inner = b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n" + image % b"b" + b"\r\n--c--\r\n"
        data = multipart(image % b"a", inner).replace(
            b"multipart/mixed; boundary=b", b"multipart/related; boundary=b"
        )
        found = listed(data)
        self.assertEqual([row["related"] for row in found.rows], [True, True])
        self.assertFalse(found.has_attachments)
        self.assertEqual(found.by_content_id, {"a": "ATT00001", "b": "ATT00002"})
        self.assertTrue(listed(multipart(image % b"a")).has_attachments)

    def test_inner_message(self) -> None:
        """An attached message counts, and so do its attachments."""
        inner = (
            multipart(b"Content-Type: image/png\r\n\r\nx").replace(b"=b\r", b"=c\r").replace(b"--b", b"--c")
        )
        found = listed(multipart(b"Content-Type: message/rfc822\r\n\r\n" + inner))
        self.assertEqual([row["contentType"] for row in found.rows], ["message/rfc822", "image/png"])
