"""
Reverse and forward paths (RFC 5321 §4.1.2, with UTF-8 as in RFC 6531 §3.3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wildduck.errors import ProtocolError

#: Octets of one path without its source route (RFC 5321 §4.5.3.1.3 asks for
#: 256; senders rewritten by SRS or VERP are longer).
PATH_BYTES = 998

# Beyond ASCII all but C1 controls and the line separators, which some readers
# of the Return-Path field would take for line ends.
_UTF8 = "\xa0-\u2027\u202a-\ud7ff\ue000-\U0010ffff"
_ATEXT = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{_UTF8}-]"
# Dots may stand anywhere: such addresses are in use, and only compared.
_DOT_STRING = rf"(?:{_ATEXT}|\.)+"
_QUOTED_STRING = rf'"(?:[ !#-\[\]-~{_UTF8}]|\\[ -~])*"'
_DOMAIN = rf"[A-Za-z0-9_{_UTF8}-]+(?:\.[A-Za-z0-9_{_UTF8}-]+)*\.?"
_LITERAL = r"\[[!-Z^-~]+\]"
_HOST = rf"(?:{_DOMAIN}|{_LITERAL})"
_ROUTE = rf"@{_HOST}(?:,@{_HOST})*:"
_PATH = re.compile(
    rf"<(?:{_ROUTE})?(?P<address>(?P<local>{_DOT_STRING}|{_QUOTED_STRING})@(?P<domain>{_HOST}))>(?= |\Z)"
)
_POSTMASTER = re.compile(r"<(postmaster)>(?= |\Z)", re.IGNORECASE)
_NULL = re.compile(r"<>(?= |\Z)")
_QUOTED_PAIR = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Path:
    """
    One address.

    @ivar text: as it was written, without brackets and source route, for trace
        fields; C{""} is the null reverse-path.
    @ivar local: local part without quotes, case kept.
    @ivar domain: domain or address literal; C{""} for C{Postmaster} alone.
    """

    text: str
    local: str = ""
    domain: str = ""

    @property
    def address(self) -> str:
        """The address for look-ups: quoted and unquoted forms are the same."""
        return f"{self.local}@{self.domain}" if self.domain else self.local


NULL = Path("")


class BadPath(ProtocolError):
    """This is no path."""


def parse_reverse(text: str) -> tuple[Path, str]:
    """
    The path at the start of a MAIL argument, and what follows it.

    @raise BadPath: there is none.
    """
    null = _NULL.match(text)
    if null:
        return NULL, text[null.end() :]
    return _parse(text)


def parse_forward(text: str) -> tuple[Path, str]:
    """
    The path at the start of a RCPT argument, and what follows it.

    @raise BadPath: there is none, or it is the null path.
    """
    postmaster = _POSTMASTER.match(text)
    if postmaster:
        return Path(postmaster.group(1), postmaster.group(1)), text[postmaster.end() :]
    return _parse(text)


def _parse(text: str) -> tuple[Path, str]:
    match = _PATH.match(text)
    if match is None:
        raise BadPath("Malformed address")
    address, local = match.group("address"), match.group("local")
    if len(address.encode()) > PATH_BYTES:
        raise BadPath("Address too long")
    if local.startswith('"'):
        local = _QUOTED_PAIR.sub(r"\1", local[1:-1])
    return Path(address, local, match.group("domain")), text[match.end() :]
