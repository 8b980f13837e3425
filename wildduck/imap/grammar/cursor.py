"""
A place in one line of a command, and the tokens that can be taken there.

RFC 3501 §9 is followed strictly where a difference could change what a
command means: one SP is one space, a TAB is never one.  A cursor looks at each
byte a bounded number of times; its patterns have no alternatives that could
match the same bytes twice.
"""

from __future__ import annotations

import re

from wildduck import limits
from wildduck.errors import ProtocolError
from wildduck.imap.grammar.modes import PLAIN, Modes

#: C{ATOM-CHAR}: no ( ) { SP CTL % * " \ ] and no 8-bit.
ATOM = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
#: C{ATOM-CHAR} and octets of UTF-8, for keywords where UTF8=ACCEPT is enabled.
UNICODE_ATOM = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~\x80-\xff]+")
#: C{ASTRING-CHAR} = ATOM-CHAR / "]".
ASTRING_ATOM = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
#: C{list-char} = ATOM-CHAR / "%" / "*" / "]".
LIST_ATOM = re.compile(rb"[!#$%&'*+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
#: C{tag} = ASTRING-CHAR without "+".
TAG = re.compile(rb"[!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
#: C{quoted}; 8-bit is let through, for clients send UTF-8 (RFC 9051 allows it).
QUOTED = re.compile(rb'"([^"\\\r\n\x00]*(?:\\["\\][^"\\\r\n\x00]*)*)"')
_ESCAPED = re.compile(rb'\\(["\\])')
_DIGITS = re.compile(rb"[0-9]+")
_WORD = re.compile(rb"[A-Za-z][A-Za-z0-9.\-=]*")

#: C{number} and C{nz-number} are unsigned 32-bit integers.
MAX_NUMBER = 2**32 - 1
#: C{number64} (RFC 9051): fits a signed 64-bit integer.
MAX_NUMBER64 = 2**63 - 1
#: Decimal digits looked at before a number is called too big.
_MAX_DIGITS = 20


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class Cursor:
    """
    @ivar line: the line without its CRLF.
    @ivar position: index of the next byte.
    @ivar modes: what the session has enabled.
    """

    __slots__ = ("_others", "line", "modes", "position")

    def __init__(self, line: bytes, position: int = 0, modes: Modes = PLAIN) -> None:
        self.line = line
        self.position = position
        self.modes = modes
        #: How many members lists have beyond their first, by what they are.
        self._others: dict[str, int] = {}

    def renew(self, line: bytes) -> None:
        """Go on in the line that follows a literal."""
        self.line = line
        self.position = 0

    @property
    def at_end(self) -> bool:
        return self.position >= len(self.line)

    @property
    def rest(self) -> bytes:
        return self.line[self.position :]

    def looking_at(self, token: bytes) -> bool:
        return self.line.startswith(token, self.position)

    def take(self, token: bytes) -> bool:
        """Pass C{token} if it is next."""
        if self.line.startswith(token, self.position):
            self.position += len(token)
            return True
        return False

    def match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Pass what C{pattern} matches here."""
        match = pattern.match(self.line, self.position)
        if match is not None:
            self.position = match.end()
        return match

    def expect(self, token: bytes, what: str) -> None:
        """@raise ProtocolError: C{token} is not next; the text names C{what}."""
        if not self.take(token):
            raise self.error(f"expected {what}")

    def space(self) -> None:
        """Pass exactly one SP."""
        if not self.take(b" "):
            raise self.error("missing argument" if self.at_end else "expected a space")

    def end(self) -> None:
        """@raise ProtocolError: the command goes on."""
        if not self.at_end:
            raise self.error("unexpected characters after the command")

    def error(self, text: str) -> ProtocolError:
        """A refusal that says where in the line it was met; never what was there."""
        return ProtocolError(f"{text} at column {self.position + 1}")

    def another(self, what: str, bound: int = limits.IMAP_LIST) -> None:
        """
        One more member of a list begins here, behind its first.

        @param what: in the plural; those of all lists of the command count together.
        @raise ProtocolError: they are more than may be.
        """
        count = self._others[what] = self._others.get(what, 0) + 1
        if count >= bound:
            raise self.error(f"too many {what}")

    def next_message(self) -> None:
        """What comes belongs to another message: its lists count by themselves."""
        self._others.clear()

    # --- tokens -------------------------------------------------------------

    def atom(self, what: str = "an atom") -> bytes:
        match = self.match(ATOM)
        if match is None:
            raise self.error(f"expected {what}")
        return match.group()

    def word(self, what: str) -> bytes:
        """A name made of letters, digits, dot, hyphen and equals sign, in upper case."""
        match = self.match(_WORD)
        if match is None:
            raise self.error(f"expected {what}")
        return match.group().upper()

    def quoted(self) -> bytes:
        """
        A quoted string without its quotes; the cursor looks at its first one.

        What is beyond US-ASCII in it is UTF-8 where that was agreed on (RFC 6855 §3,
        9051 §4.3); elsewhere the command knows what it may be, if anything.
        """
        match = self.match(QUOTED)
        if match is None:
            raise self.error("broken quoted string")
        content = match.group(1)
        if self.modes.unicode_names and not _is_utf8(content):
            raise self.error("a quoted string is not UTF-8")
        return _ESCAPED.sub(rb"\1", content) if b"\\" in content else content

    def number(self, what: str = "a number", most: int = MAX_NUMBER) -> int:
        match = self.match(_DIGITS)
        if match is None:
            raise self.error(f"expected {what}")
        digits = match.group()
        value = int(digits) if len(digits) <= _MAX_DIGITS else most + 1
        if value > most:
            raise self.error(f"{what} is too big")
        return value

    def nz_number(self, what: str = "a number", most: int = MAX_NUMBER) -> int:
        """C{digit-nz *DIGIT}: other than C{number} it has no leading zeros."""
        start = self.position
        value = self.number(what, most)
        if value == 0:
            raise self.error(f"{what} can not be zero")
        if self.line.startswith(b"0", start):
            raise self.error(f"{what} can not begin with zero")
        return value
