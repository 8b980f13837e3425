"""
A MIME splitter for tests: as plain as RFC 2046 §5.1 reads, with no care for speed.

It shares no code with L{wildduck.mime}, so that both finding the same parts
says something.  Lines end in CRLF or LF; of equal boundaries the innermost
counts; the break before a boundary belongs to the boundary.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_LINE = re.compile(rb"[^\n]*\n|[^\n]+\Z")
_EMPTY = re.compile(rb"\r*\n\Z")
_COMMENT = re.compile(rb"\((?:[^()\\]|\\.)*\)")
_QUOTED = rb'"((?:[^"\\]|\\.)*)"'
_BOUNDARY = re.compile(rb";\s*boundary\s*=\s*(?:" + _QUOTED + rb"|([^\s;\"]+))", re.IGNORECASE | re.DOTALL)
_IDENTITY = (b"", b"7bit", b"8bit", b"binary")


@dataclass
class Entity:
    """
    A header and a body, by offsets in the message.

    @ivar header: start of the header.
    @ivar body: start of the body, which is the end of the header and its empty line.
    @ivar end: end of the body.
    """

    header: int
    body: int = 0
    end: int = 0
    parts: list[Entity] | None = None
    message: Entity | None = None


@dataclass
class _Reader:
    data: bytes
    lines: list[tuple[int, int]] = field(default_factory=list)
    at: int = 0

    def text(self, index: int) -> bytes:
        start, end = self.lines[index]
        return self.data[start:end]

    def start(self, index: int) -> int:
        return self.lines[index][0] if index < len(self.lines) else len(self.data)


def split(data: bytes) -> Entity:
    """The structure of a message."""
    reader = _Reader(data, [match.span() for match in _LINE.finditer(data)])
    return _entity(reader, [], digest=False)


def sections(data: bytes) -> dict[str, bytes]:
    """What IMAP's BODY[…] should give (RFC 3501 §6.4.5), by the text between the brackets."""
    root = split(data)
    found = {"HEADER": data[root.header : root.body], "TEXT": data[root.body : root.end]}
    for number, entity in _numbered(root, ""):
        found[number] = data[entity.body : entity.end]
        if entity is not root:
            found[f"{number}.MIME"] = data[entity.header : entity.body]
        if entity.message is not None:
            inner = entity.message
            found[f"{number}.HEADER"] = data[inner.header : inner.body]
            found[f"{number}.TEXT"] = data[inner.body : inner.end]
    return found


def _numbered(entity: Entity, prefix: str) -> Iterator[tuple[str, Entity]]:
    """Parts of a message: of a multipart its parts, else the message itself as part 1."""
    if entity.parts is None:
        yield from _with_number(entity, f"{prefix}1")
    else:
        for index, part in enumerate(entity.parts, 1):
            yield from _with_number(part, f"{prefix}{index}")


def _with_number(entity: Entity, number: str) -> Iterator[tuple[str, Entity]]:
    yield number, entity
    if entity.parts is not None:
        yield from _numbered(entity, f"{number}.")
    elif entity.message is not None:
        for inner_number, inner in _numbered(entity.message, f"{number}."):
            if inner is not entity.message:
                yield inner_number, inner


def _entity(reader: _Reader, around: list[bytes], digest: bool) -> Entity:
    """One entity from the reader's line on; leaves the reader at the boundary that ended it."""
    entity = Entity(reader.start(reader.at))
    header: list[bytes] = []
    while reader.at < len(reader.lines) and not _is_boundary(reader.text(reader.at), around):
        line = reader.text(reader.at)
        reader.at += 1
        if _EMPTY.match(line):
            break
        header.append(line)
    entity.body = reader.start(reader.at)
    kind, boundary = _content_type(header, digest)
    if kind.startswith(b"multipart/") and boundary:
        _multipart(reader, entity, around, boundary, kind == b"multipart/digest")
    elif kind == b"message/rfc822" and _field(header, b"content-transfer-encoding").lower() in _IDENTITY:
        entity.message = _entity(reader, around, digest=False)
    else:
        while reader.at < len(reader.lines) and not _is_boundary(reader.text(reader.at), around):
            reader.at += 1
    # The break of an empty line that ends a header is the header's, even before a boundary.
    inner = [*(entity.parts or ()), *([entity.message] if entity.message else ())]
    entity.end = max(entity.body, _end(reader), *(part.end for part in inner[-1:]))
    return entity


def _multipart(reader: _Reader, entity: Entity, around: list[bytes], boundary: bytes, digest: bool) -> None:
    entity.parts = []
    within = [*around, boundary]
    while reader.at < len(reader.lines):
        line = reader.text(reader.at)
        if not _is_boundary(line, within):
            reader.at += 1
            continue
        stripped = line.rstrip(b" \t\r\n")
        if stripped == b"--" + boundary:
            reader.at += 1
            entity.parts.append(_entity(reader, within, digest))
        elif stripped == b"--" + boundary + b"--":
            break
        else:
            return
    while reader.at < len(reader.lines):  # the epilogue
        reader.at += 1
        if reader.at < len(reader.lines) and _is_boundary(reader.text(reader.at), around):
            return


def _is_boundary(line: bytes, boundaries: list[bytes]) -> bool:
    text = line.rstrip(b" \t\r\n")
    return any(text in (b"--" + boundary, b"--" + boundary + b"--") for boundary in boundaries)


def _end(reader: _Reader) -> int:
    """Where the body ends: before the break that belongs to the boundary at the reader's line."""
    position = reader.start(reader.at)
    if reader.at == len(reader.lines):
        return position
    if reader.data[:position].endswith(b"\r\n"):
        return position - 2
    return position - 1


def _content_type(header: list[bytes], digest: bool) -> tuple[bytes, bytes]:
    value = _field(header, b"content-type")
    if not value:
        return (b"message/rfc822" if digest else b"text/plain"), b""
    kind = _COMMENT.sub(b"", value).partition(b";")[0].strip().lower()
    match = _BOUNDARY.search(value)
    boundary = b"" if not match else match[2] or re.sub(rb"\\(.)", rb"\1", match[1] or b"")
    return kind, boundary


def _field(header: list[bytes], name: bytes) -> bytes:
    """The first field of that name, unfolded."""
    value: bytes | None = None
    for line in header:
        if value is not None:
            if line[:1] not in (b" ", b"\t"):
                break
            value += b" " + line.strip()
        elif line.partition(b":")[0].rstrip(b" \t").lower() == name and b":" in line:
            value = line.partition(b":")[2].strip()
    return value or b""
