"""Tests for the analysis as a whole."""

from __future__ import annotations

import datetime

from hypothesis import given
from twisted.trial import unittest

from test.mime.storing import crlf, multipart
from test.mime.strategies import messages
from test.support.chance import by_chance
from test.support.corpus import corpus
from wildduck.mime.analysis import Analysis, analyse
from wildduck.mime.message import scan

_MESSAGE = crlf(
    "Message-ID: <a@b>\nIn-Reply-To: <c@d>\nDate: Mon, 6 Jun 2005 22:21:22 +0200\nFrom: A <a@example.com>\n"
    "To: b@example.com\nSubject: Re: =?utf-8?q?h=C3=A4?=\nContent-Type: multipart/related; boundary=b\n\n"
    '--b\nContent-Type: text/html\n\n<p>Hello</p><img src="cid:i@x">\n'
    "--b\nContent-Type: image/png\nContent-ID: <i@x>\nContent-Transfer-Encoding: base64\n\nQUJD\n--b--\n"
)


def analysed(data: bytes) -> Analysis:
    return analyse(scan(data))


class AnalysisTests(unittest.TestCase):
    """What is found in a message."""

    def test_fields(self) -> None:
        """Everything that a message document needs is there."""
        found = analysed(_MESSAGE)
        self.assertEqual((found.message_id, found.subject, found.thread_subject), ("<a@b>", "Re: hä", "hä"))
        self.assertEqual(len(found.thread_ids), 2)
        self.assertEqual(found.html, ['<p>Hello</p><img src="attachment:ATT00001">'])
        self.assertEqual((found.text, found.intro), ("Hello\n\n[cid:i@x]", "Hello"))
        self.assertEqual([row["id"] for row in found.attachments], ["ATT00001"])
        self.assertFalse(found.has_attachments)
        assert found.header_date is not None
        self.assertEqual(
            found.header_date.astimezone(datetime.timezone.utc),
            datetime.datetime(2005, 6, 6, 20, 21, 22, tzinfo=datetime.timezone.utc),
        )
        self.assertIn({"key": "to", "value": "b@example.com"}, found.headers)
        self.assertEqual(sorted(found.ready), ["body", "bodystructure", "envelope"])
        self.assertEqual((found.size, found.length, found.sent), (len(_MESSAGE),) * 3)

    def test_prefix(self) -> None:
        """Lines that delivery added are part of the message."""
        found = analyse(scan(_MESSAGE).with_prefix(b"Delivered-To: x@example.com\r\n"))
        self.assertIn({"key": "delivered-to", "value": "x@example.com"}, found.headers)
        self.assertEqual(found.mime_tree["header"][0], "Delivered-To: x@example.com")
        self.assertEqual(found.length, len(_MESSAGE) + 29)

    def test_nothing_there(self) -> None:
        """An empty message has an id that was made up, and nothing else."""
        found = analysed(b"")
        self.assertRegex(found.message_id, r"^<[0-9a-f-]{36}@wildduck\.email>$")
        self.assertEqual((found.subject, found.header_date, found.thread_ids), ("", None, []))
        self.assertEqual((found.text, found.html, found.attachments), ("", [], []))

    def test_found_once(self) -> None:
        """What depends on the content alone is found once for all recipients."""
        message = scan(_MESSAGE)
        first = analyse(message.with_prefix(b"A: 1\r\n"))
        self.assertEqual(list(message.line_lengths.values()), [first.externals[0].line_length])
        message.line_lengths[first.externals[0].start] = 4
        second = analyse(message.with_prefix(b"A: 2\r\n"))
        self.assertEqual(second.externals[0].line_length, 4)

    def test_many_parts(self) -> None:
        """For thousands of parts no ready structure is kept."""
        found = analysed(multipart(*[b"\r\nx"] * 6000))
        self.assertEqual(list(found.ready), ["envelope"])

    def test_corpus(self) -> None:
        """Each message of the corpus is analysed, and its own header is its subject's source."""
        for sample in corpus():
            found = analysed(sample.crlf)
            self.assertEqual(found.length, len(sample.crlf), sample.name)
            self.assertTrue(found.ready["bodystructure"].startswith(b"("), sample.name)

    @given(messages)
    @by_chance(70)
    def test_any_bytes(self, data: bytes) -> None:
        """Any bytes are analysed."""
        found = analysed(data)
        self.assertEqual(found.length, len(data))
        self.assertNotIn(b"\0", b"".join(found.ready.values()))
