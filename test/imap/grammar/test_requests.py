"""Tests of the request values: what bytes give them, what is refused, round trips."""

from __future__ import annotations

from hypothesis import given

from test.imap.grammar import strategies
from test.imap.grammar.feeding import FormsCase, bytewise, whole
from test.support.chance import by_chance
from wildduck.imap.grammar.copying import Copy, Move
from wildduck.imap.grammar.fetch import MACROS, Attribute, Fetch, Section
from wildduck.imap.grammar.fetch_modifiers import Modifiers
from wildduck.imap.grammar.listing import List, Lsub, Namespace, Xlist
from wildduck.imap.grammar.mailbox import Check, Close, Unselect
from wildduck.imap.grammar.messages import Expunge, Store, UidExpunge
from wildduck.imap.grammar.modes import Modes
from wildduck.imap.grammar.naming import Create, Delete, Rename, Subscribe, Unsubscribe
from wildduck.imap.grammar.quota import GetQuota, GetQuotaRoot, SetQuota
from wildduck.imap.grammar.reader import Failure, Proceed
from wildduck.imap.grammar.search import Search
from wildduck.imap.grammar.search_keys import (
    Keyword,
)
from wildduck.imap.grammar.selection import Examine, QuickResync, Select, SequenceMatch
from wildduck.imap.grammar.sequence import STAR, SequenceSet, from_numbers
from wildduck.imap.grammar.session import Capability, Id, Logout, Noop, StartTls
from wildduck.imap.grammar.sign_in import Authenticate, Login
from wildduck.imap.grammar.status import Status
from wildduck.imap.grammar.values import Command, Request

ONE = SequenceSet(((1, 1),))
LAST = SequenceSet(((STAR, STAR),))


def attributes(*names: str) -> tuple[Attribute, ...]:
    return tuple(map(Attribute, names))


#: Family, then what a client writes behind the tag, and the value it means.
ACCEPTED: list[tuple[bytes, Command]] = [
    # the session
    (b"CAPABILITY", Capability()),
    (b"noop", Noop()),
    (b"Logout", Logout()),
    (b"STARTTLS", StartTls()),
    (b"ID NIL", Id(None)),
    (b"id nil", Id(None)),
    (b"ID ()", Id(())),
    (b'ID ("name" "sodr" "version" NIL)', Id((("name", "sodr"), ("version", None)))),
    (b'ID ({4+}\r\nname {2+}\r\na" "os" "x")', Id((("name", 'a"'), ("os", "x")))),
    # sign-in
    (b"LOGIN mrc secret", Login("mrc", "secret")),
    (b'LOGIN "fred@example.com" "a \\"b\\" \\\\"', Login("fred@example.com", 'a "b" \\')),
    (b"LOGIN {4+}\r\nfred {3+}\r\na\r\n", Login("fred", "a\r\n")),
    (b'LOGIN {0+}\r\n ""', Login("", "")),
    (b'LOGIN "j\xc3\xbcrgen" {2+}\r\n\xc3\xbc', Login("jürgen", "ü")),
    (b"LOGIN a] b[", Login("a]", "b[")),
    (b"LOGIN NIL NIL", Login("NIL", "NIL")),
    (b"AUTHENTICATE plain", Authenticate("PLAIN")),
    (b"AUTHENTICATE PLAIN =", Authenticate("PLAIN", b"=")),
    (b"AUTHENTICATE PLAIN dGVzdAB0ZXN0AHRlc3Q=", Authenticate("PLAIN", b"dGVzdAB0ZXN0AHRlc3Q=")),
    # mailboxes
    (b"SELECT inbox", Select("inbox")),
    (b'EXAMINE "iNbOx/sub"', Examine("iNbOx/sub")),
    (b"SELECT inboxes", Select("inboxes")),
    (b"SELECT {5+}\r\nINBOX", Select("INBOX")),
    (b"SELECT ~peter/mail/&U,BTFw-", Select("~peter/mail/台北")),
    (b"SELECT a]b", Select("a]b")),
    (b"SELECT INBOX (condstore)", Select("INBOX", True)),
    (
        b"SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211,214:541))",
        Select(
            "INBOX",
            False,
            QuickResync(67890007, 20050715194045000, SequenceSet(((41, 41), (43, 211), (214, 541)))),
        ),
    ),
    (b"EXAMINE a (QRESYNC (1 2) CONDSTORE)", Examine("a", True, QuickResync(1, 2))),
    (
        b"SELECT a (QRESYNC (7 0 1:29997 (5000,9990:9992 15000,29970,29973,29976)))",
        Select(
            "a",
            False,
            QuickResync(
                7,
                0,
                SequenceSet(((1, 29997),)),
                SequenceMatch(
                    SequenceSet(((5000, 5000), (9990, 9992))), from_numbers((15000, 29970, 29973, 29976))
                ),
            ),
        ),
    ),
    (
        b"SELECT a (QRESYNC (7 9223372036854775807 (1:2 5:6)))",
        Select(
            "a",
            False,
            QuickResync(7, 2**63 - 1, None, SequenceMatch(from_numbers((1, 2)), from_numbers((5, 6)))),
        ),
    ),
    (b'LIST "" ""', List("", ("",))),
    (b"LIST ~/Mail/ %", List("~/Mail/", ("%",))),
    (b"LIST #news. comp.mail.*", List("#news.", ("comp.mail.*",))),
    (b'LIST "" {2+}\r\n*%', List("", ("*%",))),
    (b'LIST "" "&AOk-*"', List("", ("é*",))),
    (b'LIST (special-use) "" *', List("", ("*",), frozenset(["SPECIAL-USE"]))),
    (b'LIST "" % RETURN (SPECIAL-USE)', List("", ("%",), None, frozenset(["SPECIAL-USE"]))),
    (
        b'LIST (SPECIAL-USE REMOTE subscribed) "" {1+}\r\n* return (Special-Use CHILDREN)',
        List(
            "",
            ("*",),
            frozenset(["SPECIAL-USE", "REMOTE", "SUBSCRIBED"]),
            frozenset(["SPECIAL-USE", "CHILDREN"]),
        ),
    ),
    (b'LIST () "" * RETURN ()', List("", ("*",), frozenset(), frozenset())),
    (
        b'LIST (SUBSCRIBED RECURSIVEMATCH SUBSCRIBED) "" %',
        List("", ("%",), frozenset(["SUBSCRIBED", "RECURSIVEMATCH"])),
    ),
    (b'LIST "" (foo)', List("", ("foo",), several=True)),
    (
        b'LIST "" ("INBOX" {6+}\r\nDrafts Sent/%) RETURN (status (messages UNSEEN messages) CHILDREN)',
        List(
            "",
            ("INBOX", "Drafts", "Sent/%"),
            None,
            frozenset(["CHILDREN"]),
            ("MESSAGES", "UNSEEN"),
            True,
        ),
    ),
    (b"XLIST {0+}\r\n %", Xlist("", "%")),
    (b'getquota ""', GetQuota("")),
    (b'GETQUOTA "!partition/sda4"', GetQuota("!partition/sda4")),
    (b"GETQUOTAROOT inbox", GetQuotaRoot("INBOX")),
    (b'SETQUOTA "" (storage 512)', SetQuota("", (("STORAGE", 512),))),
    (
        b"SETQUOTA #user/alice (STORAGE 510 MESSAGE 0)",
        SetQuota("#user/alice", (("STORAGE", 510), ("MESSAGE", 0))),
    ),
    (b"SETQUOTA a ()", SetQuota("a", ())),
    (b'LSUB "#news." "comp.mail.*"', Lsub("#news.", "comp.mail.*")),
    (b"namespace", Namespace()),
    (b"CREATE owatagusiam/", Create("owatagusiam/")),
    (b'CREATE "inbox/&AOk-"', Create("inbox/é")),
    (b"CREATE MySpecial (USE (\\Drafts \\sent \\SENT))", Create("MySpecial", ("\\Drafts", "\\Sent"))),
    (b"CREATE a (use ())", Create("a", ())),
    (b"CREATE {1+}\r\na (USE (\\Own))", Create("a", ("\\Own",))),
    (b"DELETE foo/bar", Delete("foo/bar")),
    (b"RENAME INBOX old-mail", Rename("INBOX", "old-mail")),
    (b"RENAME {3+}\r\na b {3+}\r\nc d", Rename("a b", "c d")),
    (b"SUBSCRIBE #news.comp.mail.mime", Subscribe("#news.comp.mail.mime")),
    (b"UNSUBSCRIBE #news.comp.mail.mime", Unsubscribe("#news.comp.mail.mime")),
    (b"STATUS blurdybloop (UIDNEXT MESSAGES)", Status("blurdybloop", ("UIDNEXT", "MESSAGES"))),
    (
        b"STATUS a (unseen UNSEEN recent uidvalidity appendlimit)",
        Status("a", ("UNSEEN", "RECENT", "UIDVALIDITY", "APPENDLIMIT")),
    ),
    (
        b"STATUS a (size deleted deleted-storage highestmodseq mailboxid)",
        Status("a", ("SIZE", "DELETED", "DELETED-STORAGE", "HIGHESTMODSEQ", "MAILBOXID")),
    ),
    (b"CLOSE", Close()),
    (b"UNSELECT", Unselect()),
    (b"CHECK", Check()),
    # FETCH
    (b"FETCH 1 ALL", Fetch(ONE, attributes(*MACROS["ALL"]))),
    (b"FETCH 1 fast", Fetch(ONE, attributes("FLAGS", "INTERNALDATE", "RFC822.SIZE"))),
    (b"UID FETCH 1 FULL", Fetch(ONE, attributes(*MACROS["FULL"]), by_uid=True)),
    (b"FETCH 2:4,*:7 FLAGS", Fetch(SequenceSet(((2, 4), (STAR, 7))), attributes("FLAGS"))),
    (
        b"FETCH 1 (uid rfc822 RFC822.header RFC822.TEXT BODY BODYSTRUCTURE)",
        Fetch(ONE, attributes("UID", "RFC822", "RFC822.HEADER", "RFC822.TEXT", "BODY", "BODYSTRUCTURE")),
    ),
    (b"FETCH 1 BODY[]", Fetch(ONE, (Section(),))),
    (b"FETCH 1 body.peek[header]", Fetch(ONE, (Section((), "HEADER", peek=True),))),
    (b"FETCH 1 BODY[1]", Fetch(ONE, (Section((1,)),))),
    (b"FETCH 1 BODY[4.2.2.1]<0.100>", Fetch(ONE, (Section((4, 2, 2, 1), partial=(0, 100)),))),
    # A 'number', other than an 'nz-number', may have leading zeros (RFC 3501 §9).
    (b"FETCH 1 BODY[]<00.1>", Fetch(ONE, (Section(partial=(0, 1)),))),
    (b"SELECT {03+}\r\nabc", Select("abc")),
    (b"FETCH 1 BODY[4.1.MIME]", Fetch(ONE, (Section((4, 1), "MIME"),))),
    (b"FETCH 1 BODY[3.TEXT]<4294967295.1>", Fetch(ONE, (Section((3,), "TEXT", partial=(4294967295, 1)),))),
    (
        b"FETCH 1 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])",
        Fetch(ONE, (Attribute("FLAGS"), Section((), "HEADER.FIELDS", (b"DATE", b"FROM")))),
    ),
    (
        b'FETCH 1 BODY[2.HEADER.FIELDS.NOT ("to" {2+}\r\ncc)]<5.6>',
        Fetch(ONE, (Section((2,), "HEADER.FIELDS.NOT", (b"to", b"cc"), False, (5, 6)),)),
    ),
    (b"FETCH 1 (MODSEQ)", Fetch(ONE, attributes("MODSEQ"))),
    (b"FETCH 1 fast (changedsince 0)", Fetch(ONE, attributes(*MACROS["FAST"]), False, Modifiers(0))),
    (
        b"UID FETCH 1 FLAGS (VANISHED CHANGEDSINCE 12345)",
        Fetch(ONE, attributes("FLAGS"), True, Modifiers(12345, True)),
    ),
    # STORE, COPY, MOVE, EXPUNGE
    (
        b"STORE 1 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted)",
        Store(ONE, "+", ("\\Deleted",), True, False, 12121230045),
    ),
    (b"UID STORE 1 (unchangedsince 0) FLAGS a b", Store(ONE, "=", ("a", "b"), False, True, 0)),
    (b"STORE 1 FLAGS ()", Store(ONE, "=", ())),
    (b"STORE 1 +FLAGS (\\Deleted)", Store(ONE, "+", ("\\Deleted",))),
    (b"STORE 1 -flags.silent \\seen $Work", Store(ONE, "-", ("\\Seen", "$Work"), True)),
    (b"UID STORE 1 FLAGS.SILENT \\Draft", Store(ONE, "=", ("\\Draft",), True, True)),
    (b"COPY 2:4 MEETING", Copy(SequenceSet(((2, 4),)), "MEETING")),
    (b'copy 1 "inbox"', Copy(ONE, "INBOX")),
    (b"UID COPY 1 {3+}\r\na b", Copy(ONE, "a b", by_uid=True)),
    (b"MOVE 1 &U,BTFw-", Move(ONE, "台北")),
    (b"UID MOVE 42:69 foo", Move(SequenceSet(((42, 69),)), "foo", by_uid=True)),
    (b"EXPUNGE", Expunge()),
    (b"uid expunge 1", UidExpunge(ONE)),
]

#: What a client writes behind the tag, and why it is refused.
REFUSED: list[tuple[bytes, str]] = [
    (b"SELECT a ()", "expected a parameter"),
    (b"SELECT a (CONDSTORE", "the end of the list"),
    (b"SELECT a (CONDSTORE CONDSTORE)", "unknown or repeated"),
    (b"SELECT a (XCOND)", "unknown or repeated"),
    (b"SELECT a (CONDSTORE) ", "unexpected characters"),
    (b"SELECT a CONDSTORE", "expected a list"),
    (b"SELECT a (QRESYNC)", "expected a space"),
    (b"SELECT a (QRESYNC (1))", "expected a space"),
    (b"SELECT a (QRESYNC (0 1))", "can not be zero"),
    (b"SELECT a (QRESYNC (01 1))", "can not begin with zero"),
    (b"SELECT a (QRESYNC (1 9223372036854775808))", "too big"),
    (b"SELECT a (QRESYNC (1 1 1:*))", "only numbers are allowed"),
    (b"SELECT a (QRESYNC (1 1 $))", "only numbers are allowed"),
    (b"SELECT a (QRESYNC (1 1 1:2 (1:2 1:3)))", "as many"),
    (b"SELECT a (QRESYNC (1 1 1:2 (2,1 1,2)))", "ascending"),
    (b"SELECT a (QRESYNC (1 1 1:2 (1:2 4:3)))", "ascending"),
    (b"SELECT a (QRESYNC (1 1 1:2 (1,1 1:2)))", "ascending"),
    (b"SELECT a (QRESYNC (1 1 (1:2 3:4) 5))", "the end of the arguments"),
    (b"FETCH 1 FLAGS ()", "expected a modifier"),
    (b"FETCH 1 FLAGS (CHANGEDSINCE)", "expected a space"),
    (b"FETCH 1 FLAGS (CHANGEDSINCE x)", "expected a mod-sequence"),
    (b"FETCH 1 FLAGS (CHANGEDSINCE 1 CHANGEDSINCE 1)", "given twice"),
    (b"FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)", "VANISHED needs UID FETCH"),
    (b"UID FETCH 1 FLAGS (VANISHED)", "VANISHED needs UID FETCH"),
    (b"FETCH 1 ALLE", "unknown item"),
    (b"STORE 1 (UNCHANGEDSINCE) FLAGS a", "expected a space"),
    (b"STORE 1 (UNCHANGEDSINCE 1 UNCHANGEDSINCE 1) FLAGS a", "the end of the modifiers"),
    (b"STORE 1 () FLAGS a", "expected UNCHANGEDSINCE"),
    (b"STORE 1 (CHANGEDSINCE 1) FLAGS a", "unknown modifier"),
    (b"", "expected a command at column 4"),
    (b"FOO", "unknown command"),
    (b"UID", "missing argument"),
    (b"UID NOOP", "unknown command"),
    (b" NOOP", "expected a command"),
    (b"\tNOOP", "expected a command"),
    (b"NOOP ", "unexpected characters after the command at column 8"),
    (b"NOOP x", "unexpected characters"),
    (b"NO\x00OP", "unknown command"),
    (b"NOOP\r", "unexpected characters"),
    (b"\xc3\xa9", "expected a command"),
    (b"(" * 1000, "expected a command"),
    (b"LOGIN", "missing argument"),
    (b"LOGIN a", "missing argument"),
    (b"LOGIN a\tb", "expected a space"),
    (b"LOGIN  a b", "expected a user name"),
    (b"LOGIN a b c", "unexpected characters"),
    (b'LOGIN "a b', "broken quoted string"),
    (b'LOGIN "a\\x" b', "broken quoted string"),
    (b'LOGIN "a\rx" b', "broken quoted string"),
    (b'LOGIN "a\x00x" b', "broken quoted string"),
    (b"LOGIN a\xff b", "expected a space"),
    (b'LOGIN "\xff" b', "the user name is not UTF-8"),
    (b"LOGIN a {1+}\r\n\xff", "the password is not UTF-8"),
    (b"LOGIN a {1+}\r\n\x00", "NUL in a password"),
    (b"LOGIN a {1", "broken literal"),
    (b"LOGIN a {}", "invalid literal size"),
    (b"LOGIN a {-1}", "invalid literal size"),
    (b"LOGIN a {+}", "invalid literal size"),
    (b"LOGIN a {1-}", "invalid literal size"),
    (b"LOGIN a {1++}", "invalid literal size"),
    (b"LOGIN a {0x1}", "invalid literal size"),
    (b"LOGIN a {9999999999999999999}", "invalid literal size"),
    (b"LOGIN a {" + b"9" * 5000 + b"}", "invalid literal size"),
    (b"LOGIN a {3}x", "a literal's size must end the line"),
    (b"LOGIN a ~{3}", "unexpected characters"),
    (b"LOGIN a {2+}\r\nbcd", "unexpected characters"),
    (b"AUTHENTICATE", "missing argument"),
    (b"AUTHENTICATE PLAIN ", "expected an initial response"),
    (b"AUTHENTICATE PLAIN !", "expected an initial response"),
    (b"AUTHENTICATE PLAIN abc d", "unexpected characters"),
    (b"ID", "missing argument"),
    (b"ID nope", "expected a list or NIL"),
    (b"ID (name x)", "expected a field's name"),
    (b'ID ("a")', "expected a space"),
    (b'ID ("a" "b"', "missing argument"),
    (b'ID ("' + b"a" * 31 + b'" NIL)', "a field is too long"),
    (b'ID ("a" "' + b"a" * 1025 + b'")', "a field is too long"),
    (b"ID (" + b" ".join([b'"a" NIL'] * 31) + b")", "more than 30 fields"),
    (b"SELECT", "missing argument"),
    (b"SELECT a b", "expected a list of parameters"),
    (b"SELECT a*", "unexpected characters"),
    (b"SELECT &", "mailbox name is not modified UTF-7"),
    (b'SELECT "\xc3\xa9"', "mailbox name is not modified UTF-7"),
    (b"SELECT (a)", "expected a mailbox name"),
    (b'LIST ""', "missing argument"),
    (b'LIST "" (', "expected a mailbox pattern"),
    (b'LIST "" ()', "expected a mailbox pattern"),
    (b'LIST "" (a  b)', "expected a mailbox pattern"),
    (b'LIST "" (a b', "expected the end of the list of patterns"),
    (b'LIST "" * ', "expected RETURN"),
    (b'LIST "" * NOTHING', "expected RETURN"),
    (b'LIST "" * RETURN', "missing argument"),
    (b'LIST "" * RETURN SPECIAL-USE', "expected a list of return options"),
    (b'LIST "" * RETURN (STATUS)', "expected a space"),
    (b'LIST "" * RETURN (STATUS ())', "expected a status item"),
    (b'LIST "" * RETURN (STATUS (MESSAGES)', "missing argument"),
    (b'LIST "" * RETURN (REMOTE)', "unknown option"),
    (b'LIST "" * RETURN (MYRIGHTS)', "unknown option"),
    (b'LIST "" * RETURN (CHILDREN  SUBSCRIBED)', "expected an option"),
    (b'LIST (CHILDREN) "" *', "unknown option"),
    (b'LIST (X-OWN (1)) "" *', "unknown option"),
    (b'LIST (RECURSIVEMATCH) "" *', "RECURSIVEMATCH needs SUBSCRIBED"),
    (b'LIST (REMOTE RECURSIVEMATCH) "" *', "RECURSIVEMATCH needs SUBSCRIBED"),
    (b'LIST (SPECIAL-USE RECURSIVEMATCH) "" *', "RECURSIVEMATCH needs SUBSCRIBED"),
    (b"LIST (SPECIAL-USE SPECIAL-USE", "missing argument"),
    (b'LIST (SPECIAL-USE)"" *', "expected a space"),
    (b'XLIST "" (a b)', "expected a mailbox pattern"),
    (b'LSUB "" (a b)', "expected a mailbox pattern"),
    (b"GETQUOTA", "missing argument"),
    (b"GETQUOTAROOT", "missing argument"),
    (b"GETQUOTA a b", "unexpected characters"),
    (b'SETQUOTA ""', "missing argument"),
    (b'SETQUOTA "" (STORAGE)', "expected a space"),
    (b'SETQUOTA "" (STORAGE -1)', "expected a limit"),
    (b'SETQUOTA "" (STORAGE 9223372036854775808)', "a limit is too big"),
    (b'SETQUOTA "" STORAGE 1', "expected a list of resources"),
    (b'LSUB ""', "missing argument"),
    (b'LSUB "" * RETURN ()', "unexpected characters"),
    (b"NAMESPACE x", "unexpected characters"),
    (b"CREATE", "missing argument"),
    (b"CREATE a (USE (\\All)", "expected the end of the list"),
    (b"CREATE a (USE \\All)", "expected a list of special uses"),
    (b"CREATE a (USE (All))", "expected a special use"),
    (b"CREATE a (USE)", "expected a space"),
    (b"CREATE a (OTHER 1)", "unknown parameter"),
    (b"CREATE a ()", "expected a parameter"),
    (b"CREATE a USE", "expected a list of parameters"),
    (b"CREATE a (USE (\\All)) b", "unexpected characters"),
    (b"DELETE a*", "unexpected characters"),
    (b"RENAME a", "missing argument"),
    (b"RENAME a b c", "unexpected characters"),
    (b"SUBSCRIBE &Jjo!", "mailbox name is not modified UTF-7"),
    (b"UNSUBSCRIBE", "missing argument"),
    (b"STATUS a", "missing argument"),
    (b"STATUS a ()", "expected a status item"),
    (b"STATUS a MESSAGES", "expected a list of status items"),
    (b"STATUS a (MESSAGES", "expected the end of the list"),
    (b"STATUS a (FOO)", "unknown status item"),
    (b"FETCH", "missing argument"),
    (b"FETCH 0 FLAGS", "a number in the sequence set is out of bounds"),
    (b"FETCH 1", "missing argument"),
    (b"FETCH 1 ()", "expected an item to fetch"),
    (b"FETCH 1 (ALL)", "unknown item to fetch"),
    (b"FETCH 1 ALL FLAGS", "unexpected characters"),
    (b"FETCH 1 FLAGS UID", "unexpected characters"),
    (b"FETCH 1 ((FLAGS))", "expected an item to fetch"),
    (b"FETCH 1 BODY.PEEK", "unknown item to fetch"),
    (b"FETCH 1 RFC822[]", "unexpected characters"),
    (b"FETCH 1 BODY[", "unknown section"),
    (b"FETCH 1 BODY[MIME]", "unknown section"),
    (b"FETCH 01 FLAGS", "begins with zero"),
    (b"UID FETCH 1:010 FLAGS", "begins with zero"),
    (b"FETCH 1 BODY[0]", "a part's number can not be zero"),
    (b"FETCH 1 BODY[1.02]", "a part's number can not begin with zero"),
    (b"FETCH 1 BODY[1.]", "unknown section"),
    (b"FETCH 1 BODY[1..2]", "unknown section"),
    (b"FETCH 1 BODY[TEXT.1]", "unknown section"),
    (b"FETCH 1 BODY[1.TEXT.1]", "unknown section"),
    (b"FETCH 1 BODY[" + b"1." * 200 + b"1]", "the part's number is too long"),
    (b"FETCH 1 BODY[99999999999999999999999]", "a part's number is too big"),
    (b"FETCH 1 BODY[HEADER.FIELDS]", "expected a space"),
    (b"FETCH 1 BODY[HEADER.FIELDS ()]", "expected a header field's name"),
    (b'FETCH 1 BODY[HEADER.FIELDS ("a\xc3\xa9")]', "a header field's name has characters"),
    (b"FETCH 1 BODY[HEADER.FIELDS ({3+}\r\na\r\n)]", "a header field's name has characters"),
    (b"FETCH 1 BODY[]<0>", "expected a dot"),
    (b"FETCH 1 BODY[]<0.0>", "the number of octets can not be zero"),
    (b"FETCH 1 BODY[]<0.09>", "the number of octets can not begin with zero"),
    (b"FETCH 1 BODY[]<-1.5>", "expected the first octet"),
    (b"FETCH 1 BODY[]<1.4294967296>", "the number of octets is too big"),
    (b"STORE 1", "missing argument"),
    (b"STORE 1 FLAGS", "missing argument"),
    (b"STORE 1 FLAGS ", "expected a flag"),
    (b"STORE 1 FLAG \\Seen", "expected FLAGS"),
    (b"STORE 1 ++FLAGS \\Seen", "expected FLAGS"),
    (b"STORE 1 FLAGS.LOUD \\Seen", "expected FLAGS"),
    (b"STORE 1 +FLAGS (\\Recent)", "this system flag can not be set"),
    (b"STORE 1 +FLAGS (\\Seen", "expected the end"),
    (b"EXPUNGE 1", "unexpected characters"),
    (b"UID EXPUNGE", "missing argument"),
    (b"UID EXPUNGE $,1", "unexpected characters"),
    (b"APPEND", "missing argument"),
    (b"APPEND INBOX", "missing argument"),
    (b"APPEND INBOX x", "expected the message as a literal"),
    (b"APPEND INBOX (\\Foo) {5}", "this system flag can not be set"),
    (b"APPEND INBOX (\\Seen){5}", "expected a space"),
    (b'APPEND INBOX "01-Jux-2020 00:00:00 +0000" {5}', "no such date and time"),
    (b'APPEND INBOX "yesterday" {5}', "broken date and time"),
    (b'APPEND INBOX () "01-Jan-2020 00:00:00 +0000" () {5}', "expected the message"),
    (b"APPEND INBOX {-5}", "invalid literal size"),
    (b"APPEND INBOX ~{5-}", "invalid literal size"),
    (b"APPEND & {5}", "mailbox name is not modified UTF-7"),
    (b"COPY", "missing argument"),
    (b"COPY 1", "missing argument"),
    (b"COPY 0 a", "out of bounds"),
    (b"COPY x a", "expected a sequence set"),
    (b"COPY 1 a b", "unexpected characters"),
    (b"COPY 1 (a)", "expected a mailbox name"),
    (b"UID MOVE 1", "missing argument"),
    (b"MOVE 1:2:3 a", "sequence set"),
]


class RequestTests(FormsCase):
    def test_accepted(self) -> None:
        """Each command in each of its forms gives its value, fed whole or byte by byte."""
        self.check_accepted(ACCEPTED)

    def test_refused(self) -> None:
        """A malformed command is refused with its tag and the reason, and the next one is understood."""
        self.check_refused(REFUSED)

    def test_no_tag(self) -> None:
        """Where no tag can be read the refusal has none."""
        for line in (b"", b" ", b"* NOOP", b"+ NOOP", b"\xff NOOP", b"\x00", b'"a" NOOP', b"(a) NOOP"):
            self.assertEqual(whole(line + b"\r\n"), [Failure(None, "missing tag")])
        for line in (b"a+b NOOP", b"a*", b"a\tNOOP", b"a\\ NOOP", b"a{1} NOOP", b"a\xe9 NOOP", b"a(b) NOOP"):
            self.assertEqual(whole(line + b"\r\n"), [Failure(None, "broken tag")])
            self.assertEqual(bytewise(line + b"\r\n"), [Failure(None, "broken tag")])

    def test_line_end(self) -> None:
        """A line that ends in LF alone is not executed."""
        self.assertEqual(
            whole(b"a NOOP\nb NOOP\r\n"),
            [Failure(b"a", "the line does not end in CRLF"), Request(b"b", Noop())],
        )

    def test_synchronizing(self) -> None:
        """Each synchronizing literal is asked for once, after what precedes it was found right."""
        found = whole(b"a LOGIN {4}\r\nfred {2}\r\nab\r\n")
        self.assertEqual(found, [Proceed(), Proceed(), Request(b"a", Login("fred", "ab"))])

    def test_keywords_in_utf8(self) -> None:
        """Keywords are raw where UTF8=ACCEPT is enabled, in each command that takes them."""
        for text, command in (
            ("STORE 1 +FLAGS (größe \\seen)", Store(ONE, "+", ("größe", "\\Seen"))),
            ("UID STORE 1 FLAGS größe 日本", Store(ONE, "=", ("größe", "日本"), False, True)),
            ("SEARCH KEYWORD größe", Search((Keyword("KEYWORD", "größe"),))),
            ("SEARCH UNKEYWORD größe", Search((Keyword("UNKEYWORD", "größe"),))),
        ):
            data = b"A1 " + text.encode() + b"\r\n"
            modes = Modes(utf8=True)
            self.assertEqual(whole(data, modes=modes), [Request(b"A1", command)])
            self.assertEqual(bytewise(data, modes=modes), [Request(b"A1", command)])
            for lacking in (Modes(), Modes(rev2=True)):
                self.assertEqual([event.status for event in whole(data, modes=lacking)], ["BAD"])

    @by_chance(130)
    @given(strategies.requests)
    def test_round_trip(self, request: Request) -> None:
        """A composed request is parsed to the same value, and composed the same again."""
        data = request.compose()
        self.assertEqual(whole(data), [request])
        self.assertEqual(whole(data)[0].compose(), data)
