"""Flags of many messages as bits."""

from __future__ import annotations

from hypothesis import given, strategies
from twisted.trial import unittest

from test.support.chance import by_chance
from wildduck.limits import MAILBOX_FLAGS
from wildduck.mailstore.flag_table import SYSTEM_FLAGS, FlagTable, canonical, in_one_spelling, keywords

#: More than there are bits, and more than are remembered.
NAMES = [f"k{n}" for n in range(MAILBOX_FLAGS + 20)]


class CanonicalTests(unittest.SynchronousTestCase):
    """Flags as they are stored."""

    def test_system_flags_are_spelled_as_in_the_rfc(self) -> None:
        """System flags are the same in any case (RFC 3501 §9 'flag')."""
        self.assertEqual(("\\Seen", "\\Flagged"), canonical(["\\SEEN", "\\flagged", "\\Seen"]))

    def test_recent_is_never_stored(self) -> None:
        """\\Recent belongs to a session (RFC 3501 §2.3.2)."""
        self.assertEqual(("$Label1",), canonical(["\\Recent", "$Label1"]))

    def test_one_spelling(self) -> None:
        """A keyword in another case is the same one (RFC 3501 §9)."""
        self.assertEqual(("a", "\\Seen", "B"), in_one_spelling(["a", "A", "\\Seen", "B", "b"]))

    def test_one_spelling_beyond_ascii(self) -> None:
        """So is one whose characters are composed otherwise; a letter is not what it is written like."""
        self.assertEqual(("Größe", "strasse"), in_one_spelling(["Größe", "GRO\u0308ßE", "größe", "strasse"]))
        self.assertEqual(("straße", "strasse"), in_one_spelling(["straße", "strasse", "\u212a", "k"])[:2])
        self.assertEqual(("\u212a",), in_one_spelling(["\u212a", "k", "K"]))
        table = FlagTable(["gro\u0308ße"])
        self.assertEqual(["gro\u0308ße"], table.spellings("GRÖSSE".replace("SS", "ß")))

    def test_keywords(self) -> None:
        """Keywords are what does not begin with a backslash."""
        self.assertEqual(("$Label1", "work"), keywords(["\\Seen", "$Label1", "work"]))


class FlagTableTests(unittest.SynchronousTestCase):
    """Bits and their names."""

    @by_chance(50)
    @given(strategies.lists(strategies.lists(strategies.sampled_from(NAMES), unique=True)))
    def test_gives_back_what_was_packed(self, messages: list[list[str]]) -> None:
        """Also with more than 64 names in one mailbox nothing is lost."""
        table = FlagTable()
        bits = [table.pack(uid, flags) for uid, flags in enumerate(messages)]
        for uid, flags in enumerate(messages):
            self.assertEqual(set(flags), set(table.unpack(uid, bits[uid])))

    def test_spill_is_forgotten(self) -> None:
        """A message that is gone leaves nothing behind."""
        table = FlagTable()
        for n in range(64):
            table.learn(f"k{n}")
        bits = table.pack(1, ["late"])
        self.assertEqual(("late",), table.unpack(1, bits))
        table.forget(1)
        self.assertEqual((), table.unpack(1, bits))

    def test_system_flags_have_the_lowest_bits(self) -> None:
        """They have a bit however many keywords there are."""
        self.assertEqual(list(SYSTEM_FLAGS), FlagTable().names)

    def test_names_made_up_without_end(self) -> None:
        """A client that sets a new keyword again and again does not fill the memory."""
        table = FlagTable()
        for n in range(5000):
            self.assertEqual((f"k{n}",), table.unpack(1, table.pack(1, [f"k{n}"])))
        self.assertEqual(MAILBOX_FLAGS, len(table.names))
        self.assertEqual([1], table.spilled("K4999"))

    def test_combinations_without_end(self) -> None:
        """Nor does one that sets the same keywords in ever new combinations."""
        table = FlagTable(f"k{n}" for n in range(20))
        for bits in range(20_000):
            table.unpack(1, bits)
        self.assertLess(len(table._known), 2000)
