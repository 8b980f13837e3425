"""Tests for L{wildduck.lmtp.grammar}, L{paths} and L{replies}."""

from __future__ import annotations

from hypothesis import example, given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.support.chance import by_chance
from wildduck.errors import AddressNotFound
from wildduck.lmtp import replies
from wildduck.lmtp.grammar import (
    BadCommand,
    Bdat,
    Data,
    Help,
    Lhlo,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    Vrfy,
    parse,
)
from wildduck.lmtp.paths import NULL, Path


def path(text: str) -> Path:
    """A plain address."""
    local, _, domain = text.rpartition("@")
    return Path(text, local, domain)


A = path("a@b.example")

GOOD = {
    b"LHLO mail.example": Lhlo("mail.example"),
    b"lhlo [192.0.2.1]": Lhlo("[192.0.2.1]"),
    b"LHLO under_score ": Lhlo("under_score"),
    b"MAIL FROM:<a@b.example>": Mail(A),
    b"mail from:<a@b.example>": Mail(A),
    b"MAIL FROM: <a@b.example>": Mail(A),
    b"MAIL FROM:<>": Mail(NULL),
    b"MAIL FROM:<> SIZE=1000": Mail(NULL, 1000),
    b"MAIL FROM:<a@b.example> SIZE=12 BODY=8BITMIME SMTPUTF8": Mail(A, 12, "8BITMIME", True),
    b"MAIL FROM:<a@b.example> body=7bit": Mail(A, 0, "7BIT"),
    b"MAIL FROM:<a@b.example>  BODY=BinaryMIME ": Mail(A, 0, "BINARYMIME"),
    b"MAIL FROM:<@x.example,@y.example:a@b.example>": Mail(A),
    b"MAIL FROM:<root@localhost>": Mail(path("root@localhost")),
    b"MAIL FROM:<a..b.@b.example.>": Mail(path("a..b.@b.example.")),
    b"MAIL FROM:<bounce+user=x.example@[192.0.2.1]>": Mail(path("bounce+user=x.example@[192.0.2.1]")),
    b"MAIL FROM:<a@[IPv6:2001:db8::1]>": Mail(path("a@[IPv6:2001:db8::1]")),
    b'MAIL FROM:<"a b"@b.example>': Mail(Path('"a b"@b.example', "a b", "b.example")),
    b'MAIL FROM:<"a>b@c"@b.example> SIZE=1': Mail(Path('"a>b@c"@b.example', "a>b@c", "b.example"), 1),
    "MAIL FROM:<jõgi@õ.example>".encode(): Mail(path("jõgi@õ.example")),
    b"RCPT TO:<a@b.example>": Rcpt(A),
    b"rcpt to: <a@b.example> ": Rcpt(A),
    b"RCPT TO:<@x.example:a@b.example>": Rcpt(A),
    b"RCPT TO:<Postmaster>": Rcpt(Path("Postmaster", "Postmaster")),
    b'RCPT TO:<""@b.example>': Rcpt(Path('""@b.example', "", "b.example")),
    b'RCPT TO:<"a\\"\\\\b"@b.example>': Rcpt(Path('"a\\"\\\\b"@b.example', 'a"\\b', "b.example")),
    "RCPT TO:<用户@例え.example>".encode(): Rcpt(path("用户@例え.example")),
    b"DATA": Data(),
    b"data ": Data(),
    b"BDAT 0": Bdat(0),
    b"BDAT 86 LAST": Bdat(86, True),
    b"bdat 0 last": Bdat(0, True),
    b"BDAT 00012": Bdat(12),
    b"RSET": Rset(),
    b"NOOP": Noop(),
    b"NOOP anything \x01": Noop(),
    b"VRFY somebody": Vrfy(),
    b"HELP": Help(),
    b"STARTTLS": StartTls(),
    b"QUIT": Quit(),
}

BAD = {
    b"": 500,
    b" ": 500,
    b"FOO": 500,
    b"HELO x": 500,
    b"EHLO x": 500,
    b"LHLO": 501,
    b"LHLO a b": 501,
    b"LHLO \x00": 501,
    b"LHLO " + b"x" * 256: 501,
    b"MAIL": 501,
    b"MAIL FROM": 501,
    b"MAIL FROM:": 501,
    b"MAIL TO:<a@b.example>": 501,
    b"MAIL FROM:a@b.example": 501,
    b"MAIL FROM:<a@b.example": 501,
    b"MAIL FROM:<a>": 501,
    b"MAIL FROM:<a@>": 501,
    b"MAIL FROM:<@b.example>": 501,
    b"MAIL FROM:<a@b..example>": 501,
    b"MAIL FROM:<a b@c.example>": 501,
    b"MAIL FROM:<(comment)a@b.example>": 501,
    b"MAIL FROM:<a@b.example>SIZE=1": 501,
    b"MAIL FROM:<a\x00@b.example>": 501,
    b"MAIL FROM:<a\r@b.example>": 501,
    b'MAIL FROM:<"a\rb"@b.example>': 501,
    b'MAIL FROM:<"a\x7f"@b.example>': 501,
    "MAIL FROM:<a\u0085b@c.example>".encode(): 501,
    "MAIL FROM:<a\u2028b@c.example>".encode(): 501,
    b"MAIL FROM:<\xff@b.example>": 500,
    b"MAIL FROM:<" + b"a" * 1000 + b"@b.example>": 501,
    b"MAIL FROM:<a@b.example> SIZE": 501,
    b"MAIL FROM:<a@b.example> SIZE=": 501,
    b"MAIL FROM:<a@b.example> SIZE=-1": 501,
    b"MAIL FROM:<a@b.example> SIZE=1e3": 501,
    "MAIL FROM:<a@b.example> SIZE=١".encode(): 501,
    b"MAIL FROM:<a@b.example> SIZE=" + b"9" * 21: 501,
    b"MAIL FROM:<a@b.example> SIZE=1 SIZE=2": 501,
    b"MAIL FROM:<a@b.example> BODY": 501,
    b"MAIL FROM:<a@b.example> BODY=9BIT": 501,
    b"MAIL FROM:<a@b.example> SMTPUTF8=1": 501,
    b"MAIL FROM:<a@b.example> -X=1": 501,
    b"MAIL FROM:<a@b.example> RET=FULL": 555,
    b"RCPT": 501,
    b"RCPT TO:<>": 501,
    b"RCPT TO:<a>": 501,
    b"RCPT FROM:<a@b.example>": 501,
    b"RCPT TO:<a@b.example> NOTIFY=NEVER": 555,
    b"DATA now": 501,
    b"RSET all": 501,
    b"QUIT x": 501,
    b"STARTTLS x": 501,
    b"EXPN list": 502,
}

FATAL = {
    b"GET / HTTP/1.1": 421,
    b"POST /a HTTP/1.1": 421,
    b"PRI * HTTP/2.0": 421,
    b"BDAT": 501,
    b"BDAT x": 501,
    b"BDAT -1": 501,
    b"BDAT 1.5": 501,
    b"BDAT 10 FIRST": 501,
    b"BDAT 10 LAST LAST": 501,
    b"BDAT " + b"9" * 21: 501,
    b"BDAT \xff": 500,
}


def refused(line: bytes) -> BadCommand:
    try:
        command = parse(line)
    except BadCommand as error:
        return error
    raise AssertionError(f"{line!r} gives {command}")


class ParseTests(SynchronousTestCase):
    """L{parse}."""

    def test_good(self) -> None:
        """Each form of each command."""
        for line, expected in GOOD.items():
            self.assertEqual((line, parse(line)), (line, expected))

    def test_bad(self) -> None:
        """What is refused, and with which code."""
        for line, code in BAD.items():
            error = refused(line)
            self.assertEqual((line, error.code, error.fatal), (line, code, False))

    def test_fatal(self) -> None:
        """After these nobody knows what the following bytes are, or they are no mail."""
        for line, code in FATAL.items():
            error = refused(line)
            self.assertEqual((line, error.code, error.fatal), (line, code, True))

    def test_enhanced_status_codes(self) -> None:
        """Each refusal has an enhanced status code of its class (RFC 2034 §3)."""
        for line in (*BAD, *FATAL):
            error = refused(line)
            self.assertEqual(error.enhanced[0], str(error.code)[0], line)

    def test_equal_addresses(self) -> None:
        """Quoted and unquoted forms name the same mailbox (RFC 5321 §4.1.2)."""
        for line in (
            b"RCPT TO:<a.b@c.example>",
            b'RCPT TO:<"a.b"@c.example>',
            b'RCPT TO:<"\\a.b"@c.example>',
        ):
            command = parse(line)
            assert isinstance(command, Rcpt)
            self.assertEqual(command.recipient.address, "a.b@c.example")

    @by_chance(50)
    @given(
        st.one_of(
            st.binary(max_size=100),
            st.text(max_size=60).map(
                lambda text: b"MAIL FROM:<" + text.encode("utf-8", "surrogatepass") + b">"
            ),
            st.text(max_size=60).map(
                lambda text: b'RCPT TO:<"' + text.encode("utf-8", "surrogatepass") + b'"@x>'
            ),
            st.text("ABDT 0123456789-LAST", max_size=20).map(lambda text: b"BDAT " + text.encode()),
        )
    )
    @example(b"RCPT TO:<" + b"@a," * 1300)
    @example(b"MAIL FROM:<" + b"a." * 2000)
    @example(b'MAIL FROM:<"' + b"\\" * 4000)
    def test_any_bytes(self, line: bytes) -> None:
        """Any line gives a command or a refusal; no address holds a control character."""
        try:
            command = parse(line)
        except BadCommand:
            return
        address = command.sender if isinstance(command, Mail) else getattr(command, "recipient", NULL)
        self.assertTrue(address.text.isprintable() or not address.text.isascii())
        self.assertNotIn("\n", address.text)
        self.assertNotIn("\r", address.text)


class ReplyTests(SynchronousTestCase):
    """L{replies}."""

    def test_one_line(self) -> None:
        """Code, enhanced code, text."""
        self.assertEqual(bytes(replies.OK), b"250 2.0.0 OK\r\n")
        self.assertEqual(bytes(replies.reply(220, "", "mail LMTP ready")), b"220 mail LMTP ready\r\n")

    def test_many_lines(self) -> None:
        """All lines but the last have a hyphen (RFC 5321 §4.2.1)."""
        self.assertEqual(bytes(replies.reply(250, "", "a", "B", "C 1")), b"250-a\r\n250-B\r\n250 C 1\r\n")

    def test_no_injection(self) -> None:
        """Whatever a text holds, a reply stays one line of ASCII within the bound."""
        for text in ("a\r\n250 OK", "a\nb", "õ\0\x7f", "x" * 5000):
            line = bytes(replies.reply(550, "5.1.1", text))
            self.assertLessEqual(len(line), replies.LINE_BYTES)
            self.assertTrue(line[:-2].decode("ascii").isprintable())
            self.assertEqual(line[-2:], b"\r\n")

    def test_from_error(self) -> None:
        """A domain error is said with its code, and about whom."""
        reply = replies.from_error(AddressNotFound(), "a@b.example")
        self.assertEqual(bytes(reply), b"550 5.1.1 <a@b.example> Unknown recipient\r\n")
