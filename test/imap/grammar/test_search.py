"""Tests of what can be searched for: SEARCH, SORT, THREAD, and their bounds and return options."""

from __future__ import annotations

from datetime import date

from test.imap.grammar.feeding import FormsCase
from wildduck.imap.grammar.contexts import CancelUpdate
from wildduck.imap.grammar.fetch import Attribute
from wildduck.imap.grammar.partial import PartialRange
from wildduck.imap.grammar.search import Search
from wildduck.imap.grammar.search_keys import (
    Age,
    And,
    Day,
    Header,
    Id as IdKey,
    Keyword,
    Modseq,
    Not,
    Numbers,
    Or,
    Size,
    State,
    Text,
)
from wildduck.imap.grammar.search_returns import Returns
from wildduck.imap.grammar.sequence import SAVED, STAR, SequenceSet
from wildduck.imap.grammar.sort import Sort, SortKey, Thread
from wildduck.imap.grammar.values import Command

ONE = SequenceSet(((1, 1),))
LAST = SequenceSet(((STAR, STAR),))


def attributes(*names: str) -> tuple[Attribute, ...]:
    return tuple(map(Attribute, names))


#: What a client writes behind the tag, and the value it means.
ACCEPTED: list[tuple[bytes, Command]] = [
    (b"SEARCH ALL", Search((State("ALL"),))),
    (b"uid search unseen New", Search((State("UNSEEN"), State("NEW")), by_uid=True)),
    (
        b'SEARCH FLAGGED SINCE 1-Feb-1994 NOT FROM "Smith"',
        Search((State("FLAGGED"), Day("SINCE", date(1994, 2, 1)), Not(Text("FROM", b"Smith")))),
    ),
    (
        b"SEARCH CHARSET UTF-8 TEXT {6+}\r\n\xc3\x9f\xc3\x9fab",
        Search((Text("TEXT", b"\xc3\x9f\xc3\x9fab"),), b"UTF-8"),
    ),
    (b'SEARCH charset "x y" ALL', Search((State("ALL"),), b"x y")),
    (b"SEARCH SUBJECT NIL BODY CHARSET", Search((Text("SUBJECT", b"NIL"), Text("BODY", b"CHARSET")))),
    (b'SEARCH HEADER X-Loop ""', Search((Header(b"X-Loop", b""),))),
    (b'SEARCH ON "01-dec-2020"', Search((Day("ON", date(2020, 12, 1)),))),
    # A 'number', other than an 'nz-number', may have leading zeros (RFC 3501 §9).
    (b"SEARCH LARGER 007", Search((Size("LARGER", 7),))),
    (b"SEARCH MODSEQ 07", Search((Modseq(7),))),
    (b"SEARCH LARGER 0 SMALLER 4294967296", Search((Size("LARGER", 0), Size("SMALLER", 2**32)))),
    (
        b"SEARCH KEYWORD $Work UNKEYWORD a[b",
        Search((Keyword("KEYWORD", "$Work"), Keyword("UNKEYWORD", "a[b"))),
    ),
    (b"SEARCH 1 UID 1", Search((Numbers(ONE), Numbers(ONE, True)))),
    (b"SEARCH * NOT *", Search((Numbers(LAST), Not(Numbers(LAST))))),
    (b"SEARCH OR 1 (1 SEEN)", Search((Or((Numbers(ONE), And((Numbers(ONE), State("SEEN"))))),))),
    (
        b"SEARCH OR OR SEEN OLD OR 1 NEW",
        Search((Or((State("SEEN"), State("OLD"), Numbers(ONE), State("NEW"))),)),
    ),
    (b"SEARCH OR NOT OR SEEN OLD 1", Search((Or((Not(Or((State("SEEN"), State("OLD")))), Numbers(ONE))),))),
    (b"SEARCH $ UID $", Search((Numbers(SAVED), Numbers(SAVED, True)))),
    (b"SEARCH older 5 YOUNGER 4294967295", Search((Age("OLDER", 5), Age("YOUNGER", 4294967295)))),
    (b"SEARCH emailid M6d99 THREADID T_-", Search((IdKey("EMAILID", "M6d99"), IdKey("THREADID", "T_-")))),
    (b"SEARCH MODSEQ 0", Search((Modseq(0),))),
    (
        b'SEARCH modseq "/Flags/\\\\draft" ALL 620162338',
        Search((Modseq(620162338, (b"/Flags/\\draft", "all")),)),
    ),
    (b"SEARCH RETURN () ALL", Search((State("ALL"),), returns=Returns())),
    (
        b"uid search return (save min Count MIN) charset utf-8 all",
        Search((State("ALL"),), b"utf-8", Returns(("SAVE", "MIN", "COUNT")), True),
    ),
    (
        b"SEARCH RETURN (PARTIAL -1:-30 UPDATE) ALL",
        Search((State("ALL"),), returns=Returns(("UPDATE",), PartialRange(1, 30, True))),
    ),
    (b'CANCELUPDATE "B01" "x"', CancelUpdate((b"B01", b"x"))),
    (
        b"SORT (SUBJECT REVERSE DATE) UTF-8 ALL",
        Sort((SortKey("SUBJECT"), SortKey("DATE", True)), b"UTF-8", (State("ALL"),)),
    ),
    (
        b'uid sort return (context) (displayto) "us-ascii" 1 2',
        Sort(
            (SortKey("DISPLAYTO"),),
            b"us-ascii",
            (Numbers(ONE), Numbers(SequenceSet(((2, 2),)))),
            Returns(("CONTEXT",)),
            True,
        ),
    ),
    (
        b"UID THREAD references {5+}\r\nUTF-8 ALL",
        Thread("REFERENCES", b"UTF-8", (State("ALL"),), by_uid=True),
    ),
    (b"SEARCH " + b"OR SEEN " * 400 + b"OLD", Search((Or((State("SEEN"),) * 400 + (State("OLD"),)),))),
]

#: What a client writes behind the tag, and why it is refused.
REFUSED: list[tuple[bytes, str]] = [
    (b"SEARCH", "missing argument"),
    (b"SEARCH ", "expected a search key"),
    (b"SEARCH  ALL", "expected a search key"),
    (b"SEARCH ALL ", "expected a search key"),
    (b"SEARCH NOT", "missing argument"),
    (b"SEARCH OR ALL", "missing argument"),
    (b"SEARCH OR ALL)", "expected a space"),
    (b"SEARCH ()", "expected a search key"),
    (b"SEARCH ( ALL)", "expected a search key"),
    (b"SEARCH (ALL )", "expected a search key"),
    (b"SEARCH (ALL", "missing argument"),
    (b"SEARCH (NOT)", "expected a space"),
    (b"SEARCH ALL)", "expected a space"),
    (b"SEARCH WHATEVER", "unknown search key"),
    (b"SEARCH CHARSET", "unknown search key"),
    (b"SEARCH CHARSET UTF-8", "missing argument"),
    (b"SEARCH ALL CHARSET UTF-8", "unknown search key"),
    (b"SEARCH TEXT \xc3\xa9", "expected a string"),
    (b"SEARCH TEXT {1+}\r\n\0", "NUL in a string"),
    (b"SEARCH KEYWORD \\Seen", "expected a keyword"),
    (b"SEARCH LARGER -1", "expected a size"),
    (b"SEARCH LARGER 9223372036854775808", "a size is too big"),
    (b"SEARCH SINCE 30-Feb-1994", "no such date"),
    (b"SEARCH SINCE 1-Feb-0000", "no such date"),
    (b"SEARCH SINCE 1-Xxx-1994", "no such date"),
    (b'SEARCH SINCE "1-Feb-1994', "broken date"),
    (b"SEARCH SINCE 1-Feb-94", "broken date"),
    (b"SEARCH OLDER 0", "a number of seconds can not be zero"),
    (b"SEARCH OLDER 07", "a number of seconds can not begin with zero"),
    (b"SEARCH 01", "begins with zero"),
    (b"SEARCH UID 1:02", "begins with zero"),
    (b"SEARCH EMAILID " + b"a" * 256, "expected an object id"),
    (b"SEARCH MODSEQ /flags/a all 1", "expected a MODSEQ"),
    (b'SEARCH MODSEQ "/annotation/a" all 1', "expected the name of a metadata item"),
    (b'SEARCH MODSEQ "/flags/a" 1', "unknown type of a metadata item"),
    (b"SEARCH RETURN", "unknown search key"),
    (b"SEARCH RETURN (MIN)", "missing argument"),
    (b"SEARCH RETURN (FOO) ALL", "unknown return option"),
    (b"SEARCH RETURN ((MIN)) ALL", "expected a return option"),
    (b"SEARCH RETURN (ALL PARTIAL 1:2) ALL", "ALL and PARTIAL together"),
    (b"SORT (DATE) UTF-8", "missing argument"),
    (b"SORT (" + b"DATE " * 32 + b"DATE) UTF-8 ALL", "too many sort keys"),
    (b"SORT (DATE", "expected the end of the list"),
    (b"CANCELUPDATE", "missing argument"),
    (b"CANCELUPDATE a", "expected a tag in quotes"),
    (b"CANCELUPDATE" + b' "a"' * 1001, "too many tags"),
    (b"SEARCH UID", "missing argument"),
    (b"SEARCH UID ALL", "expected a sequence set"),
    (b"SEARCH 0", "out of bounds"),
    (b"SEARCH {-100}zzz", "expected a search key"),
    (b"SEARCH " + b"(" * 33 + b"ALL" + b")" * 33, "search keys are nested too deeply"),
    (b"SEARCH " + b"NOT " * 33 + b"ALL", "search keys are nested too deeply"),
    (b"SEARCH " + b"OR NOT " * 17 + b"1", "search keys are nested too deeply"),
    (b"SEARCH " + b"(" * 60_000, "search keys are nested too deeply"),
    (b"SEARCH" + b" ALL" * 1001, "too many search keys"),
    (b"SEARCH " + b"OR 1 " * 501 + b"1", "too many search keys"),
]


class SearchRequestTests(FormsCase):
    def test_accepted(self) -> None:
        """Each form gives its value, fed whole or byte by byte."""
        self.check_accepted(ACCEPTED)

    def test_refused(self) -> None:
        """What is malformed is refused with its tag and the reason, and the next command is understood."""
        self.check_refused(REFUSED)
