"""
LMTP replies (RFC 5321 §4.2, enhanced status codes of RFC 3463 as in RFC 2034).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wildduck.errors import DomainError

#: Octets of one reply line with its CRLF (RFC 5321 §4.5.3.1.5).
LINE_BYTES = 512

_NOT_PRINTABLE = re.compile(r"[^ -~]")


@dataclass(frozen=True, slots=True)
class Reply:
    """
    One reply.

    @ivar code: three digits.
    @ivar enhanced: enhanced status code, C{""} for replies that have none.
    @ivar lines: text; more than one makes a multi-line reply.
    """

    code: int
    enhanced: str
    lines: tuple[str, ...]

    def __bytes__(self) -> bytes:
        prefix = f"{self.enhanced} " if self.enhanced else ""
        room = LINE_BYTES - len("250 ") - len(prefix) - len("\r\n")
        last = len(self.lines) - 1
        return "".join(
            f"{self.code:03}{' ' if index == last else '-'}{prefix}{printable(line)[:room]}\r\n"
            for index, line in enumerate(self.lines)
        ).encode("ascii")


def reply(code: int, enhanced: str, *lines: str) -> Reply:
    """Shorthand for L{Reply}."""
    return Reply(code, enhanced, lines)


def printable(text: str) -> str:
    """Text that can stand in a reply whatever it held: ASCII in one line."""
    return _NOT_PRINTABLE.sub("?", text)


def from_error(error: DomainError, about: str = "") -> Reply:
    """
    How a refusal or failure is said.

    @param about: the recipient it is about, without brackets.
    """
    code, enhanced = error.smtp
    return Reply(code, enhanced, (f"<{about}> {error}" if about else str(error),))


#: Permanent answers that need no argument.
OK = reply(250, "2.0.0", "OK")
FLUSHED = reply(250, "2.0.0", "Flushed")
SENDER_OK = reply(250, "2.1.0", "Sender OK")
START_DATA = reply(354, "", "Start mail input; end with <CRLF>.<CRLF>")
START_TLS = reply(220, "2.0.0", "Ready to start TLS")
NO_TLS = reply(502, "5.5.1", "STARTTLS is not available")
TLS_ACTIVE = reply(503, "5.5.1", "TLS is active already")
CANNOT_VERIFY = reply(
    252, "2.5.2", "Cannot verify the user, but will accept the message and try to deliver it"
)
HELP = reply(214, "2.0.0", "LHLO MAIL RCPT DATA BDAT RSET NOOP VRFY STARTTLS HELP QUIT")
LINE_TOO_LONG = reply(500, "5.5.6", "Line too long")
BARE_LF = reply(500, "5.5.2", "A line must end in CRLF")
LHLO_FIRST = reply(503, "5.5.1", "LHLO first")
NESTED_MAIL = reply(503, "5.5.1", "Nested MAIL command")
MAIL_FIRST = reply(503, "5.5.1", "MAIL first")
RCPT_FIRST = reply(503, "5.5.1", "No valid recipients")
CHUNKS_BEGUN = reply(503, "5.5.1", "A message is being sent in chunks, BDAT LAST or RSET first")
NO_DATA_FOR_BINARY = reply(503, "5.5.1", "BODY=BINARYMIME needs BDAT")
TOO_MANY_RECIPIENTS = reply(452, "4.5.3", "Too many recipients")
TOO_BIG = reply(552, "5.3.4", "Message is too big")
TOO_MANY_ERRORS = reply(421, "4.7.0", "Too many bad commands")
IDLE = reply(421, "4.4.2", "Idle for too long")
SHUTTING_DOWN = reply(421, "4.3.2", "The server is shutting down")
