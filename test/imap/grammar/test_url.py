"""Tests of IMAP URLs: what they mean, what is refused, round trips (RFC 5092)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.imap.grammar import strategies
from test.support.chance import by_chance
from wildduck.errors import ProtocolError
from wildduck.imap.grammar.url import Access, ImapUrl, Server, parse, rump

TOKEN = "91354a473744909de610943775f92038"

#: A URL, and what it means.
UNDERSTOOD: list[tuple[bytes, ImapUrl]] = [
    # RFC 5092 §9
    (
        b"imap://minbari.example.org/gray-council;UIDVALIDITY=385759045/;UID=20/;PARTIAL=0.1024",
        ImapUrl(
            "gray-council",
            20,
            Server("minbari.example.org"),
            uid_validity=385759045,
            partial=(0, 1024),
        ),
    ),
    (
        b"imap://;AUTH=GSSAPI@minbari.example.org/gray-council/;uid=20/;section=1.2",
        ImapUrl("gray-council", 20, Server("minbari.example.org", auth="GSSAPI"), section=b"1.2"),
    ),
    (b";UID=20", ImapUrl(None, 20)),
    (b"/foo/bar/../;UID=20", ImapUrl("foo", 20)),
    # RFC 4469 appendix A
    (
        b"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER",
        ImapUrl("Drafts", 20, uid_validity=385759045, section=b"HEADER"),
    ),
    # RFC 8508 §4.2
    (b"/Drafts/;UID=3002", ImapUrl("Drafts", 3002)),
    # RFC 4467 §7
    (
        b"imap://joe@example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred",
        ImapUrl("INBOX", 20, Server("example.com", "joe"), section=b"1.2", access=Access("submit", "fred")),
    ),
    (
        b"imap://joe@example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred:internal:" + TOKEN.encode(),
        ImapUrl(
            "INBOX",
            20,
            Server("example.com", "joe"),
            section=b"1.2",
            access=Access("submit", "fred"),
            mechanism="INTERNAL",
            token=TOKEN,
        ),
    ),
    # names, texts and times
    (b"/%E6%97%A5%E6%9C%AC%E8%AA%9E/%E5%8F%B0%E5%8C%97/;UID=1", ImapUrl("日本語/台北", 1)),
    (b"/inbox/a%20b%3B%3F/;UID=1", ImapUrl("INBOX/a b;?", 1)),
    (b"/%2Fa%2F..%2Fb/;UID=1", ImapUrl("/a/../b", 1)),
    (
        b"imap://fred%40example.com;AUTH=*@[::1]:143/a/;UID=4294967295",
        ImapUrl("a", 4294967295, Server("[::1]", "fred@example.com", "*", 143)),
    ),
    (b"//joe@h/a/;UID=1", ImapUrl("a", 1, Server("h", "joe"))),
    (b"/a/;UID=1/;SECTION=HEADER.FIELDS%20(To%20Cc)", ImapUrl("a", 1, section=b"HEADER.FIELDS (To Cc)")),
    (b"/a/;UID=1/;PARTIAL=7", ImapUrl("a", 1, partial=(7, None))),
    (
        b"imap://j@h/a/;UID=1;EXPIRE=2010-02-02T12:00:60.5-01:30;URLAUTH=anonymous",
        ImapUrl(
            "a",
            1,
            Server("h", "j"),
            expire=datetime(2010, 2, 2, 12, 0, 59, tzinfo=timezone(-timedelta(hours=1, minutes=30))),
            access=Access("anonymous"),
        ),
    ),
    (
        b"IMAP://j@h/a/;UID=1;expire=2010-02-02t12:00:00z",
        ImapUrl("a", 1, Server("h", "j"), expire=datetime(2010, 2, 2, 12, tzinfo=timezone.utc)),
    ),
]

REFUSED = [
    b"",
    b"/",
    b"imap://example.com/",
    b"imap://example.com",
    b"imap://example.com/INBOX",
    b"imap://example.com/INBOX?SUBJECT%20x",
    b"http://example.com/INBOX/;UID=1",
    b"INBOX/;UID=1",  # RFC 5092 §7.2
    b"..;UIDVALIDITY=385759045/;UID=20",
    b"/foo/;UID=20/..",  # that is the mailbox foo
    b"/;UID=1",
    b"///;UID=1",
    b"/a/;UID=0",
    b"/a/;UID=4294967296",
    b"/a/;UID=99999999999",
    b"/a/;UID=01",
    b"/a;UIDVALIDITY=01/;UID=1",
    b"/a/;UID=1/;PARTIAL=1.01",
    b"/a/;UID=1/;SECTION=01",
    b"/a/;UID=x",
    b"/a/;UID=1/",
    b"/a/;UID=1/;SECTION=",
    b"/a/;UID=1/;SECTION=FOO",
    b"/a/;UID=1/;SECTION=1.",
    b"/a/;UID=1/;SECTION=1]<0.10>",
    b"/a/;UID=1/;SECTION=1%5D%3C0.10%3E",
    b"/a/;UID=1/;SECTION=HEADER.FIELDS%20(%7B2%7D)",
    b"/a/;UID=1/;PARTIAL=1.0",
    b"/a/;UID=1/;PARTIAL=1/;SECTION=1",
    b"/a;UIDVALIDITY=0/;UID=1",
    b"/a b/;UID=1",
    b"/a%/;UID=1",
    b"/a%zz/;UID=1",
    b"/a%FF/;UID=1",
    b"/a%00/;UID=1",
    b"/\xc3\xa9/;UID=1",
    b"/a/;UID=1\r\n",
    b"/a/;UID=1\x00",
    b"imap://@h/a/;UID=1",
    b"imap://j@/a/;UID=1",
    b"imap://j@h:port/a/;UID=1",
    b"imap://j@h/a/;UID=1;EXPIRE=2010-02-30T12:00:00Z;URLAUTH=anonymous",
    b"imap://j@h/a/;UID=1;EXPIRE=2010-02-02T12:00:00+99:00;URLAUTH=anonymous",
    b"imap://j@h/a/;UID=1;EXPIRE=yesterday;URLAUTH=anonymous",
    b"imap://j@h/a/;UID=1;URLAUTH=user+",
    b"imap://j@h/a/;UID=1;URLAUTH=anonymous:INTERNAL:12345",
    b"imap://j@h/a/;UID=1;URLAUTH=anonymous:INTERNAL:" + b"x" * 32,
    b"imap://j@h/a/;UID=1;URLAUTH=anonymous;EXPIRE=2010-02-02T12:00:00Z",
]


class UrlTests(SynchronousTestCase):
    def test_understood(self) -> None:
        """Each URL means what it should."""
        for data, url in UNDERSTOOD:
            self.assertEqual(parse(data), url, data)

    def test_refused(self) -> None:
        """What is no URL of a message, or holds what must be percent-encoded, is refused."""
        for data in REFUSED:
            with self.assertRaises(ProtocolError, msg=data):
                parse(data)

    def test_rump(self) -> None:
        """The rump is the URL less its verifier, octet for octet."""
        start = b"imap://joe@Example.com/a%41/;uid=20;urlauth=submit+fred"
        self.assertEqual(rump(start + b":Internal:" + TOKEN.upper().encode()), start)
        self.assertEqual(rump(start), start)

    def test_long(self) -> None:
        """A long URL takes no longer than its length."""
        for filler in (b"a", b"/", b"%41", b"/;UID=1", b".", b"../"):
            for start in (b"/", b"imap://", b"/a/;UID=1/;SECTION="):
                data = start + filler * (60_000 // len(filler)) + b"\x01"
                with self.assertRaises(ProtocolError):
                    parse(data)

    @by_chance(130)
    @given(strategies.urls)
    def test_round_trip(self, url: ImapUrl) -> None:
        """A composed URL is parsed to the same value."""
        self.assertEqual(parse(url.compose()), url)

    @by_chance(130)
    @given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: ("/a/;UID=" + text).encode()))
    def test_any(self, data: bytes) -> None:
        """Any bytes give a URL that says the same when it is composed, or ProtocolError."""
        try:
            url = parse(data)
        except ProtocolError:
            return
        self.assertEqual(parse(url.compose()), url)
