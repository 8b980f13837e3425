"""Every command: the states that allow it, and what it does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import wildduck
from wildduck.errors import AuthorizationFailed, PrivacyRequired
from wildduck.network import sasl
from wildduck.pop3 import grammar, replies
from wildduck.pop3.grammar import Auth, Command, Dele, List, Pass, Retr, Top, Uidl, User
from wildduck.pop3.maildrop import Entry
from wildduck.pop3.replies import error, multi_line, ok
from wildduck.pop3.session import Session, State

#: Lines of a listing that are made at once.
_LISTED = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """
    @ivar states: that allow the command; in others it is refused.
    @ivar handler: given the session and the command; gives the response, or
        C{None} when it has sent all of it.  A DomainError is answered C{-ERR}, a
        ProtocolError too, and counted as a bad command.
    """

    name: str
    states: frozenset[State]
    handler: Callable[[Session, Any], Awaitable[bytes | None]]


# --- in both states ------------------------------------------------------------------


async def capa(session: Session, command: Command) -> bytes:
    """
    What works here: sign-in where passwords may be sent, and still afterwards
    (RFC 5034 §3); STLS before it, where there can be TLS and is none.
    """
    line = session.line
    before = session.state is State.AUTHORIZATION
    capabilities = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"]
    if line.secure:
        capabilities += ["USER", "SASL PLAIN"]
    if before and line.can_start_tls:
        capabilities.append("STLS")
    if not before:
        capabilities.append(f"EXPIRE {_retention(session)}")
    capabilities.append(f"IMPLEMENTATION wildduck-{wildduck.__version__}")
    return multi_line("Capability list follows", capabilities)


def _retention(session: Session) -> str:
    """Days that messages stay in INBOX (RFC 2449 §6.7), whole ones."""
    milliseconds = session.maildrop.mailbox.retention
    return str(milliseconds // 86_400_000) if milliseconds else "NEVER"


async def sign_off(session: Session, command: Command) -> bytes:
    """What the session did is done now, before it is answered (RFC 1939 §6)."""
    before, session.state = session.state, State.UPDATE
    if before is State.TRANSACTION:
        await session.update()
    return ok("Bye")


# --- before sign-in ------------------------------------------------------------------


def _check_secure(session: Session) -> None:
    """@raise PrivacyRequired: no password may be sent here."""
    if not session.line.secure:
        raise PrivacyRequired("Encryption is required, issue STLS first")


async def user(session: Session, command: User) -> bytes:
    """Whether there is such a user is told to nobody."""
    _check_secure(session)
    session.username = command.name
    return ok("Send PASS")


async def password(session: Session, command: Pass) -> bytes:
    _check_secure(session)
    username, session.username = session.username, ""
    if not username:
        return replies.USER_FIRST
    return await _sign_in(session, username, command.password)


async def authenticate(session: Session, command: Auth) -> bytes:
    _check_secure(session)
    if not command.mechanism:
        return multi_line("Mechanisms follow", ["PLAIN"])
    if command.mechanism != "PLAIN":
        return error("Unsupported authentication mechanism")
    response = command.initial
    if response is None:
        response = await session.line.ask()
        if response is None:
            return error("The response line is too long or broken")
    credentials = sasl.parse_plain(sasl.decode_response(response))
    if credentials.authorization not in ("", credentials.username):
        raise AuthorizationFailed("You can not act for another user")
    return await _sign_in(session, credentials.username, credentials.password)


async def _sign_in(session: Session, username: str, secret: str) -> bytes:
    await session.sign_in(username, secret)
    return ok(f"maildrop has {session.maildrop}")


async def start_tls(session: Session, command: Command) -> bytes | None:
    """What came in plain text behind the command is thrown away, and USER with it (RFC 2595 §4)."""
    line = session.line
    if line.tls_active:
        return replies.TLS_ACTIVE
    if not line.can_start_tls:
        return replies.NO_TLS
    session.username = ""
    line.send(ok("Begin TLS negotiation"))
    line.start_tls()
    return None


# --- after sign-in -------------------------------------------------------------------


async def noop(session: Session, command: Command) -> bytes:
    return ok()


async def stat(session: Session, command: Command) -> bytes:
    return ok(f"{session.maildrop.count} {session.maildrop.size}")


async def scan_listing(session: Session, command: List) -> bytes | None:
    return await _listing(session, command.number, lambda entry: entry.size)


async def unique_ids(session: Session, command: Uidl) -> bytes | None:
    return await _listing(session, command.number, lambda entry: entry.id)


async def _listing(session: Session, number: int | None, value: Callable[[Entry], object]) -> bytes | None:
    """LIST or UIDL: a word about one message, or about each."""
    maildrop = session.maildrop
    if number is not None:
        return ok(f"{number} {value(maildrop.entry(number))}")
    entries = iter(list(maildrop.left()))
    session.line.send(ok(str(maildrop)))
    while some := list(islice(entries, _LISTED)):
        session.line.send(_lines(some, value))
        await session.line.drained()
    return replies.END


def _lines(entries: Iterable[Entry], value: Callable[[Entry], object]) -> bytes:
    return "".join(f"{entry.number} {value(entry)}\r\n" for entry in entries).encode("ascii")


async def retrieve(session: Session, command: Retr) -> None:
    entry = session.maildrop.entry(command.number)
    await session.transfer.send(entry)
    session.maildrop.retrieved(entry)


async def top(session: Session, command: Top) -> None:
    await session.transfer.send(session.maildrop.entry(command.number), command.lines)


async def delete(session: Session, command: Dele) -> bytes:
    session.maildrop.delete(command.number)
    return ok(f"message {command.number} deleted")


async def reset(session: Session, command: Command) -> bytes:
    session.maildrop.reset()
    return ok(f"maildrop has {session.maildrop}")


_BEFORE = frozenset((State.AUTHORIZATION,))
_AFTER = frozenset((State.TRANSACTION,))
_BOTH = _BEFORE | _AFTER

TABLE: dict[type[Command], Row] = {
    grammar.Capa: Row("CAPA", _BOTH, capa),
    grammar.Quit: Row("QUIT", _BOTH, sign_off),
    grammar.User: Row("USER", _BEFORE, user),
    grammar.Pass: Row("PASS", _BEFORE, password),
    grammar.Auth: Row("AUTH", _BEFORE, authenticate),
    grammar.Stls: Row("STLS", _BEFORE, start_tls),
    grammar.Noop: Row("NOOP", _AFTER, noop),
    grammar.Stat: Row("STAT", _AFTER, stat),
    grammar.List: Row("LIST", _AFTER, scan_listing),
    grammar.Uidl: Row("UIDL", _AFTER, unique_ids),
    grammar.Retr: Row("RETR", _AFTER, retrieve),
    grammar.Top: Row("TOP", _AFTER, top),
    grammar.Dele: Row("DELE", _AFTER, delete),
    grammar.Rset: Row("RSET", _AFTER, reset),
}
