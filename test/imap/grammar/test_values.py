"""Tests of the small values of the grammar: strings, sequence sets, dates, flags."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from test.imap.grammar import strategies
from test.support.chance import by_chance
from wildduck import limits
from wildduck.errors import ProtocolError
from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.dates import compose_date_time, date_time
from wildduck.imap.grammar.flags import compose_flags, flag_list
from wildduck.imap.grammar.sequence import SequenceSet, from_numbers, sequence_set
from wildduck.imap.grammar.strings import compose_astring, compose_nstring, compose_string


class StringTests(SynchronousTestCase):
    def test_quoted_or_literal(self) -> None:
        """A string is quoted where that can be done safely, else it is a literal, never a broken line."""
        for data, composed in [
            (b"", b'""'),
            (b"abc", b'"abc"'),
            (b'a"b\\', b'"a\\"b\\\\"'),
            (b"a\r\nb", b"{4}\r\na\r\nb"),
            (b"\r", b"{1}\r\n\r"),
            (b"\xc3\xa9", b"{2}\r\n\xc3\xa9"),
            (b"a\x00b", b"~{3}\r\na\x00b"),
            (b"x" * 1001, b"{1001}\r\n" + b"x" * 1001),
        ]:
            self.assertEqual(compose_string(data), composed)

    def test_astring(self) -> None:
        """Only plain words go without quotes, and NIL is not one of them."""
        for data, composed in [
            (b"INBOX", b"INBOX"),
            (b"a/b.c-d_e", b"a/b.c-d_e"),
            (b"nil", b'"nil"'),
            (b"a b", b'"a b"'),
            (b"a*", b'"a*"'),
            (b"a]", b'"a]"'),
            (b"a\n", b"{2}\r\na\n"),
        ]:
            self.assertEqual(compose_astring(data), composed)

    def test_nstring(self) -> None:
        """NIL stands for no string and for nothing else."""
        self.assertEqual(compose_nstring(None), b"NIL")
        self.assertEqual(compose_nstring(b"NIL"), b'"NIL"')


class SequenceTests(SynchronousTestCase):
    def parse(self, text: bytes) -> SequenceSet:
        cursor = Cursor(text)
        found = sequence_set(cursor)
        cursor.end()
        return found

    def test_resolve(self) -> None:
        """Sets are resolved whatever their order, overlaps merged, the star replaced."""
        for text, largest, ranges in [
            (b"2", 9, [(2, 2)]),
            (b"4:2", 9, [(2, 4)]),
            (b"*:3", 9, [(3, 9)]),
            (b"*", 9, [(9, 9)]),
            (b"12:*", 9, [(9, 12)]),
            (b"2,4:7,9,12:*", 15, [(2, 2), (4, 7), (9, 9), (12, 15)]),
            (b"*:4,5:7", 10, [(4, 10)]),
            (b"3,2,1,7:8,9", 20, [(1, 3), (7, 9)]),
            (b"1:4294967295", 9, [(1, 4294967295)]),
        ]:
            self.assertEqual(self.parse(text).resolve(largest), ranges)

    def test_refused(self) -> None:
        """Zero, 33 bits, empty pieces and open ranges are no numbers of a set."""
        for text in (
            b"",
            b"0",
            b"1,0",
            b"01",
            b"1:02",
            b"00:*",
            b"3,04",
            b"4294967296",
            b"1,",
            b",1",
            b"1::2",
            b"1:",
            b":1",
            b"1:2:3",
            b"1,,2",
            b"a",
            b"-1",
            b"1*",
            b"**",
            b"9" * 5000,
        ):
            with self.assertRaises(ProtocolError, msg=text):
                self.parse(text)

    def test_too_many_ranges(self) -> None:
        """The number of ranges is bounded."""
        self.patch(limits, "IMAP_SET_RANGES", 3)
        self.assertEqual(len(self.parse(b"1,3,5").ranges), 3)
        self.assertRaises(ProtocolError, self.parse, b"1,3,5,7")

    def test_from_numbers(self) -> None:
        """Ascending numbers are written as the shortest set."""
        self.assertEqual(from_numbers([]).compose(), b"")
        self.assertEqual(from_numbers([1, 2, 3, 5, 7, 8]).compose(), b"1:3,5,7:8")

    @by_chance(50)
    @given(strategies.sequence_sets)
    def test_round_trip(self, value: SequenceSet) -> None:
        """A composed set is parsed to the same set."""
        self.assertEqual(self.parse(value.compose()), value)


class DateTests(SynchronousTestCase):
    def test_parse(self) -> None:
        """A date-time has a day of two places, an English month and a zone."""
        zone = timezone(timedelta(hours=-7))
        for text, moment in [
            (b'"17-Jul-1996 02:44:25 -0700"', datetime(1996, 7, 17, 2, 44, 25, tzinfo=zone)),
            (b'" 7-feb-1994 21:52:25 -0700"', datetime(1994, 2, 7, 21, 52, 25, tzinfo=zone)),
            (b'"30-JUN-2015 23:59:60 +0000"', datetime(2015, 6, 30, 23, 59, 59, tzinfo=timezone.utc)),
        ]:
            self.assertEqual(date_time(Cursor(text)), moment)

    def test_refused(self) -> None:
        """What is not exactly that, or no date of the calendar, is refused."""
        for text in (
            b"17-Jul-1996 02:44:25 -0700",
            b'"7-Feb-1994 21:52:25 -0800"',
            b'"31-Feb-1994 21:52:25 -0800"',
            b'"17-Jux-1996 02:44:25 -0700"',
            b'"17-Jul-1996 24:44:25 -0700"',
            b'"17-Jul-1996 02:44:61 -0700"',
            b'"17-Jul-1996 02:44:25 -0760"',
            b'"17-Jul-1996 02:44:25 +2400"',
            b'"17-Jul-0000 02:44:25 +0000"',
            b'"17-Jul-1996 02:44:25 GMT"',
            b'"00-Jul-1996 02:44:25 +0000"',
            b'"',
        ):
            with self.assertRaises(ProtocolError, msg=text):
                date_time(Cursor(text))

    def test_naive(self) -> None:
        """A time without zone is in UTC, as databases give it."""
        self.assertEqual(compose_date_time(datetime(2024, 2, 29, 1, 2, 3)), b'"29-Feb-2024 01:02:03 +0000"')

    @by_chance(50)
    @given(strategies.dates)
    def test_round_trip(self, moment: datetime) -> None:
        """A composed date-time is parsed to the same moment in the same zone."""
        parsed = date_time(Cursor(compose_date_time(moment)))
        self.assertEqual((parsed, parsed.utcoffset()), (moment, moment.utcoffset()))


class FlagTests(SynchronousTestCase):
    def test_spelling(self) -> None:
        """System flags get their usual spelling, keywords keep theirs, repeated flags count once."""
        self.assertEqual(
            flag_list(Cursor(b"(\\SEEN \\deleted $Label1 \\Seen)")), ("\\Seen", "\\Deleted", "$Label1")
        )
        self.assertEqual(flag_list(Cursor(b"()")), ())

    def test_refused(self) -> None:
        """No client can set Recent or a system flag that nobody knows; names are bounded."""
        for text in (
            b"(\\Recent)",
            b"(\\Foo)",
            b"(\\*)",
            b"(\\)",
            b"( )",
            b"(a",
            b"(a  b)",
            b"(a\tb)",
            b'("a")',
            b"(" + b"k" * 256 + b")",
            b"(\xc3\xa9)",
        ):
            with self.assertRaises(ProtocolError, msg=text):
                flag_list(Cursor(text))

    def test_compose(self) -> None:
        """A stored flag that would break a response is left out."""
        self.assertEqual(
            compose_flags(["\\Seen", "a b", "x\r\ny", "\\é", "", "\\", "ok", "\\*", "\\" + "x" * 255]),
            b"(\\Seen ok)",
        )
