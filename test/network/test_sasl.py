"""Tests for L{wildduck.network.sasl}."""

from __future__ import annotations

import base64

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.support.chance import by_chance
from wildduck.errors import ProtocolError
from wildduck.network.sasl import (
    RESPONSE_BYTES,
    Cancelled,
    PlainCredentials,
    decode_response,
    parse_plain,
)


class ResponseTests(SynchronousTestCase):
    """L{decode_response}."""

    def test_good(self) -> None:
        """Exact base64 is decoded; C{=} and an empty line are empty responses."""
        for line, expected in {b"": b"", b"=": b"", b"AGEAYg==": b"\0a\0b", b"/+8=": b"\xff\xef"}.items():
            self.assertEqual(decode_response(line), expected)

    def test_bad(self) -> None:
        """Padding that is missing or misplaced, and bytes outside the alphabet, are refused."""
        for line in (
            *(
                b"AGEAYg",
                b"AGEAYg=",
                b"AGEAYg===",
                b"AGE=AYg=",
                b"====",
                b"AG EAYg==",
                b"AGEAYg==\n",
                b"AGEA\r\n",
            ),
            *(b"AGEAYg==AAAA", b"AGE-", b"AGE_", b"\xff\xff\xff\xff", b"A", b"**", b"AGEA\0AAA"),
        ):
            with self.assertRaises(ProtocolError):
                self.fail(f"{line!r} gives {decode_response(line)!r}")

    def test_cancelled(self) -> None:
        """An asterisk cancels."""
        self.assertRaises(Cancelled, decode_response, b"*")

    def test_too_long(self) -> None:
        """A long response is refused without being decoded."""
        self.assertEqual(len(decode_response(b"A" * RESPONSE_BYTES)), RESPONSE_BYTES * 3 // 4)
        self.assertRaises(ProtocolError, decode_response, b"A" * (RESPONSE_BYTES + 4))
        self.assertRaises(ProtocolError, decode_response, b"A" * 1024 * 1024)

    @by_chance(50)
    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes) -> None:
        """What base64 makes is read back; any bytes give bytes or a protocol error."""
        self.assertEqual(decode_response(base64.b64encode(data)), data)
        try:
            decode_response(data)
        except ProtocolError:
            pass


class PlainTests(SynchronousTestCase):
    """L{parse_plain}."""

    def test_good(self) -> None:
        """The examples of RFC 4616 §4, and UTF-8."""
        self.assertEqual(
            parse_plain(b"\0tim\0tanstaaftanstaaf"), PlainCredentials("", "tim", "tanstaaftanstaaf")
        )
        self.assertEqual(
            parse_plain(b"Ursel\0Kurt\0xipj3plmq"), PlainCredentials("Ursel", "Kurt", "xipj3plmq")
        )
        self.assertEqual(parse_plain("\0jõgi\0pässwörd".encode()), PlainCredentials("", "jõgi", "pässwörd"))

    def test_bad(self) -> None:
        """Another number of NULs, empty parts, invalid UTF-8 and over-long parts are refused."""
        for message in (
            *(b"", b"\0", b"\0\0", b"a\0b", b"\0a\0b\0", b"\0a\0b\0c", b"\0\0secret", b"\0user\0", b"a\0\0b"),
            *(b"\0\xff\0secret", b"\0user\0\xff", b"\xff\0user\0secret", b"\0" + b"u" * 256 + b"\0p"),
            *(b"\0u\0" + b"p" * 1025, b"a" * 256 + b"\0u\0p"),
        ):
            with self.assertRaises(ProtocolError):
                self.fail(f"{message!r} gives {parse_plain(message)}")

    def test_password_is_not_shown(self) -> None:
        """The password is not in the value's repr, which may get into a log."""
        self.assertNotIn("secret", repr(parse_plain(b"\0user\0secret")))

    @by_chance(50)
    @given(st.binary(max_size=100))
    def test_any_bytes(self, data: bytes) -> None:
        """Any bytes give credentials or a protocol error."""
        try:
            parse_plain(data)
        except ProtocolError:
            pass
