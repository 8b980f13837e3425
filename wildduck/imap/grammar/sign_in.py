"""LOGIN and AUTHENTICATE (RFC 3501 §6.2, RFC 4959)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.strings import Reading, astring, compose_astring, text
from wildduck.imap.grammar.values import Command

#: Base64, or C{=} for an empty initial response (RFC 4959 §3); judged by the SASL mechanism.
_INITIAL = re.compile(rb"[A-Za-z0-9+/=]+")


@dataclass(frozen=True, slots=True)
class Login(Command):
    verb = "LOGIN"
    username: str
    password: str = field(repr=False)

    def arguments(self) -> list[bytes]:
        return [compose_astring(item.encode(), False) for item in (self.username, self.password)]


@dataclass(frozen=True, slots=True)
class Authenticate(Command):
    """
    @ivar mechanism: in upper case.
    @ivar initial: the initial response as sent, still in base64, or C{None}.
    """

    verb = "AUTHENTICATE"
    mechanism: str
    initial: bytes | None = field(default=None, repr=False)

    def arguments(self) -> list[bytes]:
        return [self.mechanism.encode("ascii"), *([] if self.initial is None else [self.initial])]


def parse_login(cursor: Cursor) -> Reading[Login]:
    cursor.space()
    username = yield from astring(cursor, "a user name")
    cursor.space()
    password = yield from astring(cursor, "a password")
    return Login(text(username, "the user name"), text(password, "the password"))


def parse_authenticate(cursor: Cursor) -> Authenticate:
    cursor.space()
    mechanism = cursor.atom("a mechanism").decode("ascii").upper()
    if cursor.at_end:
        return Authenticate(mechanism)
    cursor.space()
    initial = cursor.match(_INITIAL)
    if initial is None:
        raise cursor.error("expected an initial response in base64")
    return Authenticate(mechanism, initial.group())
