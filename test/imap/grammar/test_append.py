"""Tests of APPEND's grammar: several messages, and messages that are put together."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from test.imap.grammar import strategies
from test.imap.grammar.feeding import bytewise, whole
from test.support.chance import by_chance
from wildduck import limits
from wildduck.imap.grammar.append import Append, AppendMessage, Options, PieceStart, Text, Url
from wildduck.imap.grammar.reader import Failure, MessageWanted, Proceed
from wildduck.imap.grammar.replace import Replace
from wildduck.imap.grammar.sequence import STAR
from wildduck.imap.grammar.session import Noop
from wildduck.imap.grammar.strings import LiteralStart
from wildduck.imap.grammar.values import Request

NOOP = Request(b"z", Noop())


def wanted(name: str, piece: Text | Url, options: Options | None = None, *more: bool) -> MessageWanted:
    """@param more: whether it is the first piece, and whether there may be others."""
    return MessageWanted(b"a", PieceStart(Append(name, ()), name, options or Options(), piece, *more))


def text(size: int, *, binary: bool = False, utf8: bool = False) -> Text:
    return Text(LiteralStart(size, False, binary), utf8)


class AppendTests(SynchronousTestCase):
    def both(self, data: bytes, refuse: Failure | None = None) -> list[Any]:
        found = whole(data, refuse=refuse)
        self.assertEqual(bytewise(data, refuse=refuse), found)
        return found

    def test_one(self) -> None:
        """Mailbox, flags and date come before the message, then the message, then the command."""
        zone = timezone(timedelta(hours=-8))
        options = Options(("\\Seen", "$Work"), datetime(1994, 2, 7, 21, 52, 25, tzinfo=zone))
        found = self.both(
            b'a APPEND saved-messages (\\Seen $Work) " 7-Feb-1994 21:52:25 -0800" {5+}\r\nhello\r\n'
        )
        message = AppendMessage((text(5),), options)
        self.assertEqual(
            found,
            [
                wanted("saved-messages", text(5), options),
                b"hello",
                Request(b"a", Append("saved-messages", (message,))),
            ],
        )

    def test_mailbox_as_literal(self) -> None:
        """An ordinary literal before the message is kept by the reader, and what waits for its turn waits."""
        found = self.both(b"a APPEND {5+}\r\ninbox {0}\r\n\r\n")
        piece = Text(LiteralStart(0))
        self.assertEqual(
            found, [wanted("inbox", piece), b"", Request(b"a", Append("inbox", (AppendMessage((piece,)),)))]
        )

    def test_several(self) -> None:
        """MULTIAPPEND: each message with its own options (RFC 3502)."""
        found = self.both(b"a APPEND x (\\Seen) {1+}\r\n1 () ~{2+}\r\n\x00\x01 {3+}\r\n123\r\n")
        seen = Options(("\\Seen",))
        self.assertEqual(
            found[:6],
            [
                wanted("x", text(1), seen),
                b"1",
                wanted("x", text(2, binary=True)),
                b"\x00\x01",
                wanted("x", text(3)),
                b"123",
            ],
        )
        self.assertEqual(
            [message.options for message in found[6].command.messages], [seen, Options(), Options()]
        )

    def test_catenate(self) -> None:
        """CATENATE: texts and URLs in any order, each given as soon as it was read (RFC 4469)."""
        found = self.both(
            b'a APPEND x (\\Draft) CATENATE (URL "/x/;UID=1" TEXT {2+}\r\nab URL {10+}\r\n/x/;UID=20'
            b" UTF8 (~{1+}\r\nc)) {1+}\r\nd\r\n"
        )
        draft = Options(("\\Draft",))
        self.assertEqual(
            found[:-1],
            [
                wanted("x", Url(b"/x/;UID=1"), draft, True, True),
                wanted("x", text(2), draft, False, True),
                b"ab",
                wanted("x", Url(b"/x/;UID=20"), draft, False, True),
                wanted("x", text(1, binary=True, utf8=True), draft, False, True),
                b"c",
                wanted("x", text(1)),
                b"d",
            ],
        )
        self.assertTrue(found[-1].command.messages[0].catenate)
        self.assertFalse(found[-1].command.messages[1].catenate)

    def test_utf8(self) -> None:
        """UTF8 (~{n}) is one message (RFC 6855 §4)."""
        found = self.both(b"a append x UTF8 (~{1+}\r\nc)\r\n")
        self.assertEqual(found[:2], [wanted("x", text(1, binary=True, utf8=True)), b"c"])

    def test_refused(self) -> None:
        """What is broken is refused before any octet of it is taken, and skipped where it comes."""
        for broken in [
            b'a APPEND x "1-Jan-2020 00:00:00 +0000" {1+}\r\nq\r\n',  # a day has two places
            b"a APPEND x (\\Seen)\r\n",
            b"a APPEND x  {1+}\r\nq\r\n",
            b"a APPEND x hello\r\n",
            b"a APPEND x UTF8 ({1+}\r\nq)\r\n",
            b"a APPEND x UTF8 ~{1+}\r\nq\r\n",
            b"a APPEND x CATENATE ()\r\n",
            b'a APPEND x CATENATE (TEXT "x")\r\n',
            b"a APPEND x CATENATE (FILE {1+}\r\nq)\r\n",
            b"a APPEND x CATENATE (URL)\r\n",
            b"a APPEND x CATENATE TEXT {1+}\r\nq\r\n",
            b"a APPEND x {1+} {1+}\r\nq\r\n",
            b"a APPEND x ~{1-}\r\n",
            b"a APPEND x ~{+}\r\n",
            b'a APPEND x ANNOTATION (/comment (value.priv "x")) {1+}\r\nq\r\n',
        ]:
            found = self.both(broken + b"z NOOP\r\n")
            self.assertEqual([type(event) for event in found], [Failure, Request], broken)
            self.assertEqual((found[0].status, found[1]), ("BAD", NOOP), broken)

    def test_tail_refused(self) -> None:
        """What is wrong behind a message is found when it has come, and the command is refused as a whole."""
        for broken in [
            b"a APPEND x {1+}\r\nq\r\n",
            b"a APPEND x {1+}\r\nqq\r\n",
            b"a APPEND x {1+}\r\nq \r\n",
            b"a APPEND x {1+}\r\nq (\\Seen)\r\n",
            b"a APPEND x UTF8 (~{1+}\r\nq\r\n",
            b"a APPEND x CATENATE (TEXT {1+}\r\nq\r\n",
            b"a APPEND x CATENATE (TEXT {1+}\r\nq))\r\n",
            b"a APPEND x CATENATE (TEXT {1+}\r\nq )\r\n",
            b"a APPEND x CATENATE (TEXT {1+}\r\nqTEXT {1+}\r\nq)\r\n",
        ][1:]:
            found = self.both(broken + b"z NOOP\r\n")
            self.assertEqual((found[-2].status, found[-1]), ("BAD", NOOP), broken)

    def test_url_refused(self) -> None:
        """A URL can be refused, and what comes behind it all the same is skipped with its literals."""
        refusal = Failure(b"a", "no", "NO", "BADURL x")
        for rest in (b")", b" TEXT {10+}\r\nz LOGOUT\r\n URL y TEXT {1+}\r\nq)", b" TEXT {7}"):
            found = self.both(b"a APPEND x CATENATE (URL y" + rest + b"\r\nz NOOP\r\n", refusal)
            self.assertEqual(found[1:], [refusal, NOOP], rest)

    def test_second_refused(self) -> None:
        """When a later message is refused the rest is read over, and the tag is answered once."""
        found = whole(b"a APPEND x {1+}\r\nq (\\Foo) {10+}\r\nz LOGOUT\r\n {1+}\r\nq\r\nz NOOP\r\n")
        self.assertEqual(found[:2], [wanted("x", text(1)), b"q"])
        self.assertEqual((found[2].tag, found[2].status, found[3]), (b"a", "BAD", NOOP))

    def test_bounds(self) -> None:
        """Messages and pieces are counted."""
        self.patch(limits, "IMAP_APPEND_MESSAGES", 2)
        self.patch(limits, "IMAP_CATENATE_PIECES", 2)
        for data, count in [
            (b"a APPEND x {1+}\r\n1 {1+}\r\n2 {1+}\r\n3\r\n", 2),
            (b"a APPEND x CATENATE (URL a URL b URL c)\r\n", 2),
        ]:
            found = whole(data + b"z NOOP\r\n")
            self.assertEqual(sum(isinstance(event, MessageWanted) for event in found), count)
            self.assertEqual(found[-1], NOOP)
            self.assertEqual(found[-2].status, "BAD")

    def test_url_as_synchronizing_literal(self) -> None:
        """A URL may be a literal that waits for its turn, unlike a text by its own continuation."""
        self.assertEqual(
            whole(b"a APPEND x CATENATE (URL {1}\r\ny)\r\n")[:2],
            [Proceed(), wanted("x", Url(b"y"), None, True, True)],
        )

    def test_replace(self) -> None:
        """REPLACE has one message, and what is known of it is there before that comes (RFC 8508)."""
        for data, by_uid in [
            (b"a REPLACE 4 x (\\Draft) {1+}\r\nq\r\n", False),
            (b"a UID REPLACE 4 x (\\Draft) {1+}\r\nq\r\n", True),
        ]:
            options = Options(("\\Draft",))
            start = PieceStart(Replace(4, "x", None, by_uid), "x", options, text(1))
            command = Replace(4, "x", AppendMessage((text(1),), options), by_uid)
            self.assertEqual(self.both(data), [MessageWanted(b"a", start), b"q", Request(b"a", command)])
        self.assertEqual(whole(b"a REPLACE * x {0+}\r\n\r\n")[0].start.command.number, STAR)
        for broken in (
            b"a REPLACE 0 x {1+}\r\nq\r\n",
            b"a REPLACE 04 x {1+}\r\nq\r\n",
            b"a REPLACE 1:2 x {1+}\r\nq\r\n",
            b"a REPLACE $ x {1+}\r\nq\r\n",
            b"a REPLACE 1 {1+}\r\nq\r\n",
            b"a REPLACE 1 x {1+}\r\nq {1+}\r\nq\r\n",
        ):
            found = self.both(broken + b"z NOOP\r\n")
            self.assertEqual((found[-2].status, found[-1]), ("BAD", NOOP), broken)

    @by_chance(50)
    @given(strategies.append_requests | strategies.replace_requests)
    def test_round_trip(self, request: Request) -> None:
        """A composed APPEND or REPLACE is parsed to the same value, whole and byte by byte."""
        data = request.compose()
        found = whole(data)
        self.assertEqual(found[-1], request)
        self.assertEqual(bytewise(data), found)
