"""POP3 command lines: what they mean, and that nothing else comes of any bytes."""

from __future__ import annotations

from hypothesis import example, given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.support.chance import by_chance
from wildduck.errors import ServerBug
from wildduck.pop3 import grammar, replies
from wildduck.pop3.grammar import Auth, BadCommand, Dele, List, Pass, Retr, Top, Uidl, User, parse


class ParseTests(SynchronousTestCase):
    def test_values(self) -> None:
        """Each command has its value."""
        for line, expected in [
            (b"CAPA", grammar.Capa()),
            (b"capa", grammar.Capa()),
            (b"STLS", grammar.Stls()),
            (b"STAT", grammar.Stat()),
            (b"NOOP ", grammar.Noop()),
            (b"RSET", grammar.Rset()),
            (b"QUIT", grammar.Quit()),
            (b"USER mrose", User("mrose")),
            (b"USER a b ", User("a b")),
            (b"USER \xc3\xa9", User("é")),
            (b"PASS  a  b ", Pass(" a  b ")),
            (b"PASS \x00", Pass("\0")),
            (b"AUTH", Auth("")),
            (b"AUTH plain", Auth("PLAIN")),
            (b"AUTH PLAIN =", Auth("PLAIN", b"=")),
            (b"LIST", List()),
            (b"LIST 007", List(7)),
            (b"UIDL 4294967295", Uidl(4294967295)),
            (b"RETR 1", Retr(1)),
            (b"DELE 0", Dele(0)),
            (b"TOP 1 0", Top(1, 0)),
        ]:
            self.assertEqual(parse(line), expected, line)

    def test_refused(self) -> None:
        """What is no command is refused with a text."""
        for line in [
            b"",
            b" NOOP",
            b"NOOP x",
            b"NOOP\tx",
            b"APOP a b",
            b"USER",
            b"USER  ",
            b"USER a\0b",
            b"USER \xff",
            b"PASS",
            b"PASS \xff",
            b"AUTH PLAIN a b",
            b"AUTH {1}",
            b"LIST -1",
            b"LIST +1",
            b"LIST 1 2",
            b"LIST \xd9\xa1",
            b"RETR",
            b"RETR 12345678901",
            b"TOP 1",
            b"TOP 1 2 3",
            b"GET / HTTP/1.1",
        ]:
            self.assertRaises(BadCommand, parse, line)

    def test_secrets(self) -> None:
        """No password is in what a traceback or log may show."""
        self.assertNotIn("secret", repr(parse(b"PASS secret")))
        self.assertNotIn("c2VjcmV0", repr(parse(b"AUTH PLAIN c2VjcmV0")))

    @by_chance(50)
    @given(
        st.one_of(
            st.binary(max_size=100),
            st.builds(
                lambda keyword, argument: keyword + argument,
                st.sampled_from([*grammar._PARSERS]),
                st.one_of(
                    st.binary(max_size=50), st.text(" 019\t-+", max_size=12).map(lambda text: text.encode())
                ),
            ),
        )
    )
    @example(b"TOP 1\xc2\xa02")
    def test_any_bytes(self, line: bytes) -> None:
        """Any bytes are a command or an error that can be said."""
        try:
            command = parse(line)
        except BadCommand as error:
            self.assertTrue(str(error))
        else:
            self.assertIsInstance(command, grammar.Command)


class ReplyTests(SynchronousTestCase):
    def test_lines(self) -> None:
        """Responses are what the RFCs show."""
        self.assertEqual(replies.ok(), b"+OK\r\n")
        self.assertEqual(replies.error("no", "IN-USE"), b"-ERR [IN-USE] no\r\n")
        self.assertEqual(replies.multi_line("a", ["b", "c"]), b"+OK a\r\nb\r\nc\r\n.\r\n")
        self.assertEqual(
            replies.from_error(ServerBug("12ab")), b"-ERR [SYS/TEMP] Internal error, reference 12ab\r\n"
        )

    @by_chance(50)
    @given(st.text())
    def test_one_line(self, text: str) -> None:
        """Whatever a text holds, it is one line of bounded length."""
        line = replies.error(text)
        self.assertTrue(line.endswith(b"\r\n"))
        self.assertLessEqual(len(line), 512)
        self.assertNotIn(b"\n", line[:-2])
        self.assertTrue(line.isascii())
