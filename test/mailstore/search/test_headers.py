"""Tests of L{wildduck.mailstore.search.headers}."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from test.mime import imap_values
from test.support.corpus import corpus
from wildduck.mailstore.search import headers
from wildduck.mime import envelope, headers as mime_headers, words
from wildduck.mime.collation import collated

#: Where the first address of a field is in an ENVELOPE.
PLACES = {"from": 2, "to": 5, "cc": 6}


def document(lines: list[bytes]) -> dict[str, Any]:
    """What is stored of a header."""
    return {"mimeTree": {"parsedHeader": mime_headers.parsed_header(lines)}}


def first_of_envelope(lines: list[bytes], field: str) -> list[str]:
    """Name, route, mailbox and host."""
    addresses = imap_values.parse(envelope.wire(lines))[PLACES[field]]
    return [words.decode(one or b"") for one in addresses[0]] if addresses else [""] * 4


class AddressTests(SynchronousTestCase):
    def test_as_envelope(self) -> None:
        """The first address of a field is that of ENVELOPE, however it is written."""
        written = [
            b"root",
            b"Mary Smith",
            b'"a b"@x.example',
            b'Joe "Q" <"j\\"q"@x.example>',
            b"undisclosed recipients:;",
            b"friends: a@x.example, b@x.example;, c@x.example",
            b"<@route.example:a@x.example>",
            b"j@x.example (Joe)",
            b"=?utf-8?q?=C3=84?= <a@x.example>",
            b"",
        ]
        samples = [[b"From: " + value, b"To: x@y.example", b"Cc: " + value] for value in written]
        samples += [mime_headers.split_header(one.crlf.split(b"\r\n\r\n", 1)[0]) for one in corpus()]
        for lines in samples:
            for field in PLACES:
                name, _route, mailbox, host = first_of_envelope(lines, field)
                stored = document(lines)
                self.assertEqual(headers.mailbox(stored, field), collated(mailbox), lines)
                if name:
                    self.assertEqual(headers.display(stored, field), collated(name), lines)
                elif host:
                    self.assertEqual(headers.display(stored, field), collated(f"{mailbox}@{host}"), lines)

    def test_odd(self) -> None:
        """What another program stored there is no address, and nothing fails."""
        odd: list[Any] = [None, 7, "a@b", [], [7], [{}], [{"address": 7, "name": []}], {"address": "a@b"}]
        for value in odd:
            stored = {"mimeTree": {"parsedHeader": {"from": value, "subject": value, "date": value}}}
            headers.mailbox(stored, "from")
            headers.display(stored, "from")
            headers.subject(stored)
            self.assertIsNone(headers.sent_seconds(stored))
        for tree in (None, 7, {}, {"parsedHeader": 7}):
            self.assertEqual(headers.mailbox({"mimeTree": tree}, "from"), "")


class DateTests(SynchronousTestCase):
    def test_sent(self) -> None:
        """In UTC; without a time that can be read midnight, and the last of several."""
        for written, moment in [
            ("Sun, 31 Dec 2000 16:01:33 -0800", (2001, 1, 1, 0, 1, 33)),
            ("31 Dec 2000 16:01:33 nowhere", (2000, 12, 31, 16, 1, 33)),
            ("Sun, 31 Dec 2000 25:01:33 -0800", (2000, 12, 31)),
            ("Sun, 31 Dec 2000", (2000, 12, 31)),
            (["1 Jan 1999 00:00:00 +0000", "31 Dec 2000 00:00:00 +0000"], (2000, 12, 31)),
        ]:
            seconds = int(datetime(*moment, tzinfo=timezone.utc).timestamp())  # type: ignore[arg-type]
            stored = {"mimeTree": {"parsedHeader": {"date": written}}}
            self.assertEqual(headers.sent_seconds(stored), seconds, written)
        for nothing in ("", "yesterday", "31 Foo 2000", "31 Feb 2000"):
            self.assertIsNone(headers.sent_seconds({"mimeTree": {"parsedHeader": {"date": nothing}}}))
