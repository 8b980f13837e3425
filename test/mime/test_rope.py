"""Tests for reading stored messages back: exact bytes, sent bytes, sections."""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import given, strategies as st
from twisted.trial import unittest

from test.mime.storing import Kept, crlf, keep_bytes, multipart
from test.mime.strategies import messages
from test.support import splitter
from test.support.chance import by_chance
from test.support.corpus import corpus
from test.support.messages import generated, sizes
from wildduck import limits
from wildduck.mime import rope
from wildduck.mime.message import scan
from wildduck.mime.native import BLOB, KEY, sent_length
from wildduck.mime.rope import Inline, Rope, Stored, needs_blob

_PREFIX = b"Return-Path: <a@example.com>\r\nDelivered-To: b@example.com\r\n"


def path_of(name: str) -> tuple[tuple[int, ...], str]:
    """The path and the word of a section as it stands in brackets."""
    words = name.split(".")
    numbers = tuple(int(word) for word in words if word.isdigit())
    return numbers, words[-1] if not words[-1].isdigit() else ""


class ExactTests(unittest.TestCase):
    """What was stored comes back, byte for byte."""

    def check(self, data: bytes, prefix: bytes = b"", name: str = "") -> Kept:
        """Store and read back; with the skeleton within the document and outside."""
        kept = keep_bytes(data, prefix)
        outside = keep_bytes(data, prefix, blob=True)
        for one in (kept, outside):
            self.assertEqual(one.whole(exact=True), prefix + data, name)
            self.assertEqual(one.analysis.length, len(prefix) + len(data), name)
            sent = one.whole()
            self.assertEqual((len(sent), b"\0" in sent), (one.analysis.sent, False), name)
            self.assertEqual(sent_length(one.document), one.analysis.sent, name)
            if b"\0" not in data:
                self.assertEqual(sent, prefix + data, name)
        return kept

    def test_corpus(self) -> None:
        """Each message of the corpus, as it is and as CRLF text, with and without prefix."""
        for sample in corpus():
            self.check(sample.raw, name=sample.name)
            self.check(sample.crlf, _PREFIX, name=sample.name)

    def test_generated(self) -> None:
        """Messages made by a seed, of many shapes."""
        for seed, size in enumerate(sizes(40, 500, 300_000)):
            self.check(generated(seed, size), _PREFIX if seed % 2 else b"", f"seed {seed} size {size}")

    @given(messages, st.sampled_from((b"", _PREFIX)))
    @by_chance(100)
    def test_any_bytes(self, data: bytes, prefix: bytes) -> None:
        """Any bytes at all."""
        self.check(data, prefix)

    def test_no_skeleton(self) -> None:
        """Where WildDuck's rebuild is exact nothing is kept beside the tree."""
        data = crlf(
            "Subject: x\nContent-Type: multipart/mixed; boundary=b\n\npreamble\n"
            "--b\nContent-Type: text/plain\n\nhi\n\n--b\nContent-Type: application/pdf\n"
            "Content-Transfer-Encoding: base64\n\nQUJD\n--b--\n"
        )
        kept = self.check(data, _PREFIX)
        self.assertEqual((kept.analysis.skeleton, kept.analysis.layout), (None, None))
        self.assertEqual(kept.analysis.size, len(_PREFIX + data))

    def test_skeleton(self) -> None:
        """Else all bytes outside the bodies are kept, and no body."""
        data = multipart(b"\r\nhello", b"A: b\r\n\r\nworld", epilogue=b"end")
        skeleton = self.check(data, _PREFIX).analysis.skeleton
        self.assertEqual(skeleton, (_PREFIX + data).replace(b"hello", b"").replace(b"world", b""))

    @given(messages, st.data())
    @by_chance(50)
    def test_slices(self, data: bytes, more: st.DataObject) -> None:
        """Any range of what is sent is what stands there in the whole."""
        kept = keep_bytes(data, blob=True)
        whole = kept.whole()
        found = kept.rope()
        start = more.draw(st.integers(0, len(whole)))
        end = more.draw(st.integers(start, len(whole) + 5))
        self.assertEqual(kept.bytes_of(found.slice(start, end)), whole[start:end])


class SectionTests(unittest.TestCase):
    """Where sections are (RFC 3501 §6.4.5)."""

    def check(self, data: bytes, name: str = "") -> None:
        """Compare every section with what a splitter made for tests finds."""
        kept = keep_bytes(data)
        for section, expected in splitter.sections(data).items():
            self.assertEqual(kept.section(*path_of(section)), expected, f"{name} {section}")

    def test_corpus(self) -> None:
        """Each part of each message of the corpus."""
        for sample in corpus():
            self.check(sample.raw, sample.name)
            self.check(sample.crlf, sample.name)

    def test_generated(self) -> None:
        """Each part of messages made by a seed."""
        for seed, size in enumerate(sizes(40, 500, 100_000, seed=2)):
            self.check(generated(seed, size), f"seed {seed} size {size}")

    def test_numbers(self) -> None:
        """Parts of multiparts and of inner messages; a message that is no multipart is its part 1."""
        inner = b"Subject: inner\r\n\r\ninner body"
        data = multipart(
            b"A: 1\r\n\r\none",
            b"Content-Type: message/rfc822\r\n\r\n" + inner,
            b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nA: 2\r\n\r\ntwo\r\n--c--\r\n",
        )
        kept = keep_bytes(data)
        for path, what, expected in (
            ((), "", data),
            ((), "HEADER", data[: data.index(b"--b")]),
            ((), "TEXT", data[data.index(b"--b") :]),
            ((1,), "", b"one"),
            ((1,), "MIME", b"A: 1\r\n\r\n"),
            ((2,), "", inner),
            ((2,), "MIME", b"Content-Type: message/rfc822\r\n\r\n"),
            ((2,), "HEADER", b"Subject: inner\r\n\r\n"),
            ((2,), "TEXT", b"inner body"),
            ((2, 1), "", b"inner body"),
            ((3, 1), "", b"two"),
            ((3, 1), "MIME", b"A: 2\r\n\r\n"),
        ):
            self.assertEqual(kept.section(path, what), expected, (path, what))

    def test_missing(self) -> None:
        """Sections that are not there are not there."""
        kept = keep_bytes(multipart(b"\r\none", b"Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\nx"))
        for path, what in (
            ((0,), ""),
            ((3,), ""),
            ((1, 1), ""),
            ((2, 2), ""),
            ((2, 1, 1), ""),
            ((1,), "HEADER"),
            ((1,), "TEXT"),
            ((), "MIME"),
        ):
            self.assertIsNone(kept.section(path, what), (path, what))
        plain = keep_bytes(b"A: b\r\n\r\nx")
        self.assertEqual((plain.section((1,), ""), plain.section((1, 1), "")), (b"x", None))

    def test_whole_message_is_a_message(self) -> None:
        """Of a message whose type is message/rfc822, part 1 is the inner one, and holds its parts."""
        kept = keep_bytes(b"Content-Type: message/rfc822\r\n\r\n" + multipart(b"\r\nx"))
        self.assertEqual(kept.section((1, 1), ""), b"x")
        self.assertEqual(kept.section((1,), "HEADER"), multipart(b"\r\nx").split(b"--b")[0])


class NulTests(unittest.TestCase):
    """What is sent of messages with NULs (design.md §4 'Byte-exact')."""

    def test_leaf(self) -> None:
        """A leaf with NUL is sent in base64, its header says so, and the rest stays."""
        body = bytes(range(256)) * 3
        for encoding in (
            b"",
            b"Content-Transfer-Encoding: binary\r\n",
            b"content-transfer-encoding :\r\n 8bit\r\n",
        ):
            header = b"A: b\r\n" + encoding + b"Content-Type: image/png\r\n"
            data = multipart(b"\r\nbefore", header + b"\r\n" + body, b"\r\nafter")
            kept = keep_bytes(data)
            self.assertEqual(kept.whole(exact=True), data)
            text = base64.encodebytes(body).replace(b"\n", b"\r\n")[:-2]
            field = b"Content-Transfer-Encoding: base64\r\n"
            if encoding:
                changed = header.replace(encoding, field)
            else:
                changed = field + header
            sent = data.replace(header + b"\r\n" + body, changed + b"\r\n" + text)
            self.assertEqual((kept.whole(), kept.analysis.sent), (sent, len(sent)))
            found = kept.rope()
            section = found.section((2,), "")
            assert section is not None
            self.assertEqual(kept.bytes_of(found.slice(*section)), text)
            header_section = found.section((2,), "MIME")
            assert header_section is not None
            self.assertEqual(kept.bytes_of(found.slice(*header_section)), changed + b"\r\n")

    def test_sections_of_what_is_sent(self) -> None:
        """What is sent splits into the sections that the rope names."""
        inner = multipart(b"Content-Type: image/png\r\n\r\nx\0y", b"\r\nz").replace(b"=b\r", b"=c\r")
        inner = inner.replace(b"--b", b"--c")
        data = multipart(b"\r\n\0", b"Content-Type: message/rfc822\r\n\r\n" + inner, b"A: \0\r\n\r\nq\0")
        kept = keep_bytes(data, blob=True)
        found = kept.rope()
        for section, expected in splitter.sections(kept.whole()).items():
            place = found.section(*path_of(section))
            assert place is not None
            self.assertEqual(kept.bytes_of(found.slice(*place)), expected, section)

    def test_root(self) -> None:
        """The field of a message that is one leaf stands after the lines added at delivery."""
        kept = keep_bytes(b"Subject: x\r\n\r\n\0", _PREFIX)
        self.assertEqual(
            kept.whole(), _PREFIX + b"Content-Transfer-Encoding: base64\r\nSubject: x\r\n\r\nAA=="
        )

        found = kept.rope()
        self.assertEqual(found.section((), "TEXT"), (found.length - 4, found.length))

    def test_repeated_field(self) -> None:
        """Of several Content-Transfer-Encoding fields one is left, and says base64."""
        header = b"Content-Transfer-Encoding: 8bit\r\nA: b\r\nContent-Transfer-Encoding:\r\n 7bit\r\n"
        kept = keep_bytes(header + b"\r\n\0")
        self.assertEqual(kept.whole(), b"Content-Transfer-Encoding: base64\r\nA: b\r\n\r\nAA==")
        self.assertEqual(kept.analysis.sent, len(kept.whole()))

    def test_elsewhere(self) -> None:
        """A NUL in a header, a preamble, an epilogue or an encoded body is sent as 0x80."""
        data = multipart(
            b"A: \0\r\n\r\nx",
            b"Content-Transfer-Encoding: base64\r\n\r\nQU\0JD",
            b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=\0",
            b"Content-Transfer-Encoding: x-uuencode\r\n\r\nM\0",
            preamble=b"\0\r\n",
            epilogue=b"\0",
        )
        kept = keep_bytes(data)
        self.assertEqual(kept.whole(exact=True), data)
        self.assertEqual(kept.whole(), data.replace(b"\0", b"\x80"))
        self.assertEqual(kept.analysis.sent, len(data))

    def test_description(self) -> None:
        """BODYSTRUCTURE describes what is sent: octets, lines and encoding, of messages around it too."""
        inner = b"Subject: y\r\nContent-Type: image/png\r\n\r\n" + b"\0" * 100
        data = multipart(b"Content-Type: message/rfc822\r\n\r\n" + inner)
        kept = keep_bytes(data)
        found = kept.rope()
        place = found.section((1,), "")
        assert place is not None
        sent = kept.bytes_of(found.slice(*place))
        structure = kept.analysis.ready["bodystructure"].lower()
        self.assertIn(
            b'"base64" %d' % len(b"\r\n".join(base64.encodebytes(b"\0" * 100).splitlines())), structure
        )
        self.assertIn(b'"7bit" %d ' % len(sent), structure)
        self.assertIn(b" %d nil nil nil nil)" % sent.count(b"\n"), structure)

    def test_written_by_wildduck(self) -> None:
        """In a document that is not ours every NUL is sent as 0x80."""
        document = {"size": 11, "magic": 1, "mimeTree": {"header": ["A: \0"], "body": b"x\0y\r"}}
        found = Rope.from_document(document)
        self.assertEqual(found.slice(0, 99), [Inline(b"A: \x80\r\n"), Inline(b"\r\nx\x80y")])


class DocumentTests(unittest.TestCase):
    """Documents of WildDuck's, and ours after WildDuck changed them."""

    def wildduck(self, data: bytes) -> dict[str, Any]:
        """The document without what we added."""
        kept = keep_bytes(data)
        tree = dict(kept.document["mimeTree"])
        del tree[KEY]
        return {**kept.document, "mimeTree": tree}

    def test_size_cuts(self) -> None:
        """WildDuck's rebuild is cut to the size that it announced."""
        document = self.wildduck(crlf("Content-Type: multipart/mixed; boundary=b\n\n--b\nA: b\n\n--b--\n"))
        found = Rope.from_document(document)
        whole = b"".join(segment.data for segment in found.slice(0, 999) if isinstance(segment, Inline))
        self.assertTrue(whole.endswith(b"A: b\r\n\r\n\r\n--b--"))
        self.assertEqual((len(whole), found.length), (document["size"], document["size"]))

    def test_changed_by_wildduck(self) -> None:
        """What we added counts only with the size and the magic that it was made for."""
        kept = keep_bytes(multipart(b"\r\nx", epilogue=b"lost by WildDuck"))
        self.assertIn(b"\r\nlost", kept.whole()[-20:])
        for change in ({"magic": 1}, {"size": kept.document["size"] + 1}):
            document = {**kept.document, **change}
            self.assertEqual(sent_length(document), document["size"])
            self.assertNotEqual(Rope.from_document(document).length, kept.analysis.length)

    def test_damaged_additions(self) -> None:
        """Additions that do not fit the tree are passed over, whatever they are."""
        kept = keep_bytes(multipart(b"\r\nx", epilogue=b"end"))
        additions = kept.document["mimeTree"][KEY]
        for damage in (
            {"layout": b""},
            {"layout": b"\x01\x00\x01"},
            {"layout": additions["layout"][:-1]},
            {"skeleton": b"short"},
            {"skeleton": None},
            {"length": 5},
            {"length": "5"},
            {"v": 99},
        ):
            tree = {**kept.document["mimeTree"], KEY: {**additions, **damage}}
            found = Rope.from_document({**kept.document, "mimeTree": tree})
            self.assertEqual(found.length, kept.document["size"], damage)

    def test_inner_parts(self) -> None:
        """Parts of an inner message come from its tree, which need not give back its bytes."""
        inner = (
            b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c\r\nA: b\r\n\r\ny\r\n--c--"
        )
        document = self.wildduck(multipart(b"Content-Type: message/rfc822\r\n\r\n" + inner))
        found = Rope.from_document(document)
        for path, expected in (((1, 1), b"x"), ((1, 2), b"y")):
            place = found.section(path, "")
            assert place is not None
            (segment,) = found.slice(*place)
            assert isinstance(segment, Inline)
            self.assertEqual(segment.data.lstrip(), expected)

    def test_any_document(self) -> None:
        """A document without a tree is empty, a broken one does not raise."""
        for document in ({}, {"mimeTree": None}, {"mimeTree": {"native": 1}, "size": 2}, {"size": "x"}):
            found = Rope.from_document(document)
            self.assertIsNone(found.section((2,), ""))
            self.assertIsNone(needs_blob(document))

    def test_stored(self) -> None:
        """The rope names each stored body once, whole."""
        body = b"Content-Type: image/png\r\n\r\npng"
        kept = keep_bytes(multipart(body, body, b"\r\nx"), blob=True)
        stored = {segment.key: segment for segment in kept.rope().stored}
        self.assertEqual(sorted(stored), ["ATT00001", "ATT00002", BLOB])
        self.assertEqual(stored["ATT00001"].digest, stored["ATT00002"].digest)
        self.assertEqual((stored["ATT00001"].start, stored["ATT00001"].end), (0, 3))

    def test_blob(self) -> None:
        """A skeleton outside is asked for when it is short, and read in ranges when it is long."""
        short = keep_bytes(multipart(b"\r\nx", epilogue=b"end"), blob=True)
        self.assertEqual(needs_blob(short.document), BLOB)
        found = short.rope(skeleton=short.analysis.skeleton)
        self.assertTrue(all(isinstance(segment, Inline) for segment in found.slice(0, 999)))
        long = keep_bytes(
            multipart(b"\r\nx", preamble=b"p" * limits.SKELETON_READ_BYTES + b"\r\n"), blob=True
        )
        self.assertIsNone(needs_blob(long.document))
        self.assertEqual(long.section((1,), ""), b"x")
        self.assertIsNone(needs_blob(keep_bytes(b"A: b\r\n\r\nx").document))


class SegmentTests(unittest.TestCase):
    """Ranges of stored bodies."""

    def test_base64_range(self) -> None:
        """A range of a body that is sent in base64 reads only what it needs."""
        segment = Stored("ATT00001", b"", 10_000, 4000, 4010, True, 100, 9000)
        start, end = segment.source()
        self.assertTrue(100 < start < end < 9000 and end - start < 20)
        data = bytes(range(256)) * 40
        output = segment.output()
        encoded = base64.encodebytes(data[100:9000]).replace(b"\n", b"\r\n")
        self.assertEqual(output.feed(data[start:end]) + output.finish(), encoded[4000:4010])

    def test_nul(self) -> None:
        """NULs are replaced where that is asked for."""
        self.assertEqual(Stored("A", b"", 3, 0, 3).output().feed(b"a\0b"), b"a\0b")
        self.assertEqual(Stored("A", b"", 3, 0, 3, replace_nul=True).output().feed(b"a\0b"), b"a\x80b")
        self.assertEqual(rope.NUL_SENT_AS, b"\x80")

    def test_scan_and_store_do_not_change_the_message(self) -> None:
        """A message can be analysed for each of its recipients."""
        message = scan(multipart(b"Content-Type: image/png\r\n\r\n\0"))
        first = keep_bytes(message.read(0, message.length), b"A: 1\r\n").whole(exact=True)
        second = keep_bytes(message.read(0, message.length), b"A: 2\r\n").whole(exact=True)
        self.assertEqual(first[6:], second[6:])
