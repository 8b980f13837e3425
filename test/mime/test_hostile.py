"""Messages made to hurt: they are stored, bounded, and come back byte for byte."""

from __future__ import annotations

import bson
from twisted.trial import unittest

from test.mime.storing import Kept, keep_bytes, multipart
from wildduck import limits


class HostileTests(unittest.TestCase):
    """Each is exact, and its document is below the bound (store.md §7)."""

    def check(self, data: bytes) -> Kept:
        kept = keep_bytes(data, blob=len(data) > limits.SKELETON_BYTES)
        found = kept.analysis
        document = {
            **kept.document,
            "envelope": found.envelope,
            "bodystructure": found.bodystructure,
            "headers": found.headers,
            "subject": found.subject,
            "text": found.text,
            "textFooter": found.text_footer,
            "html": found.html,
            "attachments": found.attachments,
        }
        self.assertLess(len(bson.encode(document)), limits.DOCUMENT_BYTES)
        self.assertEqual(kept.whole(exact=True), data)
        self.assertEqual(kept.whole(), data.replace(b"\0", b"\x80"))
        return kept

    def test_ten_thousand_parts(self) -> None:
        """Ten thousand texts, and attachments."""
        self.check(multipart(*[b"Content-Type: text/plain\r\n\r\nhello"] * 10_000))
        header = b"Content-Type: application/x; name=%s\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD"
        kept = self.check(multipart(*[header % (b"n" * 100)] * 10_000))
        self.assertEqual(len(kept.rows), limits.MIME_PARTS)  # all but the root, and the skeleton

    def test_parts_beyond_the_bound(self) -> None:
        """A hundred thousand empty parts."""
        self.check(multipart(*[b""] * 100_000))

    def test_headers(self) -> None:
        """Ten megabytes of header: many fields, tiny ones, one field, one folded field, eight bits."""
        for line, first in (
            (b"X-Header: some value or other\r\n", b""),
            (b"a:\r\n", b""),
            (b"a", b"X: "),
            (b" b\r\n", b"X: a\r\n"),
            (b"\xe4", b"Subject: "),
        ):
            self.check(first + line * (10_000_000 // len(line)) + b"\r\n\r\nbody")

    def test_addresses(self) -> None:
        """A hundred thousand addresses."""
        to = b",\r\n ".join(b"User %d <user%d@example.com>" % (i, i) for i in range(100_000))
        kept = self.check(b"Subject: x\r\nTo: " + to + b"\r\nFrom: a@example.com\r\n\r\nbody")
        self.assertEqual(len(kept.analysis.envelope[5]), limits.ADDRESSES - 1)
        self.assertEqual(kept.document["mimeTree"]["parsedHeader"]["from"][0]["address"], "a@example.com")

    def test_parameters(self) -> None:
        """Tens of thousands of parameters, in one part and over many."""
        one = b"; ".join(b"name*%d*=%%41" % i for i in range(40_000))
        self.check(b"Content-Type: application/x; " + one + b"\r\n\r\nbody")
        some = b"; ".join(b"p%d=1" % i for i in range(60))
        self.check(multipart(*[b"Content-Type: application/x; " + some + b"\r\n\r\nx"] * 1000))

    def test_texts(self) -> None:
        """A hundred texts of 300 KiB: one megabyte stays in the document."""
        text = b"0123456789abcdef" * (limits.INLINE_PART_BYTES // 16)
        kept = self.check(multipart(*[b"Content-Type: text/plain\r\n\r\n" + text] * 100))
        self.assertEqual(len(kept.analysis.externals), 97)

    def test_depth(self) -> None:
        """Ten thousand nested multiparts and messages."""
        self.check(
            b"".join(
                b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i)
                for i in range(10_000)
            )
        )
        self.check(b"Content-Type: message/rfc822\r\n\r\n" * 10_000 + b"body")

    def test_preamble(self) -> None:
        """A preamble and an epilogue of megabytes, and multiparts that are nothing but preamble."""
        self.check(
            multipart(b"\r\nx", preamble=b"preamble\r\n" * 300_000, epilogue=b"epilogue\r\n" * 300_000)
        )
        childless = b"Content-Type: multipart/mixed; boundary=c\r\n\r\n" + b"y" * 10_000
        kept = self.check(multipart(*[childless] * 500))
        assert kept.analysis.skeleton is not None
        self.assertLess(len(kept.analysis.skeleton), 1_000_000)

    def test_messages(self) -> None:
        """Thousands of attached messages."""
        inner = b"Content-Type: message/rfc822\r\n\r\nFrom: a@b\r\nTo: c@d\r\nSubject: x\r\n\r\nhi"
        self.check(multipart(*[inner] * 4000))
