"""
An incremental, linear scanner: bytes in any pieces, a tree of offsets out.

What is looked at line by line is only what can matter: the line breaks of a
header, and in a body the lines that begin with the text that all open
boundaries have in common.  Everything else is passed over by C{bytes.find},
C{bytes.count} and the digest, so a body costs what its hash costs.

Rules (RFC 2045, RFC 2046 §5):

  - a line ends in CRLF or LF; a header ends with an empty line, whose break
    may have surplus CRs, at a boundary of a multipart around it, or at the end;
  - a boundary stands at the beginning of a line, alone but for blanks after
    it; the line break before it belongs to it;
  - a boundary of an outer multipart ends all parts within; of equal
    boundaries the innermost counts; after the closing boundary a multipart
    knows its boundary no more;
  - a multipart without a usable boundary is a leaf; so is a composite that is
    too deep or too many, and a long multipart in which no boundary was found:
    these are opaque;
  - of several Content-Type or Content-Transfer-Encoding fields the first counts.
"""

from __future__ import annotations

import functools
import hashlib
import re

from wildduck import limits
from wildduck.mime import headers, parameters
from wildduck.mime.part import ContentType, Part

#: Bytes gathered before they are looked at, and looked at in one go.
_GATHERED = 16 * limits.KIB
_LOOKED_AT = 256 * limits.KIB
#: Header bytes held until the header is complete; of a longer one only the
#: fields that matter are kept.
_HEADER_HELD = 256 * limits.KIB
#: Longest content of a field that matters.
_FIELD_KEPT = 64 * limits.KIB
#: A longer line is no boundary: its text, two times "--", some blanks.
_BOUNDARY_LINE = limits.BOUNDARY_BYTES + 256
#: So many lines may look like boundaries before it pays to compile what they are.
_FALSE_CANDIDATES = 200
#: Bytes of a boundary that are searched for at once.
_COMMON = 64
#: Surplus CRs in the break of an empty line; bounded to stay linear.
_EMPTY_LINE = 1 + 4 + 1

_HEADER_END = re.compile(rb"\n\r{0,4}\n")
_HEADER_END_OR_CANDIDATE = re.compile(rb"\n(?:\r{0,4}\n|--)")
_FIELD = re.compile(
    rb"\n[Cc][Oo][Nn][Tt][Ee][Nn][Tt]-"
    rb"(?:([Tt][Yy][Pp][Ee])|[Tt][Rr][Aa][Nn][Ss][Ff][Ee][Rr]-[Ee][Nn][Cc][Oo][Dd][Ii][Nn][Gg])"
    rb"[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)"
)
_CONTINUATION = re.compile(rb"[^\n]*(?:\n[ \t][^\n]*)*")
_TOKEN = re.compile(rb'[\s"]*([^\s"();]+)')

_MESSAGES = ("message/rfc822", "message/global")
_IDENTITY_ENCODINGS = ("7bit", "8bit", "binary")


class _Open:
    """
    A part whose end has not been seen.

    @ivar lines: line feeds of the message before its body.
    @ivar digest: running digest of a leaf.
    @ivar hidden: what the look-up held for the delimiters that this part put there.
    """

    __slots__ = ("digest", "hidden", "lines", "part")

    def __init__(self, part: Part) -> None:
        self.part = part
        self.lines = 0
        self.digest: hashlib._Hash | None = None
        self.hidden: dict[bytes, tuple[int, bool] | None] = {}


class _Fields:
    """
    The Content-Type and Content-Transfer-Encoding of a header that comes in pieces.

    A piece ends anywhere; it begins with the line break before its first line
    or in the midst of a line.
    """

    __slots__ = ("encoding", "kind", "unfinished")

    def __init__(self) -> None:
        self.kind: bytes | None = None
        self.encoding: bytes | None = None
        self.unfinished: str | None = None

    def take(self, piece: bytes) -> None:
        if self.unfinished is not None:
            self._continue(piece)
        for match in _FIELD.finditer(piece):
            name = "kind" if match.group(1) else "encoding"
            if getattr(self, name) is None:
                setattr(self, name, match.group(2)[:_FIELD_KEPT])
                if match.end() == len(piece):
                    self.unfinished = name

    def _continue(self, piece: bytes) -> None:
        name = self.unfinished
        assert name is not None
        match = _CONTINUATION.match(piece)
        assert match is not None
        value: bytes = getattr(self, name)
        room = _FIELD_KEPT - len(value)
        setattr(self, name, value + match.group()[:room])
        if match.end() < len(piece):
            self.unfinished = None


class Scanner:
    """
    Feed it a message in any pieces, then close it for the tree.

    It never raises on any bytes and holds at most a header's relevant fields
    and some hundred KiB.

    @ivar work: bytes looked at so far, for tests that work is linear.
    """

    def __init__(self, *, enclosed: bool = False) -> None:
        """@param enclosed: a message/global is split as a message/rfc822 is."""
        self._messages = _MESSAGES if enclosed else _MESSAGES[:1]
        self._root = Part(0)
        self._stack = [_Open(self._root)]
        self._in_header = True
        self._fields = _Fields()
        self._parts = 1
        # Delimiter lines of the open multiparts: (depth in the stack, closing).
        self._delimiters: dict[bytes, tuple[int, bool]] = {}
        self._needle = b""
        self._false_candidates = 0
        self._patterns: tuple[re.Pattern[bytes], re.Pattern[bytes]] | None = None
        # A line break before the first line makes it a line like any other.
        self._buffer = b"\n"
        self._base = -1
        self._taken = 1
        self._search = 0
        self._gathered: list[bytes] = []
        self._gathered_size = 0
        self._line_feeds = 0
        self._complete = False
        # Bytes of multiparts without a boundary in them that are not yet leaves.
        self._childless_left = limits.INLINE_PART_BYTES
        self.work = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the message."""
        for start in range(0, len(data), _LOOKED_AT):
            piece = data[start : start + _LOOKED_AT] if len(data) > _LOOKED_AT else data
            self._gathered.append(piece)
            self._gathered_size += len(piece)
            if self._gathered_size >= _GATHERED:
                self._scan(False)

    def close(self) -> Part:
        """
        The message is complete.

        @return: the root; digests, lines and NUL marks are filled in.
        """
        if not self._complete:
            self._complete = True
            self._scan(True)
            while self._in_header:
                self._end_header(len(self._buffer))
            self._take(len(self._buffer))
            self._close_parts(0, self._base + len(self._buffer))
            self._buffer = b""
        return self._root

    # --- the buffer ---

    def _scan(self, final: bool) -> None:
        self._gathered.insert(0, self._buffer)
        self._buffer = b"".join(self._gathered)
        self._gathered = []
        self._gathered_size = 0
        while self._scan_header(final) if self._in_header else self._scan_body(final):
            pass
        if not final:
            self._drop_taken()

    def _drop_taken(self) -> None:
        """Forget what was taken, but for the line break that the search goes on from."""
        cut = min(self._taken, self._search)
        self._buffer = self._buffer[cut:]
        self._base += cut
        self._taken -= cut
        self._search -= cut

    def _take(self, end: int) -> None:
        """Count and hash the bytes up to a buffer index, as of the current part."""
        start = self._taken
        if end <= start:
            return
        self._taken = end
        buffer = self._buffer
        self._line_feeds += buffer.count(b"\n", start, end)
        self.work += end - start
        current = self._stack[-1]
        part = current.part
        if current.digest is not None and not self._in_header:
            with memoryview(buffer) as view:
                current.digest.update(view[start:end])
        if buffer.find(b"\0", start, end) >= 0:
            if self._in_header:
                part.header_has_nul = True
            else:
                part.has_nul = True

    # --- headers ---

    def _scan_header(self, final: bool) -> bool:
        """
        Look for the end of the header.

        @return: whether to go on with the buffer as it is.
        """
        while True:
            pattern, held = _HEADER_END_OR_CANDIDATE if self._delimiters else _HEADER_END, _EMPTY_LINE
            if self._patterns is not None:
                pattern, held = self._patterns[0], _BOUNDARY_LINE
            match = pattern.search(self._buffer, self._search)
            if match is None:
                self.work += len(self._buffer) - self._search
                self._search = max(self._search, len(self._buffer) - held)
                break
            self.work += match.end() - self._search
            start = match.start()
            if self._buffer.endswith(b"\n", start, match.end()):
                self._end_header(match.end())
                self._search = match.end() - 1
                return True
            line_end = self._line_end(start, final)
            if line_end < 0:
                self._search = start
                break
            hit = self._look_up(start, line_end)
            if hit is None:
                self._search = line_end
                continue
            while self._in_header:
                self._end_header(start + 1)
            self._delimiter(hit, start, line_end)
            return True
        if not final and len(self._buffer) - self._taken > _HEADER_HELD:
            self._set_header_aside()
        return False

    def _set_header_aside(self) -> None:
        """Take the complete lines of a long header, or the piece of a long line."""
        # The break of the last line is needed again: it may begin the end.
        cut = self._buffer.rfind(b"\n", self._taken, self._search + 1)
        if cut <= self._taken:
            cut = self._search
        self._fields.take(self._header_piece(cut))
        self._take(cut)

    def _header_piece(self, end: int) -> bytes:
        """The header's bytes not yet taken, with the line break before a first line."""
        start = self._taken
        if self._base + start == self._stack[-1].part.header_start:
            return b"\n" + self._buffer[start:end]
        return self._buffer[start:end]

    def _end_header(self, end: int) -> None:
        """The header ends at a buffer index; decide what kind of part this is."""
        current = self._stack[-1]
        part = current.part
        fields = self._fields
        fields.take(self._header_piece(end))
        self._fields = _Fields()
        self._take(end)
        part.body_start = self._base + end
        current.lines = self._line_feeds
        self._in_header = False
        parent = self._stack[-2].part if len(self._stack) > 1 else None
        in_digest = (
            parent is not None and parent.boundary is not None and parent.content_type.subtype == "digest"
        )
        part.content_type = _content_type(fields.kind, in_digest)
        if fields.encoding is not None:
            token = _TOKEN.match(fields.encoding)
            part.encoding = token.group(1).decode("latin-1").lower() if token else "7bit"
        self._open_body(current, fields)

    def _open_body(self, current: _Open, fields: _Fields) -> None:
        part = current.part
        bounded = len(self._stack) > limits.MIME_DEPTH or self._parts >= limits.MIME_PARTS
        if part.content_type.type == "multipart" and fields.kind is not None:
            boundary = _boundary(fields.kind, part.content_type)
            if boundary is not None and not bounded:
                part.boundary = boundary
                self._add_delimiters(current, boundary)
            else:
                part.opaque = bounded
        elif part.content_type.value in self._messages and part.encoding in _IDENTITY_ENCODINGS:
            if not bounded:
                part.message = Part(part.body_start)
                self._begin(part.message)
                return
            part.opaque = True
        current.digest = hashlib.sha256()

    def _begin(self, part: Part) -> None:
        self._stack.append(_Open(part))
        self._parts += 1
        self._in_header = True

    # --- bodies ---

    def _scan_body(self, final: bool) -> bool:
        """
        Look for the next boundary.

        @return: whether to go on with the buffer as it is.
        """
        buffer = self._buffer
        size = len(buffer)
        if not self._delimiters:
            self._take(size)
            self._search = size
            return False
        needle = self._needle
        held = len(needle)
        search = self._search
        self.work -= search
        while True:
            if self._patterns is None:
                start = buffer.find(needle, search)
            else:
                held = _BOUNDARY_LINE
                match = self._patterns[1].search(buffer, search)
                start = match.start() if match is not None else -1
            if start < 0:
                self.work += size
                # A break, and a CR before it, may begin a boundary.
                search = max(search, size - held)
                self._take(size if final else size - held)
                break
            line_end = self._line_end(start, final)
            if line_end < 0:
                self.work += start
                search = start
                self._take(start - (buffer[start - 1 : start] == b"\r"))
                break
            hit = self._look_up(start, line_end)
            search = line_end
            if hit is not None:
                self.work += line_end
                self._delimiter(hit, start, line_end)
                return True
        self._search = search
        return False

    def _line_end(self, start: int, final: bool) -> int:
        """
        Where the line after the break at C{start} ends.

        @return: the index of its line feed or of the end, -1 when more bytes
            are needed.  Of a line too long for a boundary the end is not
            looked for, the result lies within it.
        """
        limit = start + 1 + _BOUNDARY_LINE
        line_end = self._buffer.find(b"\n", start + 1, limit)
        if line_end < 0:
            if len(self._buffer) >= limit:
                return limit
            if final:
                return len(self._buffer)
        return line_end

    def _look_up(self, start: int, line_end: int) -> tuple[int, bool] | None:
        """What the line after the break at C{start} means, C{None} if it is no boundary."""
        if line_end - start <= _BOUNDARY_LINE:
            hit = self._delimiters.get(self._buffer[start + 1 : line_end].rstrip(b" \t\r"))
            if hit is not None:
                return hit
        self._false_candidates += 1
        if self._false_candidates == _FALSE_CANDIDATES:
            lines = b"|".join(re.escape(line) for line in sorted(self._delimiters, key=len, reverse=True))
            boundary = rb"(?:%s)[ \t\r]{0,%d}(?:\n|\Z)" % (lines, _BOUNDARY_LINE)
            self._patterns = (
                re.compile(rb"\n(?:\r{0,4}\n|(?=%s)--)" % boundary),
                re.compile(rb"\n(?=%s)" % boundary),
            )
        return None

    def _delimiter(self, hit: tuple[int, bool], start: int, line_end: int) -> None:
        """A delimiter line stands between two buffer indices."""
        depth, closing = hit
        if not closing and self._parts >= limits.MIME_PARTS:
            # What follows becomes part of the current body, to the very end.
            self._delimiters = {}
            return
        buffer = self._buffer
        end = start - (buffer[start - 1 : start] == b"\r")
        self._take(end)
        # The line break can be the one that ended a header; then it is that header's.
        self._close_parts(depth + 1, max(self._base + end, self._stack[-1].part.body_start))
        self._search = line_end
        if closing:
            self._remove_delimiters(self._stack[depth])
            # The line break may belong to a boundary that follows.
            self._take(line_end - (buffer[line_end - 1 : line_end] == b"\r"))
            return
        self._take(min(line_end + 1, len(buffer)))
        part = Part(self._base + self._taken)
        parent = self._stack[depth]
        parent.digest = None
        parent.part.children.append(part)
        self._begin(part)

    def _close_parts(self, depth: int, end: int) -> None:
        """End all parts from a depth of the stack on at an offset."""
        while len(self._stack) > depth:
            current = self._stack.pop()
            part = current.part
            part.body_end = end
            part.lines = self._line_feeds - current.lines
            if current.hidden:
                self._remove_delimiters(current)
            if part.boundary is not None:
                self._end_multipart(part)
            if current.digest is not None and part.boundary is None:
                part.sha256 = current.digest.digest()

    def _end_multipart(self, part: Part) -> None:
        """A multipart in which no boundary was found stays one only while it is short."""
        if not part.children:
            self._childless_left -= part.size
            if self._childless_left < 0:
                part.boundary = None
                part.opaque = True

    def _add_delimiters(self, current: _Open, boundary: bytes) -> None:
        depth = len(self._stack) - 1
        for line, closing in ((b"--" + boundary, False), (b"--" + boundary + b"--", True)):
            current.hidden[line] = self._delimiters.get(line)
            self._delimiters[line] = (depth, closing)
        self._find_needle()

    def _remove_delimiters(self, current: _Open) -> None:
        for line, hidden in current.hidden.items():
            if hidden is None:
                self._delimiters.pop(line, None)
            else:
                self._delimiters[line] = hidden
        current.hidden = {}
        self._find_needle()

    def _find_needle(self) -> None:
        """What every boundary line begins with, with the line break before it."""
        first, last = min(self._delimiters, default=b""), max(self._delimiters, default=b"")
        common = 0
        while common < min(len(first), _COMMON) and first[common] == last[common]:
            common += 1
        self._needle = b"\n" + first[:common]
        self._false_candidates = 0
        self._patterns = None


@functools.lru_cache(maxsize=256)
def _short_content_type(raw: bytes, in_digest: bool) -> ContentType:
    return headers.content_type(raw, in_digest)


def _content_type(raw: bytes | None, in_digest: bool) -> ContentType:
    """Parsed, from a cache where it is short: most messages have the same few."""
    if raw is None or len(raw) > 100:
        return headers.content_type(raw, in_digest)
    return _short_content_type(raw, in_digest)


def _boundary(raw: bytes, content_type: ContentType) -> bytes | None:
    """
    The boundary parameter's bytes (RFC 2046 §5.1.1), C{None} if it is unusable.

    It is taken as written: an encoded-word in it stands for itself.
    """
    boundary = content_type.parameters.get("boundary", "").encode("utf-8", "replace")
    if boundary not in raw or b"=?" in raw:
        parsed = parameters.parse(raw)
        plain = [value for name, value in parsed.parameters if name.lower() == "boundary"]
        if plain:
            boundary = plain[-1].encode("latin-1")
    boundary = boundary.rstrip(b" \t\r\n")
    if not boundary or len(boundary) > limits.BOUNDARY_BYTES or b"\n" in boundary:
        return None
    return boundary
