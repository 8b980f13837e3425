"""
Responses as values, and their bytes (RFC 3501 §7).

What comes from outside (names, flags, texts) is made safe here: no CR, LF or
NUL leaves except inside a literal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from wildduck.imap.grammar.flags import compose_flags
from wildduck.imap.grammar.modes import PLAIN, Modes
from wildduck.imap.grammar.sequence import SequenceSet, from_numbers
from wildduck.imap.grammar.strings import compose_nstring, compose_string

_NOT_TEXT = re.compile(r"[^\x20-\x7e]")
_NOT_URL_TEXT = re.compile(rb'[^\x21-\x7e]|[\]"\\]')


class Response(Protocol):
    """Anything that can be sent, in the form that the session's modes ask for."""

    def compose(self, modes: Modes = PLAIN) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Condition:
    """
    C{OK}, C{NO}, C{BAD}, C{BYE} or C{PREAUTH}, tagged or not (RFC 3501 §7.1).

    @ivar code: response code without brackets, made by the functions below.
    @ivar tag: C{None} for untagged.
    """

    status: str
    text: str
    code: bytes | None = None
    tag: bytes | None = None

    def compose(self, modes: Modes = PLAIN) -> bytes:
        code = b"" if self.code is None else b"[" + self.code + b"] "
        tag = b"*" if self.tag is None else self.tag
        return b"%b %b %b%b\r\n" % (tag, self.status.encode("ascii"), code, _text(self.text))


def _text(text: str) -> bytes:
    """C{text}: printable, not empty, not to be mistaken for a response code."""
    safe = _NOT_TEXT.sub("?", text) or "-"
    return ("(" + safe[1:] if safe[0] == "[" else safe).encode("ascii")


@dataclass(frozen=True, slots=True)
class Continuation:
    """C{+} and a space, also when nothing follows (RFC 3501 §7.5)."""

    text: str = ""

    def compose(self, modes: Modes = PLAIN) -> bytes:
        return b"+ %b\r\n" % _NOT_TEXT.sub("?", self.text).encode("ascii")


@dataclass(frozen=True, slots=True)
class CapabilityData:
    names: tuple[str, ...]

    def compose(self, modes: Modes = PLAIN) -> bytes:
        return b"* " + capability_code(self.names) + b"\r\n"


@dataclass(frozen=True, slots=True)
class EnabledData:
    """C{ENABLED} (RFC 5161 §3.2): what was not enabled before, possibly nothing."""

    names: tuple[str, ...]

    def compose(self, modes: Modes = PLAIN) -> bytes:
        return " ".join(("* ENABLED", *self.names)).encode("ascii") + b"\r\n"


@dataclass(frozen=True, slots=True)
class FlagsData:
    """C{FLAGS}: what a mailbox knows (RFC 3501 §7.2.6)."""

    flags: tuple[str, ...]

    def compose(self, modes: Modes = PLAIN) -> bytes:
        return b"* FLAGS " + compose_flags(self.flags, modes) + b"\r\n"


@dataclass(frozen=True, slots=True)
class ExistsData:
    count: int

    def compose(self, modes: Modes = PLAIN) -> bytes:
        return b"* %d EXISTS\r\n" % self.count


@dataclass(frozen=True, slots=True)
class RecentData:
    count: int

    def compose(self, modes: Modes = PLAIN) -> bytes:
        return b"* %d RECENT\r\n" % self.count


@dataclass(frozen=True, slots=True)
class ExpungeData:
    seq: int

    def compose(self, modes: Modes = PLAIN) -> bytes:
        return b"* %d EXPUNGE\r\n" % self.seq


@dataclass(frozen=True, slots=True)
class VanishedData:
    """
    C{VANISHED} (RFC 7162 §3.2.10).

    @ivar uids: ascending.
    @ivar earlier: it answers what the client asked of the past; sequence
        numbers do not change.
    """

    uids: SequenceSet
    earlier: bool = False

    def compose(self, modes: Modes = PLAIN) -> bytes:
        return b"* VANISHED %b%b\r\n" % (b"(EARLIER) " if self.earlier else b"", self.uids.compose())


@dataclass(frozen=True, slots=True)
class IdData:
    """C{ID} (RFC 2971): fields and values, C{None} for NIL altogether."""

    parameters: tuple[tuple[str, str | None], ...] | None

    def compose(self, modes: Modes = PLAIN) -> bytes:
        if self.parameters is None:
            return b"* ID NIL\r\n"
        items = b" ".join(
            compose_string(name.encode()) + b" " + compose_nstring(None if value is None else value.encode())
            for name, value in self.parameters
        )
        return b"* ID (" + items + b")\r\n"


#: (how the item is named, its composed value).
FetchItem: TypeAlias = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class FetchData:
    """
    C{FETCH} with everything at hand (RFC 3501 §7.4.2).

    Large bodies do not fit in one: L{wildduck.imap.commands.fetch} sends the same
    bytes piece by piece.

    @ivar uid: takes the place of C{seq} in a session of UIDs only.
    """

    seq: int
    items: tuple[FetchItem, ...]
    uid: int = 0

    def compose(self, modes: Modes = PLAIN) -> bytes:
        items = b" ".join(name + b" " + value for name, value in self.items)
        return fetch_start(self.seq, self.uid, modes) + items + FETCH_END


FETCH_END = b")\r\n"


def fetch_start(seq: int, uid: int = 0, modes: Modes = PLAIN) -> bytes:
    """C{UIDFETCH} (RFC 9586) for a session of UIDs only."""
    return b"* %d UIDFETCH (" % uid if modes.uidonly else b"* %d FETCH (" % seq


def modseq_value(modseq: int) -> bytes:
    """The value of C{MODSEQ} (RFC 7162 §7 'fetch-mod-resp')."""
    return b"(%d)" % modseq


# --- response codes ---------------------------------------------------------------


def capability_code(names: Iterable[str]) -> bytes:
    return " ".join(("CAPABILITY", *names)).encode("ascii")


def permanent_flags_code(flags: Sequence[str], modes: Modes = PLAIN) -> bytes:
    """@param flags: C{\\*} among them: new keywords can be made."""
    composed = compose_flags(flags, modes)
    if "\\*" in flags:
        composed = (composed[:-1] + b" \\*)").replace(b"( ", b"(")
    return b"PERMANENTFLAGS " + composed


def number_code(name: str, number: int) -> bytes:
    """C{UIDNEXT}, C{UIDVALIDITY}, C{UNSEEN}, C{HIGHESTMODSEQ}."""
    return b"%b %d" % (name.encode("ascii"), number)


def bad_event_code(names: Iterable[str]) -> bytes:
    """C{BADEVENT} (RFC 5465 §3.1): the events that can be told."""
    return b"BADEVENT (" + " ".join(names).encode("ascii") + b")"


def in_progress_code(tag: bytes, done: int | None, goal: int | None) -> bytes:
    """C{INPROGRESS} (RFC 9585 §4): of the command with this tag; C{None} is not known."""
    numbers = b" ".join(b"NIL" if number is None else b"%d" % number for number in (done, goal))
    return b"INPROGRESS (" + compose_string(tag) + b" " + numbers + b")"


def modified_code(numbers: Iterable[int]) -> bytes:
    """C{MODIFIED}: those that failed UNCHANGEDSINCE (RFC 7162 §3.1.3), ascending."""
    return b"MODIFIED " + from_numbers(numbers).compose()


def bad_charset_code(names: Iterable[str]) -> bytes:
    """C{BADCHARSET}: those that can be used (RFC 3501 §7.1)."""
    return b"BADCHARSET (" + " ".join(names).encode("ascii") + b")"


def append_uid_code(uid_validity: int, uids: Sequence[int]) -> bytes:
    """
    C{APPENDUID} (RFC 4315 §3).

    @param uids: ascending, in the order in which the messages came.
    """
    return b"APPENDUID %d %b" % (uid_validity, from_numbers(uids).compose())


def bad_url_code(url: bytes) -> bytes:
    """
    C{BADURL} (RFC 4469 §4.1), quoted as in its example.

    @param url: as given; what could end the code or the line is percent-encoded.
    """
    return b'BADURL "' + _NOT_URL_TEXT.sub(lambda match: b"%%%02X" % match[0][0], url) + b'"'


def copy_uid_code(uid_validity: int, source: Sequence[int], target: Sequence[int]) -> bytes:
    """
    C{COPYUID} (RFC 4315 §3): in the order in which the messages were copied,
    that is ascending by the UIDs that they got.

    @param source: UIDs before.
    @param target: UIDs of the same messages after.
    """
    pairs = sorted(zip(target, source, strict=True))
    return b"COPYUID %d %b %b" % (
        uid_validity,
        from_numbers(before for _, before in pairs).compose(),
        from_numbers(after for after, _ in pairs).compose(),
    )
