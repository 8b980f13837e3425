"""How much of what one command may hold (L{wildduck.limits}): all of it is taken, and no more."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from test.imap.grammar.feeding import bytewise, whole
from wildduck import limits
from wildduck.imap.grammar.reader import Failure
from wildduck.imap.grammar.session import Noop
from wildduck.imap.grammar.values import Request

_GROUP = b" (MAILBOXES (a b) (MessageNew MessageExpunge))"

#: Bound, what comes before, what comes so often, what comes behind it, and how one more is refused.
BOUNDS: list[tuple[int, bytes, bytes, bytes, str]] = [
    (limits.IMAP_NOTIFY_GROUPS, b"NOTIFY SET (PERSONAL NONE)", _GROUP, b"", "too many groups"),
    (limits.IMAP_CANCELLED_CONTEXTS, b'CANCELUPDATE "a"', b' "b"', b"", "too many tags"),
    (limits.IMAP_SORT_KEYS, b"SORT (DATE", b" REVERSE SUBJECT", b") UTF-8 ALL", "too many sort keys"),
    (limits.IMAP_SORT_KEYS, b"UID SORT (TO", b" DISPLAYFROM", b") UTF-8 ALL", "too many sort keys"),
    (limits.IMAP_SEARCH_KEYS, b"SEARCH ALL", b" 1:*", b"", "too many search keys"),
    (limits.IMAP_SEARCH_KEYS, b"THREAD REFERENCES UTF-8 ALL", b" SEEN", b"", "too many search keys"),
    (limits.IMAP_URLS, b"GENURLAUTH a INTERNAL", b" b INTERNAL", b"", "too many URLs"),
    (limits.IMAP_URLS, b"URLFETCH a", b" (b BODY BODYPARTSTRUCTURE)", b"", "too many URLs"),
    (limits.IMAP_LIST, b"STORE 1 FLAGS (a", b" a", b")", "too many flags"),
    (limits.IMAP_LIST, b"UID STORE 1 +FLAGS =C3=B6", b" \\Seen", b"", "too many flags"),
    (limits.IMAP_LIST, b"FETCH 1 (UID", b" BODY[]", b")", "too many items"),
    (limits.IMAP_LIST, b"FETCH 1 BODY[HEADER.FIELDS (a", b" a", b")]", "too many header fields"),
    (
        limits.IMAP_LIST - 1,
        b"FETCH 1 (BODY[HEADER.FIELDS (a b)] BODY[HEADER.FIELDS (a",
        b" a",
        b")])",
        "too many header fields",
    ),
    (limits.IMAP_LIST, b"RESETKEY INBOX", b" INTERNAL", b"", "too many mechanisms"),
    (limits.IMAP_LIST, b"STATUS a (UIDNEXT", b" UIDNEXT", b")", "too many status items"),
    (limits.IMAP_LIST, b"LIST (REMOTE", b" REMOTE", b') "" *', "too many selection options"),
    (limits.IMAP_LIST, b'LIST "" * RETURN (CHILDREN', b" CHILDREN", b")", "too many return options"),
    (limits.IMAP_LIST, b"SEARCH RETURN (MIN", b" MIN", b") ALL", "too many return options"),
    (limits.IMAP_LIST, b'LIST "" (a', b" a", b")", "too many patterns"),
    (limits.IMAP_LIST, b"CREATE a (USE (\\Junk", b" \\Junk", b"))", "too many special uses"),
    (
        limits.IMAP_NOTIFY_MAILBOXES,
        b"NOTIFY SET (MAILBOXES (a",
        b" a",
        b") (MessageNew MessageExpunge))",
        "too many mailboxes",
    ),
    (
        limits.IMAP_NOTIFY_MAILBOXES - 1,
        b"NOTIFY SET (MAILBOXES (x y) NONE) (MAILBOXES (a",
        b" a",
        b") (MessageNew MessageExpunge))",
        "too many mailboxes",
    ),
    (limits.IMAP_LIST, b"ENABLE a", b" a", b"", "too many extensions"),
    (limits.IMAP_NESTING, b"SEARCH NOT", b" NOT", b" ALL", "nested too deeply"),
    (limits.IMAP_SECTION_DEPTH, b"FETCH 1 BODY[1", b".1", b"]", "too long"),
    (limits.IMAP_SECTION_DEPTH, b"FETCH 1 BINARY.SIZE[1", b".1", b"]", "too long"),
]


def command(bound: int, before: bytes, each: bytes, behind: bytes) -> bytes:
    return b"a " + before + each * (bound - 1) + behind + b"\r\n"


class BoundsTests(SynchronousTestCase):
    def test_numbers(self) -> None:
        """One over the bound is refused with the command's tag, and the next command is understood."""
        for bound, before, each, behind, reason in BOUNDS:
            data = command(bound, before, each, behind)
            [request] = whole(data)
            self.assertIsInstance(request, Request, repr((data[:40], request)))
            [failure, after] = whole(command(bound + 1, before, each, behind) + b"b NOOP\r\n")
            self.assertIsInstance(failure, Failure, repr(data[:40]))
            self.assertEqual((failure.tag, failure.status, failure.fatal), (b"a", "BAD", False))
            self.assertIn(reason, failure.text)
            self.assertEqual(after, Request(b"b", Noop()))

    def test_known_uids(self) -> None:
        """What a client knows is as long as a line may be: UIDs for QRESYNC and others."""
        for before, behind in (
            (b"SELECT INBOX (QRESYNC (1 1 ", b"))"),
            (b"UID FETCH ", b" FLAGS (CHANGEDSINCE 1 VANISHED)"),
            (b"UID STORE ", b" (UNCHANGEDSINCE 1) FLAGS ()"),
        ):
            space = limits.IMAP_LINE - len(before) - len(behind) - 4
            ranges = b",".join(b"%d" % number for number in range(1, 13_000))[:space].rstrip(b",")
            for more, kind in ((b"", Request), (b",1234567890" * 20, Failure)):
                data = b"a " + before + ranges + more + behind + b"\r\nb NOOP\r\n"
                found = whole(data)
                self.assertIsInstance(found[0], kind, repr((before, found[0])))
                self.assertEqual(found[-1], Request(b"b", Noop()))
                self.assertEqual(len(found), 2)
        self.assertEqual(bytewise(data), found)
