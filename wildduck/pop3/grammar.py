"""
POP3 commands: one line in, a frozen value or a L{BadCommand} out.

Sources: RFC 1939 §9, RFC 2449 §3 and §5 (CAPA), RFC 2595 §4 (STLS), RFC 5034 §5 (AUTH).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from wildduck.errors import ProtocolError


class BadCommand(ProtocolError):
    """A line that is no command."""


@dataclass(frozen=True, slots=True)
class Capa:
    pass


@dataclass(frozen=True, slots=True)
class User:
    """@ivar name: who wants to sign in."""

    name: str


@dataclass(frozen=True, slots=True)
class Pass:
    """@ivar password: all that follows the first space, further spaces included (RFC 1939 §7)."""

    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Auth:
    """
    @ivar mechanism: in capitals; C{""}: which ones there are is asked, as
        clients did before there was CAPA.
    @ivar initial: the initial response in base64, C{None} without one.
    """

    mechanism: str
    initial: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Stls:
    pass


@dataclass(frozen=True, slots=True)
class Stat:
    pass


@dataclass(frozen=True, slots=True)
class List:
    """@ivar number: of one message; C{None}: of all."""

    number: int | None = None


@dataclass(frozen=True, slots=True)
class Uidl:
    """@ivar number: of one message; C{None}: of all."""

    number: int | None = None


@dataclass(frozen=True, slots=True)
class Retr:
    number: int


@dataclass(frozen=True, slots=True)
class Top:
    """@ivar lines: of the body, beside the whole header."""

    number: int
    lines: int


@dataclass(frozen=True, slots=True)
class Dele:
    number: int


@dataclass(frozen=True, slots=True)
class Noop:
    pass


@dataclass(frozen=True, slots=True)
class Rset:
    pass


@dataclass(frozen=True, slots=True)
class Quit:
    pass


Command = Capa | User | Pass | Auth | Stls | Stat | List | Uidl | Retr | Top | Dele | Noop | Rset | Quit

#: No mailbox has more messages than there are UIDs, of ten digits.
_NUMBER = re.compile(rb"[0-9]{1,10}\Z")
#: RFC 4422 §3.1.
_MECHANISM = re.compile(rb"[A-Za-z0-9_-]{1,20}\Z")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def parse(line: bytes) -> Command:
    """
    Take a command line apart.

    @param line: without its CRLF.
    @raise BadCommand: it is none, for whatever bytes.
    """
    keyword, _, argument = line.partition(b" ")
    parser = _PARSERS.get(keyword.upper())
    if parser is None:
        raise BadCommand("Unknown command")
    return parser(argument)


def _user(argument: bytes) -> Command:
    name = _text(argument).strip(" ")
    if not name or _CONTROL.search(name):
        raise BadCommand("Syntax: USER name")
    return User(name)


def _pass(argument: bytes) -> Command:
    if not argument:
        raise BadCommand("Syntax: PASS password")
    return Pass(_text(argument))


def _text(argument: bytes) -> str:
    try:
        return argument.decode("utf-8")
    except UnicodeDecodeError:
        raise BadCommand("User name and password must be UTF-8") from None


def _auth(argument: bytes) -> Command:
    words = argument.split()
    if not words:
        return Auth("")
    if len(words) > 2 or not _MECHANISM.match(words[0]):
        raise BadCommand("Syntax: AUTH mechanism [initial-response]")
    return Auth(words[0].decode("ascii").upper(), words[1] if len(words) == 2 else None)


def _top(argument: bytes) -> Command:
    words = argument.split()
    if len(words) != 2:
        raise BadCommand("Syntax: TOP message lines")
    return Top(_number(words[0]), _number(words[1]))


def _number(word: bytes) -> int:
    if not _NUMBER.match(word):
        raise BadCommand("Expected a number")
    return int(word)


def _bare(name: str, value: Command) -> Callable[[bytes], Command]:
    """A command without argument."""

    def parse_argument(argument: bytes) -> Command:
        if argument.strip():
            raise BadCommand(f"{name} has no argument")
        return value

    return parse_argument


def _of_one(name: str, make: Callable[[int], Command]) -> Callable[[bytes], Command]:
    """A command about one message."""

    def parse_argument(argument: bytes) -> Command:
        words = argument.split()
        if len(words) != 1:
            raise BadCommand(f"Syntax: {name} message")
        return make(_number(words[0]))

    return parse_argument


def _of_one_or_all(name: str, make: Callable[[int | None], Command]) -> Callable[[bytes], Command]:
    """A command about one message or all."""

    def parse_argument(argument: bytes) -> Command:
        words = argument.split()
        if len(words) > 1:
            raise BadCommand(f"Syntax: {name} [message]")
        return make(_number(words[0]) if words else None)

    return parse_argument


_PARSERS: dict[bytes, Callable[[bytes], Command]] = {
    b"CAPA": _bare("CAPA", Capa()),
    b"USER": _user,
    b"PASS": _pass,
    b"AUTH": _auth,
    b"STLS": _bare("STLS", Stls()),
    b"STAT": _bare("STAT", Stat()),
    b"LIST": _of_one_or_all("LIST", List),
    b"UIDL": _of_one_or_all("UIDL", Uidl),
    b"RETR": _of_one("RETR", Retr),
    b"TOP": _top,
    b"DELE": _of_one("DELE", Dele),
    b"NOOP": _bare("NOOP", Noop()),
    b"RSET": _bare("RSET", Rset()),
    b"QUIT": _bare("QUIT", Quit()),
}
