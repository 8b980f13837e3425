"""
What a server says when a client errs, found in conversations: C{BAD}, C{NO} and C{-ERR}.

A conversation in TLS is opaque to the relay after STARTTLS or STLS; of those the client's own
log is judged (L{judge_log}).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from test.interop.recorder import Conversation


@dataclass(frozen=True)
class Refusal:
    """
    A BAD, NO or -ERR.

    @ivar request: the client's line, empty where it can't be told.
    @ivar response: the server's line.
    """

    request: bytes
    response: bytes

    def __str__(self) -> str:
        return f"{self.request.decode('latin-1')!r} was answered {self.response.decode('latin-1')!r}"


@dataclass(frozen=True)
class Deserved:
    """
    A refusal that is the client's doing.

    @ivar cases: names of the cases where it may happen.
    @ivar request: pattern for the client's line; of a log only C{response} is looked at.
    @ivar response: pattern for the server's line.
    @ivar reason: why the server is right.
    """

    cases: tuple[str, ...]
    request: str
    response: str
    reason: str

    def covers(self, case: str, refusal: Refusal) -> bool:
        return (
            case in self.cases
            and bool(re.match(self.response.encode(), refusal.response))
            and (not refusal.request or bool(re.match(self.request.encode(), refusal.request)))
        )


#: Everything else is a failure of the case.
DESERVED = (
    Deserved(
        ("imapfilter", "imapfilter-starttls", "imapfilter-tls"),
        r"\S+ UID COPY ",
        r"\S+ NO \[TRYCREATE\]",
        "by this it finds out that a mailbox is missing, and makes it",
    ),
)

_LITERAL = re.compile(rb"\{(\d+)\}\r\n\Z")
_REFUSED = re.compile(rb"(\S+) (?:BAD|NO)\b")
_STARTED_TLS = re.compile(rb"(?mi)^(\S+) STARTTLS\r\n")
_MULTI_LINE = re.compile(rb"(?i)(?:RETR|TOP|CAPA)\b|(?:LIST|UIDL|AUTH)\s*\Z")
#: A server's line, whatever a client's log puts before it; messages do not hold the like.
_LOGGED = re.compile(rb"(?m)(?:^|(?<=[^\w.*]))([\w.*]+ BAD .*|\w*\d NO .*|-ERR\b.*)")


def refusals(conversation: Conversation) -> list[Refusal]:
    """Each BAD, NO or -ERR in a conversation, up to where it goes on in TLS."""
    find = _in_imap if conversation.listener == "imap" else _in_pop3
    return list(find(conversation.said(False), conversation.said(True)))


def judge(case: str, conversations: Iterable[Conversation]) -> list[str]:
    """The refusals that the client did not deserve, in words."""
    found = [refusal for conversation in conversations for refusal in refusals(conversation)]
    return _undeserved(case, found)


def judge_log(case: str, log: str) -> list[str]:
    """The same, of a client's log."""
    found = [Refusal(b"", match[1]) for match in _LOGGED.finditer(log.encode("latin-1", "replace"))]
    return _undeserved(case, found)


def _undeserved(case: str, found: Iterable[Refusal]) -> list[str]:
    return [str(one) for one in found if not any(row.covers(case, one) for row in DESERVED)]


def _in_imap(client: bytes, server: bytes) -> Iterator[Refusal]:
    starts = {match[1] for match in _STARTED_TLS.finditer(client)}
    for line in _logical_lines(server):
        tag = line.partition(b" ")[0]
        if tag in starts and line[len(tag) :].startswith(b" OK"):
            return
        if _REFUSED.match(line):
            request = re.search(rb"(?m)^" + re.escape(tag) + rb" .*$", client)
            yield Refusal(request[0].strip() if request else b"", line.strip())


def _logical_lines(data: bytes) -> Iterator[bytes]:
    """The lines of an IMAP server's stream, each without its literals."""
    position, line = 0, b""
    while end := data.find(b"\n", position) + 1:
        line += data[position:end]
        position = end
        literal = _LITERAL.search(line)
        if literal:
            line = line[: literal.start()]
            position += int(literal[1])
        else:
            yield line
            line = b""


def _in_pop3(client: bytes, server: bytes) -> Iterator[Refusal]:
    """Answers in the order of commands; the lines that follow a C{+ } are part of their command."""
    requests = iter(client.splitlines())
    lines = iter(server.splitlines())
    next(lines, None)
    request = next(requests, b"")
    for line in lines:
        if line.startswith(b"+ "):
            next(requests, b"")
            continue
        if line.startswith(b"-ERR"):
            yield Refusal(request, line)
        elif _MULTI_LINE.match(request):
            for row in lines:
                if row == b".":
                    break
        elif request.upper() == b"STLS":
            return
        request = next(requests, b"")
