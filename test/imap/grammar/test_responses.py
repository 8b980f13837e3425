"""Tests of L{wildduck.imap.grammar.responses}."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.imap.grammar import strategies
from test.imap.grammar.response_reader import read
from test.support.chance import by_chance
from wildduck.imap.grammar.dates import compose_date_time
from wildduck.imap.grammar.fetch import Section
from wildduck.imap.grammar.flags import compose_flags
from wildduck.imap.grammar.mailbox_responses import (
    ListData,
    LsubData,
    NamespaceData,
    QuotaData,
    QuotaRootData,
    StatusData,
    XlistData,
    mailbox_id_code,
)
from wildduck.imap.grammar.modes import Modes
from wildduck.imap.grammar.responses import (
    CapabilityData,
    Condition,
    Continuation,
    EnabledData,
    ExistsData,
    ExpungeData,
    FetchData,
    FlagsData,
    IdData,
    RecentData,
    VanishedData,
    append_uid_code,
    bad_charset_code,
    capability_code,
    copy_uid_code,
    modified_code,
    number_code,
    permanent_flags_code,
)
from wildduck.imap.grammar.search_responses import EsearchData, SearchData, SortData, ThreadData
from wildduck.imap.grammar.sequence import from_numbers
from wildduck.imap.grammar.strings import compose_nstring
from wildduck.imap.grammar.urlauth import GenUrlAuthData, UrlFetchData

COMPOSED: list[tuple[Any, bytes]] = [
    (Condition("OK", "done", tag=b"A1"), b"A1 OK done\r\n"),
    (Condition("BYE", "bye"), b"* BYE bye\r\n"),
    (Condition("NO", "no", b"ALREADYEXISTS", b"a"), b"a NO [ALREADYEXISTS] no\r\n"),
    (Condition("OK", "x", number_code("UIDNEXT", 4392)), b"* OK [UIDNEXT 4392] x\r\n"),
    (
        Condition("OK", "x", permanent_flags_code(("\\Deleted", "\\*"))),
        b"* OK [PERMANENTFLAGS (\\Deleted \\*)] x\r\n",
    ),
    (Condition("OK", "x", append_uid_code(38505, [3955]), b"a"), b"a OK [APPENDUID 38505 3955] x\r\n"),
    (Condition("OK", "x", append_uid_code(1, [3, 5])), b"* OK [APPENDUID 1 3,5] x\r\n"),
    (
        Condition("OK", "x", copy_uid_code(38505, [304, 319, 320], [3956, 3957, 3958])),
        b"* OK [COPYUID 38505 304,319:320 3956:3958] x\r\n",
    ),
    # The order tells which is which: one was done in a second go.
    (
        Condition("OK", "x", copy_uid_code(1, [1, 2, 3], [7, 9, 8])),
        b"* OK [COPYUID 1 1,3,2 7:9] x\r\n",
    ),
    (Condition("OK", "x", capability_code(("IMAP4rev1", "ID"))), b"* OK [CAPABILITY IMAP4rev1 ID] x\r\n"),
    (
        Condition("NO", "x", bad_charset_code(("US-ASCII", "UTF-8")), b"a"),
        b"a NO [BADCHARSET (US-ASCII UTF-8)] x\r\n",
    ),
    (Condition("OK", "x", modified_code((7, 9)), b"a"), b"a OK [MODIFIED 7,9] x\r\n"),
    (VanishedData(from_numbers((405, 407, 410))), b"* VANISHED 405,407,410\r\n"),
    (
        VanishedData(from_numbers((41, 43, 44, 45)), True),
        b"* VANISHED (EARLIER) 41,43:45\r\n",
    ),
    (SearchData(()), b"* SEARCH\r\n"),
    (SearchData((2, 84, 882)), b"* SEARCH 2 84 882\r\n"),
    (SearchData((2, 5, 6), 917162500), b"* SEARCH 2 5 6 (MODSEQ 917162500)\r\n"),
    (SortData(()), b"* SORT\r\n"),
    (SortData((5, 3, 4, 1, 2)), b"* SORT 5 3 4 1 2\r\n"),
    (SortData((5, 3), 7), b"* SORT 5 3 (MODSEQ 7)\r\n"),
    # RFC 5256 §4
    (ThreadData([]), b"* THREAD\r\n"),
    (
        ThreadData([(2, []), (3, [(6, [(4, [(23, [])]), (44, [(7, [(96, [])])])])])]),
        b"* THREAD (2)(3 6 (4 23)(44 7 96))\r\n",
    ),
    (ThreadData([(None, [(3, []), (5, [])])]), b"* THREAD ((3)(5))\r\n"),
    (ThreadData([(1, []), (None, [(2, [(3, [])]), (4, [])])]), b"* THREAD (1)((2 3)(4))\r\n"),
    (EsearchData(b"a567", False), b'* ESEARCH (TAG "a567")\r\n'),
    (
        EsearchData(b"a567", True, ((b"COUNT", b"17"), (b"ALL", b"4:18,21,28"))),
        b'* ESEARCH (TAG "a567") UID COUNT 17 ALL 4:18,21,28\r\n',
    ),
    (
        EsearchData(b"A04", True, ((b"PARTIAL", b"(24000:24500 NIL)"),)),
        b'* ESEARCH (TAG "A04") UID PARTIAL (24000:24500 NIL)\r\n',
    ),
    (Continuation(), b"+ \r\n"),
    (Continuation("OK"), b"+ OK\r\n"),
    (CapabilityData(("IMAP4rev1", "AUTH=PLAIN")), b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"),
    (EnabledData(()), b"* ENABLED\r\n"),
    (EnabledData(("CONDSTORE", "UIDONLY")), b"* ENABLED CONDSTORE UIDONLY\r\n"),
    (FlagsData(("\\Answered", "$Forwarded")), b"* FLAGS (\\Answered $Forwarded)\r\n"),
    (ListData(("\\Noselect",), ""), b'* LIST (\\Noselect) "/" ""\r\n'),
    (
        ListData(("\\HasChildren", "\\Sent"), "Sent Mail"),
        b'* LIST (\\HasChildren \\Sent) "/" "Sent Mail"\r\n',
    ),
    (ListData((), "~peter/mail/台北"), b'* LIST () "/" "~peter/mail/&U,BTFw-"\r\n'),
    (LsubData((), "#news.comp.mail.mime"), b'* LSUB () "/" "#news.comp.mail.mime"\r\n'),
    (LsubData(("\\Noselect",), "foo"), b'* LSUB (\\Noselect) "/" foo\r\n'),
    (NamespaceData(), b'* NAMESPACE (("" "/")) NIL NIL\r\n'),
    (
        StatusData("blurdybloop", (("MESSAGES", 231), ("UIDNEXT", 44292))),
        b"* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292)\r\n",
    ),
    (StatusData("foo", (("MAILBOXID", "F2212ea87"),)), b"* STATUS foo (MAILBOXID (F2212ea87))\r\n"),
    (
        ListData((), "Foo", ("SUBSCRIBED",)),
        b'* LIST () "/" Foo ("CHILDINFO" ("SUBSCRIBED"))\r\n',
    ),
    (
        ListData(("\\Subscribed",), "Foo", ("SUBSCRIBED", "SPECIAL-USE")),
        b'* LIST (\\Subscribed) "/" Foo ("CHILDINFO" ("SUBSCRIBED" "SPECIAL-USE"))\r\n',
    ),
    (
        ListData((), "NewMailbox", old_name="Old Mailbox"),
        b'* LIST () "/" NewMailbox ("OLDNAME" ("Old Mailbox"))\r\n',
    ),
    (
        ListData((), "b", ("SUBSCRIBED",), "a"),
        b'* LIST () "/" b ("CHILDINFO" ("SUBSCRIBED") "OLDNAME" (a))\r\n',
    ),
    (XlistData(("\\HasNoChildren", "\\Inbox"), "INBOX"), b'* XLIST (\\HasNoChildren \\Inbox) "/" INBOX\r\n'),
    (QuotaData("", (("STORAGE", 10, 512),)), b'* QUOTA "" (STORAGE 10 512)\r\n'),
    (
        QuotaData("#user/alice", (("STORAGE", 54, 111), ("MESSAGE", 42, 1000))),
        b'* QUOTA "#user/alice" (STORAGE 54 111 MESSAGE 42 1000)\r\n',
    ),
    (QuotaRootData("INBOX", ("",)), b'* QUOTAROOT INBOX ""\r\n'),
    (QuotaRootData("comp.mail.mime", ()), b"* QUOTAROOT comp.mail.mime\r\n"),
    (Condition("OK", "x", mailbox_id_code("F1"), b"a"), b"a OK [MAILBOXID (F1)] x\r\n"),
    (GenUrlAuthData((b"imap://a@b/c/;UID=1", b"x")), b'* GENURLAUTH "imap://a@b/c/;UID=1" x\r\n'),
    (UrlFetchData(b"x;y"), b'* URLFETCH "x;y" NIL\r\n'),
    (
        UrlFetchData(b"x", ((b"BODY", b'"q"'), (b"BINARY", b"~{2}\r\n\x00\x01"))),
        b'* URLFETCH x (BODY "q") (BINARY ~{2}\r\n\x00\x01)\r\n',
    ),
    (ExistsData(23), b"* 23 EXISTS\r\n"),
    (RecentData(0), b"* 0 RECENT\r\n"),
    (ExpungeData(44), b"* 44 EXPUNGE\r\n"),
    (IdData(None), b"* ID NIL\r\n"),
    (IdData((("name", "Cyrus"), ("os", None))), b'* ID ("name" "Cyrus" "os" NIL)\r\n'),
    (FetchData(12, ((b"FLAGS", b"(\\Seen)"), (b"UID", b"3"))), b"* 12 FETCH (FLAGS (\\Seen) UID 3)\r\n"),
    (
        FetchData(1, ((Section((), "HEADER.FIELDS", (b"a b", b"c"), True, (5, 9)).label(), b"NIL"),)),
        b'* 1 FETCH (BODY[HEADER.FIELDS ("a b" c)]<5> NIL)\r\n',
    ),
]

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
line_texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1).filter(
    lambda text: not text.startswith("[")
)
codes = st.none() | st.text("ABC0-9 ()\\", min_size=1, max_size=10).map(str.encode)
numbers = st.integers(0, 2**63 - 1)
values = st.one_of(
    numbers.map(lambda number: b"%d" % number),
    st.none().map(compose_nstring),
    st.binary(max_size=30).map(compose_nstring),
    strategies.flags.map(compose_flags),
    strategies.dates.map(compose_date_time),
)
labels = st.one_of(
    strategies.attributes.map(lambda item: item.compose()),
    strategies.plain_sections.map(Section.label),
    strategies.field_sections.map(Section.label),
)
found = strategies.sequence_sets.filter(lambda given: not given.saved).map(lambda given: given.compose())
search_data = st.lists(
    st.tuples(
        st.sampled_from([b"MIN", b"MAX", b"COUNT", b"MODSEQ"]), numbers.map(lambda number: b"%d" % number)
    )
    | st.tuples(st.just(b"ALL"), found)
    | st.tuples(
        st.just(b"PARTIAL"),
        st.builds(
            lambda asked, numbers: b"(%b %b)" % (asked.compose(), numbers),
            strategies.partial_ranges,
            found | st.just(b"NIL"),
        ),
    ),
    max_size=5,
).map(tuple)
trees: st.SearchStrategy[Any] = st.recursive(
    st.tuples(st.integers(1, 2**32), st.just([])),
    lambda inner: st.tuples(st.integers(1, 2**32), st.lists(inner, min_size=1, max_size=3)),
    max_leaves=6,
)
split_trees = st.tuples(st.none(), st.lists(trees, min_size=2, max_size=3))
#: Responses with mailbox names.
of_names: st.SearchStrategy[Any] = st.one_of(
    st.builds(
        ListData,
        st.lists(st.sampled_from(["\\Sent", "\\Noselect"])).map(tuple),
        names,
        st.sampled_from([(), ("SUBSCRIBED",), ("SUBSCRIBED", "SPECIAL-USE")]),
        st.none() | names,
    ),
    st.builds(XlistData, st.sampled_from([(), ("\\Inbox",)]), names),
    st.builds(LsubData, st.sampled_from([(), ("\\Noselect",)]), names),
    st.just(NamespaceData()),
    st.builds(
        StatusData,
        names,
        st.lists(
            st.tuples(st.sampled_from(["MESSAGES", "UNSEEN"]), numbers)
            | st.tuples(st.just("MAILBOXID"), st.text("F0123456789_-", min_size=1))
        ).map(tuple),
    ),
    st.builds(QuotaRootData, names, st.lists(line_texts, max_size=3).map(tuple)),
)
RESPONSES: list[st.SearchStrategy[Any]] = [
    st.builds(
        Condition, st.sampled_from(["OK", "NO", "BAD", "BYE"]), line_texts, codes, st.none() | strategies.tags
    ),
    st.builds(Continuation, st.text(st.characters(min_codepoint=32, max_codepoint=126))),
    st.builds(CapabilityData, st.lists(st.text("ABC=+", min_size=1), min_size=1).map(tuple)),
    st.builds(EnabledData, st.lists(st.text("ABC=+", min_size=1), max_size=3).map(tuple)),
    st.builds(FlagsData, strategies.flags),
    of_names,
    st.builds(QuotaData, names, st.lists(st.tuples(st.just("STORAGE"), numbers, numbers)).map(tuple)),
    st.builds(ExistsData, numbers),
    st.builds(RecentData, numbers),
    st.sampled_from([SearchData, SortData]).flatmap(
        lambda kind: st.builds(
            kind, st.lists(st.integers(1, 2**32), min_size=1, max_size=20).map(tuple), st.none() | numbers
        )
    ),
    st.lists(trees | split_trees, max_size=4).map(ThreadData),
    st.builds(EsearchData, strategies.tags, st.booleans(), search_data),
    st.builds(ExpungeData, numbers),
    st.builds(VanishedData, strategies.known_sets, st.booleans()),
    st.builds(IdData, st.none() | strategies.id_fields),
    st.builds(GenUrlAuthData, st.lists(st.binary(max_size=20), min_size=1, max_size=3).map(tuple)),
    st.builds(
        UrlFetchData,
        st.binary(max_size=20),
        st.lists(
            st.tuples(st.sampled_from([b"BODY", b"BINARY"]), st.binary(max_size=20).map(compose_nstring)),
            min_size=1,
            max_size=2,
        ).map(tuple)
        | st.tuples(st.tuples(st.just(b""), st.binary(max_size=20).map(compose_nstring))),
    ),
    st.builds(
        FetchData,
        st.integers(1, 2**32),
        st.lists(st.tuples(labels, values), min_size=1, max_size=4).map(tuple),
    ),
]


class ResponseTests(SynchronousTestCase):
    def test_uids_only(self) -> None:
        """A session of UIDs only has UIDFETCH (RFC 9586)."""
        told = FetchData(3, ((b"FLAGS", b"(\\Seen)"),), 25996)
        self.assertEqual(told.compose(Modes(uidonly=True)), b"* 25996 UIDFETCH (FLAGS (\\Seen))\r\n")
        self.assertEqual(told.compose(), b"* 3 FETCH (FLAGS (\\Seen))\r\n")

    def test_composed(self) -> None:
        """Each response has the bytes that the RFCs give it."""
        for response, data in COMPOSED:
            self.assertEqual(response.compose(), data)
            self.assertEqual(read(data), response)

    def test_hostile_text(self) -> None:
        """Text from outside can not end a line, begin another or pass for a response code."""
        for text, data in [
            ("a\r\n* BYE", b"a OK a??* BYE\r\n"),
            ("[ALERT] x", b"a OK (ALERT] x\r\n"),
            ("é\x00", b"a OK ??\r\n"),
            ("", b"a OK -\r\n"),
        ]:
            self.assertEqual(Condition("OK", text, tag=b"a").compose(), data)
        self.assertEqual(Continuation("a\r\nb").compose(), b"+ a??b\r\n")

    def test_hostile_name(self) -> None:
        """A mailbox name can hold anything and is one string of the response all the same."""
        for name in ('a" "b', "a\r\n* BYE", "a\\", "\x00", "a" * 2000, "../..", "NIL"):
            self.assertEqual(read(ListData((), name).compose()), ListData((), name))

    def test_dates(self) -> None:
        """INTERNALDATE has the fixed form."""
        self.assertEqual(compose_date_time(datetime(1996, 7, 7, 2, 44, 25)), b'"07-Jul-1996 02:44:25 +0000"')

    @by_chance(170)
    @given(st.one_of(RESPONSES))
    def test_round_trip(self, response: Any) -> None:
        """A client reads the value that was composed."""
        self.assertEqual(read(response.compose()), response)

    @by_chance(100)
    @given(st.builds(FlagsData, strategies.flags))
    def test_keywords_in_utf8(self, response: FlagsData) -> None:
        """Keywords are raw where UTF8=ACCEPT is enabled, and in a response code too."""
        modes = Modes(utf8=True)
        told = response.compose(modes)
        self.assertEqual(told, "* FLAGS ({})\r\n".format(" ".join(response.flags)).encode())
        self.assertEqual(read(told, unicode=True), response)
        code = permanent_flags_code((*response.flags, "\\*"), modes)
        self.assertEqual(code, "PERMANENTFLAGS ({})".format(" ".join((*response.flags, "\\*"))).encode())

    @by_chance(100)
    @given(of_names, st.sampled_from([Modes(utf8=True), Modes(rev2=True)]))
    def test_round_trip_in_utf8(self, response: Any, modes: Modes) -> None:
        """So does one that has enabled UTF-8 names."""
        self.assertEqual(read(response.compose(modes), unicode=True), response)
