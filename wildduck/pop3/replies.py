"""
POP3 responses: C{+OK} and C{-ERR} (RFC 1939 §3), with response codes (RFC 2449 §8, RFC 3206).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from wildduck.errors import DomainError

#: Octets of a first line with its CRLF (RFC 2449 §4).
LINE_BYTES = 512
#: What ends a multi-line response.
END = b".\r\n"

_NOT_PRINTABLE = re.compile(r"[^ -~]")


def ok(text: str = "") -> bytes:
    """A positive response, or the first line of one."""
    return _line("+OK", text)


def error(text: str, code: str | None = None) -> bytes:
    """
    A negative response.

    @param code: response code without brackets.
    """
    return _line("-ERR", text if code is None else f"[{code}] {text}")


def from_error(failure: DomainError) -> bytes:
    """How a refusal or failure is said."""
    return error(str(failure), failure.pop3_code)


def multi_line(text: str, lines: Iterable[str]) -> bytes:
    """
    A positive response of several lines.

    @param lines: ASCII, none of which begins with a dot.
    """
    return ok(text) + "".join(f"{line}\r\n" for line in lines).encode("ascii") + END


def _line(status: str, text: str) -> bytes:
    text = _NOT_PRINTABLE.sub("?", text)
    line = f"{status} {text}" if text else status
    return line[: LINE_BYTES - 2].encode("ascii") + b"\r\n"


NO_TLS = error("TLS is not available")
TLS_ACTIVE = error("Command not permitted when TLS active")
LINE_TOO_LONG = error("Line too long")
BARE_LF = error("A line must end in CRLF")
USER_FIRST = error("USER first")
TOO_MANY_BAD = error("Too many bad commands, this is a POP3 server")
SHUTTING_DOWN = error("The server is shutting down", "SYS/TEMP")
