"""
An IMAP client that blocks, for tests and soaks against a server in a process of its own.

It knows enough of RFC 3501 to read any response: a logical line with its
literals becomes nested lists of C{bytes} (strings), L{Atom}, C{int} and C{None}
(NIL).  A long literal is not kept but digested while it is read, so that the
test needs no more memory than the server should.
"""

from __future__ import annotations

import hashlib
import re
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

#: A longer literal is digested instead of kept.
KEEP_BYTES = 1 << 20
#: No answer of a healthy server takes longer.
SECONDS = 120.0

_READ = 1 << 18
_LITERAL = re.compile(rb"~?\{(\d+)\}\r\n\Z")
_INNER_LITERAL = re.compile(rb"\{(\d+)\}\r\n")
_TOKEN = re.compile(rb'[ ]+|(\()|(\))|"((?:[^"\\\r\n]|\\.)*)"|([^ ()"{\r\n]+)', re.DOTALL)
_SECTION = re.compile(rb"(?:BODY|BINARY)[A-Z.]*\[[^\]]*\](?:<\d+>)?", re.IGNORECASE)


class Atom(bytes):
    """What was neither quoted nor a literal: a keyword, flag or number of another kind."""


@dataclass(frozen=True)
class Digest:
    """A long literal: its length in bytes and its SHA-256."""

    length: int
    sha256: bytes


@dataclass
class Answer:
    """A tagged response and the untagged ones before it, parsed."""

    status: str
    text: bytes
    untagged: list[list[Any]] = field(default_factory=list)

    def rows(self) -> dict[int, dict[str, Any]]:
        """FETCH responses: attributes by upper-case name, by sequence number."""
        rows: dict[int, dict[str, Any]] = {}
        for response in self.untagged:
            if len(response) >= 3 and response[1] == b"FETCH":
                items = response[2]
                row = rows.setdefault(response[0], {})
                row.update(zip((name.decode().upper() for name in items[::2]), items[1::2], strict=True))
        return rows

    def row(self) -> dict[str, Any]:
        """The attributes of the only message that was fetched."""
        (row,) = self.rows().values()
        return row


class CommandFailed(Exception):
    """The server answered NO or BAD."""


class Imap:
    """
    One connection; C{greeting} is the first line.

    @ivar read_rate: bytes per second that are read of literals; C{None}: as fast as they come.
    @ivar exists: messages in the mailbox at the last SELECT.
    """

    def __init__(
        self,
        port: int,
        host: str = "127.0.0.1",
        tls: bool = False,
        timeout: float = SECONDS,
        receive: int = 0,
    ) -> None:
        """
        @param receive: size of the socket's receive buffer, 0 for the system's.
        """
        self._socket: socket.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self._socket.settimeout(timeout)
        self._buffer = bytearray()
        self._number = 0
        self.read_rate: float | None = None
        self.exists = 0
        try:
            self._socket.connect((host, port))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls:
                self._secure()
            self.greeting = self._line()
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Imap:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close without LOGOUT."""
        self._socket.close()

    def start_tls(self) -> None:
        """STARTTLS, any certificate."""
        self.command("STARTTLS")
        self._secure()

    def login(self, name: str, password: str) -> Answer:
        return self.command(f'LOGIN "{name}" "{password}"')

    def command(
        self, line: str | bytes, *more: bytes | str, check: bool = True, sink: Sink | None = None
    ) -> Answer:
        """
        Send one command and read up to its tagged response.

        @param more: non-synchronizing literals (C{bytes}) and the text between them (C{str}).
        @param check: NO and BAD raise.
        @param sink: takes the blocks of long literals too.
        @raise CommandFailed: see C{check}.
        """
        self.send(line, *more)
        return self.finish(check, sink)

    def send(self, line: str | bytes, *more: bytes | str) -> str:
        """The first half of L{command}; @return: its tag."""
        self._number += 1
        pieces = [b"a%d " % self._number, line.encode() if isinstance(line, str) else line]
        for piece in more:
            if isinstance(piece, str):
                pieces.append(piece.encode())
            else:
                pieces += [b" {%d+}\r\n" % len(piece), piece]
        self._socket.sendall(b"".join(pieces) + b"\r\n")
        return f"a{self._number}"

    def send_line(self, line: bytes) -> None:
        """What goes on with a command: C{DONE}."""
        self._socket.sendall(line + b"\r\n")

    def readable(self, seconds: float) -> bool:
        """Whether there is something to read, or will be within that time."""
        return bool(self._buffer) or bool(select.select([self._socket], [], [], seconds)[0])

    def read(self) -> tuple[str, list[Any]]:
        """@return: C{"*"}, C{"+"} or a tag, and what follows, parsed; text of the latter two is not."""
        first, *more = self._response()
        assert isinstance(first, bytes)
        mark, _, rest = first.partition(b" ")
        if mark != b"*":
            return mark.decode(), rest.split(None, 1)
        return "*", parse([rest, *more])

    def finish(self, check: bool = True, sink: Sink | None = None) -> Answer:
        """The second half of L{command}."""
        tag = b"a%d " % self._number
        answer = Answer("", b"")
        while True:
            pieces = self._response(sink)
            first = pieces[0]
            assert isinstance(first, bytes)
            if first.startswith(tag):
                status, _, text = first[len(tag) :].partition(b" ")
                answer.status, answer.text = status.decode(), text.rstrip(b"\r\n")
                if check and status != b"OK":
                    raise CommandFailed(first.decode("utf-8", "replace").strip())
                return answer
            if first.startswith(b"* BYE") and not check:
                answer.status, answer.text = "BYE", first[6:].rstrip(b"\r\n")
                return answer
            answer.untagged.append(parse([_without_mark(first), *pieces[1:]]))

    def append(
        self,
        mailbox: str,
        blocks: bytes | Iterable[bytes],
        length: int | None = None,
        *,
        synchronizing: bool = False,
        options: str = "",
        check: bool = True,
    ) -> Answer:
        """
        APPEND from bytes or from blocks of a known length.

        @param options: flags and date, as they stand in the command.
        """
        if isinstance(blocks, bytes):
            length, blocks = len(blocks), [blocks]
        self._number += 1
        plus = "" if synchronizing else "+"
        head = f'a{self._number} APPEND "{mailbox}" {options}{" " if options else ""}{{{length}{plus}}}\r\n'
        self._socket.sendall(head.encode())
        if synchronizing:
            line = self._line()
            if not line.startswith(b"+"):
                status, _, text = line.partition(b" ")[2].partition(b" ")
                if check:
                    raise CommandFailed(line.decode("utf-8", "replace").strip())
                return Answer(status.decode(), text.rstrip(b"\r\n"))
        for block in blocks:
            self._socket.sendall(block)
        self._socket.sendall(b"\r\n")
        return self.finish(check)

    def fetch(self, message: int | str, items: str, sink: Sink | None = None) -> dict[str, Any]:
        """UID FETCH of one message: its attributes."""
        return self.command(f"UID FETCH {message} {items}", sink=sink).row()

    def digest(self, message: int, item: str = "BODY.PEEK[]") -> Digest:
        """Length and SHA-256 of one attribute of a message by UID, read as a stream."""
        row = self.fetch(message, f"({item})")
        return digest_of(row[item.replace(".PEEK", "").upper()])

    def select(self, mailbox: str = "INBOX") -> Answer:
        """SELECT; C{exists} is then the number of messages."""
        answer = self.command(f'SELECT "{mailbox}"')
        counts = [response[0] for response in answer.untagged if response[1:] == [b"EXISTS"]]
        (self.exists,) = counts
        return answer

    def uids(self) -> list[int]:
        """The UIDs in the mailbox, as many as SELECT told of."""
        if not self.exists:
            return []
        return [row["UID"] for row in self.command("FETCH 1:* (UID)").rows().values()]

    # --- waiting for news (RFC 2177) ----------------------------------------------

    def idle(self) -> None:
        """Begin IDLE; L{told} hears until L{done}."""
        self.send("IDLE")
        line = self._line()
        assert line.startswith(b"+"), line

    def told(self, *last: Any) -> list[list[Any]]:
        """
        Untagged responses up to one that begins so, for example C{3, b"EXISTS"}.

        @raise CommandFailed: BYE.
        """
        responses: list[list[Any]] = []
        while True:
            pieces = self._response()
            first = pieces[0]
            assert isinstance(first, bytes) and first.startswith(b"* "), first
            response = parse([_without_mark(first), *pieces[1:]])
            if response[:1] == [b"BYE"] and last[:1] != (b"BYE",):
                raise CommandFailed(first.decode("utf-8", "replace").strip())
            if not first.startswith(b"* OK Still here"):
                responses.append(response)
            if response[: len(last)] == list(last):
                return responses

    def done(self) -> Answer:
        """End IDLE; what was told and not yet read is in the answer."""
        self._socket.sendall(b"DONE\r\n")
        return self.finish()

    def fileno(self) -> int:
        """For C{select}."""
        return self._socket.fileno()

    # --- reading -----------------------------------------------------------------

    def _secure(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._socket = context.wrap_socket(self._socket)

    def _more(self) -> None:
        data = self._socket.recv(_READ)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._buffer += data

    def _line(self) -> bytes:
        start = 0
        while True:
            end = self._buffer.find(b"\n", start) + 1
            if end:
                line = bytes(self._buffer[:end])
                del self._buffer[:end]
                return line
            start = len(self._buffer)
            self._more()

    def _response(self, sink: Sink | None = None) -> list[bytes | Digest]:
        """One logical line: text, literal, text, literal, …, text."""
        pieces: list[bytes | Digest] = []
        while True:
            line = self._line()
            match = _LITERAL.search(line)
            if not match:
                return [*pieces, line]
            pieces += [line[: match.start()], self._literal(int(match[1]), sink)]

    def _literal(self, length: int, sink: Sink | None) -> bytes | Digest:
        if length <= KEEP_BYTES and sink is None:
            return b"".join(self._blocks(length))
        digest = hashlib.sha256()
        for block in self._blocks(length):
            digest.update(block)
            if sink:
                sink(block)
        return Digest(length, digest.digest())

    def _blocks(self, length: int) -> Iterator[bytes]:
        """The next bytes of the stream, no faster than C{read_rate}."""
        began, taken = time.monotonic(), 0
        while length:
            if not self._buffer:
                self._more()
            block = bytes(self._buffer[:length])
            del self._buffer[: len(block)]
            length -= len(block)
            taken += len(block)
            yield block
            if self.read_rate:
                ahead = taken / self.read_rate - (time.monotonic() - began)
                if ahead > 0:
                    time.sleep(ahead)


Sink = Callable[[bytes], object]


def digest_of(value: bytes | Digest) -> Digest:
    """The digest of a string that was kept, or was not."""
    if isinstance(value, Digest):
        return value
    return Digest(len(value), hashlib.sha256(value).digest())


def _without_mark(line: bytes) -> bytes:
    """An untagged response without its C{*}."""
    return line[2:] if line.startswith(b"* ") else line


def parse(pieces: Iterable[bytes | Digest]) -> list[Any]:
    """
    A response as values.

    @param pieces: text, literal, text, literal, …, as a logical line alternates.
    """
    stack: list[list[Any]] = [[]]
    for index, piece in enumerate(pieces):
        if index % 2:
            stack[-1].append(piece)
        else:
            assert isinstance(piece, bytes)
            _parse_text(piece.rstrip(b"\r\n"), stack)
    return stack[0]


def parse_value(data: bytes) -> Any:
    """The one value in C{data}, literals and all."""
    pieces: list[bytes | Digest] = []
    position = 0
    while match := _INNER_LITERAL.search(data, position):
        end = match.end() + int(match[1])
        pieces += [data[position : match.start()], data[match.end() : end]]
        position = end
    (value,) = parse([*pieces, data[position:]])
    return value


def _parse_text(text: bytes, stack: list[list[Any]]) -> None:
    position = 0
    if len(stack) == 1 and not stack[0] and text[:3] in (b"OK ", b"NO ", b"BAD", b"BYE"):
        stack[0] += [Atom(text[:3].strip()), text[3:].strip()]
        return
    while position < len(text):
        section = _SECTION.match(text, position)
        match = section or _TOKEN.match(text, position)
        if not match:
            raise ValueError(f"not IMAP: {text[position : position + 40]!r}")
        position = match.end()
        if section:
            stack[-1].append(Atom(match[0]))
        elif match[1]:
            stack.append([])
        elif match[2]:
            closed = stack.pop()
            stack[-1].append(closed)
        elif match[3] is not None:
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", match[3]))
        elif match[4]:
            stack[-1].append(_atom(match[4]))


def _atom(token: bytes) -> Any:
    if token.isdigit():
        return int(token)
    return None if token == b"NIL" else Atom(token)
