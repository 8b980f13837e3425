"""
LMTP commands: one line in, a frozen value or a L{BadCommand} out.

Sources: RFC 2033, RFC 5321 §4.1, RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531
(SMTPUTF8), RFC 3030 (BDAT), RFC 3207 (STARTTLS).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from wildduck.errors import ProtocolError
from wildduck.lmtp.paths import BadPath, Path, parse_forward, parse_reverse


class BadCommand(ProtocolError):
    """
    A line that is no command.

    @ivar code: reply code.
    @ivar enhanced: enhanced status code.
    @ivar fatal: the connection can't go on, for nobody knows what the bytes
        that follow are.
    """

    def __init__(self, code: int, enhanced: str, text: str, *, fatal: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.enhanced = enhanced
        self.fatal = fatal


@dataclass(frozen=True, slots=True)
class Lhlo:
    """@ivar name: what the client calls itself."""

    name: str


@dataclass(frozen=True, slots=True)
class Mail:
    """
    @ivar size: declared octets, 0 when not declared (RFC 1870 §6).
    @ivar body: C{""}, C{"7BIT"}, C{"8BITMIME"} or C{"BINARYMIME"}.
    @ivar smtputf8: the SMTPUTF8 parameter was given.
    """

    sender: Path
    size: int = 0
    body: str = ""
    smtputf8: bool = False


@dataclass(frozen=True, slots=True)
class Rcpt:
    recipient: Path


@dataclass(frozen=True, slots=True)
class Data:
    pass


@dataclass(frozen=True, slots=True)
class Bdat:
    """@ivar size: octets that follow the line.  @ivar last: they end the message."""

    size: int
    last: bool = False


@dataclass(frozen=True, slots=True)
class Rset:
    pass


@dataclass(frozen=True, slots=True)
class Noop:
    pass


@dataclass(frozen=True, slots=True)
class Vrfy:
    pass


@dataclass(frozen=True, slots=True)
class Help:
    pass


@dataclass(frozen=True, slots=True)
class StartTls:
    pass


@dataclass(frozen=True, slots=True)
class Quit:
    pass


Command = Lhlo | Mail | Rcpt | Data | Bdat | Rset | Noop | Vrfy | Help | StartTls | Quit

#: RFC 5321 §4.5.3.1.2 allows 255 octets of domain.
_NAME = re.compile(r"[^\x00-\x20\x7f-\xa0]{1,255}\Z")
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\x00-\x20=\x7f]+))?\Z")
#: RFC 1870 §6.1 says 20 digits.
_NUMBER = re.compile(r"[0-9]{1,20}\Z")
_BODIES = ("7BIT", "8BITMIME", "BINARYMIME")
#: What browsers and their kin begin with; such a client is cut off (ALPACA,
#: anchors/reliability.md §4.3 row 10b).
_HTTP = frozenset(("GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "CONNECT", "PATCH", "TRACE", "PRI"))


def parse(line: bytes) -> Command:
    """
    Read one command line.

    @param line: without its line end.
    @raise BadCommand: with the reply that is due.
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise BadCommand(500, "5.5.2", "A command must be UTF-8", fatal=_is_bdat(line)) from None
    verb, _, argument = text.partition(" ")
    verb = verb.upper()
    parser = _PARSERS.get(verb)
    if parser is None:
        if verb in _HTTP:
            raise BadCommand(421, "4.7.0", "This is an LMTP server", fatal=True)
        raise BadCommand(500, "5.5.1", "Unknown command")
    return parser(argument.strip(" "))


def _is_bdat(line: bytes) -> bool:
    return line[:5].upper() == b"BDAT "


def _lhlo(argument: str) -> Command:
    if not _NAME.match(argument):
        raise BadCommand(501, "5.5.4", "Syntax: LHLO name")
    return Lhlo(argument)


def _refused(argument: str) -> Command:
    # RFC 2033 §4.1: so that a client that speaks SMTP finds out.
    raise BadCommand(500, "5.5.1", "This is an LMTP server, use LHLO")


def _mail(argument: str) -> Command:
    try:
        sender, rest = parse_reverse(_after("FROM:", argument))
    except BadPath as error:
        raise BadCommand(501, "5.1.7", f"{error}; syntax: MAIL FROM:<address>") from None
    size, body, smtputf8 = 0, "", False
    seen: set[str] = set()
    for name, value in _parameters(rest):
        if name in seen:
            raise BadCommand(501, "5.5.4", f"Parameter {name} was given twice")
        seen.add(name)
        if name == "SIZE":
            size = _size(value)
        elif name == "BODY":
            body = (value or "").upper()
            if body not in _BODIES:
                raise BadCommand(501, "5.5.4", "BODY is one of 7BIT, 8BITMIME, BINARYMIME")
        elif name == "SMTPUTF8":
            if value is not None:
                raise BadCommand(501, "5.5.4", "SMTPUTF8 has no value")
            smtputf8 = True
        else:
            raise BadCommand(555, "5.5.4", "Unknown MAIL parameter")
    return Mail(sender, size, body, smtputf8)


def _size(value: str | None) -> int:
    if value is None or not _NUMBER.match(value):
        raise BadCommand(501, "5.5.4", "SIZE is a number")
    return int(value)


def _rcpt(argument: str) -> Command:
    try:
        recipient, rest = parse_forward(_after("TO:", argument))
    except BadPath as error:
        raise BadCommand(501, "5.1.3", f"{error}; syntax: RCPT TO:<address>") from None
    if rest.strip(" "):
        raise BadCommand(555, "5.5.4", "Unknown RCPT parameter")
    return Rcpt(recipient)


def _after(keyword: str, argument: str) -> str:
    """What follows C{FROM:} or C{TO:}; blanks between are a widespread error."""
    if argument[: len(keyword)].upper() != keyword:
        raise BadPath("Malformed command")
    return argument[len(keyword) :].lstrip(" ")


def _parameters(text: str) -> list[tuple[str, str | None]]:
    found = []
    for word in text.split(" "):
        if not word:
            continue
        match = _PARAMETER.match(word)
        if match is None:
            raise BadCommand(501, "5.5.4", "Malformed parameter")
        found.append((match.group(1).upper(), match.group(2)))
    return found


def _bdat(argument: str) -> Command:
    size, _, end = argument.partition(" ")
    end = end.strip(" ").upper()
    if not _NUMBER.match(size) or end not in ("", "LAST"):
        # How many octets follow is unknown: they must not be taken for commands.
        raise BadCommand(501, "5.5.4", "Syntax: BDAT size [LAST]", fatal=True)
    return Bdat(int(size), end == "LAST")


def _bare(name: str, value: Command) -> Callable[[str], Command]:
    """A command without argument."""

    def parse_argument(argument: str) -> Command:
        if argument:
            raise BadCommand(501, "5.5.4", f"{name} has no argument")
        return value

    return parse_argument


def _ignored(value: Command) -> Callable[[str], Command]:
    """A command whose argument makes no difference (RFC 5321 §4.1.1.6 to §4.1.1.9)."""
    return lambda argument: value


def _expn(argument: str) -> Command:
    raise BadCommand(502, "5.5.1", "EXPN is not available")


_PARSERS: dict[str, Callable[[str], Command]] = {
    "LHLO": _lhlo,
    "HELO": _refused,
    "EHLO": _refused,
    "MAIL": _mail,
    "RCPT": _rcpt,
    "DATA": _bare("DATA", Data()),
    "BDAT": _bdat,
    "RSET": _bare("RSET", Rset()),
    "NOOP": _ignored(Noop()),
    "VRFY": _ignored(Vrfy()),
    "EXPN": _expn,
    "HELP": _ignored(Help()),
    "STARTTLS": _bare("STARTTLS", StartTls()),
    "QUIT": _bare("QUIT", Quit()),
}
