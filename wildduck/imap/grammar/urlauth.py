"""RESETKEY, GENURLAUTH and URLFETCH (RFC 4467 §9, RFC 5524 §5)."""

from __future__ import annotations

from dataclasses import dataclass

from wildduck import limits
from wildduck.imap.grammar.cursor import Cursor
from wildduck.imap.grammar.mailboxes import compose_mailbox, mailbox
from wildduck.imap.grammar.modes import PLAIN, Modes
from wildduck.imap.grammar.strings import Reading, astring, compose_astring
from wildduck.imap.grammar.values import Command

#: The only mechanism, in upper case.
INTERNAL = "INTERNAL"
#: The response code C{URLMECH}.
URL_MECH = b"URLMECH INTERNAL"
BODY, BINARY, STRUCTURE = "BODY", "BINARY", "BODYPARTSTRUCTURE"
_PARAMETERS = (BODY, BINARY, STRUCTURE)


@dataclass(frozen=True, slots=True)
class ResetKey(Command):
    """
    @ivar mailbox: whose key is replaced; C{None}: all keys are removed.
    @ivar mechanisms: in upper case.
    """

    verb = "RESETKEY"
    mailbox: str | None = None
    mechanisms: tuple[str, ...] = ()

    def arguments(self) -> list[bytes]:
        if self.mailbox is None:
            return []
        return [compose_mailbox(self.mailbox, False), *(name.encode("ascii") for name in self.mechanisms)]


@dataclass(frozen=True, slots=True)
class GenUrlAuth(Command):
    """
    @ivar urls: (URL as given, mechanism in upper case).
    """

    verb = "GENURLAUTH"
    urls: tuple[tuple[bytes, str], ...]

    def arguments(self) -> list[bytes]:
        return [compose_astring(url, False) + b" " + name.encode("ascii") for url, name in self.urls]


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    @ivar url: as given.
    @ivar parameters: of C{BODY}, C{BINARY} and C{BODYPARTSTRUCTURE}, in their order; none:
        the octets alone, as RFC 4467 has them.
    """

    url: bytes
    parameters: tuple[str, ...] = ()

    def compose(self) -> bytes:
        url = compose_astring(self.url, False)
        if not self.parameters:
            return url
        return b"(" + url + b" " + " ".join(self.parameters).encode("ascii") + b")"


@dataclass(frozen=True, slots=True)
class UrlFetch(Command):
    verb = "URLFETCH"
    wanted: tuple[Wanted, ...]

    def arguments(self) -> list[bytes]:
        return [one.compose() for one in self.wanted]


@dataclass(frozen=True, slots=True)
class GenUrlAuthData:
    """C{GENURLAUTH} (RFC 4467 §8): the URLs with their tokens."""

    urls: tuple[bytes, ...]

    def compose(self, modes: Modes = PLAIN) -> bytes:
        return b"* GENURLAUTH " + b" ".join(map(compose_astring, self.urls)) + b"\r\n"


@dataclass(frozen=True, slots=True)
class UrlFetchData:
    """
    C{URLFETCH} (RFC 4467 §8, RFC 5524 §5) with everything at hand; long octets are sent
    piece by piece by L{wildduck.imap.commands.urlfetch}.

    @ivar url: as it was given.
    @ivar values: (name, composed value); an unextended answer has one without a name.
    """

    url: bytes
    values: tuple[tuple[bytes, bytes], ...] = ((b"", b"NIL"),)

    def compose(self, modes: Modes = PLAIN) -> bytes:
        values = (b"(" + name + b" " + value + b")" if name else value for name, value in self.values)
        return url_fetch_start(self.url) + b" ".join(values) + b"\r\n"


def url_fetch_start(url: bytes) -> bytes:
    return b"* URLFETCH " + compose_astring(url) + b" "


def parse_reset_key(cursor: Cursor) -> Reading[ResetKey]:
    """C{resetkey} = "RESETKEY" [SP mailbox *(SP mechanism)]."""
    if cursor.at_end:
        return ResetKey()
    cursor.space()
    name = yield from mailbox(cursor)
    mechanisms = []
    while cursor.take(b" "):
        cursor.another("mechanisms")
        mechanisms.append(_mechanism(cursor))
    return ResetKey(name, tuple(mechanisms))


def parse_gen_url_auth(cursor: Cursor) -> Reading[GenUrlAuth]:
    """C{genurlauth} = "GENURLAUTH" 1*(SP url-rump SP mechanism)."""
    urls: list[tuple[bytes, str]] = []
    while not urls or not cursor.at_end:
        _count(cursor, len(urls))
        cursor.space()
        url = yield from astring(cursor, "a URL")
        cursor.space()
        urls.append((url, _mechanism(cursor)))
    return GenUrlAuth(tuple(urls))


def parse_url_fetch(cursor: Cursor) -> Reading[UrlFetch]:
    """C{urlfetch} = "URLFETCH" 1*(SP url-fetch-arg)."""
    wanted: list[Wanted] = []
    while not wanted or not cursor.at_end:
        _count(cursor, len(wanted))
        cursor.space()
        if cursor.take(b"("):
            wanted.append((yield from _extended(cursor)))
        else:
            wanted.append(Wanted((yield from astring(cursor, "a URL"))))
    return UrlFetch(tuple(wanted))


def _extended(cursor: Cursor) -> Reading[Wanted]:
    """C{url-fetch-ext} = "(" url-full *(SP url-fetch-param) ")"."""
    url = yield from astring(cursor, "a URL")
    parameters: list[str] = []
    while cursor.take(b" "):
        cursor.another("things to fetch of URLs")
        name = cursor.word("what to fetch of the URL").decode("ascii")
        if name not in _PARAMETERS:
            raise cursor.error("this can not be fetched of a URL")
        parameters.append(name)
    cursor.expect(b")", "the end of the list")
    if len(set(parameters)) < len(parameters) or {BODY, BINARY} <= set(parameters):
        raise cursor.error("each can be asked for once, and of BODY and BINARY only one")
    return Wanted(url, tuple(parameters))


def _mechanism(cursor: Cursor) -> str:
    """C{mechanism} = "INTERNAL" / 1*(ALPHA / DIGIT / "-" / "."), as far as it begins with a letter."""
    return cursor.word("a mechanism").decode("ascii")


def _count(cursor: Cursor, given: int) -> None:
    if given == limits.IMAP_URLS:
        raise cursor.error("too many URLs")
