"""
IMAP URLs that name a message or a part of one (RFC 5092 §11, RFC 4467 §9, RFC 5593 §4).

Those of servers, mailboxes and searches are refused, for nothing can be read
by them.  Whatever is not allowed in a URL must be percent-encoded: an octet
that stands there raw is an error, not a guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from wildduck.errors import ProtocolError
from wildduck.imap.grammar.cursor import MAX_NUMBER
from wildduck.imap.grammar.fetch import section_of
from wildduck.imap.grammar.mailboxes import canonical
from wildduck.imap.grammar.strings import text

#: C{uchar}, C{achar} and C{bchar}, each one octet or one that is percent-encoded.
_ACHAR = r"(?:[A-Za-z0-9\-._~!$'()*+,&=]|%[0-9A-Fa-f]{2})"
_BCHAR = r"(?:[A-Za-z0-9\-._~!$'()*+,&=:@/]|%[0-9A-Fa-f]{2})"
_SERVER = re.compile(
    rf"(?:(?P<user>{_ACHAR}*)(?:;AUTH=(?P<auth>\*|{_ACHAR}+))?@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$'()*+,&=]|%[0-9A-Fa-f]{2})+)"
    r"(?::(?P<port>[0-9]{0,5}))?(?=/|\Z)",
    re.IGNORECASE,
)
_DATE_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+\-][0-9]{2}:[0-9]{2})"
_MESSAGE = re.compile(
    rf"(?:(?P<mailbox>{_BCHAR}+)(?:;UIDVALIDITY=(?P<validity>[0-9]{{1,10}}))?/)?"
    r";UID=(?P<uid>[0-9]{1,10})"
    rf"(?:/;SECTION=(?P<section>{_BCHAR}+?))?"
    r"(?:/;PARTIAL=(?P<first>[0-9]{1,10})(?:\.(?P<most>[0-9]{1,10}))?)?"
    rf"(?:;EXPIRE=(?P<expire>{_DATE_TIME}))?"
    rf"(?:;URLAUTH=(?P<access>[A-Za-z0-9]+)(?P<plus>\+(?P<of>{_ACHAR}+))?"
    r"(?P<verifier>:(?P<mechanism>[A-Za-z0-9\-.]+):(?P<token>[0-9A-Fa-f]{32,}))?)?\Z",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"imap://", re.IGNORECASE)
#: What stands for itself wherever it is put.
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]")
_DOTS = frozenset((".", ".."))


@dataclass(frozen=True, slots=True)
class Server:
    """
    C{iserver}.

    @ivar user: whose mailboxes are meant, decoded; C{""} for none.
    @ivar auth: C{enc-auth-type}, decoded, or C{"*"}; C{""} for none.
    @ivar host: as given, brackets of an IPv6 address included.
    @ivar port: C{None} if not given.
    """

    host: str
    user: str = ""
    auth: str = ""
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """
    Who may use a URL (RFC 4467 §2.3, RFC 5593 §3).

    @ivar application: in lower case: C{user}, C{authuser}, C{anonymous}, C{submit},
        C{stream} or another one's name.
    @ivar user: decoded; C{""} where there is none.
    """

    application: str
    user: str = ""


@dataclass(frozen=True, slots=True)
class ImapUrl:
    """
    A message, a part of it, or some of its octets.

    @ivar server: C{None} in a relative URL.
    @ivar mailbox: decoded; C{None}: the selected one.
    @ivar uid_validity: that the mailbox must have, C{None} for any.
    @ivar section: C{section-spec} as it stands in C{BODY[...]}; C{b""} for the whole message.
    @ivar partial: (first octet, most octets or C{None} for all that follow).
    @ivar expire: when it ceases to be valid, aware.
    @ivar access: C{None} for a URL that authorizes nobody.
    @ivar mechanism: of the token, in upper case; C{""} where there is no token yet.
    @ivar token: hexadecimal digits, in lower case.
    """

    mailbox: str | None
    uid: int
    server: Server | None = None
    uid_validity: int | None = None
    section: bytes = b""
    partial: tuple[int, int | None] | None = None
    expire: datetime | None = None
    access: Access | None = None
    mechanism: str = ""
    token: str = ""

    def compose(self) -> bytes:
        pieces = [_compose_server(self.server) if self.server is not None else ""]
        if self.mailbox is not None:
            pieces.append("/" + _compose_path(self.mailbox))
            if self.uid_validity is not None:
                pieces.append(f";UIDVALIDITY={self.uid_validity}")
            pieces.append("/")
        pieces.append(f";UID={self.uid}")
        if self.section:
            pieces.append("/;SECTION=" + _encode(self.section))
        if self.partial is not None:
            first, most = self.partial
            pieces.append(f"/;PARTIAL={first}" + ("" if most is None else f".{most}"))
        if self.expire is not None:
            pieces.append(";EXPIRE=" + self.expire.isoformat())
        if self.access is not None:
            pieces.append(";URLAUTH=" + self.access.application)
            if self.access.user:
                pieces.append("+" + _encode(self.access.user.encode()))
        if self.token:
            pieces.append(f":{self.mechanism}:{self.token}")
        return "".join(pieces).encode("ascii")


def rump(url: bytes) -> bytes:
    """
    What a token is made of: the URL without C{:mechanism:token}, and nothing else changed (RFC 4467 §6).

    @param url: that L{parse} takes, with a token or without.
    """
    match = _VERIFIER.search(url)
    return url if match is None else url[: match.start()]


_VERIFIER = re.compile(rb":[A-Za-z0-9\-.]+:[0-9A-Fa-f]{32,}\Z")


def parse(data: bytes) -> ImapUrl:
    """
    An absolute URL, or a relative one that begins with a slash, two of them, or C{;UID=}.

    RFC 5092 §7.2 takes no other relative one; that last form is the one that its
    §9.1 has for a message of the selected mailbox.

    @raise ProtocolError: it is none of these, or is not of a message.
    """
    try:
        url = data.decode("ascii")
    except UnicodeDecodeError:
        raise ProtocolError("a URL has no octets beyond US-ASCII") from None
    server, path = _split(url)
    if path is None:
        match = _MESSAGE.match(url)
        if match is None or match["mailbox"] is not None:
            raise ProtocolError("this is no URL of a message")
    else:
        match = _MESSAGE.match(path if server is not None else _without_dots(path))
        if match is None or match["mailbox"] is None:
            raise ProtocolError("this is no URL of a message")
    return _url(server, match)


def _split(url: str) -> tuple[Server | None, str | None]:
    """The server of a URL, and its path without the first slash; C{None} for a missing one."""
    scheme = _SCHEME.match(url)
    start = scheme.end() if scheme is not None else 2 if url.startswith("//") else 0
    if not start:
        return None, url[1:] if url.startswith("/") else None
    match = _SERVER.match(url, start)
    if match is None:
        raise ProtocolError("broken server in the URL")
    if match["user"] == "" and match["auth"] is None:
        raise ProtocolError("empty user name in the URL")
    port = int(match["port"]) if match["port"] else None
    server = Server(match["host"], _decode(match["user"] or ""), _decode(match["auth"] or ""), port)
    return server, url[match.end() + 1 :]


def _url(server: Server | None, match: re.Match[str]) -> ImapUrl:
    """@raise ProtocolError: a number is out of bounds, or something is no text, section or date."""
    access = None
    if match["access"] is not None:
        access = Access(match["access"].lower(), _decode(match["of"] or ""))
        if match["plus"] and not access.user:
            raise ProtocolError("empty user name in the URL")
    section = _decode(match["section"] or "").encode()
    if section:
        section_of(section)
    return ImapUrl(
        mailbox=None if match["mailbox"] is None else canonical(_decode(match["mailbox"])),
        uid=_number(match["uid"], 1),
        server=server,
        uid_validity=None if match["validity"] is None else _number(match["validity"], 1),
        section=section,
        partial=_partial(match),
        expire=None if match["expire"] is None else _date_time(match["expire"]),
        access=access,
        mechanism=(match["mechanism"] or "").upper(),
        token=(match["token"] or "").lower(),
    )


def _partial(match: re.Match[str]) -> tuple[int, int | None] | None:
    if match["first"] is None:
        return None
    return _number(match["first"], 0), None if match["most"] is None else _number(match["most"], 1)


def _number(digits: str, least: int) -> int:
    """C{nz-number} with 1 as the least, C{number} with 0, which may have leading zeros."""
    value = int(digits)
    if least and digits.startswith("0"):
        raise ProtocolError("a number in the URL begins with zero")
    if not least <= value <= MAX_NUMBER:
        raise ProtocolError("a number in the URL is out of bounds")
    return value


def _date_time(value: str) -> datetime:
    """RFC 3339 C{date-time}; a leap second counts as the second before it, fractions of one do not count."""
    day, zone = value[:19], value[19:].lstrip(".0123456789")
    try:
        moment = datetime.strptime(day.upper().replace(":60", ":59"), "%Y-%m-%dT%H:%M:%S")
        if zone in "Zz":
            return moment.replace(tzinfo=timezone.utc)
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
        return moment.replace(tzinfo=timezone(-offset if zone[0] == "-" else offset))
    except ValueError:
        raise ProtocolError("no such date in the URL") from None


def _without_dots(path: str) -> str:
    """C{remove_dot_segments} of RFC 3986 §5.2.4; C{path} is what follows the first slash."""
    segments = path.split("/")
    if _DOTS.isdisjoint(segments):
        return path
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return "/".join(kept)


def _decode(encoded: str) -> str:
    """@raise ProtocolError: what was encoded is no UTF-8, or a NUL."""
    data = re.sub(r"%(..)", lambda match: chr(int(match[1], 16)), encoded).encode("latin-1")
    if b"\x00" in data:
        raise ProtocolError("NUL in the URL")
    return text(data, "the URL")


def _encode(data: bytes, safe: str = "") -> str:
    characters = map(chr, data)
    return "".join(one if one in safe or _UNRESERVED.match(one) else f"%{ord(one):02X}" for one in characters)


def _compose_server(server: Server) -> str:
    auth = ";AUTH=" + (server.auth if server.auth == "*" else _encode(server.auth.encode()))
    user = _encode(server.user.encode()) + (auth if server.auth else "")
    port = "" if server.port is None else f":{server.port}"
    return "imap://" + (user + "@" if user else "") + server.host + port


def _compose_path(mailbox: str) -> str:
    """A first slash is encoded, and levels that would be taken for dot segments."""
    levels = [
        "%2E" * len(level) if level in _DOTS else _encode(level.encode()) for level in mailbox.split("/")
    ]
    if levels[0] == "":
        return "%2F" + "/".join(levels[1:])
    return "/".join(levels)
