"""Tests of what FETCH takes beside RFC 3501's items, and of the pages of its PARTIAL."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.imap.grammar import strategies
from test.imap.grammar.feeding import FormsCase
from test.support.chance import by_chance
from wildduck.imap.grammar.fetch import MACROS, Attribute, Binary, BinarySize, Fetch, Preview, Section
from wildduck.imap.grammar.fetch_modifiers import Modifiers
from wildduck.imap.grammar.partial import PartialRange
from wildduck.imap.grammar.sequence import SequenceSet

ONE = SequenceSet(((1, 1),))
_FLAGS = (Attribute("FLAGS"),)

ACCEPTED = [
    # BINARY
    (b"FETCH 1 BINARY[]", Fetch(ONE, (Binary(),))),
    (
        b"FETCH 1 (binary.peek[1.2]<0.5> Binary.Size[1])",
        Fetch(ONE, (Binary((1, 2), True, (0, 5)), BinarySize((1,)))),
    ),
    (b"FETCH 1 BINARY.SIZE[]", Fetch(ONE, (BinarySize(),))),
    # Items of one word
    (
        b"FETCH 1 (emailid THREADID SaveDate)",
        Fetch(ONE, tuple(map(Attribute, ("EMAILID", "THREADID", "SAVEDATE")))),
    ),
    # PREVIEW
    (b"FETCH 1 PREVIEW", Fetch(ONE, (Preview(),))),
    (b"FETCH 1 preview (lazy)", Fetch(ONE, (Preview(True),))),
    (b"FETCH 1 (PREVIEW (LAZY lazy) UID)", Fetch(ONE, (Preview(True), Attribute("UID")))),
    (b"FETCH 1 PREVIEW (CHANGEDSINCE 5)", Fetch(ONE, (Preview(),), False, Modifiers(5))),
    (b"FETCH 1 PREVIEW (LAZY) (CHANGEDSINCE 5)", Fetch(ONE, (Preview(True),), False, Modifiers(5))),
    # Modifiers
    (b"FETCH 1 FLAGS (CHANGEDSINCE 12345)", Fetch(ONE, _FLAGS, False, Modifiers(12345))),
    (b"FETCH 1 (FLAGS) (changedsince 0)", Fetch(ONE, _FLAGS, False, Modifiers(0))),
    (
        b"FETCH 1 FAST (CHANGEDSINCE 9223372036854775807)",
        Fetch(ONE, tuple(map(Attribute, MACROS["FAST"])), False, Modifiers(2**63 - 1)),
    ),
    (
        b"UID FETCH 1 (FLAGS) (CHANGEDSINCE 12345 VANISHED)",
        Fetch(ONE, _FLAGS, True, Modifiers(12345, True)),
    ),
    (b"UID FETCH 1 FLAGS (VANISHED CHANGEDSINCE 1)", Fetch(ONE, _FLAGS, True, Modifiers(1, True))),
    (
        b"UID FETCH 1 BODY[]<0.5> (PARTIAL -1:-30)",
        Fetch(ONE, (Section(partial=(0, 5)),), True, Modifiers(partial=PartialRange(1, 30, from_end=True))),
    ),
    (b"UID FETCH 1 FLAGS (PARTIAL 500:1)", Fetch(ONE, _FLAGS, True, Modifiers(partial=PartialRange(500, 1)))),
    (
        b"UID FETCH 1 FLAGS (PARTIAL 1:2 CHANGEDSINCE 3)",
        Fetch(ONE, _FLAGS, True, Modifiers(3, partial=PartialRange(1, 2))),
    ),
]

REFUSED = [
    (b"FETCH 1 BINARY", "unknown item to fetch"),
    (b"FETCH 1 BINARY.SIZE", "unknown item to fetch"),
    (b"FETCH 1 BINARY.PEAK[1]", "unknown item to fetch"),
    (b"FETCH 1 BINARY[TEXT]", "expected a part's number"),
    (b"FETCH 1 BINARY[1.MIME]", "expected a part's number"),
    (b"FETCH 1 BINARY[1.]", "expected a part's number"),
    (b"FETCH 1 BINARY[0]", "a part's number can not be zero"),
    (b"FETCH 1 BINARY[" + b"1." * 200 + b"1]", "the part's number is too long"),
    (b"FETCH 1 BINARY[1", "a dot or the end of the section"),
    (b"FETCH 1 BINARY[1]<0.0>", "the number of octets can not be zero"),
    (b"FETCH 1 BINARY.SIZE[1]<0.5>", "unexpected characters"),
    (b"FETCH 1 PREVIEW (EAGER)", "unknown modifier"),
    (b"FETCH 1 (PREVIEW ())", "expected an item to fetch"),
    (b"FETCH 1 PREVIEW(LAZY)", "unexpected characters"),
    (b"FETCH 1 SAVEDATE[]", "unexpected characters"),
    (b"FETCH 1 FLAGS ()", "expected a modifier"),
    (b"FETCH 1 FLAGS(CHANGEDSINCE 1)", "unexpected characters"),
    (b"FETCH 1 FLAGS  (CHANGEDSINCE 1)", "unexpected characters"),
    (b"FETCH 1 FLAGS CHANGEDSINCE 1", "unexpected characters"),
    (b"FETCH 1 FLAGS (CHANGEDSINCE)", "expected a space"),
    (b"FETCH 1 FLAGS (CHANGEDSINCE x)", "expected a mod-sequence"),
    (b"FETCH 1 FLAGS (CHANGEDSINCE -1)", "expected a mod-sequence"),
    (b"FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)", "a mod-sequence is too big"),
    (b"FETCH 1 FLAGS (CHANGEDSINCE 1 CHANGEDSINCE 2)", "a modifier is given twice"),
    (b"FETCH 1 FLAGS (CHANGEDSINCE 1", "expected the end of the list of modifiers"),
    (b"FETCH 1 FLAGS (CHANGEDSINCE 1 )", "expected a modifier"),
    (b"FETCH 1 FLAGS (CHANGEDSINCE 1) ", "unexpected characters"),
    (b"FETCH 1 FLAGS (UNCHANGEDSINCE 1)", "unknown modifier"),
    (b"FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)", "VANISHED needs UID FETCH and CHANGEDSINCE"),
    (b"UID FETCH 1 FLAGS (VANISHED)", "VANISHED needs UID FETCH and CHANGEDSINCE"),
    (b"UID FETCH 1 FLAGS (PARTIAL)", "expected a space"),
    (b"UID FETCH 1 FLAGS (PARTIAL 1)", "expected a colon"),
    (b"UID FETCH 1 FLAGS (PARTIAL 0:5)", "a place in the results can not be zero"),
    (b"UID FETCH 1 FLAGS (PARTIAL 01:5)", "a place in the results can not begin with zero"),
    (b"UID FETCH 1 FLAGS (PARTIAL -1:5)", "expected a minus sign"),
    (b"UID FETCH 1 FLAGS (PARTIAL 1:-5)", "expected a place"),
    (b"UID FETCH 1 FLAGS (PARTIAL 1:*)", "expected a place"),
]


class FetchTests(FormsCase):
    def test_accepted(self) -> None:
        """Each form gives its value, fed whole or byte by byte."""
        self.check_accepted(ACCEPTED)

    def test_refused(self) -> None:
        """What is malformed is refused with its tag and the reason, and the next command is understood."""
        self.check_refused(REFUSED)


class PartialRangeTests(SynchronousTestCase):
    def test_pages(self) -> None:
        """Places count from either end, in either order; beyond the results there is nothing."""
        results = list(range(10, 20))
        for range_, expected in (
            (PartialRange(1, 3), [10, 11, 12]),
            (PartialRange(3, 1), [10, 11, 12]),
            (PartialRange(9, 30), [18, 19]),
            (PartialRange(11, 30), []),
            (PartialRange(1, 3, True), [17, 18, 19]),
            (PartialRange(3, 1, True), [17, 18, 19]),
            (PartialRange(10, 10, True), [10]),
            (PartialRange(9, 30, True), [10, 11]),
            (PartialRange(11, 30, True), []),
        ):
            self.assertEqual(range_.select(results), expected, range_)

    @by_chance(50)
    @given(st.lists(st.integers(0, 9), max_size=12), strategies.partial_ranges)
    def test_from_the_end(self, results: list[int], page: PartialRange) -> None:
        """A page from the end is that from the beginning of the results turned round."""
        other = PartialRange(page.first, page.last, not page.from_end)
        self.assertEqual(page.select(results), other.select(results[::-1])[::-1])
