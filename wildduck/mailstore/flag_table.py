"""Flags of many messages in little memory: bits in an array, names in one table."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from unicodedata import normalize

from wildduck.limits import MAILBOX_FLAGS

SEEN = "\\Seen"
DELETED = "\\Deleted"
FLAGGED = "\\Flagged"
DRAFT = "\\Draft"
ANSWERED = "\\Answered"

#: RFC 3501 §2.3.2, without \\Recent, which is never stored.
SYSTEM_FLAGS = (ANSWERED, FLAGGED, DELETED, SEEN, DRAFT)

_CANONICAL = {flag.lower(): flag for flag in SYSTEM_FLAGS}
_BITS = 64

#: Combinations of flags whose names are kept at hand.
_COMBINATIONS = 1000


def canonical(flags: Iterable[str]) -> tuple[str, ...]:
    """
    Flags as they are stored: system flags spelled as in RFC 3501, none twice,
    C{\\Recent} left out.
    """
    spelled = (_CANONICAL.get(flag.lower(), flag) for flag in flags)
    return tuple(dict.fromkeys(flag for flag in spelled if flag.lower() != "\\recent"))


def folded(name: str) -> str:
    """
    A flag without what makes no difference: case, and how its characters are composed.

    What is beyond US-ASCII stays so, but where Unicode has a character twice (KELVIN SIGN).
    """
    return name.lower() if name.isascii() else normalize("NFC", normalize("NFC", name).lower())


def in_one_spelling(flags: Iterable[str]) -> tuple[str, ...]:
    """Flags of one message, none twice, for case does not count: the spelling that is given first stays."""
    spellings: dict[str, str] = {}
    for flag in flags:
        spellings.setdefault(folded(flag), flag)
    return tuple(spellings.values())


def texts(flags: object) -> tuple[str, ...]:
    """What can be flags of a stored value, for other programs write to the database too."""
    listed = flags if isinstance(flags, (list, tuple)) else ()
    return tuple(flag for flag in listed if isinstance(flag, str))


def keywords(flags: Iterable[str]) -> tuple[str, ...]:
    """Those of C{flags} that are not system flags."""
    return tuple(flag for flag in flags if not flag.startswith("\\"))


class FlagTable:
    """
    Gives each flag name a bit; a mailbox with more than 64 names spills the rest.

    Names are never forgotten, so no more than L{MAILBOX_FLAGS} are remembered, for
    a client can make up new ones without end; others are known by their messages.

    @ivar names: of the bits, the lowest first, and some that have none.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        """@param names: to begin with, behind the system flags."""
        self.names: list[str] = []
        self._bit: dict[str, int] = {}
        self._spilled: dict[int, tuple[str, ...]] = {}
        self._known: dict[int, tuple[str, ...]] = {}
        for name in (*SYSTEM_FLAGS, *names):
            self.learn(name)

    def learn(self, name: str) -> int:
        """The bit of a name, 0 where there is none left."""
        bit = self._bit.get(name)
        if bit is None:
            if not isinstance(name, str):
                raise TypeError("no flag")
            if len(self.names) >= MAILBOX_FLAGS:
                return 0
            bit = 1 << len(self.names) if len(self.names) < _BITS else 0
            self._bit[name] = bit
            self.names.append(name)
        return bit

    def pack(self, uid: int, flags: Iterable[str]) -> int:
        """
        The bits of a message's flags; what has no bit is kept by its UID.

        @param flags: as stored; what is no text among them counts for nothing.
        """
        try:
            if not isinstance(flags, (str, dict)):
                return self._pack(uid, flags)
        except TypeError:
            pass
        return self._pack(uid, texts(flags))

    def _pack(self, uid: int, flags: Iterable[str]) -> int:
        """@raise TypeError: these are no texts."""
        bits = 0
        spilled = []
        for name in flags:
            bit = self.learn(name)
            bits |= bit
            if not bit:
                spilled.append(name)
        if spilled:
            self._spilled[uid] = tuple(spilled)
        else:
            self._spilled.pop(uid, None)
        return bits

    def unpack(self, uid: int, bits: int) -> tuple[str, ...]:
        """The flags of a message."""
        flags = self._known.get(bits)
        if flags is None:
            flags = tuple(name for n, name in enumerate(self.names[:_BITS]) if bits >> n & 1)
            if len(self._known) >= _COMBINATIONS:
                self._known.clear()
            self._known[bits] = flags
        return flags + self._spilled[uid] if uid in self._spilled else flags

    def spellings(self, name: str) -> list[str]:
        """A flag as it is spelled here, the spelling that was learnt first before others; perhaps none."""
        wanted = folded(name)
        return [known for known in self.names if folded(known) == wanted]

    def bits(self, name: str) -> int:
        """The bits of a flag in all its spellings, for case does not count; nothing is learnt."""
        wanted = folded(name)
        return sum(bit for known, bit in self._bit.items() if folded(known) == wanted)

    def spilled(self, name: str) -> list[int]:
        """UIDs of the messages that have a flag in a spelling without a bit."""
        wanted = folded(name)
        return [uid for uid, names in self._spilled.items() if any(folded(one) == wanted for one in names)]

    def has_spilled(self, uid: int) -> bool:
        """Whether a message has flags that its bits do not tell of."""
        return uid in self._spilled

    def forget(self, uid: int) -> None:
        """The message is gone."""
        self._spilled.pop(uid, None)


def new_bits() -> array[int]:
    """An empty array for L{FlagTable.pack}'s values."""
    return array("Q")
