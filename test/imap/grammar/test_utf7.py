"""Tests of L{wildduck.imap.grammar.utf7}."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from test.support.chance import by_chance
from wildduck.errors import ProtocolError
from wildduck.imap.grammar import utf7

PAIRS = [
    ("INBOX", b"INBOX"),
    ("", b""),
    ("a&b", b"a&-b"),
    ("&&", b"&-&-"),
    ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
    ("Entwürfe", b"Entw&APw-rfe"),
    ("é&è", b"&AOk-&-&AOg-"),
    ("\U0001f986", b"&2D7dhg-"),
    ("a\nb", b"a&AAo-b"),
    ("\x00", b"&AAA-"),
    ("тест", b"&BEIENQRBBEI-"),
]

REFUSED = [
    (b"&", "unfinished"),
    (b"&AOk", "unfinished run"),
    (b"&Jjo!", "stray character in a run"),
    (b"Hello, &U,BTFw-&ZeVnLIqe-", "two runs side by side"),
    (b"&AGE-", "printable ASCII in a run"),
    (b"&AOkAYQ-", "printable ASCII after another character"),
    (b"&AOm-", "spare bits are not zero"),
    (b"&AOk=-", "padding"),
    (b"&AO-", "half a character"),
    (b"&A-", "less than a byte"),
    (b"&2D4-", "half a surrogate pair"),
    (b"&3wM-", "the second half alone"),
    (b"\xc3\xa9", "8-bit"),
    (b"a\tb", "control character"),
    (b"&U/BTFw-", "slash in place of comma"),
]


class Utf7Tests(SynchronousTestCase):
    def test_pairs(self) -> None:
        """Each name has the spelling that RFC 3501 §5.1.3 gives it, and back."""
        for name, spelled in PAIRS:
            self.assertEqual(utf7.encode(name), spelled)
            self.assertEqual(utf7.decode(spelled), name)

    def test_refused(self) -> None:
        """What is not the one spelling of a name is refused."""
        for spelled, why in REFUSED:
            with self.assertRaises(ProtocolError, msg=why):
                utf7.decode(spelled)

    def test_lone_surrogate(self) -> None:
        """A name that is no Unicode text is still written as something readable."""
        self.assertEqual(utf7.decode(utf7.encode("a\ud800b")), "a\ufffdb")

    @by_chance(50)
    @given(st.text(st.characters(exclude_categories=["Cs"])))
    def test_round_trip(self, name: str) -> None:
        """Decoding gives back what was encoded, in printable ASCII."""
        spelled = utf7.encode(name)
        self.assertTrue(all(32 <= byte < 127 for byte in spelled))
        self.assertEqual(utf7.decode(spelled), name)

    @by_chance(170)
    @given(st.binary() | st.text("&-ABC,+/é=Dw9 ", max_size=12).map(lambda text: text.encode("utf-8")))
    def test_any_bytes(self, spelled: bytes) -> None:
        """Any bytes are refused, or decode to the name whose one spelling they are."""
        try:
            name = utf7.decode(spelled)
        except ProtocolError:
            return
        self.assertEqual(utf7.encode(name), spelled)
