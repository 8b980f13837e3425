"""Tests for L{wildduck.delivery.trace}."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.support.chance import by_chance
from wildduck.delivery.trace import Received, added_lines, parse_received, topmost_received
from wildduck.mime import message

POSTFIX = (
    b" from mail.there.example (unknown [192.0.2.9])\r\n"
    b"\tby mx.here.example (Postfix) with ESMTPS id 50FD3A96F\r\n"
    b"\tfor <user@here.example>; Tue, 10 May 2005 17:26:50 +0000 (GMT)"
)

#: Bodies of Received fields, as real servers write them, and what they tell.
RECEIVED = {
    POSTFIX: Received("mail.there.example", "ESMTPS", "50FD3A96F"),
    b" by 10.2.1.1 with SMTP id p21cs62610wem;\r\n        Wed, 22 Sep 2010 00:30:55 -0700 (PDT)": Received(
        "", "SMTP", "p21cs62610wem"
    ),
    b" from ?10.0.1.6? (d36 [24.3.2.1])\r\n by mx.x.example with ESMTPS id g14.22\r\n (v=TLSv1);\r\n Wed": (
        Received("?10.0.1.6?", "ESMTPS", "g14.22")
    ),
    b" from x.example (127.0.0.1) by\r\n y.example with Microsoft SMTP Server id\r\n 11.1.111.1; Thu": (
        Received("x.example", "Microsoft", "11.1.111.1")
    ),
    b" (qmail 32184 invoked by uid 700); 28 Mar 2005 01:14:54 -0000": Received(),
    b" from a by c with ESMTP id 1 (id 2 (with (from)) foo) with BAR; Mon": Received("a", "ESMTP", "1"),
    b" FROM a BY c WITH esmtp ID q;date id x": Received("a", "esmtp", "q"),
    b"": Received(),
    b" from": Received(),
    b" ((((": Received(),
    b" )id( ) id x": Received("", "", "id"),
    b" from \xff\xfe by b": Received("\ufffd\ufffd"),
    b" from " + b"x" * 5000 + b" id y": Received("x" * 255, "", "y"),
}


def received(*fields: bytes) -> Received:
    """What a message with these Received fields tells."""
    header = b"".join(b"Received:" + field + b"\r\n" for field in fields)
    scanned = message.scan(b"X-First: 1\r\n" + header + b"Subject: x\r\n\r\nReceived: from body id 1\r\n")
    try:
        return topmost_received(scanned)
    finally:
        scanned.close()


class AddedLinesTests(SynchronousTestCase):
    """L{added_lines}."""

    def test_order(self) -> None:
        """Delivered-To, then Return-Path, as WildDuck; the sender keeps its case."""
        self.assertEqual(
            added_lines("user+tag@here.example", "SRS0=HH=TT=x.example=Joe@y.example"),
            b"Delivered-To: user+tag@here.example\r\nReturn-Path: <SRS0=HH=TT=x.example=Joe@y.example>\r\n",
        )

    def test_null_sender(self) -> None:
        """The null sender is an empty path (RFC 5321 §4.4)."""
        self.assertIn(b"Return-Path: <>\r\n", added_lines("user@here.example", ""))

    def test_utf8(self) -> None:
        """Internationalized addresses stand in UTF-8 (RFC 6532)."""
        self.assertEqual(
            added_lines("jõgi@õ.example", "ä@ö.example"),
            "Delivered-To: jõgi@õ.example\r\nReturn-Path: <ä@ö.example>\r\n".encode(),
        )

    def test_quoted(self) -> None:
        """A local part that needs quotes has them."""
        for address, expected in {
            'a"b\\c@x.example': b'"a\\"b\\\\c"@x.example',
            "a b@x.example": b'"a b"@x.example',
            "a@b@x.example": b'"a@b"@x.example',
            "a.b+c@x.example": b"a.b+c@x.example",
        }.items():
            self.assertIn(b"Delivered-To: " + expected + b"\r\n", added_lines(address, ""))


class ReceivedTests(SynchronousTestCase):
    """L{parse_received} and L{topmost_received}."""

    def test_real_fields(self) -> None:
        """Clauses outside of comments, before the date."""
        for field, expected in RECEIVED.items():
            self.assertEqual((field, parse_received(field)), (field, expected))

    def test_topmost(self) -> None:
        """The first field counts."""
        self.assertEqual(received(POSTFIX, b" from b by c with X id 2; d").queue_id, "50FD3A96F")

    def test_without_id(self) -> None:
        """Where the first has no id the second counts, whatever it has."""
        self.assertEqual(received(b" from a by c with X; d", POSTFIX).queue_id, "50FD3A96F")
        self.assertEqual(received(b" from a by c with X; d", b" from b by e; d", POSTFIX), Received("b"))
        self.assertEqual(received(b" from a by c with X; d"), Received("a", "X"))

    def test_none(self) -> None:
        """No field, or one in the body only."""
        self.assertEqual(received(), Received())

    @by_chance(50)
    @given(st.binary(max_size=200))
    def test_any_bytes(self, field: bytes) -> None:
        """Any bytes give a value."""
        self.assertIsInstance(parse_received(field), Received)
