"""
A stored message as the bytes that make it up, without reading the ones that
are stored elsewhere.

A L{Rope} answers where each part lies and of which segments a range
consists: bytes that are in the document, and ranges of stored bodies.

A document that WildDuck wrote is put together as WildDuck does it
(L{wildduck.mime.rebuild}).  One of ours that WildDuck would put together
inexactly has a skeleton and a layout (L{wildduck.mime.layout}).  The reader of
the store asks for the exact bytes; what is sent to clients has no NUL
(design.md §4).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wildduck import limits
from wildduck.mime import base64lines, headers, native, rebuild
from wildduck.mime.layout import BASE64_FIELD, Place, unpack
from wildduck.mime.rebuild import Node

#: What stands for a NUL where the part can not be sent in base64.
NUL_SENT_AS = b"\x80"
_MESSAGE = "message/rfc822"


@dataclass(frozen=True)
class Inline:
    """Bytes at hand."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)


@dataclass(frozen=True)
class Stored:
    """
    A range of a stored body.

    @ivar key: its key in attachmentMap.
    @ivar digest: SHA-256 of the body in its transfer encoding, the row's id.
    @ivar length: bytes of the body in its transfer encoding, as it must be stored.
    @ivar start: first byte wanted: of the body, or if C{as_base64} of what
        encoding C{first} to C{last} of it gives (lines of 76, CRLF).
    @ivar end: end of the bytes wanted, exclusive.
    @ivar as_base64: the body is sent in base64 because it has NULs.
    @ivar first: first byte of the body that is encoded, if C{as_base64}.
    @ivar last: end of the bytes that are encoded, exclusive, if C{as_base64}.
    @ivar replace_nul: NULs in these bytes are sent as 0x80.
    """

    key: str
    digest: bytes
    length: int
    start: int
    end: int
    as_base64: bool = False
    first: int = 0
    last: int = 0
    replace_nul: bool = False

    @property
    def size(self) -> int:
        """Bytes that this segment is sent as."""
        return self.end - self.start

    def source(self) -> tuple[int, int]:
        """The range of the body (in its transfer encoding) to read for it."""
        if not self.as_base64:
            return self.start, self.end
        wanted = base64lines.Range(self.start, self.end, base64lines.LINE_LENGTH)
        return self.first + wanted.start, min(self.first + wanted.end, self.last)

    def output(self) -> Output:
        """What turns the bytes of L{source} into the bytes that are sent."""
        return Output(self)


class Output:
    """Turns the bytes read for a L{Stored} segment into those that are sent."""

    def __init__(self, segment: Stored) -> None:
        self._replace_nul = segment.replace_nul
        self._encoding = (
            base64lines.Range(segment.start, segment.end, base64lines.LINE_LENGTH)
            if segment.as_base64
            else None
        )

    def feed(self, data: bytes) -> bytes:
        """
        @param data: the next bytes of the source range.
        """
        if self._encoding is not None:
            return self._encoding.feed(data)
        return data.replace(b"\0", NUL_SENT_AS) if self._replace_nul else data

    def finish(self) -> bytes:
        """
        @return: what is left when the source range was read.
        """
        return self._encoding.finish() if self._encoding is not None else b""


Segment = Inline | Stored


class _Segments:
    """Segments one after the other, to take ranges of."""

    def __init__(self) -> None:
        self.length = 0
        self._segments: list[Segment] = []
        self._starts: list[int] = []

    def append(self, segment: Segment) -> None:
        if segment.size:
            self._segments.append(segment)
            self._starts.append(self.length)
            self.length += segment.size

    def __iter__(self) -> Any:
        return iter(self._segments)

    def slice(self, start: int, end: int) -> list[Segment]:
        start, end = max(0, start), min(end, self.length)
        found: list[Segment] = []
        index = bisect_right(self._starts, start) - 1
        while start < end:
            segment = self._segments[index]
            offset = start - self._starts[index]
            taken = min(end - start, segment.size - offset)
            if taken == segment.size:
                found.append(segment)
            elif isinstance(segment, Inline):
                found.append(Inline(segment.data[offset : offset + taken]))
            else:
                first = segment.start + offset
                found.append(replace(segment, start=first, end=first + taken))
            start += taken
            index += 1
        return found


class Rope:
    """
    A whole message and the places of its parts.

    @ivar length: bytes of the message.
    @ivar stored: the stored bodies it uses, each once and whole.
    """

    def __init__(self, root: Node, segments: _Segments, length: int) -> None:
        self.length = length
        self._root = root
        self._segments = segments
        self.stored = _whole_bodies(segments)

    @classmethod
    def from_document(
        cls, document: Mapping[str, Any], skeleton: bytes | None = None, exact: bool = False
    ) -> Rope:
        """
        @param document: with C{size}, C{magic} and C{mimeTree}.
        @param skeleton: the blob that L{needs_blob} names, if it was read;
            without it the rope has ranges of that blob.
        @param exact: the stored bytes, NULs included, instead of what is sent.
        """
        tree = document.get("mimeTree")
        root = rebuild.nodes(tree if isinstance(tree, dict) else {})
        attachments = root.tree.get("attachmentMap")
        digests = attachments if isinstance(attachments, dict) else {}
        additions = native.of_document(document)
        if additions is not None and isinstance(additions.get("layout"), bytes):
            rope = _laid_out(cls, root, digests, additions, skeleton, exact)
            if rope is not None:
                return rope
        return _rebuilt(cls, root, digests, document, additions is not None, exact)

    @property
    def root(self) -> Node:
        """The message's node; the offsets of all nodes are for L{slice}."""
        return self._root

    def slice(self, start: int, end: int) -> list[Segment]:
        """
        What a range consists of, in order.

        @param start: first byte, as L{section} gives it or from 0 to L{length}.
        @param end: end of the range, exclusive; bytes past the message's end
            are left out.
        """
        return self._segments.slice(start, end)

    def section(self, path: tuple[int, ...], what: str) -> tuple[int, int] | None:
        """
        Where a section lies (RFC 3501 §6.4.5).

        @param path: part numbers; empty for the whole message.
        @param what: C{""} for the body of a part (or the whole message),
            C{"HEADER"}, C{"TEXT"} or C{"MIME"}.
        @return: start and end for L{slice}, C{None} if there is no such section.
        """
        if not path and what == "":
            return 0, self.length
        return section_within(self._root, path, what)

    def node(self, path: Sequence[int]) -> Node | None:
        """See L{find}."""
        return find(self._root, path)


def section_within(message: Node, path: tuple[int, ...], what: str) -> tuple[int, int] | None:
    """L{Rope.section} in any message, which has nothing but C{"HEADER"} and C{"TEXT"} of its own."""
    if not path:
        return _of_message(message, what)
    node = find(message, path)
    if node is None:
        return None
    if what == "":
        return node.body_start, node.body_end
    if what == "MIME":
        return node.header_start, node.body_start
    inner = _message(node)
    return None if inner is None else _of_message(inner, what)


def find(root: Node, path: Sequence[int]) -> Node | None:
    """
    The part that a path names; a message that is no multipart is its own part 1.

    A multipart without parts has an empty one, for its body structure tells of one
    (RFC 3501 §9 'body-type-mpart'); likewise a message/rfc822 that can not be looked into.
    """
    node, fresh = root, True
    for number in path:
        if not fresh and (inner := _message(node)) is not None:
            node, fresh = inner, True
        if node.is_composite:
            children = node.children or [_nothing(node.body_end)]
            if not 1 <= number <= len(children):
                return None
            node = children[number - 1]
        elif number != 1 or not fresh:
            return None
        fresh = False
    return node


def _message(node: Node) -> Node | None:
    """The message that a part is, an empty one where it is in an encoding (RFC 2046 §5.2.1 forbids that)."""
    if node.message is not None or node.is_composite:
        return node.message
    kind = headers.first(headers.lines_of(node.tree), b"content-type")
    is_message = kind is not None and headers.content_type(kind).value == _MESSAGE
    return _nothing(node.body_end) if is_message else None


def _nothing(place: int) -> Node:
    """A part without header and body."""
    return Node({"header": [], "size": 0}, place, place, place)


def needs_blob(document: Mapping[str, Any]) -> str | None:
    """
    The attachmentMap key of a skeleton that is to be read for L{Rope.from_document}.

    @return: C{None} if there is none, or one so big that the rope reads the
        ranges that are wanted.
    """
    additions = native.of_document(document)
    if additions is None or not isinstance(additions.get("layout"), bytes):
        return None
    key = additions.get("blob")
    if not isinstance(key, str):
        return None
    length = additions["length"] - _bodies_length(rebuild.nodes(document["mimeTree"]))
    return key if length <= limits.SKELETON_READ_BYTES else None


def _of_message(message: Node, what: str) -> tuple[int, int] | None:
    if what == "HEADER":
        return message.header_start, message.body_start
    return (message.body_start, message.body_end) if what == "TEXT" else None


def _whole_bodies(segments: _Segments) -> list[Stored]:
    found = {}
    for segment in segments:
        if isinstance(segment, Stored) and segment.key not in found:
            found[segment.key] = Stored(segment.key, segment.digest, segment.length, 0, segment.length)
    return list(found.values())


def _body(node: Node, digests: Mapping[str, Any]) -> Segment:
    key = node.attachment
    if key is None:
        return Inline(node.body)
    digest = digests.get(key)
    return Stored(key, bytes(digest) if isinstance(digest, bytes) else b"", node.size, 0, node.size)


# --- a document without a layout ------------------------------------------------


def _rebuilt(
    cls: type[Rope],
    root: Node,
    digests: Mapping[str, Any],
    document: Mapping[str, Any],
    ours: bool,
    exact: bool,
) -> Rope:
    """
    What WildDuck would send.

    In a document of ours it is the exact message, and so the parts of an inner
    message lie in its bytes.  In one of WildDuck's they may not: there its
    tree is rebuilt on its own, behind the end of the message.
    """
    size = document.get("size")
    limit = int(size) if isinstance(size, (int, float)) and 0 <= size < math.inf else None
    rebuilt = rebuild.rebuild_all(root) if ours else rebuild.Rebuilt(root, 0, limit)
    segments = _Segments()
    _append_pieces(segments, rebuilt, digests)
    if not ours:
        pending = list(rebuilt.messages)
        while pending:
            node = pending.pop(0)
            if node.message is not None:
                inner = rebuild.Rebuilt(node.message, segments.length)
                _append_pieces(segments, inner, digests)
                pending += inner.messages
        if not exact:
            segments = _without_nul(segments)
    return cls(root, segments, rebuilt.size)


def _append_pieces(segments: _Segments, rebuilt: rebuild.Rebuilt, digests: Mapping[str, Any]) -> None:
    left = rebuilt.size
    for piece in rebuilt.pieces:
        segment = _body(piece, digests) if isinstance(piece, Node) else Inline(piece)
        if segment.size > left:
            if isinstance(segment, Inline):
                segment = Inline(segment.data[:left])
            else:
                segment = replace(segment, end=left)
        segments.append(segment)
        left -= segment.size


def _without_nul(segments: _Segments) -> _Segments:
    replaced = _Segments()
    for segment in segments:
        if isinstance(segment, Inline):
            replaced.append(Inline(segment.data.replace(b"\0", NUL_SENT_AS)))
        else:
            replaced.append(segment if segment.as_base64 else replace(segment, replace_nul=True))
    return replaced


# --- a document with a layout ---------------------------------------------------


def _laid_out(
    cls: type[Rope],
    root: Node,
    digests: Mapping[str, Any],
    additions: Mapping[str, Any],
    skeleton: bytes | None,
    exact: bool,
) -> Rope | None:
    """C{None} if the additions do not fit the tree."""
    try:
        places, has_nul = unpack(additions["layout"])
    except ValueError:
        return None
    length = additions["length"]
    every = list(root.walk())
    if len(every) != len(places):
        return None
    for node, place in zip(every, places, strict=True):
        node.header_start, node.body_start, node.body_end = (
            place.header_start,
            place.body_start,
            place.body_end,
        )
    frame = _skeleton(additions, digests, length - _bodies_length(root), skeleton)
    segments = _woven(root, digests, frame, length) if frame is not None else None
    if segments is None:
        return None
    if exact or not has_nul:
        return cls(root, segments, length)
    sent = _Sent(segments, [place for place in places if place.as_base64])
    for node in every:
        node.header_start = sent.offset(node.header_start)
        node.body_start = sent.offset(node.body_start)
        node.body_end = sent.offset(node.body_end)
    result = _without_nul(sent.segments)
    return cls(root, result, result.length)


def _leaves(root: Node) -> list[Node]:
    """The nodes whose bodies are stored and make up the message, in order."""
    leaves = []
    stack = [root]
    while stack:
        node = stack.pop()
        if node.is_composite:
            stack.extend(reversed(node.children))
        else:
            leaves.append(node)
    return leaves


def _bodies_length(root: Node) -> int:
    return sum(node.size for node in _leaves(root))


def _skeleton(
    additions: Mapping[str, Any], digests: Mapping[str, Any], length: int, read: bytes | None
) -> _Segments | None:
    """The skeleton, as bytes or as a range of its blob; C{None} if it is not of this length."""
    frame = _Segments()
    kept = additions.get("skeleton")
    key = additions.get("blob")
    if isinstance(kept, bytes):
        frame.append(Inline(kept))
    elif read is not None:
        frame.append(Inline(read))
    elif isinstance(key, str) and isinstance(digests.get(key), bytes) and length >= 0:
        frame.append(Stored(key, bytes(digests[key]), length, 0, length))
    return frame if frame.length == length else None


def _woven(root: Node, digests: Mapping[str, Any], frame: _Segments, length: int) -> _Segments | None:
    """Skeleton and bodies in their order; C{None} if they do not fit together."""
    segments = _Segments()
    used = 0
    for node in _leaves(root):
        body = _body(node, digests)
        gap = node.body_start - segments.length
        if gap < 0 or body.size != node.body_end - node.body_start:
            return None
        for segment in frame.slice(used, used + gap):
            segments.append(segment)
        used += gap
        segments.append(body)
    for segment in frame.slice(used, frame.length):
        segments.append(segment)
    return segments if segments.length == length else None


class _Sent:
    """
    The exact message with its NUL parts in base64.

    @ivar segments: the message as it is sent, but for NULs elsewhere.
    """

    def __init__(self, exact: _Segments, places: Sequence[Place]) -> None:
        self.segments = _Segments()
        self._exact = exact
        self._done = 0
        # Where the sent message goes on after something that was changed.
        self._exact_starts: list[int] = []
        self._sent_starts: list[int] = []
        for place in places:
            for index, (start, end) in enumerate(place.cuts):
                self._copy(place.header_start + start)
                self._mark()
                if not index:
                    self.segments.append(Inline(BASE64_FIELD))
                self._done = place.header_start + end
            self._copy(place.body_start)
            self._mark()
            self._encode(place.body_end)
        self._copy(exact.length)
        self._mark()

    def offset(self, exact: int) -> int:
        """Where something begins or ends that begins or ends there in the exact message."""
        index = bisect_left(self._exact_starts, exact)
        if index < len(self._exact_starts) and self._exact_starts[index] == exact:
            return self._sent_starts[index]
        if not index:
            return exact
        return self._sent_starts[index - 1] + exact - self._exact_starts[index - 1]

    def _mark(self) -> None:
        self._exact_starts.append(self._done)
        self._sent_starts.append(self.segments.length)

    def _copy(self, end: int) -> None:
        if end > self._done:
            self._mark()
            for segment in self._exact.slice(self._done, end):
                self.segments.append(segment)
            self._done = end

    def _encode(self, end: int) -> None:
        encoded_length = base64lines.encoded_length(end - self._done, base64lines.LINE_LENGTH)
        for segment in self._exact.slice(self._done, end):
            if isinstance(segment, Stored):
                self.segments.append(
                    replace(
                        segment,
                        start=0,
                        end=encoded_length,
                        as_base64=True,
                        first=segment.start,
                        last=segment.end,
                    )
                )
            else:
                encoder = base64lines.Encoder(base64lines.LINE_LENGTH)
                self.segments.append(Inline(encoder.feed(segment.data) + encoder.finish()))
        self._done = end
