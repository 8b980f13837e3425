"""
Sessions of random and mutated bytes, for L{test.imap.test_fuzz} and C{python -m test.soak bytes}.

A session signs in most times, enables something, opens a mailbox and compresses
now and then; then come commands, most of them with some bytes changed, and
between them bytes that are no command at all.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator

_TOLD = b"MessageNew MessageExpunge"

#: Ways to give each command, by its name in the table.
LINES: dict[str, list[bytes]] = {
    "CAPABILITY": [b"CAPABILITY"],
    "NOOP": [b"NOOP"],
    "IDLE": [b"IDLE\r\nDONE"],
    "LOGOUT": [b"LOGOUT"],
    "ID": [b'ID ("name" "x")', b'ID ("name" {3+}\r\nabc "os" NIL)'],
    "ENABLE": [
        b"ENABLE CONDSTORE",
        b"ENABLE QRESYNC X-NONE",
        b"ENABLE UIDONLY",
        b"ENABLE IMAP4rev2 UTF8=ACCEPT",
    ],
    "NOTIFY": [
        b"NOTIFY NONE",
        b"NOTIFY SET STATUS (PERSONAL (%b FlagChange MailboxName))" % _TOLD,
        b"NOTIFY SET (SELECTED (MessageNew (UID BODY.PEEK[HEADER.FIELDS (TO)]) MessageExpunge))",
        b"NOTIFY SET (SELECTED-DELAYED (%b)) (SUBTREE (a {3+}\r\nx/y) (SubscriptionChange))" % _TOLD,
        b"NOTIFY SET (INBOXES (%b)) (MAILBOXES Drafts NONE) (SUBSCRIBED (MailboxName))" % _TOLD,
    ],
    "COMPRESS": [b"COMPRESS DEFLATE"],
    "UNAUTHENTICATE": [b"UNAUTHENTICATE"],
    "STARTTLS": [b"STARTTLS"],
    "LOGIN": [b"LOGIN a b", b"LOGIN {1+}\r\na {1}\r\nb"],
    "AUTHENTICATE": [b"AUTHENTICATE PLAIN", b"AUTHENTICATE PLAIN AGEAYg==", b"AUTHENTICATE PLAIN\r\n*"],
    "LIST": [
        b'LIST "" *',
        b'LIST "" {3+}\r\n%/*',
        b'LIST (SPECIAL-USE) "" % RETURN (SPECIAL-USE)',
        b'LIST (SUBSCRIBED RECURSIVEMATCH REMOTE) "" (INBOX a/% *) RETURN (CHILDREN SUBSCRIBED)',
        b'LIST "" (%) RETURN (STATUS (MESSAGES UIDNEXT SIZE HIGHESTMODSEQ MAILBOXID) SPECIAL-USE)',
    ],
    "XLIST": [b'XLIST "" *'],
    "LSUB": [b"LSUB a/ *", b'LSUB "" %'],
    "NAMESPACE": [b"NAMESPACE"],
    "GETQUOTA": [b'GETQUOTA ""', b"GETQUOTA x"],
    "GETQUOTAROOT": [b"GETQUOTAROOT INBOX", b"GETQUOTAROOT {1+}\r\na"],
    "SETQUOTA": [b'SETQUOTA "" (STORAGE 10 MESSAGE 3)'],
    "STATUS": [
        b"STATUS INBOX (MESSAGES UIDNEXT UNSEEN RECENT UIDVALIDITY)",
        b"STATUS a (SIZE DELETED DELETED-STORAGE HIGHESTMODSEQ MAILBOXID APPENDLIMIT)",
    ],
    "CREATE": [b"CREATE a/b/", b"CREATE {3+}\r\nx/y", b'CREATE "&Jjo-" (USE (\\Sent))', b"CREATE a/b"],
    "DELETE": [b"DELETE b/c/b", b"DELETE a", b"DELETE x"],
    "RENAME": [b"RENAME a {3+}\r\nb/c", b"RENAME Drafts d", b"RENAME INBOX old", b"RENAME b a"],
    "SUBSCRIBE": [b"SUBSCRIBE a", b"SUBSCRIBE {5+}\r\nINBOX"],
    "UNSUBSCRIBE": [b"UNSUBSCRIBE inbox", b"UNSUBSCRIBE a"],
    "SELECT": [
        b"SELECT INBOX",
        b"SELECT INBOX (CONDSTORE)",
        b"SELECT INBOX (QRESYNC (1 1 1:9))",
        b"SELECT a",
        b"SELECT INBOX (QRESYNC (17 20 1:50 (1,3:5 2,4:6)) CONDSTORE)",
    ],
    "EXAMINE": [b"EXAMINE Drafts", b"EXAMINE {5+}\r\nINBOX (CONDSTORE QRESYNC (5 5))"],
    "CLOSE": [b"CLOSE"],
    "UNSELECT": [b"UNSELECT"],
    "CHECK": [b"CHECK"],
    "APPEND": [
        b'APPEND INBOX (\\Seen) "01-Jan-2020 00:00:00 +0000" {6+}\r\nA: b\r\n',
        b"APPEND INBOX {6}\r\nA: b\r\n",
        b"APPEND nothing {3+}\r\nabc",
        b"APPEND INBOX (gro\xcc\x88\xc3\x9fe =C3=B6) {2+}\r\nab",
        b"APPEND INBOX ($Work) {2+}\r\nab {2+}\r\ncd (\\Draft) {2+}\r\nef",
        b"APPEND Drafts ~{8+}\r\nA: b\r\n\x00\x01 () ~{1+}\r\nx",
        b'APPEND INBOX CATENATE (TEXT {4+}\r\nA: b URL "/INBOX/;UID=1/;SECTION=TEXT" TEXT {2}\r\n\r\n)',
        b"APPEND INBOX CATENATE (URL {12+}\r\n/INBOX;UID=1) (\\Seen) CATENATE (TEXT ~{2+}\r\n\x00b)",
    ],
    "REPLACE": [
        b"REPLACE 1 Drafts (\xc3\xb6) {2+}\r\nab",
        b"REPLACE 1 INBOX (\\Seen) {2+}\r\nab",
        b"REPLACE * Drafts CATENATE (TEXT {1+}\r\nx)",
    ],
    "UID REPLACE": [b"UID REPLACE 1 INBOX {2+}\r\nab", b"UID REPLACE * a ~{2}\r\n\x00b"],
    "GENURLAUTH": [
        b'GENURLAUTH "imap://fred@127.0.0.1/INBOX/;uid=1;urlauth=anonymous" INTERNAL',
        b"GENURLAUTH {55+}\r\nimap://fred@192.0.2.1/INBOX/;uid=1;urlauth=user+fred  I INTERNAL",
    ],
    "RESETKEY": [b"RESETKEY", b"RESETKEY INBOX INTERNAL"],
    "URLFETCH": [
        b'URLFETCH "imap://fred@127.0.0.1/INBOX/;uid=1;urlauth=anonymous:internal:%b"' % (b"91" * 16),
        b'URLFETCH ("/INBOX/;uid=1" BODY BODYPARTSTRUCTURE) ("/INBOX/;UID=1/;SECTION=1" BINARY)',
    ],
    "FETCH": [
        b"FETCH 1:* (FLAGS UID RFC822.SIZE MODSEQ EMAILID THREADID SAVEDATE PREVIEW)",
        b"FETCH 1 (BODY[1] BODY.PEEK[HEADER.FIELDS (SUBJECT)]<1.5> BODYSTRUCTURE ENVELOPE INTERNALDATE)",
        b"FETCH 1:2 (BINARY.PEEK[1]<0.5> BINARY.SIZE[1] BINARY[] PREVIEW (LAZY)) (CHANGEDSINCE 2)",
        b"FETCH * (RFC822.HEADER RFC822.TEXT BODY[1.MIME] BODY[HEADER.FIELDS.NOT ({2+}\r\nTo)])",
        b"FETCH $ FULL",
        b"FETCH 1:* (BODY BODY.PEEK[1.1.MIME] BODY.PEEK[1.HEADER] BODY.PEEK[1.2.1]<1.9> BINARY.PEEK[1.1])",
    ],
    "UID FETCH": [
        b"UID FETCH 1:* BODY[]<0.100>",
        b"UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)",
        b"UID FETCH 1:* FLAGS (PARTIAL -1:-5 CHANGEDSINCE 3)",
        b"UID FETCH $ ALL",
    ],
    "SEARCH": [
        b'SEARCH OR (TEXT "body" NOT 1:*) UID 1:* SUBJECT {1+}\r\nx LARGER 3',
        b"SEARCH CHARSET UTF-8 OR (SEEN 1:*) NOT FROM {3+}\r\nabc",
        b"SEARCH TEXT body KEYWORD $Work UNDRAFT",
        b"SEARCH KEYWORD gr\xc3\xb6\xc3\x9fe NOT UNKEYWORD =C3=B6",
        b"SEARCH RETURN (MIN MAX COUNT ALL SAVE) SENTSINCE 1-Feb-1994 MODSEQ 3",
        b'SEARCH RETURN (CONTEXT UPDATE PARTIAL 1:10) MODSEQ "/flags/\\\\Seen" all 5 YOUNGER 30',
        b"SEARCH RETURN () $ EMAILID M1 THREADID T1 SAVEDSINCE 1-Jan-2024 SAVEDATESUPPORTED",
    ],
    "UID SEARCH": [
        b"UID SEARCH CHARSET UTF-8 BODY x HEADER Subject x SENTSINCE 1-Feb-1994 KEYWORD $Work",
        b'UID SEARCH HEADER Subject "x" SINCE 1-Feb-1994 LARGER 10 UID 1:*',
        b"UID SEARCH RETURN (PARTIAL -1:-3 COUNT) OLDER 5 UNSEEN",
        b"UID SEARCH RETURN (UPDATE) DELETED",
    ],
    "CANCELUPDATE": [b'CANCELUPDATE "1"', b'CANCELUPDATE "2" {1+}\r\n3'],
    "SORT": [
        b"SORT (SUBJECT REVERSE DATE DISPLAYFROM) UTF-8 ALL",
        b"SORT RETURN (COUNT PARTIAL 2:5 CONTEXT UPDATE) (REVERSE ARRIVAL SIZE) US-ASCII UNDELETED",
    ],
    "UID SORT": [b"UID SORT RETURN (ALL SAVE) (CC TO FROM DISPLAYTO) UTF-8 BODY {1+}\r\nb"],
    "THREAD": [b"THREAD REFERENCES UTF-8 ALL", b"THREAD ORDEREDSUBJECT {5+}\r\nUTF-8 NOT DELETED"],
    "UID THREAD": [b"UID THREAD REFERENCES US-ASCII SINCE 1-Jan-2020"],
    "STORE": [
        b"STORE 1 +FLAGS (\\Seen $Work)",
        b"STORE 1:* (UNCHANGEDSINCE 3) FLAGS.SILENT (\\Flagged)",
        b"STORE $ -FLAGS \\Deleted",
        b"STORE 1 +FLAGS (gr\xc3\xb6\xc3\x9fe \xe6\x97\xa5 =C3=B6 \xff)",
        b"STORE 1 FLAGS.SILENT gr=C3=B6=C3=9Fe =3DC3=3DB6",
    ],
    "UID STORE": [
        b"UID STORE 1:* -FLAGS.SILENT \\Deleted",
        b"UID STORE 1:* (UNCHANGEDSINCE 0) +FLAGS (\\Deleted new)",
        b"UID STORE 1 +FLAGS \\Deleted",
        b"UID STORE 1:* -FLAGS (gr\xc3\xb6\xc3\x9fe)",
    ],
    "EXPUNGE": [b"EXPUNGE"],
    "UID EXPUNGE": [b"UID EXPUNGE 9", b"UID EXPUNGE $"],
    "COPY": [b"COPY 1:* Drafts", b"COPY $ a"],
    "UID COPY": [b"UID COPY 1 {6+}\r\nDrafts", b"UID COPY 1:* INBOX"],
    "MOVE": [b"MOVE 1 Trash", b"MOVE $ INBOX"],
    "UID MOVE": [b"UID MOVE 1:* INBOX", b"UID MOVE 1 {1+}\r\na"],
}

_NAMES = list(LINES)
#: Those that end what a session is about, and are therefore seldom given.
_RARE = frozenset(("LOGOUT", "UNAUTHENTICATE", "COMPRESS", "STARTTLS", "UNSELECT", "CLOSE"))
_BYTES = b'\r\n\x00\xff"\\(){}[]<>*%+~$ {3}\r\n{2+}\r\n~{1}\r\n{99999999999}0123456789aZ&-,;:/='


def mutated(rng: random.Random, line: bytes) -> bytes:
    """A few bytes of a line taken away, put in or changed; or none."""
    data = bytearray(line)
    for _ in range(rng.choice((0, 0, 1, 1, 2, 5))):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice((0, 0, 1, 3)))
        data[start:end] = bytes(rng.choice(_BYTES) for _ in range(rng.choice((0, 1, 1, 4))))
    return bytes(data)


def command(rng: random.Random) -> bytes:
    """Any command, or now and then bytes that are none."""
    if rng.random() < 0.03:
        return rng.randbytes(rng.choice((1, 10, 300, 4000)))
    name = rng.choice(_NAMES)
    if name in _RARE and rng.random() < 0.8:
        name = rng.choice(_NAMES)
    return mutated(rng, rng.choice(LINES[name]))


class Session:
    """
    What a client sends.

    @ivar fed: bytes of commands so far, before they are compressed.
    """

    def __init__(self, rng: random.Random, user: bytes, password: bytes) -> None:
        """@param rng: decides everything."""
        self.fed = 0
        self._rng = rng
        self._begin = self._beginning(user, password)
        self._deflate = zlib.compressobj(6, zlib.DEFLATED, -15) if rng.random() < 0.15 else None

    def _beginning(self, user: bytes, password: bytes) -> list[bytes]:
        """Commands without a fault."""
        if self._rng.random() < 0.07:
            return []
        begin = [b'LOGIN %b "%b"' % (user, password)]
        if self._rng.random() < 0.5:
            begin.append(self._rng.choice(LINES["ENABLE"]))
        if self._rng.random() < 0.7:
            begin.append(self._rng.choice((LINES["SELECT"][0], *LINES["SELECT"])))
        return begin

    def pieces(self) -> Iterator[bytes]:
        """What is written to the socket, in pieces from one byte on."""
        rng = self._rng
        for line in self._begin:
            yield b"b %b\r\n" % line
        if not self._begin:
            self._deflate = None
        elif self._deflate:
            yield b"b COMPRESS DEFLATE\r\n"
        for number in range(rng.randrange(5, 60)):
            data = b"%d %b\r\n" % (number, command(rng))
            self.fed += len(data)
            data = self.packed(data)
            if self._deflate and rng.random() < 0.01:
                data = mutated(rng, data)
            size = rng.choice((1, 7, 1000, 1000, 1000))
            yield from (data[start : start + size] for start in range(0, len(data), size))

    def packed(self, data: bytes) -> bytes:
        """As it is sent."""
        if self._deflate is None:
            return data
        return self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


def readable(data: bytes) -> bytes:
    """What the server has sent, inflated from where it is compressed."""
    plain, mark, packed = data.partition(b"OK DEFLATE active\r\n")
    if not mark:
        return plain
    inflate = zlib.decompressobj(-15)
    try:
        return plain + mark + inflate.decompress(packed) + readable(inflate.unused_data)
    except zlib.error:
        return data
