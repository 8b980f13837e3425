"""Keywords beyond US-ASCII, raw and as sessions without UTF8=ACCEPT write them."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.imap.grammar import strategies
from test.support.chance import by_chance
from wildduck.errors import ProtocolError
from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.flags import compose_flags, flag_list
from wildduck.imap.grammar.keywords import compose_keyword, keyword
from wildduck.imap.grammar.modes import PLAIN, Modes

UTF8 = Modes(utf8=True)
#: Keyword, and how a session without UTF8=ACCEPT writes it.
SPELLED = [
    ("$Work", b"$Work"),
    ("größe", b"gr=C3=B6=C3=9Fe"),
    ("日本", b"=E6=97=A5=E6=9C=AC"),
    ("\U0001f4e7", b"=F0=9F=93=A7"),
    ("ö=3D", b"=C3=B6=3D3D"),
    # US-ASCII that does not look like one of those.
    ("a=b", b"a=b"),
    ("a=3Db", b"a=3Db"),
    ("=C3", b"=C3"),
    ("=C3=B6=x", b"=C3=B6=x"),
    ("=C2=85", b"=C2=85"),
    ("gr&APY-", b"gr&APY-"),
    # And US-ASCII that does.
    ("=C3=B6", b"=3DC3=3DB6"),
    ("=3DC3=3DB6", b"=3D3DC3=3D3DB6"),
]
#: What other programs may have stored, and no session is told of.
NOT_WRITTEN = [
    "", "a b", "a(b", "a)", "a]", 'a"', "a\\b", "a*", "a%", "{3}", "a\r\nb", "\x00", "\x7f", "ö\x7f", "ö b",
    "ö)", "\x85", "ö\x9f", "\u2028", "ö\u2029", "\ufefföl", "\ud800", "k" * 256, "ö" * 128,
]  # fmt: skip
#: Atoms that name no keyword where UTF8=ACCEPT is enabled.
REFUSED = [
    (b"\xc3", "is not UTF-8"),
    (b"gr\xf6\xdfe", "is not UTF-8"),
    (b"\xed\xa0\x80", "is not UTF-8"),
    (b"\xc0\xaf", "is not UTF-8"),
    (b"a\xc2\x85b", "has a character that it can not have"),
    (b"\xe2\x80\xa8", "has a character that it can not have"),
    (b"\xef\xbb\xbfa", "has a character that it can not have"),
    (b'"\xc3\xb6"', "expected a flag"),
    (b"\xc3\xb6" * 128, "too long"),
    (b"\\\xc3\xb6", "expected a flag"),
]

atoms = st.lists(
    st.sampled_from(["=", "3", "D", "3D", "3d", "C3", "b6", "=C3=B6", "=F0=9F", "x"]), min_size=1, max_size=9
).map("".join)


class KeywordTests(SynchronousTestCase):
    def test_spelled(self) -> None:
        """Each has its spelling, which names it; where UTF8=ACCEPT is enabled it is its own."""
        for name, spelled in SPELLED:
            self.assertEqual(compose_keyword(name, PLAIN), spelled)
            self.assertEqual(keyword(Cursor(spelled), "a flag"), name)
            self.assertEqual(keyword(Cursor(spelled.lower()), "a flag"), name.lower())
            self.assertEqual(compose_keyword(name, Modes(rev2=True)), spelled)
            raw = name.encode("utf-8")
            self.assertEqual(compose_keyword(name, UTF8), raw)
            self.assertEqual(keyword(Cursor(raw, modes=UTF8), "a flag"), name)

    def test_not_written(self) -> None:
        """What is no keyword, or could not be given back, is left out."""
        for name in NOT_WRITTEN:
            for modes in (PLAIN, UTF8):
                self.assertEqual(compose_flags(["a", name, "b"], modes), b"(a b)", name)

    def test_length(self) -> None:
        """The longest keyword has as many octets in UTF-8, however they are written."""
        name = "ö" * 127 + "x"
        for modes in (PLAIN, UTF8):
            self.assertEqual(flag_list(Cursor(compose_flags([name], modes), modes=modes)), (name,))
        with self.assertRaises(ProtocolError):
            flag_list(Cursor(b"(" + b"=C3=B6" * 128 + b")"))

    def test_refused(self) -> None:
        """An atom that is no keyword says why."""
        for atom, why in REFUSED:
            with self.assertRaises(ProtocolError, msg=atom) as refused:
                flag_list(Cursor(b"(" + atom + b")", modes=UTF8))
            self.assertIn(why, str(refused.exception))
        with self.assertRaises(ProtocolError):
            flag_list(Cursor(b"(\xc3\xb6)", modes=Modes(rev2=True)))

    def test_composed(self) -> None:
        """Keywords are taken in NFC (RFC 5198 §3), as they are raw and as they are in US-ASCII."""
        self.assertEqual(keyword(Cursor("gro\u0308ße".encode(), modes=UTF8), "a flag"), "größe")
        self.assertEqual(keyword(Cursor(b"gro=CC=88=C3=9Fe"), "a flag"), "größe")
        self.assertEqual(keyword(Cursor(b"=E2=84=AA"), "a flag"), "K")

    @by_chance(70)
    @given(strategies.keywords)
    def test_round_trip(self, name: str) -> None:
        """Each keyword is told in a spelling of US-ASCII, and raw, that names it."""
        spelled = compose_keyword(name, PLAIN)
        self.assertTrue(spelled.isascii())
        self.assertEqual(keyword(Cursor(spelled), "a flag"), name)
        self.assertEqual(keyword(Cursor(compose_keyword(name, UTF8), modes=UTF8), "a flag"), name)

    @by_chance(130)
    @given(atoms)
    def test_one_spelling(self, atom: str) -> None:
        """A client without UTF8=ACCEPT is told what it has set, but for the case."""
        name = keyword(Cursor(atom.encode()), "a flag")
        self.assertEqual(compose_keyword(name, PLAIN).decode().lower(), atom.lower())

    @by_chance(70)
    @given(st.binary(max_size=12), st.booleans())
    def test_any_bytes(self, data: bytes, utf8: bool) -> None:
        """Any bytes are refused, or begin with a keyword that can be told again."""
        modes = Modes(utf8=utf8)
        try:
            name = keyword(Cursor(data, modes=modes), "a flag")
        except ProtocolError:
            return
        self.assertEqual(keyword(Cursor(compose_keyword(name, modes), modes=modes), "a flag"), name)

    def test_many_levels(self) -> None:
        """An endless row of escapes is looked at once."""
        atom = b"=" + b"3D" * 30000 + b"C3=" + b"3D" * 30000 + b"B6"
        self.assertEqual(keyword(Cursor(atom), "a flag").encode(), atom.replace(b"=3D", b"="))
