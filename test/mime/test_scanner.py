"""Tests for the incremental scanner."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from hypothesis import given
from twisted.trial import unittest

from test.mime.storing import crlf, multipart
from test.mime.strategies import cut, messages, pieces
from test.support.chance import by_chance
from test.support.corpus import corpus
from wildduck import limits
from wildduck.mime import scanner
from wildduck.mime.part import Part
from wildduck.mime.scanner import Scanner


def scanned(*pieces: bytes) -> Part:
    reader = Scanner()
    for piece in pieces:
        reader.feed(piece)
    return reader.close()


def described(root: Part) -> list[Any]:
    """All that a scan finds out, to be compared."""
    return [
        (
            part.header_start,
            part.body_start,
            part.body_end,
            part.content_type,
            part.encoding,
            part.boundary,
            part.lines,
            part.has_nul,
            part.header_has_nul,
            part.sha256,
            part.opaque,
            len(part.children),
        )
        for part in root.walk()
    ]


def bodies(data: bytes, parts: Iterable[Part]) -> list[bytes]:
    return [data[part.body_start : part.body_end] for part in parts]


class StructureTests(unittest.TestCase):
    """Where parts begin and end."""

    def test_plain(self) -> None:
        """A message without structure is one leaf with header, body, lines and digest."""
        data = crlf("Subject: x\nContent-Transfer-Encoding: 8BIT\n\nhello\nworld\n")
        root = scanned(data)
        self.assertEqual((root.header_start, data[root.body_start :]), (0, b"hello\r\nworld\r\n"))
        self.assertEqual((root.body_end, root.lines, root.encoding), (len(data), 2, "8bit"))
        self.assertEqual(root.sha256, hashlib.sha256(b"hello\r\nworld\r\n").digest())
        self.assertEqual(root.content_type.value, "text/plain")

    def test_multipart(self) -> None:
        """The line break before a boundary belongs to the boundary."""
        data = multipart(b"A: 1\r\n\r\none\r\n", b"A: 2\r\n\r\ntwo")
        root = scanned(data)
        self.assertEqual(bodies(data, root.children), [b"one\r\n", b"two"])
        first = root.children[0]
        self.assertEqual(data[first.header_start : first.body_start], b"A: 1\r\n\r\n")
        self.assertEqual((root.boundary, root.body_end), (b"b", len(data)))

    def test_bare_line_feeds(self) -> None:
        """Lines may end in LF alone, and mix with CRLF."""
        data = multipart(b"A: 1\r\n\r\none", b"A: 2\r\n\r\ntwo").replace(b"\r\n", b"\n")
        self.assertEqual(bodies(data, scanned(data).children), [b"one", b"two"])
        mixed = data.replace(b"\n--b\n", b"\r\n--b\n", 1)
        self.assertEqual(bodies(mixed, scanned(mixed).children), [b"one", b"two"])

    def test_blanks_after_a_boundary(self) -> None:
        """Blanks after a boundary are transport padding; other text makes it no boundary."""
        data = multipart(b"\r\none\r\n--b  \t\r\n\r\ntwo\r\n--b x\r\n--bx\r\n--b-")
        self.assertEqual(bodies(data, scanned(data).children), [b"one", b"two\r\n--b x\r\n--bx\r\n--b-"])

    def test_boundary_only_at_the_beginning_of_a_line(self) -> None:
        """A boundary within a line is text."""
        data = multipart(b"\r\nx --b\r\n--b \r\n\r\ny")
        self.assertEqual(bodies(data, scanned(data).children), [b"x --b", b"y"])

    def test_boundary_that_prefixes_another(self) -> None:
        """An outer boundary C{b} is not seen in an inner C{bb}."""
        data = multipart(
            b"Content-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\nx\r\n--bb--\r\n", b"\r\ny"
        )
        root = scanned(data)
        self.assertEqual(len(root.children), 2)
        self.assertEqual(bodies(data, root.children[0].children), [b"x"])

    def test_outer_boundary_ends_inner(self) -> None:
        """A boundary of an outer multipart ends all parts within it."""
        data = multipart(b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx", b"\r\ny")
        root = scanned(data)
        self.assertEqual(bodies(data, root.children[0].children), [b"x"])
        self.assertEqual(bodies(data, root.children[1:]), [b"y"])

    def test_equal_boundaries(self) -> None:
        """Of nested multiparts with the same boundary the inner one has it while it is open."""
        data = multipart(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--", b"\r\ny")
        root = scanned(data)
        self.assertEqual([len(part.children) for part in root.children], [1, 0])

    def test_nothing_is_closed(self) -> None:
        """Without closing boundaries the parts reach to the end."""
        data = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n"
        self.assertEqual(bodies(data, scanned(data).children), [b"x", b"y\r\n"])

    def test_closed_multipart_knows_its_boundary_no_more(self) -> None:
        """After its closing boundary everything is epilogue, also the same boundary."""
        data = multipart(b"\r\nx", epilogue=b"--b\r\n\r\ny\r\n")
        self.assertEqual(bodies(data, scanned(data).children), [b"x"])

    def test_boundary_in_a_header(self) -> None:
        """A boundary ends a header that has no empty line."""
        data = multipart(b"A: 1", b"A: 2\r\n\r\nx")
        first, second = scanned(data).children
        self.assertEqual(data[first.header_start : first.body_start], b"A: 1\r\n")
        self.assertEqual((first.size, data[second.body_start : second.body_end]), (0, b"x"))

    def test_empty_line_before_a_boundary(self) -> None:
        """The empty line that ends a header stays with it, though a boundary follows."""
        data = multipart(b"Content-Type: message/rfc822\r\n\r\nA: 1\r\n")
        part = scanned(data).children[0]
        assert part.message is not None
        self.assertEqual(data[part.message.header_start : part.message.body_start], b"A: 1\r\n\r\n")
        self.assertEqual(part.body_end, part.message.body_end)

    def test_surplus_carriage_returns(self) -> None:
        """CRCRLF ends lines and headers too."""
        data = b"A: 1\r\r\n\r\r\nbody\r\r\n"
        self.assertEqual(bodies(data, [scanned(data)]), [b"body\r\r\n"])

    def test_no_header(self) -> None:
        """A message may begin with the empty line, or be empty."""
        self.assertEqual(scanned(b"\r\nbody").body_start, 2)
        self.assertEqual(described(scanned())[0][:3], (0, 0, 0))

    def test_header_without_end(self) -> None:
        """A message without an empty line is all header."""
        root = scanned(b"Subject: x\r\nContent-Type: text/html")
        self.assertEqual((root.body_start, root.size, root.content_type.value), (35, 0, "text/html"))

    def test_inner_message(self) -> None:
        """A message/rfc822 in an identity encoding is parsed within."""
        inner = b"Subject: y\r\n\r\ninner\r\nbody"
        data = multipart(b"Content-Type: Message/RFC822\r\n\r\n" + inner)
        part = scanned(data).children[0]
        assert part.message is not None
        self.assertEqual(data[part.body_start : part.body_end], inner)
        self.assertEqual(bodies(data, [part.message]), [b"inner\r\nbody"])
        self.assertEqual((part.lines, part.message.lines, part.is_leaf), (3, 1, False))

    def test_encoded_inner_message(self) -> None:
        """A message/rfc822 in base64 is a leaf."""
        data = multipart(b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD")
        part = scanned(data).children[0]
        self.assertTrue(part.is_leaf)
        self.assertFalse(part.opaque)

    def test_digest(self) -> None:
        """Without a Content-Type a part of a multipart/digest is a message."""
        data = multipart(b"\r\nSubject: y\r\n\r\nz").replace(b"multipart/mixed", b"multipart/digest")
        part = scanned(data).children[0]
        assert part.message is not None
        self.assertEqual(bodies(data, [part.message]), [b"z"])

    def test_multipart_without_boundary(self) -> None:
        """A multipart whose boundary is missing, empty or too long is a leaf."""
        for boundary in (b"", b'; boundary=""', b"; boundary=" + b"x" * (limits.BOUNDARY_BYTES + 1)):
            root = scanned(b"Content-Type: multipart/mixed" + boundary + b"\r\n\r\n--\r\n\r\nx\r\n")
            self.assertTrue(root.is_leaf)
            self.assertNotEqual(root.sha256, b"")

    def test_boundary_of_a_thousand_bytes(self) -> None:
        """A boundary of the greatest length is found, one byte at a time too."""
        boundary = b"x" * limits.BOUNDARY_BYTES
        data = multipart(b"\r\none", b"\r\ntwo").replace(b"=b\r", b"=" + boundary + b"\r")
        data = data.replace(b"--b", b"--" + boundary)
        self.assertEqual(bodies(data, scanned(data).children), [b"one", b"two"])
        self.assertEqual(described(scanned(*cut(data, [1]))), described(scanned(data)))

    def test_boundary_as_written(self) -> None:
        """A boundary that looks like an encoded-word or has 8-bit bytes stands for itself."""
        for boundary in (b"=?utf-8?Q?x?=", b"\xe4\xc3\xa4", b"a b"):
            data = multipart(b"\r\none").replace(b"=b\r", b'="' + boundary + b'"\r')
            data = data.replace(b"--b", b"--" + boundary)
            self.assertEqual(bodies(data, scanned(data).children), [b"one"])

    def test_extended_boundary(self) -> None:
        """A boundary in RFC 2231's form is decoded."""
        data = multipart(b"\r\none").replace(b"boundary=b", b"boundary*0*=us-ascii''%62")
        self.assertEqual(bodies(data, scanned(data).children), [b"one"])

    def test_first_of_repeated_fields(self) -> None:
        """Of several Content-Type and Content-Transfer-Encoding fields the first counts."""
        root = scanned(
            b"Content-Type: text/html\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n"
            b"content-transfer-encoding: 7bit\r\n\r\nx"
        )
        self.assertEqual((root.content_type.value, root.encoding), ("text/html", "base64"))

    def test_nul(self) -> None:
        """NULs are told apart by header, leaf and the rest of a multipart."""
        data = multipart(b"A: \0\r\n\r\nx", b"\r\ny\0", preamble=b"p\r\n")
        root = scanned(data)
        first, second = root.children
        self.assertEqual((first.header_has_nul, first.has_nul), (True, False))
        self.assertEqual((second.header_has_nul, second.has_nul), (False, True))
        self.assertFalse(root.has_nul)
        self.assertTrue(scanned(multipart(b"\r\nx", epilogue=b"\0")).has_nul)


class BoundTests(unittest.TestCase):
    """What is too deep, too many, or too long."""

    def test_depth(self) -> None:
        """A multipart 10,000 levels deep is split down to the bound, the rest is one leaf."""
        data = b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(10_000)
        )
        deepest = list(scanned(data).walk())[-1]
        self.assertEqual(len(list(scanned(data).walk())), limits.MIME_DEPTH + 1)
        self.assertTrue(deepest.opaque and deepest.is_leaf)
        self.assertEqual(deepest.body_end, len(data))

    def test_depth_of_messages(self) -> None:
        """So is a message in a message in a message."""
        data = b"Content-Type: message/rfc822\r\n\r\n" * 10_000
        parts = list(scanned(data).walk())
        self.assertEqual(len(parts), limits.MIME_DEPTH + 1)
        self.assertTrue(parts[-1].opaque)

    def test_parts(self) -> None:
        """What follows the last part that is allowed is part of its body."""
        data = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 20_000 + b"--b--"
        root = scanned(data)
        self.assertEqual(len(list(root.walk())), limits.MIME_PARTS)
        self.assertTrue(data[root.children[-1].body_start :].startswith(b"x\r\n--b\r\n"))
        self.assertEqual(root.children[-1].body_end, len(data))

    def test_multiparts_without_a_boundary_in_them(self) -> None:
        """A short multipart without parts stays a multipart, a long one becomes a leaf with its digest."""
        short = b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n" + b"x" * 1000
        long = b"Content-Type: multipart/mixed; boundary=d\r\n\r\n" + b"y" * limits.INLINE_PART_BYTES
        data = multipart(short, long)
        first, second = scanned(data).children
        self.assertEqual((first.boundary, first.children, first.opaque), (b"c", [], False))
        self.assertEqual((second.boundary, second.opaque), (None, True))
        self.assertEqual(second.sha256, hashlib.sha256(b"y" * limits.INLINE_PART_BYTES).digest())

    def test_closed_without_parts(self) -> None:
        """The digest of such a leaf is that of its body, whatever stood in it."""
        inner = b"y" * limits.INLINE_PART_BYTES + b"\r\n--d--"
        for end in (b"", b"\r\n", b" \r\n", b"\r\nepilogue"):
            data = multipart(b"Content-Type: multipart/mixed; boundary=d\r\n\r\n" + inner + end)
            part = scanned(data).children[0]
            self.assertEqual(part.sha256, hashlib.sha256(inner + end).digest())

    def test_long_line_is_no_boundary(self) -> None:
        """A line of blanks without end after a boundary's text is text, however it is fed."""
        data = multipart(b"\r\none\r\n--b" + b" " * 3000 + b"\r\ntwo")
        self.assertEqual(len(scanned(data).children), 1)
        self.assertEqual(described(scanned(*cut(data, [7]))), described(scanned(data)))

    def test_many_false_boundaries(self) -> None:
        """Real boundaries are found among lines that only look like them, in bodies and headers."""
        lines = b"--bx\r\n" * 1000
        data = multipart(lines + b"\r\none\r\n" + lines + b"--b\r\n\r\n" + lines + b"two")
        root = scanned(data)
        self.assertEqual(bodies(data, root.children), [b"one\r\n" + lines[:-2], lines + b"two"])
        self.assertEqual(described(scanned(*cut(data, [13]))), described(root))
        self.patch(scanner, "_GATHERED", 1)
        for end in (b"--b--", b"--b", b"--b--\r", b"--b \t"):
            data = multipart(lines)[: -len(b"--b--\r\n")] + end
            self.assertEqual(bodies(data, scanned(data).children[:1]), [b""])
            self.assertEqual(described(scanned(*cut(data, [len(data) - 2, 1]))), described(scanned(data)))

    def test_content_type_after_a_long_header(self) -> None:
        """Fields that matter are found behind megabytes of others, and may be cut anywhere."""
        tail = (
            b"Content-Type: multipart/mixed;\r\n\tboundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
            b"--b\r\n\r\nx\r\n--b--\r\n"
        )
        for head in (b"X: " + b"a" * 600_000 + b"\r\n", b"X-Y: " + b"z" * 90 + b"\r\n"):
            for extra in range(0, 60, 7):
                data = b"A: " + b"b" * extra + b"\r\n" + head * (600_000 // len(head) + 1) + tail
                root = scanned(data)
                self.assertEqual(bodies(data, root.children), [b"x"])
                self.assertEqual(root.encoding, "8bit")

    def test_long_content_type(self) -> None:
        """A Content-Type of a megabyte is read as far as it is kept."""
        data = (
            b"Content-Type: multipart/mixed; boundary=b;\r\n x=" + b"a" * 1_000_000 + b"\r\n\r\n--b\r\n\r\nx"
        )
        self.assertEqual(bodies(data, scanned(data).children), [b"x"])


class FeedingTests(unittest.TestCase):
    """However the bytes come, the tree is the same."""

    @given(messages, pieces)
    @by_chance(100)
    def test_any_pieces(self, data: bytes, lengths: list[int]) -> None:
        """Any bytes in any pieces give what they give at once."""
        self.patch(scanner, "_GATHERED", 8)
        self.assertEqual(described(scanned(*cut(data, lengths))), described(scanned(data)))

    def test_corpus(self) -> None:
        """Each message of the corpus gives the same byte by byte."""
        self.patch(scanner, "_GATHERED", 1)
        for sample in corpus():
            if len(sample.raw) < 5000:
                self.assertEqual(
                    described(scanned(*cut(sample.raw, [1]))), described(scanned(sample.raw)), sample.name
                )

    @given(messages)
    @by_chance(70)
    def test_parts_lie_in_order(self, data: bytes) -> None:
        """Parts lie within their parents and after one another, and digests are of their bodies."""
        for part in scanned(data).walk():
            within = part.children if part.message is None else [part.message]
            position = part.body_start
            self.assertLessEqual(part.header_start, position)
            for child in within:
                self.assertLessEqual(position, child.header_start)
                position = child.body_end
            self.assertLessEqual(position, part.body_end)
            if part.is_leaf:
                body = data[part.body_start : part.body_end]
                self.assertEqual(part.sha256, hashlib.sha256(body).digest())
                self.assertEqual((part.lines, part.has_nul), (body.count(b"\n"), b"\0" in body))


class WorkTests(unittest.TestCase):
    """Twice the input is twice the work, whatever the input."""

    def check(self, make: Any) -> None:
        work = []
        for factor in (1, 2):
            reader = Scanner()
            reader.feed(make(factor * 20_000))
            reader.close()
            work.append(reader.work)
        self.assertLess(work[1], 2.2 * work[0] + 1000)

    def test_bodies(self) -> None:
        """Long bodies, with and without lines that look like boundaries."""
        for line in (b"QUJD" * 19 + b"\r\n", b"--bx\r\n", b"--\n", b"\r", b"--b ", b"\n--b\r" * 3):
            self.check(lambda count, line=line: multipart(b"\r\n" + line * count))

    def test_headers(self) -> None:
        """Long headers: many fields, one field, folds, boundaries that are none."""
        for line in (b"a: b\r\n", b"a", b" b\r\n", b"\r", b"--bx\r\n", b"--b x\n"):
            self.check(lambda count, line=line: multipart(b"A: 1\r\n" + line * count))

    def test_parts(self) -> None:
        """Many parts, deep parts, parts without end."""
        self.check(lambda count: multipart(*[b""] * (count // 8)))
        self.check(lambda count: multipart(*[b"\r\nx"] * (count // 8)))
        self.check(lambda count: b"Content-Type: message/rfc822\r\n\r\n" * count)
        self.check(
            lambda count: multipart(b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n" * count)
        )
